#pragma once

#include "lib/base/bytes.h"
#include "netlink/os.h"

#include <linux/netlink.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace sheaf::test {

// Stands in for the system: keeps what is sent and hands out what a test, or a model of a kernel, answers.
class MockOs final : public netlink::Os {
  public:
    // One datagram, message by message, and where it came from.
    struct Sent {
        int fd = -1;
        int protocol = 0;
        std::vector<Bytes> messages;
    };
    std::vector<Sent> sent;
    [[nodiscard]] std::vector<Bytes> messages() const; // of all datagrams

    // Called for each message that is sent; may answer.
    std::function<void(int fd, int protocol, const nlmsghdr& message)> on_message;
    int send_error = 0;       // what the next sendmsg answers, negated; then 0 again
    std::uint32_t sender = 0; // whose datagrams arrive; the kernel is 0
    int refuse_socket = 0;    // what socket() answers, negated
    int polls = 0;

    void deliver(int fd, Bytes datagram);
    void overrun(int fd); // ENOBUFS in its place in the queue
    [[nodiscard]] int fd_of(int protocol, std::size_t nth = 0) const;
    [[nodiscard]] bool closed(int fd) const { return !sockets_.at(fd).open; }

    int socket(int domain, int type, int protocol) override;
    int bind(int fd, const sockaddr* address, socklen_t size) override;
    int getsockname(int fd, sockaddr* address, socklen_t* size) override;
    int setsockopt(int fd, int level, int name, const void* value, socklen_t size) override;
    ssize_t sendmsg(int fd, const msghdr* message, int flags) override;
    ssize_t recvmsg(int fd, msghdr* message, int flags) override;
    int poll(pollfd* fds, unsigned count, int milliseconds) override;
    void close(int fd) override;

  private:
    struct Open {
        int protocol = 0;
        bool open = true;
        std::deque<Bytes> inbox; // an empty one is an overrun
    };
    std::map<int, Open> sockets_;
};

[[nodiscard]] const nlmsghdr& header_of(const Bytes& message);

// Builds what kernels say.
struct Reply {
    static Bytes ack(const nlmsghdr& request);
    static Bytes error(const nlmsghdr& request, int code, const std::string& text = {},
                       std::uint32_t offset = 0);
    static Bytes done(const nlmsghdr& request, int code = 0, std::uint16_t flags = 0);
    // `object`, itself a whole message, as a part of the answer to `request`.
    static Bytes part(const nlmsghdr& request, const Bytes& object, std::uint16_t flags = 0);
};
void append_message(Bytes& datagram, const Bytes& message);

} // namespace sheaf::test
