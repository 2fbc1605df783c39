#include "netlink/route.h"

#include "netlink/route_message.h"

#include <linux/lwtunnel.h>
#include <linux/rtnetlink.h>

#include <sys/socket.h>

namespace sheaf::netlink {
namespace {

std::uint8_t type_of(RouteKind kind) {
    switch (kind) {
    case RouteKind::interface: break;
    case RouteKind::unreachable: return RTN_UNREACHABLE;
    case RouteKind::pass: return RTN_THROW;
    }
    return RTN_UNICAST;
}

RouteKind kind_of(std::uint8_t type) {
    if (type == RTN_UNREACHABLE) return RouteKind::unreachable;
    return type == RTN_THROW ? RouteKind::pass : RouteKind::interface;
}

rtmsg fixed_of(const Route& route) {
    rtmsg out{};
    out.rtm_family = family_number(route.destination.family());
    out.rtm_dst_len = static_cast<std::uint8_t>(route.destination.length());
    out.rtm_table = RT_TABLE_UNSPEC; // RTA_TABLE has it, which may exceed an octet
    out.rtm_protocol = route.protocol;
    out.rtm_scope = route.kind == RouteKind::interface ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    out.rtm_type = type_of(route.kind);
    return out;
}

Message encode(std::uint16_t type, std::uint16_t flags, const Route& route) {
    RouteMessage out(type, flags, fixed_of(route));
    if (route.destination.length() != 0) out.put_address(RTA_DST, route.destination.address());
    out.put_u32(RTA_TABLE, route.table);
    if (route.kind == RouteKind::interface)
        out.put_u32(RTA_OIF, static_cast<std::uint32_t>(route.interface_index));
    if (route.preferred_source) out.put_address(RTA_PREFSRC, *route.preferred_source);
    if (route.link) {
        out.begin_nest(RTA_ENCAP);
        out.put_u32(LWT_XFRM_IF_ID, *route.link);
        out.end_nest();
        const std::uint16_t kind = LWTUNNEL_ENCAP_XFRM;
        out.put_u16(RTA_ENCAP_TYPE, kind);
    }
    return out.finish();
}

} // namespace

Message add_route(const Route& route) { return encode(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route); }

Message replace_route(const Route& route) {
    return encode(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route);
}

Message remove_route(const Route& route) { return encode(RTM_DELROUTE, 0, route); }

Message dump_routes(Family family, std::uint32_t table, std::uint8_t protocol) {
    rtmsg fixed{};
    fixed.rtm_family = family_number(family);
    fixed.rtm_protocol = protocol;
    RouteMessage out(RTM_GETROUTE, NLM_F_DUMP, fixed);
    out.put_u32(RTA_TABLE, table);
    return out.finish();
}

std::optional<Route> parse_route(const nlmsghdr& message) {
    rtmsg fixed{};
    if (message.nlmsg_type != RTM_NEWROUTE || !read_fixed(message, &fixed, sizeof fixed)) return std::nullopt;
    if (fixed.rtm_family != AF_INET && fixed.rtm_family != AF_INET6) return std::nullopt;
    const Attributes attributes = Attributes::of(message, sizeof fixed);
    const Family family = fixed.rtm_family == AF_INET6 ? Family::ipv6 : Family::ipv4;
    const auto destination = IpAddress::from_bytes(attributes.bytes(RTA_DST));
    Route out;
    out.destination = Prefix(destination.value_or(IpAddress::any(family)), fixed.rtm_dst_len);
    out.table = attributes.u32(RTA_TABLE, fixed.rtm_table);
    out.protocol = fixed.rtm_protocol;
    out.kind = kind_of(fixed.rtm_type);
    if (out.kind == RouteKind::interface) // IPv6 names the loopback interface with the others
        out.interface_index = static_cast<int>(attributes.u32(RTA_OIF));
    out.preferred_source = IpAddress::from_bytes(attributes.bytes(RTA_PREFSRC));
    if (attributes.u16(RTA_ENCAP_TYPE) == LWTUNNEL_ENCAP_XFRM)
        out.link = attributes.nest(RTA_ENCAP).u32(LWT_XFRM_IF_ID);
    return out;
}

} // namespace sheaf::netlink
