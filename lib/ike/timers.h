#pragma once

#include "lib/base/time.h"
#include "lib/wire/header.h"

#include <optional>
#include <queue>
#include <utility>
#include <vector>

namespace sheaf::ike {

// When to look at which IKE SA again. Entries are never taken back: one that has become too early merely
// leads to a look that finds nothing due.
class Timers {
  public:
    void arm(Instant when, wire::Spi spi) { queue_.emplace(when, spi); }
    [[nodiscard]] std::optional<Instant> next() const {
        return queue_.empty() ? std::nullopt : std::optional(queue_.top().first);
    }
    // The next entry that is due, taken out.
    [[nodiscard]] std::optional<std::pair<Instant, wire::Spi>> pop(Instant now) {
        if (queue_.empty() || queue_.top().first > now) return std::nullopt;
        const auto entry = queue_.top();
        queue_.pop();
        return entry;
    }

  private:
    using Entry = std::pair<Instant, wire::Spi>;
    std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue_;
};

} // namespace sheaf::ike
