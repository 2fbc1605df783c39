#pragma once

#include "lib/base/time.h"

#include <cstdint>
#include <optional>

namespace sheaf::daemon {

// At most `per_second` passes in each second that begins with a pass; counts what it held back. For lines
// that anyone on the network can cause.
class RateLimit {
  public:
    explicit RateLimit(unsigned per_second) : per_second_(per_second) {}

    [[nodiscard]] bool pass(Instant now);
    // How many were held back in a second that is over; told once.
    [[nodiscard]] std::optional<std::uint64_t> held_back(Instant now);
    // When held_back() will have something to tell.
    [[nodiscard]] std::optional<Instant> due() const;

  private:
    [[nodiscard]] bool over(Instant now) const { return now - begin_ >= std::chrono::seconds(1); }

    unsigned per_second_;
    unsigned passed_ = 0;
    Instant begin_;
    std::uint64_t held_back_ = 0;
};

} // namespace sheaf::daemon
