#pragma once

#include "lib/base/rule.h"
#include "lib/ike/event.h"
#include "lib/ike/status.h"

#include <optional>
#include <string>
#include <string_view>

namespace sheaf::daemon {

// What has become of a pool, after its name: "is used up: 256 of 256, and a client was sent away".
[[nodiscard]] std::string pool_state(const ike::PoolLow& pool);
// What helps against it.
inline constexpr std::string_view kPoolRemedy =
    "give it a shorter prefix, name another pool beside it in \"pools\" of its connections, or shorten its "
    "\"lease\"; sheafctl pools shows when the next block falls free";

// What is the matter with a path in this state (ike::PathStatus), after its name; with "up", that it is not in use.
[[nodiscard]] std::string_view path_sentence(std::string_view state);
// What can be done about it; empty where there is nothing to do but to wait.
[[nodiscard]] std::string_view path_remedy(std::string_view state);

// What is the matter with a group that we are in, after its name, and what can be done about it; none where nothing is.
struct Trouble {
    std::string_view sentence;
    std::string_view remedy;
};
[[nodiscard]] std::optional<Trouble> trouble(const ike::GroupStatus& group);
// Of an event about a group, after the group's name; none where it is no trouble.
[[nodiscard]] std::optional<Trouble> trouble(ike::GroupChanged::What what);

// Why an IKE SA ended, after "because".
[[nodiscard]] std::string_view sentence(ike::DownReason reason);

// What a person can do about it; empty where there is nothing, or where the detail says it better.
[[nodiscard]] std::string_view remedy(Rule rule);
[[nodiscard]] std::string_view remedy(ike::DownReason reason);

} // namespace sheaf::daemon
