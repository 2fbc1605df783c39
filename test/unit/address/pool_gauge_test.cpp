#include "lib/address/pool_gauge.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using address::PoolGauge;
using namespace std::chrono_literals;

namespace {

const WallTime kStart{std::chrono::seconds(1'700'000'000)};

} // namespace

TEST_CASE("a pool warns once when the level is reached, and again after it was clearly below") {
    PoolGauge gauge;
    CHECK_FALSE(gauge.reaches(90, 89, 100));
    CHECK(gauge.reaches(90, 90, 100));
    CHECK_FALSE(gauge.reaches(90, 95, 100));
    CHECK_FALSE(gauge.reaches(90, 86, 100));
    CHECK_FALSE(gauge.reaches(90, 90, 100));
    CHECK_FALSE(gauge.reaches(90, 84, 100));
    CHECK(gauge.reaches(90, 91, 100));
}

TEST_CASE("levels hold for small and for huge pools, and 0 percent stands for no warning") {
    CHECK(PoolGauge().reaches(90, 1, 1));
    CHECK_FALSE(PoolGauge().reaches(90, 8, 9));
    CHECK(PoolGauge().reaches(90, 9, 9));
    constexpr std::uint64_t kHuge = std::uint64_t{1} << 62;
    CHECK_FALSE(PoolGauge().reaches(50, kHuge / 2 - 1, kHuge));
    CHECK(PoolGauge().reaches(50, kHuge / 2, kHuge));
    CHECK_FALSE(PoolGauge().reaches(0, 100, 100));
    CHECK_FALSE(PoolGauge().reaches(90, 0, 0));
}

TEST_CASE("a pool that fills is forecast by the growth of the last hour") {
    PoolGauge gauge;
    CHECK_FALSE(gauge.exhausted_at(kStart, 0, 1000));
    std::uint64_t taken = 0;
    for (auto at = kStart; at < kStart + 2h; at += 1min) {
        gauge.sample(at, taken);
        taken += at < kStart + 1h ? 10U : 2U; // only the later pace counts
    }
    const auto now = kStart + 2h;
    const auto left = static_cast<std::int64_t>(1000 - taken);
    const auto at = gauge.exhausted_at(now, taken, 1000);
    REQUIRE(at);
    CHECK(*at - now == std::chrono::seconds(left * 30));
    CHECK(gauge.exhausted_at(now, 1000, 1000) == now);
}

TEST_CASE("a pool that does not grow has no end in sight") {
    PoolGauge gauge;
    gauge.sample(kStart, 0);
    CHECK_FALSE(gauge.exhausted_at(kStart + 10s, 5, 100)); // too early to tell
    CHECK(gauge.exhausted_at(kStart + 10min, 5, 100));
    CHECK_FALSE(gauge.exhausted_at(kStart + 2h, 5, 100)); // the growth was more than an hour ago
    gauge.sample(kStart + 3h, 5);
    CHECK_FALSE(gauge.exhausted_at(kStart + 4h, 4, 100));
}
