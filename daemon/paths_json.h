#pragma once

#include "daemon/status_json.h"

#include <nlohmann/json_fwd.hpp>

#include <string_view>

namespace sheaf::daemon {

// The member of the answers to "paths" and "status": one object for each path of a client with uplinks, and at a
// gateway for each IKE SA of those that share an authentication.
//
// `name`: a connection, an identity, an uplink, or an address at either end; empty for all.
[[nodiscard]] nlohmann::ordered_json paths_json(const Snapshot& snapshot, std::string_view name = {});

// The member "paths" of the answer to "explain": those of these paths that traffic does not take, each with a
// sentence that says so, why that is, and what can be done. An array, empty where all are used.
[[nodiscard]] nlohmann::ordered_json unused_paths_json(const ike::Status& status, std::string_view name,
                                                       Instant now);

} // namespace sheaf::daemon
