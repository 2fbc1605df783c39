#pragma once

#include "lib/group/suite.h"

#include <chrono>
#include <optional>
#include <string_view>

namespace sheaf::group {

// An endpoint that restarts begins to count its packets by the seconds that are left of the SA, a million for
// each (see first_sequence), and 32 bits hold so many of them.
inline constexpr std::chrono::seconds kMaxLifetime{4095};
// The second rollover time is so much longer than the first at least: packets are under way, and clocks are
// read in whole seconds.
inline constexpr std::chrono::seconds kMinOverlap{30};
inline constexpr std::chrono::seconds kRounding{5};

// What an operator sets for a group.
struct Terms {
    Suite suite;
    std::chrono::seconds lifetime{3600};
    // What the slowest member may take to get a message: the whole span of retransmissions. After that its
    // IKE SA is given up.
    std::chrono::seconds delivery{32};
    // From the moment at which a new SA is told until members send with it (RFC 5374 4.2.1: activation time
    // delay). What it is longer than `delivery` is how long the gateway may be away in between without harm.
    std::chrono::seconds rollover1{60};
    // From the same moment until members refuse the SA before (deactivation time delay).
    std::chrono::seconds rollover2{120};
    bool rekey_on_leave = true;
    bool rekey_on_join = false;
    Acceptance acceptance;

    friend bool operator==(const Terms&, const Terms&) = default;
};

struct TermsFault {
    std::string_view field; // of Terms
    std::string_view sentence;
};

// Why these terms would lose packets or cannot be kept; none if they are good.
[[nodiscard]] std::optional<TermsFault> fault(const Terms& terms);

} // namespace sheaf::group
