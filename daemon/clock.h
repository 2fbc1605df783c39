#pragma once

#include "lib/base/time.h"

#include <string>

namespace sheaf::daemon {

// CLOCK_BOOTTIME: it only grows and goes on while the machine sleeps, so that a peer's silence during a
// suspend counts as silence.
[[nodiscard]] Instant now();

// Wall-clock time, for what carries dates.
[[nodiscard]] WallTime wall_time();

// Wall-clock time in UTC for people and event streams, with milliseconds: "2026-03-01T12:00:00.123Z".
[[nodiscard]] std::string utc_timestamp();

} // namespace sheaf::daemon
