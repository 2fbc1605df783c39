#include "daemon/udp_socket.h"

#include "daemon/nat_framing.h"
#include "daemon/socket_address.h"
#include "lib/wire/header.h"

#include <fmt/format.h>
#include <linux/sock_diag.h>
#include <linux/xfrm.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <netinet/udp.h>
#include <span>
#include <sys/socket.h>
#include <sys/uio.h>
#include <utility>

namespace sheaf::daemon {
namespace {

// A burst of a thousand handshakes' worth, so that it is not lost while the engine works.
constexpr int kReceiveBuffer = 4 << 20;
// RFC 8200 5: what every IPv6 link carries.
constexpr int kIpv6MinimumMtu = 1280;

template <class T>
int set_option(int fd, int level, int name, const T& value) {
    return ::setsockopt(fd, level, name, &value, sizeof value) == 0 ? 0 : errno;
}

std::string why(int error) { return std::strerror(error); }

UdpSocket::Failure open_failure(const Endpoint& where, int error) {
    const bool no_family = error == EAFNOSUPPORT;
    return {fmt::format("UDP socket {}: {}{}", where.to_string(), why(error),
                        no_family ? ": this kernel has no such address family; leave the address out of "
                                    "listen.addresses"
                                  : ""),
            no_family};
}

UdpSocket::Failure bind_failure(const Endpoint& where, int error) {
    const auto text = [&](std::string_view remedy) {
        return fmt::format("UDP socket {}: {}: {}", where.to_string(), why(error), remedy);
    };
    switch (error) {
    case EACCES:
        return {text("ports below 1024 need CAP_NET_BIND_SERVICE; start sheafd as root or by sheafd.service, "
                     "or set listen.port"),
                false};
    case EADDRINUSE:
        return {text("another IKE daemon holds the port (see: ss -lunp); stop it, or set listen.port and "
                     "listen.nat_port"),
                false};
    case EADDRNOTAVAIL:
        // A kernel that was booted with ipv6.disable_ipv6=1 answers so for "::".
        return {text("no interface has this address; correct listen.addresses"), where.address.is_any()};
    default: return {text("cannot bind"), false};
    }
}

// Answers the bytes of one control message, if it is the one that is looked for.
template <class T>
std::optional<T> control_data(const cmsghdr& header, int level, int type) {
    if (header.cmsg_level != level || header.cmsg_type != type || header.cmsg_len < CMSG_LEN(sizeof(T)))
        return std::nullopt;
    T data{};
    std::memcpy(&data, CMSG_DATA(&header), sizeof data);
    return data;
}

// To which of our addresses the datagram came.
std::optional<IpAddress> destination(msghdr& message) {
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
        if (const auto in = control_data<in_pktinfo>(*header, IPPROTO_IP, IP_PKTINFO))
            return from_in_addr(in->ipi_addr);
        if (const auto in6 = control_data<in6_pktinfo>(*header, IPPROTO_IPV6, IPV6_PKTINFO))
            return from_in6_addr(in6->ipi6_addr);
    }
    return std::nullopt;
}

struct ControlBuffer {
    alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(in6_pktinfo))> octets;
};
static_assert(CMSG_SPACE(sizeof(in6_pktinfo)) >= CMSG_SPACE(sizeof(in_pktinfo)));

template <class T>
void put_control(msghdr& message, ControlBuffer& buffer, int level, int type, const T& data) {
    message.msg_control = &buffer;
    message.msg_controllen = CMSG_SPACE(sizeof data);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = level;
    header->cmsg_type = type;
    header->cmsg_len = CMSG_LEN(sizeof data);
    std::memcpy(CMSG_DATA(header), &data, sizeof data);
}

void put_source(msghdr& message, ControlBuffer& buffer, const IpAddress& source) {
    if (source.is_v6()) {
        in6_pktinfo info{};
        info.ipi6_addr = to_in6_addr(source);
        put_control(message, buffer, IPPROTO_IPV6, IPV6_PKTINFO, info);
    } else {
        in_pktinfo info{};
        info.ipi_spec_dst = to_in_addr(source);
        put_control(message, buffer, IPPROTO_IP, IP_PKTINFO, info);
    }
}

// Lets the socket's own packets through whatever the SPD says.
int bypass_policies(int fd, bool v6, std::uint8_t direction) {
    xfrm_userpolicy_info policy{};
    policy.dir = direction;
    policy.action = XFRM_POLICY_ALLOW;
    policy.sel.family = v6 ? AF_INET6 : AF_INET;
    return v6 ? set_option(fd, IPPROTO_IPV6, IPV6_XFRM_POLICY, policy)
              : set_option(fd, IPPROTO_IP, IP_XFRM_POLICY, policy);
}

// 0 or the first errno.
int set_family_options(int fd, bool v6) {
    constexpr int on = 1;
    if (!v6) {
        if (const int error = set_option(fd, IPPROTO_IP, IP_PKTINFO, on)) return error;
        return set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, int{IP_PMTUDISC_OMIT});
    }
    if (const int error = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, on)) return error;
    if (const int error = set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, on)) return error;
    return set_option(fd, IPPROTO_IPV6, IPV6_MTU, kIpv6MinimumMtu);
}

} // namespace

UdpSocket::UdpSocket(FileDescriptor fd, const Options& options)
    : fd_(std::move(fd)), bound_(options.bind), nat_(options.nat), buffer_(wire::kMaxDatagram) {}

std::expected<UdpSocket, UdpSocket::Failure> UdpSocket::open(const Options& options) {
    const int family = options.bind.address.is_v6() ? AF_INET6 : AF_INET;
    FileDescriptor fd(::socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP));
    if (!fd.open()) return std::unexpected(open_failure(options.bind, errno));
    UdpSocket socket(std::move(fd), options);
    if (auto done = socket.set_up(options); !done) return std::unexpected(std::move(done.error()));
    return socket;
}

std::expected<void, UdpSocket::Failure> UdpSocket::set_up(const Options& options) {
    const std::string name = bound_.to_string();
    if (const int error = set_family_options(fd(), bound_.address.is_v6()))
        return std::unexpected(
            Failure{fmt::format("UDP socket {}: cannot set its options: {}", name, why(error))});
    if (options.mark) {
        if (const int error = set_option(fd(), SOL_SOCKET, SO_MARK, *options.mark))
            return std::unexpected(Failure{fmt::format("UDP socket {}: cannot set the mark {:#x}: {}: it "
                                                       "needs CAP_NET_ADMIN; start sheafd as root or "
                                                       "by sheafd.service",
                                                       name, *options.mark, why(error))});
    }
    if (set_option(fd(), SOL_SOCKET, SO_RCVBUFFORCE, kReceiveBuffer) != 0)
        set_option(fd(), SOL_SOCKET, SO_RCVBUF, kReceiveBuffer);
    if (options.ipsec) set_up_ipsec(options);
    return bind_to(options.bind);
}

void UdpSocket::set_up_ipsec(const Options& options) {
    const bool v6 = bound_.address.is_v6();
    for (const std::uint8_t direction : {XFRM_POLICY_IN, XFRM_POLICY_OUT}) {
        if (const int error = bypass_policies(fd(), v6, direction)) {
            shortcomings_.push_back(fmt::format("UDP socket {}: cannot bypass IPsec policies of others: {}",
                                                bound_.to_string(), why(error)));
            break;
        }
    }
    if (!options.nat) return;
    if (const int error = set_option(fd(), SOL_UDP, UDP_ENCAP, int{UDP_ENCAP_ESPINUDP}))
        shortcomings_.push_back(fmt::format(
            "UDP socket {}: the kernel does not take ESP in UDP: {}: peers behind a NAT will get no traffic "
            "through{}",
            bound_.to_string(), why(error), v6 ? "; Linux has it for IPv6 since 5.8" : ""));
}

std::expected<void, UdpSocket::Failure> UdpSocket::bind_to(const Endpoint& where) {
    SocketAddress address(where);
    if (::bind(fd(), address.pointer(), address.size) != 0)
        return std::unexpected(bind_failure(where, errno));
    SocketAddress actual;
    if (::getsockname(fd(), actual.pointer(), &actual.size) == 0)
        if (const auto endpoint = actual.endpoint()) bound_ = *endpoint;
    return {};
}

UdpSocket::Received UdpSocket::receive() {
    SocketAddress from;
    ControlBuffer control{};
    iovec part{buffer_.data(), buffer_.size()};
    msghdr message = socket_message(from, {&part, 1}, control.octets);
    const ssize_t size = ::recvmsg(fd(), &message, 0);
    if (size < 0) {
        // ICMP errors of earlier datagrams surface here; they prove nothing, so nothing follows from them.
        return errno == EAGAIN ? Received(Empty{}) : Received(Skipped{});
    }
    const auto peer = from.endpoint();
    const auto local = destination(message);
    if (!peer || !local || peer->port == 0) return Skipped{};
    View bytes = View(buffer_).first(static_cast<std::size_t>(size));
    if (nat_) {
        const auto ike = ike_message(bytes);
        if (!ike) return Skipped{};
        bytes = *ike;
    }
    return ike::Datagram{{*local, bound_.port}, *peer, Bytes(bytes.begin(), bytes.end()), false};
}

unsigned UdpSocket::fill() const {
    std::array<std::uint32_t, SK_MEMINFO_VARS> told{};
    socklen_t size = sizeof told;
    if (::getsockopt(fd(), SOL_SOCKET, SO_MEMINFO, told.data(), &size) != 0) return 0;
    const std::uint64_t most = told[SK_MEMINFO_RCVBUF];
    return most == 0 ? 0 : static_cast<unsigned>(100 * std::uint64_t{told[SK_MEMINFO_RMEM_ALLOC]} / most);
}

int UdpSocket::send(const ike::Datagram& datagram) {
    SocketAddress to(datagram.peer);
    ControlBuffer control{};
    auto marker = kNonEspMarker;
    // sendmsg reads only; iovec has no const form.
    std::array<iovec, 2> parts{
        iovec{marker.data(), marker.size()},
        iovec{const_cast<std::uint8_t*>(datagram.bytes.data()), datagram.bytes.size()}};
    const bool marked = nat_ && !datagram.keepalive;
    msghdr message = socket_message(to, std::span(parts).subspan(marked ? 0 : 1));
    if (!datagram.local.address.is_any()) put_source(message, control, datagram.local.address);

    // An ICMP error of an earlier datagram is told here once, and then this one was not tried.
    for (int attempt = 0;; ++attempt) {
        if (::sendmsg(fd(), &message, MSG_NOSIGNAL) >= 0) return 0;
        if (errno != EINTR && (errno != ECONNREFUSED || attempt > 0)) return errno;
    }
}

bool UdpSocket::serves(const Endpoint& local) const {
    return local.port == bound_.port && local.address.family() == bound_.address.family() &&
           (local.address.is_any() || bound_.address.is_any() || local.address == bound_.address);
}

} // namespace sheaf::daemon
