#pragma once

#include "lib/child/kernel.h"
#include "netlink/rule.h"
#include "xfrm/plan.h"

#include <vector>

namespace sheaf::xfrm {

// The rules that the first link of a role needs: those for either role, and those for clients.
[[nodiscard]] std::vector<netlink::Rule> common_rules();
[[nodiscard]] std::vector<netlink::Rule> client_rules();

// Those that lead what carries a mark of the link's ways into that way's table: each before, and for a default
// route after the main table, as for the link as a whole.
[[nodiscard]] std::vector<netlink::Rule> way_rules(const child::Link& link);

[[nodiscard]] Operation rule_operation(const netlink::Rule& rule); // installs it

} // namespace sheaf::xfrm
