#pragma once

#include "conf/json.h"
#include "conf/source.h"
#include "lib/ike/config.h"

#include <vector>

namespace sheaf::conf {

// The "reserved" blocks of one pool. Each is one that the pool gives away, and nobody else's.
[[nodiscard]] std::vector<address::Reservation>
read_reservations(const json::Value& entry, const address::PoolSpec& pool, Report& report);

// Whether somebody could come for them: an identity that a gateway connection with the pool serves.
void check_reservations(const json::Value& root, const ike::Config& config, Report& report);

} // namespace sheaf::conf
