#pragma once

#include "lib/base/time.h"

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>

namespace sheaf::address {

// How full a pool is: when to say so, and when it will be used up.
class PoolGauge {
  public:
    // A pool that has been told to be nearly full is told again after it was so many percent below that.
    static constexpr unsigned kSlackPercent = 5;
    static constexpr auto kWindow = std::chrono::hours(1);
    static constexpr auto kSamplePace = std::chrono::minutes(1);

    // `taken` before a change at `now`.
    void sample(WallTime now, std::uint64_t taken);
    // After a change. True: it is time to say that `warn_at` percent are reached.
    [[nodiscard]] bool reaches(unsigned warn_at, std::uint64_t taken, std::uint64_t size);
    // A client was sent away. True: it is time to say so.
    [[nodiscard]] bool sends_away();
    // There is a block for the next client.
    void has_room() { told_exhausted_ = false; }

    // By the growth of the last hour, or since the first sample; none if it does not grow.
    [[nodiscard]] std::optional<WallTime> exhausted_at(WallTime now, std::uint64_t taken,
                                                       std::uint64_t size) const;

  private:
    struct Sample {
        WallTime at;
        std::uint64_t taken = 0;
    };

    bool warned_ = false;
    bool told_exhausted_ = false;
    std::optional<WallTime> started_;
    std::deque<Sample> samples_; // of the window: at most kWindow / kSamplePace
};

} // namespace sheaf::address
