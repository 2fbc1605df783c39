#pragma once

#include "conf/json.h"
#include "conf/source.h"
#include "lib/base/ip.h"
#include "lib/ike/config.h"

#include <string>
#include <vector>

namespace sheaf::conf {

// The "connections" of the file, in its order, each by itself.
[[nodiscard]] std::vector<ike::Connection> read_connections(const json::Value& root);

// Whether they fit each other and the rest of the file: pools that exist, a secret for every peer, an
// interface per client connection, addresses of one family.
void check_connections(const json::Value& root, const ike::Config& config,
                       const std::vector<IpAddress>& listen_addresses, Report& report);

} // namespace sheaf::conf
