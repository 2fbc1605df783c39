#pragma once

#include "conf/json.h"
#include "conf/source.h"
#include "lib/ike/config.h"

#include <string>
#include <vector>

namespace sheaf::conf {

// The "pools" of a gateway's connection: each entry is one block, and a list in it names alternatives.
[[nodiscard]] std::vector<address::Want> read_wants(const json::Value& connection);

// Whether the pools exist, the alternatives of one block are of one family, and each block can be used: of
// IPv4 a client gets one address. `path` is the connection's.
void check_wants(const json::Value& root, const ike::Config& config, const json::Value& connection,
                 const std::string& path, Report& report);

} // namespace sheaf::conf
