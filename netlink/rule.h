#pragma once

#include "lib/base/ip.h"
#include "netlink/message.h"

#include <cstdint>
#include <optional>
#include <string>

namespace sheaf::netlink {

// A rule of policy routing: packets look into `table`.
struct Rule {
    Family family{};
    std::uint32_t priority = 0;
    std::uint32_t table = 0;
    std::uint8_t protocol = 0; // who installed it
    std::uint32_t mark = 0;    // of packets whose mark, under the mask, is this; mask 0: of all
    std::uint32_t mark_mask = 0;
    bool unless = false;                                 // the rule is for packets that do not match
    std::optional<std::uint32_t> suppress_prefix_length; // routes this short or shorter do not count
    std::optional<IpAddress> source{};                   // only of packets that are sent from this address

    [[nodiscard]] std::string to_string() const; // "IPv6 rule 5300 (table 5300)"
    friend bool operator==(const Rule&, const Rule&) = default;
};

[[nodiscard]] Message add_rule(const Rule& rule); // fails when it is there
[[nodiscard]] Message remove_rule(const Rule& rule);
[[nodiscard]] Message dump_rules(Family family);
[[nodiscard]] std::optional<Rule> parse_rule(const nlmsghdr& message); // RTM_NEWRULE

} // namespace sheaf::netlink
