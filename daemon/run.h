#pragma once

#include "daemon/options.h"

namespace sheaf::daemon {

// `sheafd --check FILE`: prints all mistakes to standard error, or "FILE: ok" to standard output.
[[nodiscard]] int check_file(const CheckOptions& options);

// sheafd itself: from the configuration to the end. The result is the exit code.
[[nodiscard]] int run(const RunOptions& options);

} // namespace sheaf::daemon
