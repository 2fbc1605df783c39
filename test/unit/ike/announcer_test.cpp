// When neighbours on the home link are told where a home address is (RFC 6275 10.4.1, 11.5.5).

#include "lib/ike/announcer.h"
#include "test/unit/ike/mobile_net.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace sheaf;
using namespace sheaf::test;

namespace {

ike::Config agent_on_home_link() {
    auto config = agent_config();
    only(config).home_service->home_link = "lan0";
    return config;
}

} // namespace

TEST_CASE("what the kernel has confirmed is said three times, a second apart", "[announcer]") {
    ike::Announcer announcer;
    const Instant start{1000s};
    announcer.ask("lan0");
    CHECK_FALSE(announcer.next_timeout());
    announcer.confirm(start);
    for (int i = 0; i < 3; ++i) {
        const Instant due = start + std::chrono::seconds(i);
        REQUIRE(announcer.next_timeout() == due);
        CHECK_FALSE(announcer.step(due - 1ms));
        CHECK(announcer.step(due) == "lan0");
    }
    CHECK_FALSE(announcer.next_timeout());
    announcer.ask("lan0"); // nothing new
    announcer.confirm(start + 9s);
    CHECK_FALSE(announcer.next_timeout());
}

TEST_CASE("nothing is said of what is not asked for any more", "[announcer]") {
    ike::Announcer announcer;
    announcer.ask("lan0");
    announcer.confirm(Instant{1000s});
    CHECK(announcer.step(Instant{1000s}) == "lan0");
    announcer.ask("");
    CHECK_FALSE(announcer.next_timeout());
    CHECK_FALSE(announcer.step(Instant{1001s}));
    announcer.confirm(Instant{1001s});
    CHECK_FALSE(announcer.next_timeout());
}

TEST_CASE("a home agent tells the home link when it begins to answer for a home address", "[announcer]") {
    Roaming roaming(agent_on_home_link());
    roaming.run(500ms);
    REQUIRE(roaming.usable(roaming.agent) == std::set<std::uint16_t>{1, 2});
    const ike::NeighbourAdvertisement expected{"lan0", v6(kHomeAddress)};
    REQUIRE(roaming.agent.advertisements.size() == 1);
    CHECK(roaming.agent.advertisements.front() == expected);
    roaming.run(10s);
    CHECK(roaming.agent.advertisements == std::vector(3, expected));
    roaming.leave("wwan0"); // it goes on answering
    roaming.run(5s);
    CHECK(roaming.agent.advertisements.size() == 3);
    CHECK(roaming.node.advertisements.empty());
    roaming.check_sound();
}

TEST_CASE("a home agent says nothing more as soon as it is to answer no longer", "[announcer]") {
    Roaming roaming(agent_on_home_link());
    roaming.run(500ms);
    REQUIRE(roaming.agent.advertisements.size() == 1);
    REQUIRE(roaming.node.engine.command(roaming.net.now, ike::Down{"home"}));
    roaming.run(10s);
    CHECK(roaming.agent.advertisements.size() == 1);
    CHECK(roaming.agent.kernel.empty());
}

TEST_CASE("a home agent without a home link tells nobody", "[announcer]") {
    Roaming roaming;
    roaming.run(5s);
    CHECK(roaming.agent.advertisements.empty());
    CHECK(roaming.usable(roaming.agent).size() == 2);
}
