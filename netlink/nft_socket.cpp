#include "netlink/nft_socket.h"

#include "netlink/acknowledgement.h"

#include <libmnl/libmnl.h>
#include <linux/netlink.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <poll.h>
#include <string>
#include <sys/uio.h>
#include <utility>

namespace sheaf::netlink {
namespace {

constexpr int kSendBuffer = 16 << 20;   // octets: a transaction is one datagram
constexpr int kReceiveBuffer = 4 << 20; // each message that is refused has an answer of its own
constexpr std::size_t kAnswerBuffer = 16 << 10;
constexpr int kPatience = 500; // milliseconds; the kernel answers before the send returns

std::unexpected<Error> failed(ssize_t negated) {
    return std::unexpected(Error{.code = static_cast<int>(-negated)});
}

std::unexpected<Error> unknown(int code, std::string text) {
    return std::unexpected(Error{.code = code, .text = std::move(text), .unanswered = true});
}

// What the kernel says of one transaction. A refusal of any message is one of all, whatever else is said or lost.
struct Answers {
    std::optional<Error> refusal; // the first
    bool ended = false;           // the last message was carried out
    bool lost = false;

    void take(View datagram, std::uint32_t sequence) {
        int left = static_cast<int>(datagram.size());
        const auto* at = reinterpret_cast<const nlmsghdr*>(datagram.data());
        for (; mnl_nlmsg_ok(at, left); at = mnl_nlmsg_next(at, &left)) {
            // An earlier transaction's answer that came too late says nothing of this one.
            if (at->nlmsg_type != NLMSG_ERROR || at->nlmsg_seq != sequence) continue;
            const auto answer = acknowledgement(*at);
            ended |= answer.has_value();
            if (!answer && !refusal) refusal = answer.error();
        }
    }
};

} // namespace

std::expected<std::unique_ptr<NftSocket>, Error> NftSocket::open(Os& os) {
    const int fd = os.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
    if (fd < 0) return failed(fd);
    std::unique_ptr<NftSocket> out(new NftSocket(os, fd));
    if (auto configured = out->configure(); !configured) return std::unexpected(configured.error());
    return out;
}

NftSocket::~NftSocket() { os_.close(fd_); }

std::expected<void, Error> NftSocket::configure() {
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    if (const int rc = os_.bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address); rc < 0)
        return failed(rc);
    const int on = 1;
    for (const int option : {NETLINK_EXT_ACK, NETLINK_CAP_ACK}) {
        if (const int rc = os_.setsockopt(fd_, SOL_NETLINK, option, &on, sizeof on); rc < 0)
            return failed(rc);
    }
    force(SO_SNDBUFFORCE, SO_SNDBUF, kSendBuffer);
    force(SO_RCVBUFFORCE, SO_RCVBUF, kReceiveBuffer);
    return {};
}

// Beyond the host's limit where we may.
void NftSocket::force(int forced, int limited, int octets) {
    if (os_.setsockopt(fd_, SOL_SOCKET, forced, &octets, sizeof octets) < 0)
        static_cast<void>(os_.setsockopt(fd_, SOL_SOCKET, limited, &octets, sizeof octets));
}

std::expected<void, Error> NftSocket::commit(NftTransaction transaction) {
    if (transaction.empty()) return {};
    if (auto sent = send(transaction.finish(++sequence_)); !sent) return sent;
    while (true) {
        const auto ended = read_answers();
        if (!ended) return std::unexpected(ended.error());
        if (*ended) return {};
        pollfd watched{fd_, POLLIN, 0};
        int ready = -EINTR;
        while (ready == -EINTR)
            ready = os_.poll(&watched, 1, kPatience);
        if (ready <= 0) return unknown(ETIMEDOUT, "the kernel did not answer in time");
    }
}

std::expected<void, Error> NftSocket::send(const Bytes& octets) {
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    // sendmsg only reads what iov_base points to.
    iovec piece{const_cast<std::uint8_t*>(octets.data()), octets.size()};
    msghdr header{};
    header.msg_name = &kernel;
    header.msg_namelen = sizeof kernel;
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    ssize_t sent = -EINTR;
    while (sent == -EINTR)
        sent = os_.sendmsg(fd_, &header, 0);
    if (sent < 0) return failed(sent);
    return {};
}

std::expected<bool, Error> NftSocket::read_answers() {
    std::vector<std::uint8_t> buffer(kAnswerBuffer);
    Answers answers;
    while (true) {
        sockaddr_nl from{};
        iovec piece{buffer.data(), buffer.size()};
        msghdr header{};
        header.msg_name = &from;
        header.msg_namelen = sizeof from;
        header.msg_iov = &piece;
        header.msg_iovlen = 1;
        const ssize_t rc = os_.recvmsg(fd_, &header, 0);
        if (rc == -EINTR) continue;
        if (rc == -EAGAIN) break;
        if (rc < 0 && rc != -ENOBUFS) return unknown(static_cast<int>(-rc), {});
        answers.lost |= rc < 0 || (header.msg_flags & MSG_TRUNC) != 0;
        // Only the kernel's word counts.
        if (rc > 0 && from.nl_pid == 0)
            answers.take(View(buffer).first(std::min(static_cast<std::size_t>(rc), buffer.size())),
                         sequence_);
    }
    if (answers.refusal) return std::unexpected(*answers.refusal);
    if (answers.lost) return unknown(ENOBUFS, "the kernel's answer was lost");
    return answers.ended;
}

} // namespace sheaf::netlink
