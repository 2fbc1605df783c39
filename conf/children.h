#pragma once

#include "conf/json.h"
#include "conf/source.h"
#include "lib/ike/config.h"

#include <string>
#include <string_view>
#include <vector>

namespace sheaf::conf {

// What an object says of Child SAs; `rekey` is the key under which it says when to rekey.
[[nodiscard]] ike::ChildTerms read_child_terms(const json::Value& entry, std::string_view rekey);

// The "children" of a connection, in the order of the file.
[[nodiscard]] std::vector<ike::ChildConfig> read_children(const json::Value& connection);

// Whether the parts of each fit one another: selectors that the mode needs, of the same families on both
// sides, a peer to begin with, a replay window for extended sequence numbers. `path` is the connection's.
// A gateway or client has no outer network beyond its address, so that stands for missing selectors in either
// mode; a gateway does not begin.
void check_children(ike::Role role, const json::Value& connection, const std::string& path, Report& report);

// The same of the Child SA of a gateway's or client's virtual link.
void check_child_terms(const json::Value& entry, const std::string& path, Report& report);

} // namespace sheaf::conf
