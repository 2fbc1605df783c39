#include "lib/address/pools.h"

#include <catch2/catch.hpp>

#include <optional>
#include <set>

using namespace sheaf;
using namespace sheaf::address;

namespace {

Bytes holder(unsigned n) { return {static_cast<std::uint8_t>(n >> 8), static_cast<std::uint8_t>(n)}; }

PoolSpec spec(std::string_view prefix, unsigned delegate) { return {"p", *Prefix::parse(prefix), delegate}; }

} // namespace

TEST_CASE("no two leases hold the same block, and all of a pool can be given away") {
    Pools pools(std::vector{spec("2001:db8::/56", 64)});
    std::vector<Lease> held;
    std::set<Prefix> seen;
    for (unsigned i = 0; i < 256; ++i) {
        auto lease = pools.lease("p", holder(i));
        REQUIRE(lease);
        CHECK(lease->block().length() == 64);
        CHECK(Prefix::parse("2001:db8::/56")->contains(lease->block()));
        CHECK(seen.insert(lease->block()).second);
        held.push_back(*std::move(lease));
    }
    CHECK(pools.lease("p", holder(999)).error() == Rule::address_failure);
    held.pop_back();
    CHECK(pools.lease("p", holder(999)));
}

TEST_CASE("the same holder finds the same block when it is free") {
    Pools first(std::vector{spec("2001:db8::/48", 64)});
    Pools second(std::vector{spec("2001:db8::/48", 64)});
    const auto block = first.lease("p", holder(5))->block();
    CHECK(first.lease("p", holder(5))->block() == block);
    CHECK(second.lease("p", holder(5))->block() == block);
    const auto kept = first.lease("p", holder(5));
    CHECK(first.lease("p", holder(5))->block() != block);
}

TEST_CASE("network and broadcast addresses are not given away") {
    Pools pools(std::vector{spec("192.0.2.0/29", 32)});
    std::set<Prefix> seen;
    std::vector<Lease> held;
    while (auto lease = pools.lease("p", holder(1))) {
        seen.insert(lease->block());
        held.push_back(*std::move(lease));
    }
    CHECK(seen.size() == 6);
    CHECK_FALSE(seen.contains(*Prefix::parse("192.0.2.0/32")));
    CHECK_FALSE(seen.contains(*Prefix::parse("192.0.2.7/32")));
}

TEST_CASE("a pool of one block gives one lease") {
    Pools pools(std::vector{spec("2001:db8:1:2::/64", 64)});
    auto lease = pools.lease("p", holder(1));
    REQUIRE(lease);
    CHECK(lease->block().to_string() == "2001:db8:1:2::/64");
    CHECK_FALSE(pools.lease("p", holder(2)));
}

TEST_CASE("a pool that is unknown gives nothing") {
    Pools pools(std::vector{spec("192.0.2.0/29", 32)});
    CHECK(pools.lease("q", holder(1)).error() == Rule::address_failure);
    CHECK(pools.find("q") == nullptr);
}

TEST_CASE("an update keeps the leases of pools that stay, and lets go of the others") {
    Pools pools(std::vector{spec("192.0.2.0/24", 32), PoolSpec{"q", *Prefix::parse("2001:db8::/48"), 64}});
    const auto stays = pools.lease("p", holder(1));
    const auto goes = pools.lease("q", holder(1));
    pools.update(std::vector{spec("192.0.2.0/24", 32)});
    CHECK(stays->held());
    CHECK_FALSE(goes->held());
    REQUIRE(pools.usage().size() == 1);
    CHECK(pools.usage()[0].used == 1);
    CHECK(pools.usage()[0].size == 254);
}

TEST_CASE("a lease may outlive its pools") {
    std::optional<Lease> kept;
    {
        Pools pools(std::vector{spec("192.0.2.0/24", 32)});
        kept.emplace(*pools.lease("p", holder(1)));
    }
    CHECK_FALSE(kept->held());
}
