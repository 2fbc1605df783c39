// A mobile node comes home and leaves again (RFC 6275 11.5.5, 10.3.2).

#include "test/unit/ike/mobile_net.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace sheaf;
using namespace sheaf::test;
using What = ike::BindingChanged::What;

namespace {

const char* const kAtHome = "2001:db8:a::77"; // what the node's own interface has on the home link

ike::Config agent_with(bool key_mobility) {
    auto config = agent_config();
    only(config).home_service->home_link = "lan0";
    only(config).home_service->key_mobility = key_mobility;
    return config;
}

struct Returning : Roaming {
    explicit Returning(bool key_mobility = true, ike::Config n = node_config())
        : Roaming(agent_with(key_mobility), std::move(n)) {}

    [[nodiscard]] ike::HomeStatus status(const Host& host) const { return host.engine.status().homes.at(0); }
    [[nodiscard]] std::size_t registered() const { return status(agent).registration.bindings.size(); }
    [[nodiscard]] std::set<IpAddress> ike_at(bool at_agent) const {
        std::set<IpAddress> out;
        for (const auto& sa : (at_agent ? agent : node).engine.status().ike_sas)
            if (sa.state == "established") out.insert((at_agent ? sa.peer : sa.local).address);
        return out;
    }
    // What must hold when it is at home and all is said.
    void check_home(const std::string& interface) {
        CHECK(registered() == 0);
        CHECK(status(node).at_home);
        CHECK(status(node).home_link == interface);
        CHECK(status(node).settled);
        REQUIRE(picture(node));
        CHECK(picture(node)->at_home);
        CHECK(picture(node)->home_interface == interface);
        CHECK(usable(node).empty());
        if (picture(agent)) CHECK(usable(agent).empty());
        CHECK(ike_at(true) == ike_at(false));
        CHECK(ike_at(true).size() == 1);
        check_sound();
    }
    void check_away(std::set<std::uint16_t> bids) {
        CHECK(usable(agent) == bids);
        CHECK(usable(node) == bids);
        for (const std::uint16_t bid : bids)
            CHECK(unreachable(bid) == "");
        CHECK_FALSE(status(node).at_home);
        CHECK(status(node).home_link == "");
        REQUIRE(picture(node));
        CHECK_FALSE(picture(node)->at_home);
        CHECK(picture(node)->home_interface == "");
        CHECK(ike_at(true) == ike_at(false));
        check_sound();
    }
};

} // namespace

TEST_CASE("a mobile node that comes home removes all of its bindings from its home address",
          "[returning-home]") {
    Returning net;
    net.run(5s);
    REQUIRE(net.registered() == 2);
    net.sent.clear();
    net.place("wlan0", kAtHome); // the other access network stays
    net.run(1s);
    net.check_home("wlan0");
    REQUIRE(net.sent.size() == 2);
    const auto& header = net.sent.at(0);
    CHECK(header.care_of == v6(kHomeAddress));
    CHECK(header.bid == 0);
    const auto update = std::get<mobility::BindingUpdate>(*mobility::parse_message(header.octets));
    CHECK(update.lifetime == 0);
    CHECK(update.options.bindings.empty());
    CHECK(net.ike_at(true) == std::set{v6(kHomeAddress)});
    CHECK(net.agent.engine.counters().handshakes == 1);
    CHECK(net.told(net.agent, What::ended).size() == 2);
}

TEST_CASE("its neighbours are told when the home agent has acknowledged", "[returning-home]") {
    Returning net;
    net.run(5s);
    const auto by_agent = net.agent.advertisements.size();
    CHECK(by_agent == 3);
    net.headers_arrive = false;
    net.place("wlan0", kAtHome);
    net.run(3s);
    CHECK(net.node.advertisements.empty());
    CHECK(net.status(net.node).home_link == "wlan0");
    CHECK_FALSE(net.status(net.node).at_home);
    REQUIRE(net.picture(net.node));
    CHECK(net.picture(net.node)->home_interface == "wlan0"); // the answer comes to it
    CHECK_FALSE(net.picture(net.node)->at_home);             // and nothing goes out in clear
    CHECK(net.usable(net.node).empty());
    net.headers_arrive = true;
    net.run(20s);
    net.check_home("wlan0");
    CHECK(net.node.advertisements == std::vector(3, ike::NeighbourAdvertisement{"wlan0", v6(kHomeAddress)}));
    CHECK(net.agent.advertisements.size() == by_agent);
}

TEST_CASE("a mobile node that leaves home registers its care-of addresses again", "[returning-home]") {
    const bool keys = GENERATE(true, false);
    Returning net(keys);
    net.run(5s);
    net.place("wlan0", kAtHome);
    net.run(10s);
    net.check_home("wlan0");
    CHECK(net.ike_at(true) == std::set{v6(keys ? kHomeAddress : kAtHome)});
    net.place("wlan0", kFirstPlace);
    net.run(2s);
    CHECK(net.unreachable(1) == "");
    CHECK(net.unreachable(2) == "");
    net.run(8s);
    net.check_away({1, 2});
    CHECK(net.agent.engine.counters().handshakes == (keys ? 1 : 3));
    CHECK(net.agent.advertisements.size() == 6);
}

TEST_CASE("a mobile node comes home with the only address that it has", "[returning-home]") {
    const bool keys = GENERATE(true, false);
    Returning net(keys);
    net.leave("wwan0");
    net.run(5s);
    net.leave("wlan0");
    net.run(2s);
    net.place("wlan0", kAtHome);
    net.run(20s);
    net.check_home("wlan0");
    net.leave("wlan0");
    net.place("wwan0", kSecondPlace);
    net.run(20s);
    net.check_away({2});
}

TEST_CASE("a mobile node that begins at home has what an earlier life has registered removed",
          "[returning-home]") {
    const bool keys = GENERATE(true, false);
    Returning net(keys);
    SECTION("there is nothing") { CHECK(net.agent.engine.status().homes.empty()); }
    SECTION("there are bindings of before") {
        net.run(5s);
        REQUIRE(net.registered() == 2);
        net.node.engine = ike::Engine(node_config(), net.node.random, net.node, net.net.now);
        net.node.kernel = FakeKernel{};
    }
    net.place("wlan0", kAtHome);
    net.run(20s);
    net.check_home("wlan0");
}

TEST_CASE("with a home address that the home agent gives, home is known when it is given",
          "[returning-home]") {
    auto config = node_config();
    only(config).mobile->home.reset();
    Returning net(true, config);
    net.place("wlan0", kAtHome);
    net.run(5s);
    net.check_home("wlan0");
    CHECK(net.told(net.agent, What::registered).empty());
    net.place("wlan0", kFirstPlace);
    net.run(5s);
    net.check_away({1, 2});
}

TEST_CASE("the first of several links on the home link is the one", "[returning-home]") {
    Returning net;
    net.run(2s);
    net.place("wwan0", "2001:db8:a::88");
    net.run(2s);
    net.check_home("wwan0");
    net.place("wlan0", kAtHome);
    net.run(2s);
    net.check_home("wlan0");
    CHECK(net.status(net.node).places.empty());
    net.leave("wlan0");
    net.run(2s);
    net.check_home("wwan0");
}

TEST_CASE("what is lost on the way home is said again", "[returning-home]") {
    const bool keys = GENERATE(true, false);
    Returning net(keys);
    net.run(2s);
    const bool update = GENERATE(true, false);
    const unsigned most = GENERATE(1U, 4U); // the last comes when the home agent has forgotten
    unsigned lost = 0;
    net.on_header = [&](MobileNet::Carried& carried) {
        const bool drop =
            carried.header.care_of == v6(kHomeAddress) && carried.header.to_agent == update && lost < most;
        lost += drop;
        return !drop;
    };
    net.place("wlan0", kAtHome);
    net.run(60s);
    CHECK(lost == most);
    net.check_home("wlan0");
}

TEST_CASE("at home a new IKE SA says that again, and payload goes on without the tunnel",
          "[returning-home]") {
    const bool keys = GENERATE(true, false);
    Returning net(keys);
    net.run(2s);
    net.place("wlan0", kAtHome);
    net.run(20s);
    net.check_home("wlan0");
    bool stayed = true;
    net.on_header = [&](MobileNet::Carried&) {
        const auto* there = net.picture(net.node);
        stayed = stayed && there && there->at_home;
        return stayed;
    };
    REQUIRE(net.node.engine.command(net.net.now, ike::Reauthenticate{"home"}));
    net.run(20s);
    net.check_home("wlan0");
    CHECK(stayed);
}
