#include "daemon/route_lookup.h"

#include "daemon/clock.h"
#include "daemon/file_descriptor.h"
#include "daemon/socket_address.h"

#include <fmt/format.h>

#include <algorithm>
#include <sys/socket.h>
#include <utility>

namespace sheaf::daemon {

RouteLookup::RouteLookup(std::vector<IpAddress> bound, std::optional<std::uint32_t> mark, Secret stable)
    : bound_(std::move(bound)), mark_(mark), stable_(std::move(stable)) {}

std::optional<IpAddress> RouteLookup::source_for(const IpAddress& peer) {
    const auto best = routed(peer);
    if (!best) return std::nullopt;
    if (listens(*best)) return best;
    const auto other = std::ranges::find(bound_, peer.family(), &IpAddress::family);
    return other == bound_.end() ? std::nullopt : std::optional(*other);
}

std::expected<IpAddress, std::string> RouteLookup::source_over(const std::string& uplink,
                                                               const IpAddress& peer) {
    if (uplinks_ == nullptr) return std::unexpected("uplinks are not looked after");
    auto source = uplinks_->source_over(uplink, peer);
    if (source && !listens(*source))
        return std::unexpected(fmt::format("sheafd does not listen at {} of {}: name it in \"listen\"",
                                           source->to_string(), uplink));
    return source;
}

bool RouteLookup::is_on_link(const std::string& uplink, const IpAddress& address) {
    return uplinks_ != nullptr && uplinks_->is_on_link(uplink, address);
}

bool RouteLookup::listens(const IpAddress& address) const {
    return std::ranges::any_of(bound_, [&](const IpAddress& bound) {
        return bound == address || bound == IpAddress::any(address.family());
    });
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
