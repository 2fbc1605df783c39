#pragma once

#include "daemon/status_json.h"

#include <nlohmann/json_fwd.hpp>

#include <string_view>

namespace sheaf::daemon {

// The member of the answer to "clients": one object for each link of a gateway, with whoever is on it, what
// they were given and by which paths they come. A link has several paths where a client has made several
// (RFC 7791), while it authenticates anew, and where one identity shares its addresses among several IKE SAs.
//
// `name`: a connection, an identity, a client's outer address, or an address that a client was given; empty
// for all.
[[nodiscard]] nlohmann::ordered_json clients_json(const Snapshot& snapshot, std::string_view name);

} // namespace sheaf::daemon
