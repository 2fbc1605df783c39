// mobile-simulation [--seeds N] [--first N]: N worlds of a mobile node whose access networks come and go, and which comes
// home and leaves. In each: no packet is sent to an address that was withdrawn or from one that is gone, nor into the
// tunnel at home, and when there is peace binding cache and binding list agree, all that the mobile node has is registered
// and reached, or it is at home and both know, and nothing is left over.
#include "test/simulation/mobile_world.h"
#include "test/simulation/seeds.h"

#include <fmt/format.h>

int main(int argc, char** argv) {
    using sheaf::test::MobileWorld;
    MobileWorld::Tally all;
    const auto run = [&all](std::uint64_t seed) {
        MobileWorld world(seed);
        auto wrong = world.run();
        all += world.tally();
        return wrong;
    };
    const auto summary = [&all] {
        return fmt::format(
            "{} bindings registered, {} moved, {} ended ({} by their time), {} decided by the operator; "
            "{} restarts, {} logins, {} moves of IKE SAs, {} returns home, {} Child SAs rekeyed; {} times of "
            "peace",
            all.bindings, all.moved, all.ended, all.expired, all.decided, all.restarts, all.logins,
            all.ike_moves, all.returns, all.rekeyed, all.peaces);
    };
    return sheaf::test::run_seeds(argc, argv, run, summary);
}
