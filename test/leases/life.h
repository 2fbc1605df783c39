#pragma once

#include "test/leases/report.h"

namespace sheaf::leases_test {

// A life of the daemon's source of addresses: clients come, ask, come again and go, and whatever is told to
// one of them is written to `pipe` right after. Ends when somebody kills the process, or with exit code 1.
[[noreturn]] void live(const World& world, unsigned seed, int pipe);

} // namespace sheaf::leases_test
