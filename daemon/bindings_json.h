#pragma once

#include "daemon/status_json.h"

#include <nlohmann/json_fwd.hpp>

#include <string_view>

namespace sheaf::daemon {

// The member "homes" of the answers to "bindings" and "status": the home addresses that we serve or have, with what is
// registered for them. Of all, or of those that the name is for: a connection, a peer's identity, a home or care-of
// address.
[[nodiscard]] nlohmann::ordered_json bindings_json(const Snapshot& snapshot, std::string_view name = {});

// A flow's packets, as they come to the mobile node: "2001:db8::/64 to any, udp, ports 5001 to any".
[[nodiscard]] std::string selector_text(const mobility::FlowSelector& selector);

} // namespace sheaf::daemon
