#pragma once

#include "lib/base/rule.h"
#include "lib/ike/event.h"

#include <string_view>

namespace sheaf::daemon {

// Why an IKE SA ended, after "because".
[[nodiscard]] std::string_view sentence(ike::DownReason reason);

// What a person can do about it; empty where there is nothing, or where the detail says it better.
[[nodiscard]] std::string_view remedy(Rule rule);
[[nodiscard]] std::string_view remedy(ike::DownReason reason);

} // namespace sheaf::daemon
