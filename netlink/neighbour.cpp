#include "netlink/neighbour.h"

#include "netlink/route_message.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

namespace sheaf::netlink {
namespace {

ndmsg fixed_of(Family family, int interface_index) {
    ndmsg out{};
    out.ndm_family = family_number(family);
    out.ndm_ifindex = interface_index;
    out.ndm_flags = NTF_PROXY;
    return out;
}

Message encode(std::uint16_t type, std::uint16_t flags, const ProxyNeighbour& proxy) {
    RouteMessage out(type, flags, fixed_of(proxy.address.family(), proxy.interface_index));
    out.put_address(NDA_DST, proxy.address);
    if (proxy.protocol != 0) out.put_u8(NDA_PROTOCOL, proxy.protocol);
    return out.finish();
}

} // namespace

std::string ProxyNeighbour::to_string() const { return "proxy neighbour " + address.to_string(); }

Message add_proxy(const ProxyNeighbour& proxy) { return encode(RTM_NEWNEIGH, NLM_F_CREATE, proxy); }
Message remove_proxy(const ProxyNeighbour& proxy) { return encode(RTM_DELNEIGH, 0, proxy); }

Message query_proxy(const ProxyNeighbour& proxy) {
    return encode(RTM_GETNEIGH, 0, {proxy.interface_index, proxy.address, 0});
}

Message dump_proxies() { return RouteMessage(RTM_GETNEIGH, NLM_F_DUMP, fixed_of(Family::ipv6, 0)).finish(); }

std::optional<ProxyNeighbour> parse_proxy(const nlmsghdr& message) {
    ndmsg fixed{};
    if (message.nlmsg_type != RTM_NEWNEIGH || !read_fixed(message, &fixed, sizeof fixed)) return std::nullopt;
    if ((fixed.ndm_flags & NTF_PROXY) == 0) return std::nullopt;
    const Attributes attributes = Attributes::of(message, sizeof fixed);
    const auto address = IpAddress::from_bytes(attributes.bytes(NDA_DST));
    if (!address) return std::nullopt;
    return ProxyNeighbour{fixed.ndm_ifindex, *address, attributes.u8(NDA_PROTOCOL)};
}

} // namespace sheaf::netlink
