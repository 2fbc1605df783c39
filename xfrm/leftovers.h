#pragma once

#include "lib/base/time.h"
#include "lib/child/kernel.h"
#include "xfrm/state.h"

#include <optional>
#include <vector>

namespace sheaf::xfrm {

// Inbound SAD entries at addresses that we have moved away from. They stay for what is still on its way to
// there, and go by themselves soon.
class Leftovers {
  public:
    // More than what is on its way in the widest of networks that people use; a peer that has not learned of
    // the move by then has lost us anyway.
    static constexpr Duration kStay = std::chrono::seconds(2);

    void add(child::LinkNumber link, const StateId& id) { entries_.push_back({link, id, std::nullopt}); }
    void strike(const StateId& id); // it is gone
    // Those of one SA, which has the same SPI wherever it goes.
    [[nodiscard]] std::vector<StateId> of(child::LinkNumber link, std::uint32_t spi) const;

    // In the past where one was added since the last call of take_due().
    [[nodiscard]] std::optional<Instant> next_timeout() const;
    // What has to be removed now; it is struck.
    [[nodiscard]] std::vector<StateId> take_due(Instant now);
    void forget_all() { entries_.clear(); } // after all of ours was removed

  private:
    struct Entry {
        child::LinkNumber link = 0;
        StateId id;
        std::optional<Instant> until; // from the next look at the clock on
    };
    std::vector<Entry> entries_;
};

} // namespace sheaf::xfrm
