#pragma once

#include "conf/json.h"
#include "conf/source.h"
#include "lib/address/pool_spec.h"

#include <vector>

namespace sheaf::conf {

// The "pools" of the file. No two overlap, and each holds at least one block of the length that it delegates,
// and those that it reserves.
[[nodiscard]] std::vector<address::PoolSpec> read_pools(const json::Value& root, Report& report);

} // namespace sheaf::conf
