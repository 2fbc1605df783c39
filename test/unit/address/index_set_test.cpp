#include "lib/address/index_set.h"

#include <catch2/catch.hpp>

#include <cstdint>
#include <optional>
#include <random>
#include <set>

using sheaf::address::IndexSet;

TEST_CASE("an index set finds the next gap, around the end if need be") {
    IndexSet set;
    for (const std::uint64_t index : {5U, 6U, 8U, 7U})
        CHECK(set.insert(index));
    CHECK_FALSE(set.insert(6));
    CHECK(set.count() == 4);
    CHECK(set.gap(4, 0, 10) == 4);
    CHECK(set.gap(5, 0, 10) == 9);
    CHECK(set.gap(5, 0, 9) == 0);
    CHECK(set.gap(6, 5, 9) == std::nullopt);
    CHECK(set.erase(6));
    CHECK_FALSE(set.erase(6));
    CHECK(set.gap(5, 5, 9) == 6);
    CHECK(set.gap(7, 5, 9) == 6);
}

TEST_CASE("an index set agrees with a set of single numbers") {
    constexpr std::uint64_t kSize = 60;
    std::mt19937 random(7);
    IndexSet set;
    std::set<std::uint64_t> plain;
    bool agree = true;
    for (int i = 0; i < 20'000 && agree; ++i) {
        const std::uint64_t index = random() % kSize;
        if (random() % 5 < 3)
            agree = set.insert(index) == plain.insert(index).second;
        else
            agree = set.erase(index) == (plain.erase(index) == 1);
        const std::uint64_t from = random() % kSize;
        std::optional<std::uint64_t> gap;
        for (std::uint64_t step = 0; step < kSize && !gap; ++step)
            if (const auto at = (from + step) % kSize; !plain.contains(at)) gap = at;
        agree = agree && set.gap(from, 0, kSize) == gap && set.count() == plain.size() &&
                set.contains(from) == plain.contains(from);
    }
    CHECK(agree);
}
