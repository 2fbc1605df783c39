#include "netlink/rule.h"

#include "netlink/route_message.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include <sys/socket.h>

namespace sheaf::netlink {
namespace {

constexpr std::uint32_t kNoSuppression = 0xffffffff; // as the kernel tells it

Message encode(std::uint16_t type, std::uint16_t flags, const Rule& rule) {
    fib_rule_hdr fixed{};
    fixed.family = family_number(rule.family);
    fixed.table = RT_TABLE_UNSPEC; // FRA_TABLE has it
    fixed.action = FR_ACT_TO_TBL;
    fixed.flags = rule.unless ? FIB_RULE_INVERT : 0;
    if (rule.source) fixed.src_len = static_cast<std::uint8_t>(rule.source->bits());
    RouteMessage out(type, flags, fixed);
    out.put_u32(FRA_PRIORITY, rule.priority);
    out.put_u32(FRA_TABLE, rule.table);
    out.put_u8(FRA_PROTOCOL, rule.protocol);
    if (rule.source) out.put_address(FRA_SRC, *rule.source);
    if (rule.mark_mask != 0) {
        out.put_u32(FRA_FWMARK, rule.mark);
        out.put_u32(FRA_FWMASK, rule.mark_mask);
    }
    if (rule.suppress_prefix_length) out.put_u32(FRA_SUPPRESS_PREFIXLEN, *rule.suppress_prefix_length);
    return out.finish();
}

} // namespace

std::string Rule::to_string() const {
    return std::string(family == Family::ipv6 ? "IPv6" : "IPv4") + " rule " + std::to_string(priority) +
           " (table " + std::to_string(table) + ")" + (source ? " from " + source->to_string() : "");
}

Message add_rule(const Rule& rule) { return encode(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule); }

Message remove_rule(const Rule& rule) { return encode(RTM_DELRULE, 0, rule); }

Message dump_rules(Family family) {
    fib_rule_hdr fixed{};
    fixed.family = family_number(family);
    return RouteMessage(RTM_GETRULE, NLM_F_DUMP, fixed).finish();
}

std::optional<Rule> parse_rule(const nlmsghdr& message) {
    fib_rule_hdr fixed{};
    if (message.nlmsg_type != RTM_NEWRULE || !read_fixed(message, &fixed, sizeof fixed)) return std::nullopt;
    if (fixed.family != AF_INET && fixed.family != AF_INET6) return std::nullopt;
    const Attributes attributes = Attributes::of(message, sizeof fixed);
    Rule out;
    out.family = fixed.family == AF_INET6 ? Family::ipv6 : Family::ipv4;
    out.priority = attributes.u32(FRA_PRIORITY);
    out.table = attributes.u32(FRA_TABLE, fixed.table);
    out.protocol = attributes.u8(FRA_PROTOCOL);
    out.mark = attributes.u32(FRA_FWMARK);
    out.mark_mask = attributes.u32(FRA_FWMASK);
    out.unless = (fixed.flags & FIB_RULE_INVERT) != 0;
    const std::uint32_t suppress = attributes.u32(FRA_SUPPRESS_PREFIXLEN, kNoSuppression);
    out.source = IpAddress::from_bytes(attributes.bytes(FRA_SRC));
    if (suppress != kNoSuppression) out.suppress_prefix_length = suppress;
    return out;
}

} // namespace sheaf::netlink
