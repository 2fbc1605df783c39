#pragma once

#include "conf/json.h"
#include "conf/source.h"
#include "lib/base/ip.h"
#include "lib/ike/config.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace sheaf::conf {

// Of the "authorities", the subject by the name that the file gives them.
using Authorities = std::map<std::string, std::string, std::less<>>;

// The "connections" of the file, in its order, each by itself.
[[nodiscard]] std::vector<ike::Connection> read_connections(const json::Value& root,
                                                            const Authorities& authorities);

// Whether they fit each other and the rest of the file: pools that exist, an interface per client connection,
// addresses of one family, children that fit. Whether both sides can prove who they are is in proofs.h.
void check_connections(const json::Value& root, const ike::Config& config,
                       const std::vector<IpAddress>& listen_addresses, Report& report);

// What weakens a connection, or has no effect, though the file asks for it: a sentence each.
[[nodiscard]] std::vector<std::string> connection_notes(const json::Value& root);

} // namespace sheaf::conf
