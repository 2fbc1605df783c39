#include "daemon/rate_limit.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::daemon;
using namespace std::chrono_literals;

TEST_CASE("A rate limit lets through so many a second and counts the rest", "[daemon]") {
    const Instant start{1000s};
    RateLimit limit(3);
    CHECK_FALSE(limit.due());
    for (int i = 0; i < 3; ++i)
        CHECK(limit.pass(start + 1ms * i));
    CHECK_FALSE(limit.pass(start + 500ms));
    CHECK_FALSE(limit.pass(start + 999ms));
    CHECK(limit.due() == start + 1s);
    CHECK_FALSE(limit.held_back(start + 999ms));
    CHECK(limit.held_back(start + 1s) == 2U);
    CHECK_FALSE(limit.held_back(start + 2s)); // told once
    CHECK_FALSE(limit.due());
}

TEST_CASE("The next second is free again", "[daemon]") {
    const Instant start{1000s};
    RateLimit limit(1);
    CHECK(limit.pass(start));
    CHECK_FALSE(limit.pass(start + 10ms));
    CHECK(limit.pass(start + 1s));
    CHECK_FALSE(limit.pass(start + 1s + 10ms));
    CHECK(limit.held_back(start + 2s) == 2U);
}
