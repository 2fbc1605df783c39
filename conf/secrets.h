#pragma once

#include "conf/json.h"
#include "conf/settings.h"
#include "conf/source.h"

#include <cstddef>
#include <vector>

namespace sheaf::conf {

// Pre-shared keys are as long as a person or a generator makes them (RFC 7296 2.15); a larger file is not
// one.
inline constexpr std::size_t kMaxSecret = 4096;

// The "secrets" of the file, those for one peer first, then those for the longest suffix, then those for all:
// the first that matches is the most specific. Takes the key out of the tree where it is written there.
//
// Files: only their owner may read or write them. Credentials are systemd's to protect: it lets the service's
// user in by an ACL, which looks like a group's permission.
[[nodiscard]] std::vector<auth::SharedKey> read_secrets(json::Value& root, const Environment& environment,
                                                        Report& report);

} // namespace sheaf::conf
