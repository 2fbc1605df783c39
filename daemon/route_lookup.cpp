#include "daemon/route_lookup.h"

#include "daemon/clock.h"
#include "daemon/file_descriptor.h"
#include "daemon/socket_address.h"

#include <algorithm>
#include <sys/socket.h>
#include <utility>

namespace sheaf::daemon {

RouteLookup::RouteLookup(std::vector<IpAddress> bound, std::optional<std::uint32_t> mark, Secret stable)
    : bound_(std::move(bound)), mark_(mark), stable_(std::move(stable)) {}

std::optional<IpAddress> RouteLookup::source_for(const IpAddress& peer) {
    const auto best = routed(peer);
    if (!best) return std::nullopt;
    const auto fits = [&](const IpAddress& address) {
        return address == *best || address == IpAddress::any(peer.family());
    };
    if (std::ranges::any_of(bound_, fits)) return best;
    const auto other = std::ranges::find(bound_, peer.family(), &IpAddress::family);
    return other == bound_.end() ? std::nullopt : std::optional(*other);
}

WallTime RouteLookup::wall_time() { return daemon::wall_time(); }

// Connecting a datagram socket sends nothing; it makes the kernel look up the route and choose the source.
std::optional<IpAddress> RouteLookup::routed(const IpAddress& peer) const {
    const FileDescriptor fd(::socket(peer.is_v6() ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!fd.open()) return std::nullopt;
    if (mark_ && ::setsockopt(fd.value(), SOL_SOCKET, SO_MARK, &*mark_, sizeof *mark_) != 0)
        return std::nullopt;
    constexpr std::uint16_t kAnyPort = 500; // the port plays no part
    SocketAddress to({peer, kAnyPort});
    if (::connect(fd.value(), to.pointer(), to.size) != 0) return std::nullopt;
    SocketAddress from;
    if (::getsockname(fd.value(), from.pointer(), &from.size) != 0) return std::nullopt;
    const auto endpoint = from.endpoint();
    return endpoint ? std::optional(endpoint->address) : std::nullopt;
}

} // namespace sheaf::daemon
