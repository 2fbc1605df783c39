#pragma once

#include "netlink/rule.h"
#include "xfrm/plan.h"

#include <vector>

namespace sheaf::xfrm {

// The rules that the first link of a role needs: those for either role, and those for clients.
[[nodiscard]] std::vector<netlink::Rule> common_rules();
[[nodiscard]] std::vector<netlink::Rule> client_rules();

[[nodiscard]] Operation rule_operation(const netlink::Rule& rule); // installs it

} // namespace sheaf::xfrm
