#pragma once

#include "lib/base/secret.h"
#include "lib/ike/config.h"

#include <expected>
#include <string>

namespace sheaf::daemon {

inline constexpr const char* kMachineIdPath = "/etc/machine-id";

// This host's key for stable interface identifiers (RFC 7217 5): derived from the machine ID, which itself must
// not leave the host in any form that others could compare, machine-id(5). Error: a sentence with the remedy.
[[nodiscard]] std::expected<Secret, std::string> stable_secret(const std::string& path = kMachineIdPath);

// Whether something in the configuration needs it; the result names the connection, or is empty.
[[nodiscard]] std::string needs_stable_secret(const ike::Config& config);

} // namespace sheaf::daemon
