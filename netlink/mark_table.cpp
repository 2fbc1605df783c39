#include "netlink/mark_table.h"

#include "netlink/acknowledgement.h"
#include "netlink/nft_batch.h"

#include <libmnl/libmnl.h>
#include <linux/netlink.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <sys/uio.h>

namespace sheaf::netlink {
namespace {

constexpr int kSendBuffer = 16 << 20; // octets: a transaction is one datagram
constexpr std::size_t kDumpBuffer = 64 << 10;
constexpr int kPatience = 500; // milliseconds; the kernel answers before the send returns
constexpr std::array<Family, 2> kFamilies{Family::ipv4, Family::ipv6};

std::unexpected<Error> failed(ssize_t negated) {
    return std::unexpected(Error{.code = static_cast<int>(-negated)});
}

} // namespace

std::expected<std::unique_ptr<MarkTable>, Error> MarkTable::open(Os& os, std::uint32_t first_spi) {
    const int fd = os.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
    if (fd < 0) return failed(fd);
    std::unique_ptr<MarkTable> table(new MarkTable(os, fd));
    if (auto configured = table->configure(); !configured) return std::unexpected(configured.error());
    NftBatch batch;
    batch.add_table();
    for (const Family family : kFamilies)
        batch.add_family(family, first_spi);
    const std::size_t messages = batch.messages();
    if (auto done = table->commit(batch.finish(), messages); !done) return std::unexpected(done.error());
    return table;
}

MarkTable::~MarkTable() { os_.close(fd_); }

std::expected<void, Error> MarkTable::configure() {
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    if (const int rc = os_.bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address); rc < 0)
        return failed(rc);
    const int on = 1;
    for (const int option : {NETLINK_EXT_ACK, NETLINK_CAP_ACK}) {
        if (const int rc = os_.setsockopt(fd_, SOL_NETLINK, option, &on, sizeof on); rc < 0)
            return failed(rc);
    }
    if (os_.setsockopt(fd_, SOL_SOCKET, SO_SNDBUFFORCE, &kSendBuffer, sizeof kSendBuffer) < 0)
        static_cast<void>(os_.setsockopt(fd_, SOL_SOCKET, SO_SNDBUF, &kSendBuffer, sizeof kSendBuffer));
    return {};
}

std::expected<void, Error> MarkTable::change(const std::vector<PacketMark>& added,
                                             const std::vector<PacketMark>& removed) {
    NftBatch batch;
    for (const Family family : kFamilies) {
        batch.remove_marks(family, removed);
        batch.add_marks(family, added);
    }
    const std::size_t messages = batch.messages();
    if (messages == 0) return {};
    return commit(batch.finish(), messages);
}

std::expected<void, Error> MarkTable::commit(const Bytes& batch, std::size_t messages) {
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    // sendmsg only reads what iov_base points to.
    iovec piece{const_cast<std::uint8_t*>(batch.data()), batch.size()};
    msghdr header{};
    header.msg_name = &kernel;
    header.msg_namelen = sizeof kernel;
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    ssize_t sent = -EINTR;
    while (sent == -EINTR)
        sent = os_.sendmsg(fd_, &header, 0);
    if (sent < 0) return failed(sent);
    for (std::size_t answers = 0;;) {
        const auto more = read_answers();
        if (!more) return std::unexpected(more.error());
        answers += *more;
        if (answers >= messages) return {};
        pollfd watched{fd_, POLLIN, 0};
        int ready = -EINTR;
        while (ready == -EINTR)
            ready = os_.poll(&watched, 1, kPatience);
        if (ready <= 0)
            return std::unexpected(
                Error{.code = ETIMEDOUT, .text = "the kernel did not answer in time", .unanswered = true});
    }
}

// The first failure counts; the answers to the messages after it are read, too, so that none is left over.
std::expected<std::size_t, Error> MarkTable::read_answers() {
    std::vector<std::uint8_t> buffer(kDumpBuffer);
    std::size_t answers = 0;
    std::expected<void, Error> outcome;
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
        if (rc < 0) return failed(rc);
        if (from.nl_pid != 0) continue; // only the kernel's word counts
        int left = static_cast<int>(rc);
        const auto* at = reinterpret_cast<const nlmsghdr*>(buffer.data());
        for (; mnl_nlmsg_ok(at, left); at = mnl_nlmsg_next(at, &left)) {
            if (at->nlmsg_type != NLMSG_ERROR) continue;
            ++answers;
            if (auto answer = acknowledgement(*at); !answer && outcome) outcome = std::move(answer);
        }
    }
    if (!outcome) return std::unexpected(outcome.error());
    return answers;
}

} // namespace sheaf::netlink
