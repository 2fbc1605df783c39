#include "daemon/neighbour_socket.h"

#include "daemon/socket_address.h"
#include "daemon/udp_socket.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <utility>

namespace sheaf::daemon {
namespace {

// RFC 4861 4.4, 4.6.1
constexpr std::uint8_t kNeighbourAdvertisement = 136;
constexpr std::uint8_t kOverride = 0x20;
constexpr std::uint8_t kTargetLinkLayerAddress = 2;
constexpr std::uint8_t kOptionUnits = 1;       // of 8 octets
constexpr std::size_t kAdvertisementSize = 24; // without options
constexpr std::size_t kLinkLayerSize = 6;
constexpr int kHopLimit = 255; // RFC 4861 7.1.2: others are dropped

std::unexpected<std::string> neighbour_failure(const char* what, int error) {
    const char* remedy =
        error == EPERM ? "; it needs CAP_NET_RAW and CAP_NET_ADMIN: start sheafd as root or by sheafd.service"
                       : "";
    return std::unexpected(
        fmt::format("raw socket of Neighbour Discovery: {}: {}{}", what, std::strerror(error), remedy));
}

} // namespace

bool needs_neighbours(const ike::Config& config) {
    return std::ranges::any_of(config.connections, [](const ike::Connection& connection) {
        return connection.mobile || (connection.home_service && !connection.home_service->home_link.empty());
    });
}

Bytes neighbour_advertisement(const IpAddress& target, View link_layer) {
    Bytes out{kNeighbourAdvertisement, 0, 0, 0, kOverride, 0, 0, 0};
    out.reserve(kAdvertisementSize + std::size_t{8} * kOptionUnits);
    append(out, target.view());
    out.push_back(kTargetLinkLayerAddress);
    out.push_back(kOptionUnits);
    append(out, link_layer);
    return out;
}

std::expected<NeighbourSocket, std::string> NeighbourSocket::open() {
    FileDescriptor fd(::socket(AF_INET6, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMPV6));
    if (!fd.open()) return neighbour_failure("cannot open it", errno);
    icmp6_filter filter{};
    ICMP6_FILTER_SETBLOCKALL(&filter);
    const std::uint32_t mark = kSocketMark; // not into a tunnel of ours
    const auto set = [&fd](int level, int option, const auto& value) {
        return ::setsockopt(fd.value(), level, option, &value, sizeof value) == 0;
    };
    if (!set(IPPROTO_ICMPV6, ICMP6_FILTER, filter) || !set(IPPROTO_IPV6, IPV6_MULTICAST_HOPS, kHopLimit) ||
        !set(IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0) || !set(SOL_SOCKET, SO_MARK, mark))
        return neighbour_failure("cannot set its options", errno);
    return NeighbourSocket(std::move(fd));
}

// From an address of the interface: the kernel's choice, which for this scope is the link-local one.
int NeighbourSocket::send(const ike::NeighbourAdvertisement& what) const {
    if (what.interface.size() >= IFNAMSIZ) return ENODEV;
    ifreq request{};
    std::memcpy(std::data(request.ifr_name), what.interface.data(), what.interface.size());
    if (::ioctl(fd_.value(), SIOCGIFHWADDR, &request) != 0) return errno;
    if (request.ifr_hwaddr.sa_family != ARPHRD_ETHER) return 0;
    std::array<std::uint8_t, kLinkLayerSize> link_layer{};
    std::memcpy(link_layer.data(), std::data(request.ifr_hwaddr.sa_data), link_layer.size());
    const unsigned index = ::if_nametoindex(what.interface.c_str());
    if (index == 0) return errno;
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    to.sin6_addr = to_in6_addr(*IpAddress::parse("ff02::1"));
    to.sin6_scope_id = index;
    const Bytes octets = neighbour_advertisement(what.target, link_layer);
    while (true) {
        const ssize_t sent = ::sendto(fd_.value(), octets.data(), octets.size(), MSG_NOSIGNAL,
                                      reinterpret_cast<const sockaddr*>(&to), sizeof to);
        if (sent >= 0) return 0;
        if (errno != EINTR) return errno;
    }
}

} // namespace sheaf::daemon
