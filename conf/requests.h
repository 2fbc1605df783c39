#pragma once

#include "conf/json.h"
#include "conf/source.h"
#include "lib/ike/config.h"

#include <span>
#include <string>

namespace sheaf::conf {

// What a client's connection says of the addresses that it wants: "request", "interface_ids" and "lan".
[[nodiscard]] ike::AddressRequest read_request(const json::Value& connection);

// Whether these fit each other. `path` is the connection's, `interfaces` are those that Sheaf makes.
void check_request(const json::Value& connection, const std::string& path,
                   std::span<const std::string> interfaces, Report& report);

} // namespace sheaf::conf
