#include "daemon/clock.h"

#include <fmt/format.h>

#include <ctime>

namespace sheaf::daemon {

Instant now() {
    timespec t{};
    ::clock_gettime(CLOCK_BOOTTIME, &t);
    return Instant(std::chrono::duration_cast<Duration>(std::chrono::seconds(t.tv_sec) +
                                                        std::chrono::nanoseconds(t.tv_nsec)));
}

WallTime wall_time() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

std::string utc_timestamp() {
    timespec t{};
    ::clock_gettime(CLOCK_REALTIME, &t);
    std::tm date{};
    ::gmtime_r(&t.tv_sec, &date);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", date.tm_year + 1900, date.tm_mon + 1,
                       date.tm_mday, date.tm_hour, date.tm_min, date.tm_sec, t.tv_nsec / 1'000'000);
}

} // namespace sheaf::daemon
