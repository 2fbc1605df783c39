#pragma once

#include "daemon/status_json.h"

#include <nlohmann/json_fwd.hpp>

#include <string_view>

namespace sheaf::daemon {

// The member of the answers to "groups" and "status": one object for each group that is served or joined, without keys.
//
// `name`: a group, a connection, or the identity of a member; empty for all.
[[nodiscard]] nlohmann::ordered_json groups_json(const Snapshot& snapshot, std::string_view name = {});

// The member "groups" of the answer to "explain": those of the groups that we are in which are not well, each with a sentence
// that says so and what can be done. An array, empty where all are.
[[nodiscard]] nlohmann::ordered_json unwell_groups_json(const ike::Status& status, std::string_view name);

} // namespace sheaf::daemon
