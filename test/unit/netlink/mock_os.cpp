#include "test/unit/netlink/mock_os.h"

#include "netlink/message.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace sheaf::test {

using netlink::Builder;

const nlmsghdr& header_of(const Bytes& message) { return *reinterpret_cast<const nlmsghdr*>(message.data()); }

void append_message(Bytes& datagram, const Bytes& message) {
    append(datagram, message);
    datagram.resize(NLMSG_ALIGN(datagram.size()));
}

namespace {

Bytes addressed(netlink::Message message, const nlmsghdr& request, std::uint16_t flags) {
    Bytes out(message.view().begin(), message.view().end());
    auto& header = *reinterpret_cast<nlmsghdr*>(&out.at(0));
    header.nlmsg_seq = request.nlmsg_seq;
    header.nlmsg_pid = request.nlmsg_pid;
    header.nlmsg_flags = flags;
    return out;
}

} // namespace

Bytes Reply::ack(const nlmsghdr& request) { return error(request, 0); }

Bytes Reply::error(const nlmsghdr& request, int code, const std::string& text, std::uint32_t offset) {
    Builder out(NLMSG_ERROR, 0);
    auto& body = out.fixed<nlmsgerr>();
    body.error = -code;
    body.msg = request;
    std::uint16_t flags = NLM_F_CAPPED;
    if (!text.empty()) {
        out.put(NLMSGERR_ATTR_MSG,
                View(reinterpret_cast<const std::uint8_t*>(text.c_str()), text.size() + 1));
        if (offset != 0) out.put_u32(NLMSGERR_ATTR_OFFS, offset);
        flags |= NLM_F_ACK_TLVS;
    }
    return addressed(out.finish(), request, flags);
}

Bytes Reply::done(const nlmsghdr& request, int code, std::uint16_t flags) {
    Builder out(NLMSG_DONE, 0);
    out.fixed<int>() = -code;
    return addressed(out.finish(), request, static_cast<std::uint16_t>(NLM_F_MULTI | flags));
}

Bytes Reply::part(const nlmsghdr& request, const Bytes& object, std::uint16_t flags) {
    return addressed(netlink::Message(object), request, static_cast<std::uint16_t>(NLM_F_MULTI | flags));
}

std::vector<Bytes> MockOs::messages() const {
    std::vector<Bytes> out;
    for (const Sent& datagram : sent)
        out.insert(out.end(), datagram.messages.begin(), datagram.messages.end());
    return out;
}

void MockOs::deliver(int fd, Bytes datagram) { sockets_.at(fd).inbox.push_back(std::move(datagram)); }
void MockOs::overrun(int fd) { sockets_.at(fd).inbox.emplace_back(); }

int MockOs::fd_of(int protocol, std::size_t nth) const {
    for (const auto& [fd, socket] : sockets_) {
        if (socket.protocol == protocol && nth-- == 0) return fd;
    }
    return -1;
}

int MockOs::socket(int, int, int protocol) {
    if (refuse_socket != 0) return -refuse_socket;
    const int fd = 100 + static_cast<int>(sockets_.size());
    sockets_[fd].protocol = protocol;
    return fd;
}

int MockOs::bind(int, const sockaddr*, socklen_t) { return 0; }

int MockOs::getsockname(int fd, sockaddr* address, socklen_t* size) {
    sockaddr_nl name{};
    name.nl_family = AF_NETLINK;
    name.nl_pid = static_cast<std::uint32_t>(fd) + 5000; // a port of its own
    std::memcpy(address, &name, sizeof name);
    *size = sizeof name;
    return 0;
}

int MockOs::setsockopt(int, int, int, const void*, socklen_t) { return 0; }

ssize_t MockOs::sendmsg(int fd, const msghdr* message, int) {
    if (send_error != 0) return -std::exchange(send_error, 0);
    Open& socket = sockets_.at(fd);
    Sent datagram{.fd = fd, .protocol = socket.protocol, .messages = {}};
    ssize_t total = 0;
    for (std::size_t i = 0; i < message->msg_iovlen; ++i) {
        const iovec& piece = message->msg_iov[i];
        const auto* start = static_cast<const std::uint8_t*>(piece.iov_base);
        datagram.messages.emplace_back(start, start + piece.iov_len);
        total += static_cast<ssize_t>(piece.iov_len);
    }
    sent.push_back(datagram);
    if (on_message) {
        for (const Bytes& one : datagram.messages)
            on_message(fd, socket.protocol, header_of(one));
    }
    return total;
}

ssize_t MockOs::recvmsg(int fd, msghdr* message, int) {
    auto& inbox = sockets_.at(fd).inbox;
    if (inbox.empty()) return -EAGAIN;
    const Bytes datagram = std::move(inbox.front());
    inbox.pop_front();
    if (datagram.empty()) return -ENOBUFS;
    const iovec& piece = message->msg_iov[0];
    const std::size_t size = std::min(datagram.size(), piece.iov_len);
    std::memcpy(piece.iov_base, datagram.data(), size);
    message->msg_flags = size < datagram.size() ? MSG_TRUNC : 0;
    sockaddr_nl from{};
    from.nl_family = AF_NETLINK;
    from.nl_pid = sender;
    std::memcpy(message->msg_name, &from, sizeof from);
    return static_cast<ssize_t>(size);
}

int MockOs::poll(pollfd*, unsigned, int) {
    ++polls;
    return 0;
}

void MockOs::close(int fd) { sockets_.at(fd).open = false; }

} // namespace sheaf::test
