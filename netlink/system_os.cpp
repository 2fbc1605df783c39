#include "netlink/os.h"

#include <cerrno>
#include <poll.h>
#include <unistd.h>

namespace sheaf::netlink {
namespace {

template <typename T>
T answer(T result) {
    return result < 0 ? static_cast<T>(-errno) : result;
}

class SystemOs final : public Os {
  public:
    int socket(int domain, int type, int protocol) override {
        return answer(::socket(domain, type, protocol));
    }
    int bind(int fd, const sockaddr* address, socklen_t size) override {
        return answer(::bind(fd, address, size));
    }
    int getsockname(int fd, sockaddr* address, socklen_t* size) override {
        return answer(::getsockname(fd, address, size));
    }
    int setsockopt(int fd, int level, int name, const void* value, socklen_t size) override {
        return answer(::setsockopt(fd, level, name, value, size));
    }
    ssize_t sendmsg(int fd, const msghdr* message, int flags) override {
        return answer(::sendmsg(fd, message, flags));
    }
    ssize_t recvmsg(int fd, msghdr* message, int flags) override {
        return answer(::recvmsg(fd, message, flags));
    }
    int poll(pollfd* fds, unsigned count, int milliseconds) override {
        return answer(::poll(fds, count, milliseconds));
    }
    void close(int fd) override { ::close(fd); }
};

} // namespace

std::unique_ptr<Os> system_os() { return std::make_unique<SystemOs>(); }

} // namespace sheaf::netlink
