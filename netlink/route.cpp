#include "netlink/route.h"

#include "netlink/route_message.h"

#include <linux/lwtunnel.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>
#include <cstring>
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

// The kernel takes no IPv6 route of several ways without gateways. On an interface without link-layer
// addresses it does not matter which: this one is of the identifiers that no interface has (RFC 5453).
IpAddress formal_gateway() {
    static const auto out = IpAddress::parse("fe80::fdff:ffff:ffff:fffe");
    return out.value_or(IpAddress::any(Family::ipv6));
}

constexpr unsigned kMaxWeight = 256;

void put_link(RouteMessage& to, std::uint32_t link) {
    to.begin_nest(RTA_ENCAP);
    to.put_u32(LWT_XFRM_IF_ID, link);
    to.end_nest();
    to.put_u16(RTA_ENCAP_TYPE, LWTUNNEL_ENCAP_XFRM);
}

void put_next_hop(RouteMessage& to, const NextHop& hop, Family family) {
    rtnexthop fixed{};
    fixed.rtnh_hops = static_cast<std::uint8_t>(std::clamp(hop.weight, 1U, kMaxWeight) - 1);
    fixed.rtnh_ifindex = hop.interface_index;
    to.begin_next_hop(fixed);
    if (family == Family::ipv6) to.put_address(RTA_GATEWAY, formal_gateway());
    if (hop.link) put_link(to, *hop.link);
    to.end_next_hop();
}

// The list is of structures with attributes, not of attributes.
std::vector<NextHop> parse_next_hops(View list) {
    std::vector<NextHop> out;
    while (list.size() >= sizeof(rtnexthop)) {
        rtnexthop fixed{};
        std::memcpy(&fixed, list.data(), sizeof fixed);
        if (fixed.rtnh_len < sizeof fixed || fixed.rtnh_len > list.size()) break;
        const Attributes attributes(list.subspan(sizeof fixed, fixed.rtnh_len - sizeof fixed));
        NextHop& hop = out.emplace_back();
        hop.interface_index = fixed.rtnh_ifindex;
        hop.weight = fixed.rtnh_hops + 1U;
        if (attributes.u16(RTA_ENCAP_TYPE) == LWTUNNEL_ENCAP_XFRM)
            hop.link = attributes.nest(RTA_ENCAP).u32(LWT_XFRM_IF_ID);
        list = list.subspan(std::min<std::size_t>(list.size(), NLMSG_ALIGN(fixed.rtnh_len)));
    }
    return out;
}

rtmsg fixed_of(const Route& route) {
    rtmsg out{};
    out.rtm_family = family_number(route.destination.family());
    out.rtm_dst_len = static_cast<std::uint8_t>(route.destination.length());
    out.rtm_table = RT_TABLE_UNSPEC; // RTA_TABLE has it, which may exceed an octet
    out.rtm_protocol = route.protocol;
    const bool direct = route.kind == RouteKind::interface && !route.gateway;
    out.rtm_scope = direct ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    out.rtm_type = type_of(route.kind);
    return out;
}

void put_gateway(RouteMessage& to, const IpAddress& gateway, Family family) {
    if (gateway.family() == family) return to.put_address(RTA_GATEWAY, gateway);
    struct Via { // rtvia, with its address
        std::uint16_t family;
        std::array<std::uint8_t, 16> address;
    };
    Via via{family_number(gateway.family()), {}};
    std::ranges::copy(gateway.view(), via.address.begin());
    to.put_struct(RTA_VIA, via);
}

std::optional<IpAddress> parse_gateway(const Attributes& attributes) {
    const View via = attributes.bytes(RTA_VIA);
    if (via.size() > sizeof(rtvia)) return IpAddress::from_bytes(via.subspan(sizeof(rtvia)));
    return IpAddress::from_bytes(attributes.bytes(RTA_GATEWAY));
}

Message encode(std::uint16_t type, std::uint16_t flags, const Route& route) {
    RouteMessage out(type, flags, fixed_of(route));
    if (route.destination.length() != 0) out.put_address(RTA_DST, route.destination.address());
    out.put_u32(RTA_TABLE, route.table);
    if (route.preferred_source) out.put_address(RTA_PREFSRC, *route.preferred_source);
    if (!route.next_hops.empty()) {
        out.begin_nest(RTA_MULTIPATH);
        for (const NextHop& hop : route.next_hops)
            put_next_hop(out, hop, route.destination.family());
        out.end_nest();
        return out.finish();
    }
    if (route.kind == RouteKind::interface)
        out.put_u32(RTA_OIF, static_cast<std::uint32_t>(route.interface_index));
    if (route.gateway) put_gateway(out, *route.gateway, route.destination.family());
    if (route.link) put_link(out, *route.link);
    return out.finish();
}

} // namespace

Message add_route(const Route& route) { return encode(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route); }

Message replace_route(const Route& route) {
    return encode(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route);
}

// IPv6 keeps the ways of a route as routes of their own, and removes all of them where none is named.
Message remove_route(const Route& route) {
    if (route.next_hops.empty()) return encode(RTM_DELROUTE, 0, route);
    RouteMessage out(RTM_DELROUTE, 0, fixed_of(route));
    if (route.destination.length() != 0) out.put_address(RTA_DST, route.destination.address());
    out.put_u32(RTA_TABLE, route.table);
    return out.finish();
}

Message query_route(const RouteQuery& query) {
    rtmsg fixed{};
    fixed.rtm_family = family_number(query.destination.family());
    fixed.rtm_dst_len = static_cast<std::uint8_t>(query.destination.bits());
    fixed.rtm_flags = query.entry ? RTM_F_FIB_MATCH : 0;
    RouteMessage out(RTM_GETROUTE, 0, fixed);
    out.put_address(RTA_DST, query.destination);
    if (query.interface_index != 0) out.put_u32(RTA_OIF, static_cast<std::uint32_t>(query.interface_index));
    if (query.mark != 0) out.put_u32(RTA_MARK, query.mark);
    return out.finish();
}

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
    out.gateway = parse_gateway(attributes);
    out.next_hops = parse_next_hops(attributes.bytes(RTA_MULTIPATH));
    if (attributes.u16(RTA_ENCAP_TYPE) == LWTUNNEL_ENCAP_XFRM)
        out.link = attributes.nest(RTA_ENCAP).u32(LWT_XFRM_IF_ID);
    return out;
}

} // namespace sheaf::netlink
