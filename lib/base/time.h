#pragma once

#include <chrono>
#include <cstdint>

namespace sheaf {

// A moment on a clock that only grows; which clock is the caller's affair (CLOCK_BOOTTIME in the daemon, a
// counter in tests). Never wall-clock time.
struct EngineClock {
    using rep = std::int64_t;
    using period = std::micro;
    using duration = std::chrono::microseconds;
    using time_point = std::chrono::time_point<EngineClock>;
    static constexpr bool is_steady = true;
};

using Instant = EngineClock::time_point;
using Duration = EngineClock::duration;

// Seconds of UTC, for what carries dates: certificates and lists.
using WallTime = std::chrono::sys_seconds;

} // namespace sheaf
