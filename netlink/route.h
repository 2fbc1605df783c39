#pragma once

#include "lib/base/ip.h"
#include "netlink/message.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace sheaf::netlink {

// What becomes of a packet: it goes into the interface, it is refused with the ICMP error Destination
// Unreachable, or this table has no say and the rules that follow decide.
enum class RouteKind : std::uint8_t { interface, unreachable, pass };

// One of several ways of a route.
struct NextHop {
    int interface_index = 0;
    std::optional<std::uint32_t> link; // as in Route
    unsigned weight = 1;               // 1 to 256

    friend bool operator==(const NextHop&, const NextHop&) = default;
};

struct Route {
    Prefix destination;
    std::uint32_t table = 0;
    std::uint8_t protocol = 0; // who installed it: the number by which we know our own
    RouteKind kind = RouteKind::interface;
    int interface_index = 0; // 0 with the other kinds
    std::optional<std::uint32_t>
        link; // through a collect-metadata interface: the virtual link that packets take
    std::optional<IpAddress> preferred_source;
    // None: all that the route is for is reached at the interface itself. Of IPv6 in IPv4's routes, too
    // (RFC 8950).
    std::optional<IpAddress> gateway{};
    // Several ways, by weight, flow by flow; then interface, link and gateway of the route itself mean
    // nothing. At most kMaxNextHops.
    std::vector<NextHop> next_hops{};

    friend bool operator==(const Route&, const Route&) = default;
};

// Where the kernel would send something; answered by a route, of which `preferred_source` is what it would
// send from and `gateway` the next hop. By one interface, if that is named: then IPv4 guesses a neighbour
// there, unless it is asked for the routing table's entry alone, which has no source and may have several ways.
struct RouteQuery {
    IpAddress destination;
    int interface_index = 0; // 0: by any
    std::uint32_t mark = 0;  // of the packet
    bool entry = false;
};
[[nodiscard]] Message query_route(const RouteQuery& query);

// What fits a message: more than any gateway gives IKE SAs to one login.
inline constexpr std::size_t kMaxNextHops = 16;

[[nodiscard]] Message add_route(const Route& route); // fails when the destination is in the table
// Takes the place of the one with the same destination and table, without a moment in between.
[[nodiscard]] Message replace_route(const Route& route);
[[nodiscard]] Message remove_route(const Route& route);
// Those of one table and protocol, where the kernel can select; else more, so look at each one. A table that
// never held a route is ENOENT.
[[nodiscard]] Message dump_routes(Family family, std::uint32_t table, std::uint8_t protocol);
[[nodiscard]] std::optional<Route> parse_route(const nlmsghdr& message); // RTM_NEWROUTE

} // namespace sheaf::netlink
