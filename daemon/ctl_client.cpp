#include "daemon/ctl_client.h"

#include "daemon/control_socket.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>

namespace sheaf::daemon {
namespace {

std::string connect_failure(const std::string& path, int error) {
    const auto text = [&](std::string_view remedy) {
        return fmt::format("cannot reach sheafd at {}: {}: {}", path, std::strerror(error), remedy);
    };
    switch (error) {
    case ENOENT:
    case ECONNREFUSED:
        return text("it does not run, or with another --control; start it with: systemctl start sheafd");
    case EACCES:
    case EPERM: return text("the socket is open to root and to sheafd's own user only; try with sudo");
    default: return text("check the path of --control");
    }
}

} // namespace

std::expected<CtlClient, std::string> CtlClient::connect(const std::string& path) {
    auto fd = connect_to(path);
    if (!fd) return std::unexpected(connect_failure(path, fd.error()));
    return CtlClient(std::move(*fd));
}

std::expected<void, std::string> CtlClient::send(std::string_view line) {
    const std::string whole = std::string(line) + "\n"; // short: it fits the socket's buffer
    const ssize_t sent = ::send(fd_.value(), whole.data(), whole.size(), MSG_NOSIGNAL);
    if (sent == static_cast<ssize_t>(whole.size())) return {};
    return std::unexpected(
        fmt::format("sheafd does not take the request: {}; see its log", std::strerror(errno)));
}

std::expected<std::string, std::string>
CtlClient::receive(std::optional<std::chrono::milliseconds> patience) {
    std::array<char, 65536> buffer;
    while (true) {
        if (auto line = reader_.next()) return std::move(*line);
        if (reader_.overflow()) return std::unexpected("sheafd's answer does not end; see its log");
        pollfd wait{fd_.value(), POLLIN, 0};
        const int ready = ::poll(&wait, 1, patience ? static_cast<int>(patience->count()) : -1);
        if (ready < 0 && errno == EINTR) continue;
        if (ready == 0)
            return std::unexpected(
                fmt::format("sheafd does not answer within {} s; see its log",
                            std::chrono::duration_cast<std::chrono::seconds>(*patience).count()));
        const ssize_t size = ::recv(fd_.value(), buffer.data(), buffer.size(), 0);
        if (size > 0)
            reader_.append({buffer.data(), static_cast<std::size_t>(size)});
        else if (size == 0)
            return std::unexpected("sheafd ended the connection; it has stopped, or see its log");
        else if (errno != EINTR)
            return std::unexpected(fmt::format("reading from sheafd: {}; see its log", std::strerror(errno)));
    }
}

} // namespace sheaf::daemon
