#include "xfrm/link_rules.h"

#include "xfrm/marks.h"

#include <linux/rtnetlink.h>

#include <cerrno>

namespace sheaf::xfrm {

using netlink::Rule;

namespace {
constexpr std::uint32_t kWholeMark = 0xffffffff;
} // namespace

std::vector<Rule> common_rules() {
    std::vector<Rule> out;
    for (const Family family : {Family::ipv6, Family::ipv4})
        out.push_back({.family = family,
                       .priority = kRoutePriority,
                       .table = kRouteTable,
                       .protocol = kProtocol,
                       .mark = kMark,
                       .mark_mask = kMarkMask,
                       .unless = true,
                       .suppress_prefix_length = std::nullopt});
    return out;
}

std::vector<Rule> client_rules() {
    std::vector<Rule> out;
    for (const Family family : {Family::ipv6, Family::ipv4}) {
        out.push_back({.family = family,
                       .priority = kMainPriority,
                       .table = RT_TABLE_MAIN,
                       .protocol = kProtocol,
                       .suppress_prefix_length = 0});
        out.push_back({.family = family,
                       .priority = kDefaultRoutePriority,
                       .table = kDefaultRouteTable,
                       .protocol = kProtocol,
                       .mark = kMark,
                       .mark_mask = kMarkMask,
                       .unless = true,
                       .suppress_prefix_length = std::nullopt});
    }
    return out;
}

std::vector<Rule> way_rules(const child::Link& link) {
    std::vector<Rule> out;
    const auto add = [&](child::LinkNumber number, std::uint32_t mark) {
        if (mark == 0) return;
        for (const Family family : {Family::ipv6, Family::ipv4}) {
            Rule rule{.family = family,
                      .priority = kWayPriority,
                      .table = number,
                      .protocol = kProtocol,
                      .mark = mark,
                      .mark_mask = kWholeMark,
                      .suppress_prefix_length = 0};
            out.push_back(rule);
            rule.priority = kDefaultWayPriority;
            rule.suppress_prefix_length.reset();
            out.push_back(rule);
        }
    };
    if (link.role != child::LinkRole::client) return out;
    add(link.number, link.mark);
    for (const child::LinkWay& way : link.ways)
        add(way.number, way.mark);
    return out;
}

Operation rule_operation(const Rule& rule) {
    Operation out{
        .room = Room::route, .message = add_rule(rule), .object = rule.to_string(), .verb = "install"};
    out.tolerated = {EAFNOSUPPORT}; // a machine without this family needs no rule for it
    out.undo = [rule] { return remove_rule(rule); };
    out.hint = [rule](const netlink::Error& error) -> std::string {
        if (error.code != EEXIST) return {};
        return "; a rule like it is there and is not Sheaf's: ip " +
               std::string(rule.family == Family::ipv6 ? "-6" : "-4") + " rule del priority " +
               std::to_string(rule.priority);
    };
    return out;
}

} // namespace sheaf::xfrm
