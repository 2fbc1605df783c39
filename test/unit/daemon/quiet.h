#pragma once

#include "daemon/loop.h"
#include "lib/base/time.h"

#include <catch2/catch.hpp>
#include <systemd/sd-event.h>

#include <cstdint>

namespace sheaf::daemon::test {

// Runs the loop until nothing has happened for so long. A timer that ended it would end it with something still to be done where
// the machine had stood still.
inline void run_until_quiet(Loop& loop, Duration quiet) {
    int more = 1;
    while (more > 0)
        more = sd_event_run(
            loop.handle(),
            static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(quiet).count()));
    REQUIRE(more == 0);
}

} // namespace sheaf::daemon::test
