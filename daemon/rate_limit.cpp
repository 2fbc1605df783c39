#include "daemon/rate_limit.h"

#include <utility>

namespace sheaf::daemon {

bool RateLimit::pass(Instant now) {
    if (passed_ == 0 || over(now)) {
        begin_ = now;
        passed_ = 0;
    }
    if (passed_ < per_second_) {
        ++passed_;
        return true;
    }
    ++held_back_;
    return false;
}

std::optional<std::uint64_t> RateLimit::held_back(Instant now) {
    if (held_back_ == 0 || !over(now)) return std::nullopt;
    return std::exchange(held_back_, 0);
}

std::optional<Instant> RateLimit::due() const {
    if (held_back_ == 0) return std::nullopt;
    return begin_ + std::chrono::seconds(1);
}

} // namespace sheaf::daemon
