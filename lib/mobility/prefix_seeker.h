#pragma once

#include "lib/base/random.h"
#include "lib/base/rule.h"
#include "lib/base/time.h"
#include "lib/mobility/home_agent.h"
#include "lib/mobility/prefix_message.h"

#include <cstdint>
#include <expected>
#include <optional>
#include <vector>

namespace sheaf::mobility {

// Mobile node: which prefixes the home link has, as the home agent says (RFC 6275 11.4.2, 11.4.3).
//
// It asks when it can first, when it is told to, and again before what it knows is too old: after a day, within which a
// home agent would tell by itself (RFC 6275 13: MaxMobPfxAdvInterval), or three quarters of the shortest lifetime.
// Time: an argument. It has to be called at next_timeout().
class PrefixSeeker {
  public:
    // What is to be sent now. `open`: a solicitation gets to the home agent.
    [[nodiscard]] std::optional<PrefixSolicitation> step(Instant now, bool open, Random& random);
    // Anew at the next step, unless a question is under way.
    void ask(Instant now);
    // REQUIRES: it came from our home agent, by the SA with it. Error: unmatched_advertisement; then it asks.
    [[nodiscard]] std::expected<void, Rule> receive(Instant now, const PrefixAdvertisement& advertisement);
    [[nodiscard]] std::optional<Instant> next_timeout() const { return next_; }

    [[nodiscard]] const std::vector<HomePrefix>& known() const { return known_; } // empty: nothing is known

  private:
    bool open_ = false;
    std::optional<std::uint16_t> asked_; // the identifier of the question under way
    std::optional<Instant> next_;        // when it is sent, or sent again
    std::optional<Instant> sent_at_;     // the latest
    Duration timeout_{};
    std::vector<HomePrefix> known_;
};

} // namespace sheaf::mobility
