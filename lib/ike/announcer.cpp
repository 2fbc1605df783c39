#include "lib/ike/announcer.h"

#include <chrono>

namespace sheaf::ike {
namespace {

// RFC 4861 10: MAX_NEIGHBOR_ADVERTISEMENT, RETRANS_TIMER
constexpr unsigned kTimes = 3;
constexpr std::chrono::seconds kPace{1};

} // namespace

void Announcer::ask(const std::string& interface) {
    if (interface == interface_) return;
    interface_ = interface;
    confirmed_ = false;
    left_ = 0;
}

void Announcer::confirm(Instant now) {
    if (confirmed_) return;
    confirmed_ = true;
    if (interface_.empty()) return;
    left_ = kTimes;
    next_ = now;
}

std::optional<std::string> Announcer::step(Instant now) {
    if (left_ == 0 || next_ > now) return std::nullopt;
    --left_;
    next_ = now + kPace;
    return interface_;
}

std::optional<Instant> Announcer::next_timeout() const {
    return left_ == 0 ? std::nullopt : std::optional(next_);
}

} // namespace sheaf::ike
