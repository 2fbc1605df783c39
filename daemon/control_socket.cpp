#include "daemon/control_socket.h"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace sheaf::daemon {
namespace {

constexpr int kBacklog = 16;

std::optional<sockaddr_un> address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path) return std::nullopt;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    return address;
}

const sockaddr* generic(const sockaddr_un& address) {
    const void* pointer = &address;
    return static_cast<const sockaddr*>(pointer);
}

std::unexpected<std::string> trouble(const std::string& path, int error, const char* remedy) {
    return std::unexpected(fmt::format("control socket {}: {}: {}", path, std::strerror(error), remedy));
}

// 0 or an errno. The mode is right from the first moment on.
int bind_private(int fd, const sockaddr_un& address) {
    const mode_t before = ::umask(0177);
    const int error = ::bind(fd, generic(address), sizeof address) == 0 ? 0 : errno;
    ::umask(before);
    return error;
}

// Whatever stands at the path is only taken away if it is a socket that nobody answers.
int replace_dead(int fd, const std::string& path, const sockaddr_un& address) {
    const auto living = connect_to(path);
    if (living || living.error() != ECONNREFUSED) return EADDRINUSE;
    struct stat file {};
    if (::lstat(path.c_str(), &file) != 0 || !S_ISSOCK(file.st_mode)) return EADDRINUSE;
    ::unlink(path.c_str());
    return bind_private(fd, address);
}

} // namespace

std::expected<FileDescriptor, std::string> listen_at(const std::string& path) {
    const auto address = address_of(path);
    if (!address) return trouble(path, ENAMETOOLONG, "choose a path of 1 to 107 octets with --control");
    FileDescriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd.open()) return trouble(path, errno, "cannot make a socket");
    std::error_code ignored; // bind tells better what is wrong
    std::filesystem::create_directory(std::filesystem::path(path).parent_path(), ignored);
    int error = bind_private(fd.value(), *address);
    if (error == EADDRINUSE) error = replace_dead(fd.value(), path, *address);
    if (error == EADDRINUSE)
        return trouble(path, error,
                       "another sheafd answers there, or it is no socket; stop that one, or name "
                       "another path with --control");
    if (error == EACCES || error == EROFS || error == ENOENT || error == EPERM)
        return trouble(path, error,
                       "sheafd must be able to write to that folder; sheafd.service makes it "
                       "(RuntimeDirectory=), or name another path with --control");
    if (error == 0 && ::listen(fd.value(), kBacklog) != 0) error = errno;
    if (error != 0) return trouble(path, error, "cannot listen");
    return fd;
}

std::optional<FileDescriptor> inherited_listener() {
    const int count = sd_listen_fds(1);
    std::optional<FileDescriptor> listener;
    for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + count; ++fd) {
        FileDescriptor owned(fd);
        if (listener || sd_is_socket_unix(fd, SOCK_STREAM, 1, nullptr, 0) <= 0) continue;
        ::fcntl(fd, F_SETFL, O_NONBLOCK);
        listener = std::move(owned);
    }
    return listener;
}

std::expected<FileDescriptor, int> connect_to(const std::string& path) {
    const auto address = address_of(path);
    if (!address) return std::unexpected(ENAMETOOLONG);
    FileDescriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd.open() || ::connect(fd.value(), generic(*address), sizeof *address) != 0)
        return std::unexpected(errno);
    return fd;
}

} // namespace sheaf::daemon
