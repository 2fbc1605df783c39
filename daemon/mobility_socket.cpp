#include "daemon/mobility_socket.h"

#include "daemon/socket_address.h"
#include "lib/mobility/prefix_message.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <utility>

namespace sheaf::daemon {
namespace {

// What is longer is none of ours.
constexpr std::size_t kMaxMessage = 4096;
static_assert(kMaxMessage >= mobility::kMaxMessage && kMaxMessage >= mobility::kMaxPrefixMessage);
// What extension headers can have to say; options that are longer are none of ours.
constexpr std::size_t kControlSize = 4096;

const char* remedy_of(int error) {
    switch (error) {
    case EPERM: return "; it needs CAP_NET_RAW and CAP_NET_ADMIN: start sheafd as root or by sheafd.service";
    case EAFNOSUPPORT: return "; the host has no IPv6: boot it without ipv6.disable=1, or modprobe ipv6";
    default: return "";
    }
}

std::unexpected<std::string> failure(const char* what, int error) {
    return std::unexpected(
        fmt::format("raw socket of Mobile IPv6: {}: {}{}", what, std::strerror(error), remedy_of(error)));
}

} // namespace

MobilitySocket::MobilitySocket(FileDescriptor fd) : fd_(std::move(fd)), buffer_(kMaxMessage) {}

std::expected<MobilitySocket, std::string> MobilitySocket::open(std::uint8_t protocol) {
    FileDescriptor fd(::socket(AF_INET6, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
    if (!fd.open()) return failure("cannot open it", errno);
    constexpr int on = 1;
    for (const int option : {IPV6_RECVPKTINFO, IPV6_RECVDSTOPTS, IPV6_RECVRTHDR}) {
        if (::setsockopt(fd.value(), IPPROTO_IPV6, option, &on, sizeof on) != 0)
            return failure("cannot set its options", errno);
    }
    MobilitySocket out(std::move(fd));
    if (protocol == mobility::kIcmp6Protocol) {
        if (auto done = out.let_in({}); !done) return std::unexpected(std::move(done.error()));
    }
    return out;
}

std::expected<void, std::string> MobilitySocket::let_in(const std::set<mobility::PrefixMessageType>& types) {
    icmp6_filter filter{};
    ICMP6_FILTER_SETBLOCKALL(&filter);
    for (const auto type : types)
        ICMP6_FILTER_SETPASS(static_cast<std::uint8_t>(type), &filter);
    if (::setsockopt(fd(), IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter) != 0)
        return failure("cannot choose what comes in", errno);
    return {};
}

MobilitySocket::Received MobilitySocket::receive() {
    alignas(cmsghdr) std::array<std::uint8_t, kControlSize> control{};
    SocketAddress from;
    iovec part{buffer_.data(), buffer_.size()};
    msghdr message = socket_message(from, {&part, 1}, control);
    const ssize_t size = ::recvmsg(fd(), &message, 0);
    if (size < 0) return errno == EAGAIN ? Received(Empty{}) : Received(Skipped{});
    // Without all of the control messages the care-of address would be taken for the home address.
    if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) return Skipped{};
    const auto peer = from.endpoint();
    if (!peer) return Skipped{};
    const auto addresses = addresses_of(message, peer->address);
    if (!addresses) return Skipped{};
    return MobilityDatagram{*addresses, Bytes(buffer_.begin(), buffer_.begin() + size)};
}

int MobilitySocket::send(const MobilityDatagram& datagram) const {
    SocketAddress to(Endpoint{datagram.addresses.destination, 0});
    Bytes control = control_of(datagram.addresses, datagram.mark != 0 ? datagram.mark : kSocketMark);
    // sendmsg reads only; iovec has no const form.
    iovec part{const_cast<std::uint8_t*>(datagram.header.data()), datagram.header.size()};
    const msghdr message = socket_message(to, {&part, 1}, control);
    while (true) {
        if (::sendmsg(fd(), &message, MSG_NOSIGNAL) >= 0) return 0;
        if (errno != EINTR) return errno;
    }
}

} // namespace sheaf::daemon
