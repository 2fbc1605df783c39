// moving-simulation [--seeds N] [--first N]: N worlds in which a client's uplinks come and go. In each: ESP goes only
// where the client has answered from, one login carries it all for as long as one uplink works, and when there is
// peace both ends agree and nothing is left over.
#include "test/simulation/moving_world.h"
#include "test/simulation/seeds.h"

int main(int argc, char** argv) {
    return sheaf::test::run_seeds(argc, argv,
                                  [](std::uint64_t seed) { return sheaf::test::MovingWorld(seed).run(); });
}
