#pragma once

#include "conf/json.h"
#include "conf/source.h"
#include "lib/ike/config.h"

namespace sheaf::conf {

// Whether what gateways give to clients is nothing that the file uses itself: the addresses that we listen at, those of
// connections, and the name servers.
void check_given(const json::Value& root, const ike::Config& config, Report& report);

} // namespace sheaf::conf
