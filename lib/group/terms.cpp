#include "lib/group/terms.h"

#include <algorithm>

namespace sheaf::group {

std::optional<TermsFault> fault(const Terms& t) {
    if (const auto good = check(t.suite, t.acceptance); !good)
        return TermsFault{"suite", sentence(good.error())};
    if (t.delivery.count() < 1)
        return TermsFault{"delivery", "a message takes a second at least; give the span of retransmissions"};
    // Everybody must be able to read the new SA before anybody sends with it.
    if (t.rollover1 <= t.delivery)
        return TermsFault{"rollover1",
                          "members would send with the new SA before all have it; make it longer "
                          "than the span of retransmissions"};
    // A member that got the message last sends with the old SA for `delivery` longer than the first.
    if (t.rollover2 < t.rollover1 + std::max(kMinOverlap, t.delivery + kRounding))
        return TermsFault{
            "rollover2",
            "members would refuse the old SA while others still send with it; make it longer than "
            "the first by 30 seconds, and by the span of retransmissions and 5 seconds"};
    if (t.lifetime > kMaxLifetime)
        return TermsFault{"lifetime",
                          "a member that restarts could not count on from where it was; 4095 seconds "
                          "are the longest"};
    if (t.lifetime < 4 * t.rollover2)
        return TermsFault{"lifetime",
                          "there is no room for a rollover before it ends; make it four times the "
                          "second rollover time at least"};
    return std::nullopt;
}

} // namespace sheaf::group
