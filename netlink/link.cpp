#include "netlink/link.h"

#include "netlink/route_message.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <net/if.h>

namespace sheaf::netlink {
namespace {

ifinfomsg info(int index) {
    ifinfomsg out{};
    out.ifi_family = AF_UNSPEC;
    out.ifi_index = index;
    return out;
}

} // namespace

Message create_link(const LinkObject& link) {
    ifinfomsg fixed = info(link.index);
    fixed.ifi_change = IFF_NOARP;
    fixed.ifi_flags = IFF_NOARP;
    RouteMessage out(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, fixed);
    out.put_string(IFLA_IFNAME, link.name);
    if (link.mtu != 0) out.put_u32(IFLA_MTU, link.mtu);
    out.begin_nest(IFLA_LINKINFO);
    out.put_string(IFLA_INFO_KIND, link.kind);
    out.begin_nest(IFLA_INFO_DATA);
    if (link.if_id) out.put_u32(IFLA_XFRM_IF_ID, *link.if_id);
    if (link.collect_metadata) out.put_flag(IFLA_XFRM_COLLECT_METADATA);
    out.end_nest();
    out.end_nest();
    return out.finish();
}

Message configure_link(int index, const std::string& alias) {
    RouteMessage out(RTM_SETLINK, 0, info(index));
    out.put_string(IFLA_IFALIAS, alias);
    out.begin_nest(IFLA_AF_SPEC);
    out.begin_nest(AF_INET6);
    out.put_u8(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
    out.end_nest();
    out.end_nest();
    return out.finish();
}

Message raise_link(int index) {
    ifinfomsg fixed = info(index);
    fixed.ifi_change = IFF_UP;
    fixed.ifi_flags = IFF_UP;
    return RouteMessage(RTM_SETLINK, 0, fixed).finish();
}

Message remove_link(int index) { return RouteMessage(RTM_DELLINK, 0, info(index)).finish(); }

Message remove_link(const std::string& name) {
    RouteMessage out(RTM_DELLINK, 0, info(0));
    out.put_string(IFLA_IFNAME, name);
    return out.finish();
}

Message query_link(const std::string& name) {
    RouteMessage out(RTM_GETLINK, 0, info(0));
    out.put_string(IFLA_IFNAME, name);
    return out.finish();
}

Message dump_links(const std::string& kind) {
    RouteMessage out(RTM_GETLINK, NLM_F_DUMP, info(0));
    out.begin_nest(IFLA_LINKINFO);
    out.put_string(IFLA_INFO_KIND, kind);
    out.end_nest();
    return out.finish();
}

std::optional<LinkObject> parse_link(const nlmsghdr& message) {
    ifinfomsg fixed{};
    if (message.nlmsg_type != RTM_NEWLINK || !read_fixed(message, &fixed, sizeof fixed)) return std::nullopt;
    const Attributes attributes = Attributes::of(message, sizeof fixed);
    LinkObject out;
    out.index = fixed.ifi_index;
    out.name = attributes.string(IFLA_IFNAME);
    out.alias = attributes.string(IFLA_IFALIAS);
    out.mtu = attributes.u32(IFLA_MTU);
    out.up = (fixed.ifi_flags & IFF_UP) != 0;
    out.running = (fixed.ifi_flags & IFF_RUNNING) != 0;
    const Attributes linkinfo = attributes.nest(IFLA_LINKINFO);
    out.kind = linkinfo.string(IFLA_INFO_KIND);
    if (out.kind != "xfrm") return out;
    const Attributes data = linkinfo.nest(IFLA_INFO_DATA);
    out.collect_metadata = data.has(IFLA_XFRM_COLLECT_METADATA);
    if (data.has(IFLA_XFRM_IF_ID) && !out.collect_metadata) out.if_id = data.u32(IFLA_XFRM_IF_ID);
    return out;
}

} // namespace sheaf::netlink
