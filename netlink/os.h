#pragma once

#include <memory>
#include <sys/socket.h>

struct pollfd;

namespace sheaf::netlink {

// The system calls that this room makes, so that a test can stand in for the kernel. Each answers as its
// namesake does, with a negated errno value in place of -1.
class Os {
  public:
    Os() = default;
    Os(const Os&) = delete;
    Os& operator=(const Os&) = delete;
    virtual ~Os() = default;

    [[nodiscard]] virtual int socket(int domain, int type, int protocol) = 0;
    [[nodiscard]] virtual int bind(int fd, const sockaddr* address, socklen_t size) = 0;
    [[nodiscard]] virtual int getsockname(int fd, sockaddr* address, socklen_t* size) = 0;
    [[nodiscard]] virtual int setsockopt(int fd, int level, int name, const void* value, socklen_t size) = 0;
    [[nodiscard]] virtual ssize_t sendmsg(int fd, const msghdr* message, int flags) = 0;
    [[nodiscard]] virtual ssize_t recvmsg(int fd, msghdr* message, int flags) = 0;
    [[nodiscard]] virtual int poll(pollfd* fds, unsigned count, int milliseconds) = 0;
    virtual void close(int fd) = 0;
};

// The real ones.
[[nodiscard]] std::unique_ptr<Os> system_os();

} // namespace sheaf::netlink
