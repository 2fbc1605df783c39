#pragma once

#include "conf/json.h"
#include "conf/source.h"
#include "lib/ike/config.h"

#include <string>
#include <vector>

namespace sheaf::conf {

// The "groups" of the file: those that we serve and those that we join. REQUIRES: the connections are read, for how
// long the slowest member may take to get a message follows from theirs.
void read_groups(const json::Value& root, ike::Config& config);

// Whether they can work as they are, and whether connections and groups fit each other.
void check_groups(const json::Value& root, const ike::Config& config, Report& report);

// What weakens a group though the file asks for it: a sentence each.
[[nodiscard]] std::vector<std::string> group_notes(const json::Value& root);

} // namespace sheaf::conf
