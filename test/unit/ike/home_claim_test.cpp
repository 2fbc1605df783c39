// Mobile IPv6 under IPsec: whose home address it is, and what becomes of it when configuration or IKE SA goes.

#include "test/unit/ike/mobile_net.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::test;

TEST_CASE("an identity gets its own home address and no other") {
    auto node = node_config();
    SECTION("another one is refused") {
        only(node).mobile->home = v6("2001:db8:a::200");
        Roaming roaming(agent_config(), node);
        roaming.run(3s);
        CHECK(roaming.agent.kernel.empty());
        CHECK(roaming.node.kernel.homes.empty());
        CHECK(roaming.agent.refused(Rule::ts_unacceptable) >= 1);
    }
    SECTION("it is told which it is") {
        only(node).mobile->home.reset();
        Roaming roaming(agent_config(), node);
        roaming.run(1s);
        REQUIRE(roaming.picture(roaming.node) != nullptr);
        CHECK(roaming.picture(roaming.node)->home == v6(kHomeAddress));
    }
    SECTION("a mobile network that is the identity's") {
        only(node).mobile->router = true;
        only(node).mobile->networks = {*Prefix::parse("2001:db8:f0:7::/64")};
        Roaming roaming(agent_config(), node);
        roaming.run(1s);
        CHECK(roaming.usable(roaming.agent) == std::set<std::uint16_t>{1, 2});
        CHECK(roaming.agent.engine.status().homes.at(0).registration.prefixes.size() == 1);
        CHECK(roaming.picture(roaming.agent)->networks == only(node).mobile->networks);
    }
    SECTION("a mobile network that is told by the home agent") {
        only(node).mobile->router = true;
        Roaming roaming(agent_config(), node);
        roaming.run(1s);
        REQUIRE(roaming.picture(roaming.node) != nullptr);
        CHECK(roaming.picture(roaming.node)->networks ==
              std::vector<Prefix>{*Prefix::parse("2001:db8:f0::/48")});
    }
}

TEST_CASE("a mobile network that is no network's to have is not taken from a home agent") {
    auto agent = agent_config();
    const char* given = GENERATE("::/0", "ff00::/8", "fe80::/64");
    only(agent).home_service->entries[0].networks = {*Prefix::parse(given)};
    auto node = node_config();
    only(node).mobile->router = true;
    Roaming roaming(agent, node);
    roaming.run(1s);
    REQUIRE(roaming.picture(roaming.node) != nullptr);
    CHECK(roaming.picture(roaming.node)->networks.empty());
}

TEST_CASE("a connection that is another kind after a reload has no home addresses any more") {
    Roaming roaming;
    roaming.run(1s);
    Host& host = GENERATE(true, false) ? roaming.agent : roaming.node;
    ike::Config other = &host == &roaming.agent ? gateway_config(1) : client_config(kAgent, 0);
    only(other).name = &host == &roaming.agent ? "homes" : "home";
    host.reload(roaming.net.now, other);
    roaming.run(1s);
    CHECK(host.kernel.homes.empty());
    CHECK(host.engine.status().homes.empty());
    roaming.check_sound();
}

TEST_CASE("bindings do not outlive the home address that they are of") {
    Roaming roaming;
    roaming.run(1s);
    auto changed = agent_config();
    changed.gateway_interface = "other0";
    roaming.headers_arrive = false;
    roaming.agent.reload(roaming.net.now, changed);
    roaming.run(30s);
    REQUIRE(roaming.agent.established() == 1);
    REQUIRE(roaming.agent.engine.status().homes.size() == 1);
    CHECK(roaming.agent.engine.status().homes.at(0).registration.bindings.empty());
    roaming.headers_arrive = true;
    roaming.run(1min);
    CHECK(roaming.usable(roaming.agent) == std::set<std::uint16_t>{1, 2});
}

TEST_CASE("a home address that waits without an IKE SA goes when it is not wanted any more") {
    auto config = node_config();
    only(config).start = true;
    Roaming roaming(agent_config(), config);
    roaming.run(1s);
    roaming.leave("wlan0");
    roaming.leave("wwan0");
    roaming.run(10min);
    REQUIRE(roaming.node.established() == 0);
    REQUIRE(roaming.picture(roaming.node) != nullptr); // what goes there is dropped
    const bool by_an_operator = GENERATE(true, false);
    if (by_an_operator)
        REQUIRE(roaming.node.engine.command(roaming.net.now, ike::Down{"home"}));
    else
        REQUIRE(roaming.node.engine.command(roaming.net.now, ike::Shutdown{}));
    roaming.run(1s);
    CHECK(roaming.node.kernel.empty());
}

TEST_CASE("a mobile node that gets another home address has its interface for that") {
    auto agent = agent_config();
    only(agent).home_service->entries[0].homes = {v6(kHomeAddress), v6("2001:db8:a::101")};
    auto config = node_config();
    only(config).start = true;
    Roaming roaming(agent, config);
    roaming.run(1s);
    only(config).mobile->home = v6("2001:db8:a::101");
    roaming.node.reload(roaming.net.now, config);
    roaming.run(10s);
    REQUIRE(roaming.node.kernel.homes.size() == 1);
    CHECK(roaming.picture(roaming.node)->home == v6("2001:db8:a::101"));
    CHECK(roaming.usable(roaming.node) == std::set<std::uint16_t>{1, 2});
    roaming.check_sound();
}

TEST_CASE("two identities never speak for one home address") {
    auto agent = agent_config();
    only(agent).home_service->entries[0].who = *auth::IdentityPattern::parse("*");
    Roaming roaming(agent);
    roaming.run(1s);
    auto config = client_config(kAgent, 1);
    only(config).role = ike::Role::mobile_node;
    only(config).interface = "mob0";
    only(config).networks = {Prefix::all(Family::ipv6)};
    auto same = node_config();
    only(config).mobile = only(same).mobile;
    only(config).name = "home";
    Host& other = roaming.net.add("2001:db8:3::5", std::move(config));
    other.uplinks["wlan0"] = {v6("2001:db8:3::5")};
    other.engine.network_changed(roaming.net.now);
    REQUIRE(other.engine.command(roaming.net.now, ike::Up{"home"}));
    roaming.run(5s);
    CHECK(other.kernel.homes.empty());
    CHECK(roaming.agent.refused(Rule::address_failure) >= 1);
    CHECK(roaming.unreachable(1) == "");
}

TEST_CASE("another list of mobile nodes ends only the IKE SAs of those who have lost something") {
    Roaming roaming;
    roaming.run(1s);
    auto config = agent_config();
    auto& entries = only(config).home_service->entries;
    SECTION("one more") {
        entries.push_back({*auth::IdentityPattern::parse("new.example.org"), {v6("2001:db8:a::7")}, {}});
        roaming.agent.reload(roaming.net.now, config);
        roaming.run(1s);
        CHECK(roaming.agent.count<ike::IkeDown>() == 0);
        CHECK(roaming.unreachable(1) == "");
    }
    SECTION("another home address for this one") {
        entries[0].homes = {v6("2001:db8:a::7")};
        roaming.agent.reload(roaming.net.now, config);
        roaming.run(1s);
        CHECK(roaming.agent.count<ike::IkeDown>() >= 1);
        CHECK(roaming.agent.kernel.homes.empty());
    }
}

TEST_CASE("a home agent on another interface opens its home addresses there") {
    Roaming roaming;
    roaming.run(1s);
    auto config = agent_config();
    config.gateway_interface = "other0";
    roaming.agent.reload(roaming.net.now, config);
    roaming.run(2min);
    REQUIRE(roaming.node.engine.command(roaming.net.now, ike::Up{"home"}));
    roaming.run(5s);
    REQUIRE(roaming.picture(roaming.agent) != nullptr);
    CHECK(roaming.picture(roaming.agent)->interface == "other0");
    CHECK(roaming.unreachable(1) == "");
}

TEST_CASE("a leased home address is nobody's when its Child SA came to nothing") {
    auto agent = agent_config();
    only(agent).home_service->entries.clear();
    only(agent).pools = {{{"homes"}}};
    agent.pools = {{"homes", *Prefix::parse("2001:db8:a:0:1::/80"), 128}};
    auto node = node_config();
    only(node).mobile->home.reset();
    Roaming roaming(agent, node);
    const child::KernelStep step = child::OpenMobility{};
    roaming.agent.kernel.fail_step = step.index();
    int requests = 0; // IKE_SA_INIT and IKE_AUTH; then the mobile node is not heard any more
    roaming.net.on_wire = [&](ike::Datagram& datagram) {
        return datagram.peer.address != v6(kAgent) || ++requests <= 2;
    };
    roaming.run(200ms);
    CHECK(roaming.agent.refused(Rule::kernel_refused) == 1);
    CHECK(roaming.agent.established() == 1);
    CHECK(roaming.agent.blocks_used() == 0);
    CHECK(roaming.agent.engine.status().homes.empty());
}

TEST_CASE("a home address comes by configuration payload, out of a pool and always the same one") {
    auto agent = agent_config();
    only(agent).home_service->entries.clear();
    only(agent).pools = {{{"homes"}}};
    agent.pools = {{"homes", *Prefix::parse("2001:db8:a:0:1::/80"), 128}};
    auto node = node_config();
    only(node).mobile->home.reset();
    Roaming roaming(agent, node);
    roaming.run(1s);
    const auto* picture = roaming.picture(roaming.node);
    REQUIRE(picture != nullptr);
    const IpAddress home = picture->home;
    CHECK(Prefix::parse("2001:db8:a:0:1::/80")->contains(home));
    CHECK(roaming.picture(roaming.agent)->home == home);
    CHECK(roaming.agent.blocks_used() == 1);
    REQUIRE(roaming.node.engine.command(roaming.net.now, ike::Reauthenticate{"home"}));
    roaming.run(20s);
    CHECK(roaming.picture(roaming.node)->home == home);
    CHECK(roaming.agent.blocks_used() == 1);
    REQUIRE(roaming.node.engine.command(roaming.net.now, ike::Down{"home"}));
    roaming.run(10s);
    CHECK(roaming.agent.kernel.empty());
    CHECK(roaming.agent.count<ike::Leased>() >= 2);
}
