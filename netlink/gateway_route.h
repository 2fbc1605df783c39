#pragma once

#include "lib/base/ip.h"
#include "netlink/message.h"

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace sheaf::netlink {

// What a route, of whatever table, says of one interface: that a destination is behind a gateway there.
struct GatewayRoute {
    Prefix destination;
    std::uint32_t metric = 0;
    // The next hop; of the first way by the interface, where the route has several. IPv4 routes may have IPv6
    // ones (RFC 8950), and IPv6 routes have IPv4 ones in mapped form (RFC 4798).
    std::optional<IpAddress> gateway{};
    // Or what names it (RTA_NH_ID). The kernel tells both, unless net.ipv4.nexthop_compat_mode is 0.
    std::uint32_t object = 0;

    friend bool operator==(const GatewayRoute&, const GatewayRoute&) = default;
};

// Routes of all tables by the interface; where the kernel cannot select, more. ENODEV: it is gone.
[[nodiscard]] Message dump_routes_by(Family family, int interface_index);
// RTM_NEWROUTE. Nothing for one that does not lead packets to a gateway by this interface.
[[nodiscard]] std::optional<GatewayRoute> parse_gateway_route(const nlmsghdr& message, int interface_index);
// Whether RTM_NEWROUTE or RTM_DELROUTE may have changed what is known of the interface.
[[nodiscard]] bool concerns(const nlmsghdr& message, int interface_index);

// A next hop that routes share by its number.
struct NextHopObject {
    std::uint32_t id = 0;
    int interface_index = 0;
    std::optional<IpAddress> gateway{};
    std::vector<std::uint32_t> members{}; // of a group of next hops, in the place of these
};
using NextHopObjects = std::map<std::uint32_t, NextHopObject>;

inline constexpr std::size_t kMaxNextHopMembers = 256; // more than any kernel's routing daemon uses

[[nodiscard]] Message dump_next_hops();
[[nodiscard]] std::optional<NextHopObject> parse_next_hop(const nlmsghdr& message); // RTM_NEWNEXTHOP
// The gateway by that interface that the number stands for, the first if there are several.
[[nodiscard]] std::optional<IpAddress> gateway_of(std::uint32_t id, int interface_index,
                                                  const NextHopObjects& objects);

} // namespace sheaf::netlink
