#include "netlink/gateway_route.h"

#include "netlink/route_message.h"

#include <linux/nexthop.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <sys/socket.h>

namespace sheaf::netlink {
namespace {

// ::ffff:a.b.c.d stands for a.b.c.d.
IpAddress unmapped(const IpAddress& address) {
    constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (!address.is_v6() || !std::ranges::equal(address.view().first(kMapped.size()), kMapped))
        return address;
    return IpAddress::from_bytes(address.view().subspan(kMapped.size())).value_or(address);
}

std::optional<IpAddress> gateway_in(const Attributes& attributes) {
    const View via = attributes.bytes(RTA_VIA);
    const auto out = via.size() > sizeof(rtvia) ? IpAddress::from_bytes(via.subspan(sizeof(rtvia)))
                                                : IpAddress::from_bytes(attributes.bytes(RTA_GATEWAY));
    if (!out) return out;
    return unmapped(*out);
}

struct Way {
    int interface_index = 0;
    std::optional<IpAddress> gateway{};
};

// The list is of structures with attributes, not of attributes.
std::vector<Way> ways_of(View list) {
    std::vector<Way> out;
    while (list.size() >= sizeof(rtnexthop)) {
        rtnexthop fixed{};
        std::memcpy(&fixed, list.data(), sizeof fixed);
        if (fixed.rtnh_len < sizeof fixed || fixed.rtnh_len > list.size()) break;
        if ((fixed.rtnh_flags & RTNH_F_DEAD) == 0) {
            const Attributes attributes(list.subspan(sizeof fixed, fixed.rtnh_len - sizeof fixed));
            out.push_back({fixed.rtnh_ifindex, gateway_in(attributes)});
        }
        list = list.subspan(std::min<std::size_t>(list.size(), NLMSG_ALIGN(fixed.rtnh_len)));
    }
    return out;
}

// The kernel tells a route's next hop by one or the other.
std::vector<Way> ways_of(const Attributes& attributes) {
    if (!attributes.has(RTA_OIF)) return ways_of(attributes.bytes(RTA_MULTIPATH));
    return {{static_cast<int>(attributes.u32(RTA_OIF)), gateway_in(attributes)}};
}

} // namespace

Message dump_routes_by(Family family, int interface_index) {
    rtmsg fixed{};
    fixed.rtm_family = family_number(family);
    RouteMessage out(RTM_GETROUTE, NLM_F_DUMP, fixed);
    out.put_u32(RTA_OIF, static_cast<std::uint32_t>(interface_index));
    return out.finish();
}

std::optional<GatewayRoute> parse_gateway_route(const nlmsghdr& message, int interface_index) {
    rtmsg fixed{};
    if (message.nlmsg_type != RTM_NEWROUTE || !read_fixed(message, &fixed, sizeof fixed)) return std::nullopt;
    if (fixed.rtm_family != AF_INET && fixed.rtm_family != AF_INET6) return std::nullopt;
    // Not what a flow was told by ICMP, nor what is down; and all packets alike.
    if (fixed.rtm_type != RTN_UNICAST || (fixed.rtm_flags & (RTM_F_CLONED | RTNH_F_DEAD)) != 0 ||
        fixed.rtm_src_len != 0 || fixed.rtm_tos != 0)
        return std::nullopt;
    const Attributes attributes = Attributes::of(message, sizeof fixed);
    const Family family = fixed.rtm_family == AF_INET6 ? Family::ipv6 : Family::ipv4;
    const auto destination = IpAddress::from_bytes(attributes.bytes(RTA_DST));
    GatewayRoute out{.destination = Prefix(destination.value_or(IpAddress::any(family)), fixed.rtm_dst_len),
                     .metric = attributes.u32(RTA_PRIORITY)};
    const std::vector<Way> ways = ways_of(attributes);
    const auto way = std::ranges::find_if(ways, [interface_index](const Way& one) {
        return one.interface_index == interface_index && one.gateway;
    });
    if (way != ways.end()) {
        out.gateway = way->gateway;
    } else if (ways.empty() && attributes.has(RTA_NH_ID)) {
        out.object = attributes.u32(RTA_NH_ID);
    } else {
        return std::nullopt;
    }
    return out;
}

bool concerns(const nlmsghdr& message, int interface_index) {
    rtmsg fixed{};
    if (!read_fixed(message, &fixed, sizeof fixed) || (fixed.rtm_flags & RTM_F_CLONED) != 0) return false;
    const std::vector<Way> ways = ways_of(Attributes::of(message, sizeof fixed));
    if (ways.empty()) return true; // a next hop is named by its number, if at all
    return std::ranges::find(ways, interface_index, &Way::interface_index) != ways.end();
}

Message dump_next_hops() { return RouteMessage(RTM_GETNEXTHOP, NLM_F_DUMP, nhmsg{}).finish(); }

std::optional<NextHopObject> parse_next_hop(const nlmsghdr& message) {
    nhmsg fixed{};
    if (message.nlmsg_type != RTM_NEWNEXTHOP || !read_fixed(message, &fixed, sizeof fixed))
        return std::nullopt;
    const Attributes attributes = Attributes::of(message, sizeof fixed);
    NextHopObject out{.id = attributes.u32(NHA_ID),
                      .interface_index = static_cast<int>(attributes.u32(NHA_OIF))};
    if (const auto gateway = IpAddress::from_bytes(attributes.bytes(NHA_GATEWAY)))
        out.gateway = unmapped(*gateway);
    View members = attributes.bytes(NHA_GROUP);
    while (members.size() >= sizeof(nexthop_grp) && out.members.size() < kMaxNextHopMembers) {
        nexthop_grp member{};
        std::memcpy(&member, members.data(), sizeof member);
        out.members.push_back(member.id);
        members = members.subspan(sizeof member);
    }
    return out;
}

std::optional<IpAddress> gateway_of(std::uint32_t id, int interface_index, const NextHopObjects& objects) {
    const auto by_itself = [&](std::uint32_t one) -> std::optional<IpAddress> {
        const auto found = objects.find(one);
        if (found == objects.end() || found->second.interface_index != interface_index) return std::nullopt;
        return found->second.gateway;
    };
    if (auto out = by_itself(id)) return out;
    const auto found = objects.find(id);
    if (found == objects.end()) return std::nullopt;
    for (const std::uint32_t member : found->second.members) { // groups do not hold groups
        if (auto out = by_itself(member)) return out;
    }
    return std::nullopt;
}

} // namespace sheaf::netlink
