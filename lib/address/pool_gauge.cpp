#include "lib/address/pool_gauge.h"

#include <algorithm>
#include <utility>

namespace sheaf::address {
namespace {

constexpr double kForecastSeconds = 10.0 * 365 * 24 * 3600; // what is farther away than this is not told

// So many of `size` are at least `percent`; without a product that could overflow.
std::uint64_t share(std::uint64_t size, unsigned percent) {
    return size / 100 * percent + (size % 100 * percent + 99) / 100;
}

} // namespace

void PoolGauge::sample(WallTime now, std::uint64_t taken) {
    if (!samples_.empty() && now < samples_.back().at) { // the clock was put back
        samples_.clear();
        started_.reset();
    }
    if (!started_) started_ = now;
    while (!samples_.empty() && samples_.front().at < now - kWindow)
        samples_.pop_front();
    if (samples_.empty() || now - samples_.back().at >= kSamplePace) samples_.push_back({now, taken});
}

bool PoolGauge::reaches(unsigned warn_at, std::uint64_t taken, std::uint64_t size) {
    if (warn_at == 0 || size == 0) return false;
    if (taken >= share(size, warn_at)) return !std::exchange(warned_, true);
    if (taken < share(size, warn_at - std::min(warn_at - 1, kSlackPercent))) warned_ = false;
    return false;
}

bool PoolGauge::sends_away() { return !std::exchange(told_exhausted_, true); }

std::optional<WallTime> PoolGauge::exhausted_at(WallTime now, std::uint64_t taken, std::uint64_t size) const {
    const auto baseline =
        std::ranges::find_if(samples_, [&](const Sample& s) { return s.at >= now - kWindow; });
    if (baseline == samples_.end() || taken <= baseline->taken || taken > size) return std::nullopt;
    const auto elapsed = now - std::max(*started_, now - kWindow);
    if (elapsed < kSamplePace) return std::nullopt;
    const double pace = static_cast<double>(taken - baseline->taken) / static_cast<double>(elapsed.count());
    const double seconds = static_cast<double>(size - taken) / pace;
    if (seconds > kForecastSeconds) return std::nullopt;
    return now + std::chrono::seconds(static_cast<std::int64_t>(seconds));
}

} // namespace sheaf::address
