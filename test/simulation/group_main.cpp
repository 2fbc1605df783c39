// group-simulation [--seeds N] [--first N]: N worlds with a gateway and the endpoints of its group in a bad network
// (test/unit/group/world.h). In each: who is up to date can talk, no SA outlives its time, no key comes back.
#include "test/simulation/seeds.h"
#include "test/unit/group/world.h"

#include <fmt/format.h>

int main(int argc, char** argv) {
    using namespace sheaf::group::test;
    Tally sum;
    return sheaf::test::run_seeds(
        argc, argv,
        [&](std::uint64_t seed) {
            World world(seed);
            std::string wrong = world.run();
            sum += world.tally();
            return wrong;
        },
        [&] {
            return fmt::format(
                "{} times two members had to read one another, {} of them while they sent with "
                "different SAs;\n{} generations, {} deaths of the gateway, {} joins, {} leaves, {} "
                "members lost, {} announcements refused, {} SAs expired",
                sum.pairs, sum.rolling_pairs, sum.generations, sum.crashes, sum.joins, sum.leaves, sum.lost,
                sum.refused, sum.expired);
        });
}
