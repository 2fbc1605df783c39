#include "test/unit/group/world.h"

#include <catch2/catch.hpp>

#include <charconv>
#include <cstdlib>
#include <string_view>

using namespace sheaf::group::test;

namespace {

// As many as one second holds. SHEAF_GROUP_SEEDS asks for more, SHEAF_GROUP_SEED for a single one.
constexpr std::uint64_t kSeeds = 200;

std::uint64_t number_in(const char* variable, std::uint64_t otherwise) {
    const char* text = std::getenv(variable);
    if (!text) return otherwise;
    std::uint64_t value = 0;
    const std::string_view view(text);
    const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), value);
    if (error != std::errc() || end != view.data() + view.size())
        throw std::runtime_error(std::string(variable) + " is not a number: " + text);
    return value;
}

} // namespace

TEST_CASE("a group in a bad network: who is up to date can talk, and no SA outlives its time") {
    const std::uint64_t only = number_in("SHEAF_GROUP_SEED", 0);
    const std::uint64_t seeds = number_in("SHEAF_GROUP_SEEDS", kSeeds);
    Tally sum;
    for (std::uint64_t seed = only ? only : 1; seed <= (only ? only : seeds); ++seed) {
        World world(seed);
        const std::string wrong = world.run();
        INFO("seed " << seed);
        REQUIRE(wrong == "");
        sum += world.tally();
    }
    if (only) return;
    // The runs were about something.
    CAPTURE(sum.generations, sum.crashes, sum.joins, sum.leaves, sum.lost, sum.refused, sum.expired);
    CHECK(sum.pairs > 1000 * seeds);
    CHECK(sum.rolling_pairs > seeds);
    CHECK(sum.generations > 4 * seeds);
    CHECK(sum.crashes > seeds);
    CHECK(sum.joins > 8 * seeds);
    CHECK(sum.leaves > seeds);
    CHECK(sum.lost > seeds / 4);
    CHECK(sum.refused > seeds / 8);
    CHECK(sum.expired > seeds / 8);
}
