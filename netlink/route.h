#pragma once

#include "lib/base/ip.h"
#include "netlink/message.h"

#include <cstdint>
#include <optional>

namespace sheaf::netlink {

// What becomes of a packet: it goes into the interface, it is refused with the ICMP error Destination
// Unreachable, or this table has no say and the rules that follow decide.
enum class RouteKind : std::uint8_t { interface, unreachable, pass };

// A route without a gateway.
struct Route {
    Prefix destination;
    std::uint32_t table = 0;
    std::uint8_t protocol = 0; // who installed it: the number by which we know our own
    RouteKind kind = RouteKind::interface;
    int interface_index = 0; // 0 with the other kinds
    std::optional<std::uint32_t>
        link; // through a collect-metadata interface: the virtual link that packets take
    std::optional<IpAddress> preferred_source;

    friend bool operator==(const Route&, const Route&) = default;
};

[[nodiscard]] Message add_route(const Route& route); // fails when the destination is in the table
// Takes the place of the one with the same destination, table and interface, without a moment in between.
[[nodiscard]] Message replace_route(const Route& route);
[[nodiscard]] Message remove_route(const Route& route);
// Those of one table and protocol, where the kernel can select; else more, so look at each one. A table that
// never held a route is ENOENT.
[[nodiscard]] Message dump_routes(Family family, std::uint32_t table, std::uint8_t protocol);
[[nodiscard]] std::optional<Route> parse_route(const nlmsghdr& message); // RTM_NEWROUTE

} // namespace sheaf::netlink
