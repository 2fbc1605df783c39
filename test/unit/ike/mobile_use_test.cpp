// What the Child SAs of a home address are for: names, selectors, the notify that says which binding, and how often
// those are asked for that a home agent does not give.

#include "lib/child/selector.h"
#include "lib/ike/mobile_use.h"
#include "lib/ike/payload_query.h"
#include "test/unit/ike/mobile_net.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace sheaf;
using namespace sheaf::ike;
using namespace sheaf::test;

namespace {

const HomeClaim kClaim{*IpAddress::parse("2001:db8:a::100"),
                       *IpAddress::parse("2001:db8:a::1"),
                       {*Prefix::parse("2001:db8:f0::/48")}};

wire::TrafficSelector messages(std::uint8_t type, std::string_view prefix, std::uint8_t protocol = 135) {
    auto out = child::selector(*Prefix::parse(prefix));
    out.ip_protocol = protocol;
    out.start_port = static_cast<std::uint16_t>(type << 8);
    out.end_port = static_cast<std::uint16_t>(type << 8 | 0xff);
    return out;
}

// What the home agent may offer beside payload, and does not.
void ask_in_vain(ike::Config& agent, ike::Config& node, bool home_test) {
    (home_test ? only(agent).home_service->home_test : only(agent).home_service->prefix_discovery) = false;
    (home_test ? only(node).mobile->home_test : only(node).mobile->prefix_discovery) = true;
}

// When a rule was broken at the home agent, in so long a time.
std::vector<Instant> refusals(Roaming& roaming, Rule rule, Duration time) {
    std::vector<Instant> out;
    const Instant end = roaming.net.now + time;
    for (auto before = roaming.agent.refused(rule); roaming.net.now < end;) {
        roaming.net.run_for(1s);
        roaming.carry();
        for (; before < roaming.agent.refused(rule); ++before)
            out.push_back(roaming.net.now);
    }
    return out;
}

} // namespace

TEST_CASE("a use has a name, which tells it") {
    for (const MobileUse use :
         {MobileUse{MobileTraffic::signalling, 0}, MobileUse{MobileTraffic::home_test, 0},
          MobileUse{MobileTraffic::prefix_discovery, 0}, MobileUse{MobileTraffic::payload, 0},
          MobileUse{MobileTraffic::payload, 65535}})
        CHECK(mobile_use(name(use)) == use);
    for (const auto* text :
         {"", "payload-", "payload-0", "payload-65536", "payload-1x", "payment", "signalling-1"})
        CHECK_FALSE(mobile_use(text).has_value());
}

TEST_CASE("selectors of one type of message are narrowed to, as those of all types are") {
    const auto policy = selectors_for({MobileTraffic::signalling, 0}, kClaim);
    for (const std::uint8_t type : {std::uint8_t{5}, std::uint8_t{6}}) {
        const auto narrowed =
            child::Narrowed::narrow(std::vector{messages(type, "2001:db8:a::100/128")}, policy.node,
                                    std::vector{messages(type, "2001:db8:a::1/128")}, policy.agent);
        REQUIRE(narrowed.has_value());
        CHECK(narrowed->initiator() == std::vector{messages(type, "2001:db8:a::100/128")});
        CHECK(narrowed->responder() == std::vector{messages(type, "2001:db8:a::1/128")});
    }
    const auto foreign = child::Narrowed::narrow(std::vector{messages(5, "2001:db8:a::200/128")}, policy.node,
                                                 std::vector{messages(5, "2001:db8:a::1/128")}, policy.agent);
    CHECK_FALSE(foreign.has_value());
}

TEST_CASE("prefix discovery is ICMPv6 between the two, or narrowed to its own messages") {
    const auto policy = selectors_for({MobileTraffic::prefix_discovery, 0}, kClaim);
    const std::vector node{messages(146, "2001:db8:a::100/128", 58)},
        agent{messages(147, "2001:db8:a::1/128", 58)};
    CHECK(traffic_of(true, node, agent) == MobileTraffic::prefix_discovery);
    CHECK(traffic_of(true, policy.node, policy.agent) == MobileTraffic::prefix_discovery);
    const auto narrowed = child::Narrowed::narrow(node, policy.node, agent, policy.agent);
    REQUIRE(narrowed.has_value());
    CHECK(narrowed->initiator() == node);
    CHECK(narrowed->responder() == agent);
    // Half of it is not, nor is it in a tunnel.
    CHECK_FALSE(traffic_of(true, node, std::vector{messages(6, "2001:db8:a::1/128")}).has_value());
    CHECK(traffic_of(false, node, agent) == MobileTraffic::payload);
}

TEST_CASE("mode and selectors tell what a request is for") {
    const std::vector home{messages(5, "2001:db8:a::100/128")}, agent{messages(5, "2001:db8:a::1/128")};
    const std::vector all{child::selector(*Prefix::parse("::/0"))};
    CHECK(traffic_of(true, home, agent) == MobileTraffic::signalling);
    CHECK(traffic_of(false, home, agent) == MobileTraffic::home_test);
    CHECK(traffic_of(false, home, all) == MobileTraffic::payload);
    CHECK_FALSE(traffic_of(true, all, all).has_value());
}

TEST_CASE("payload is of the home address and of the mobile networks") {
    const auto policy = selectors_for({MobileTraffic::payload, 1}, kClaim);
    REQUIRE(policy.node.size() == 2);
    CHECK(policy.node[0] == child::selector(Prefix::host(kClaim.home)));
    CHECK(policy.node[1] == child::selector(kClaim.networks[0]));
    CHECK(policy.agent == std::vector{child::selector(Prefix::all(Family::ipv6))});
}

TEST_CASE("the notify of a binding identifier is read as it is written, and else not at all") {
    const std::vector<wire::Payload> written{write_binding_identifier(0x1234)};
    CHECK(read_binding_identifier(written) == 0x1234);
    for (const Bytes& data : {Bytes{}, Bytes{1}, Bytes{0, 0}, Bytes{1, 2, 3}}) {
        const std::vector<wire::Payload> other{notify(kBindingIdentifier, data)};
        CHECK_FALSE(read_binding_identifier(other).has_value());
    }
}

TEST_CASE("what a home agent does not offer is asked for ever more seldom") {
    auto agent = agent_config(), node = node_config();
    ask_in_vain(agent, node, GENERATE(true, false));
    const bool reloads = GENERATE(true, false);
    Roaming roaming(agent, node);
    auto asked = refusals(roaming, Rule::ts_unacceptable, 40min);
    REQUIRE(asked.size() >= 9);
    for (std::size_t i = 0; i + 1 < asked.size(); ++i) {
        const Duration pause = std::min<Duration>(10s * (1 << i), 10min);
        CHECK(asked[i + 1] - asked[i] >= pause - 1s);
        CHECK(asked[i + 1] - asked[i] <= pause + 1s);
    }
    CHECK(roaming.usable(roaming.agent) == std::set<std::uint16_t>{1, 2});
    // Whoever has changed something need not wait.
    if (reloads)
        roaming.node.reload(roaming.net.now, node);
    else
        REQUIRE(roaming.node.engine.command(roaming.net.now, ike::Reauthenticate{"home"}));
    CHECK(refusals(roaming, Rule::ts_unacceptable, 25s).size() == 2);
    roaming.check_sound();
}

TEST_CASE("what a home agent puts off is not asked for more often than what it refuses") {
    auto agent = agent_config(), node = node_config();
    ask_in_vain(agent, node, true);
    only(agent).retransmit = {10s, 20};
    Roaming roaming(agent, node);
    roaming.run(1s);
    // Its own request to rekey the IKE SA is lost; while it is under way, nothing is made.
    roaming.net.on_wire = [](ike::Datagram& datagram) {
        const auto header = wire::parse_header(datagram.bytes);
        const bool request = header && !header->response && datagram.local.address == v6(kAgent);
        return !request;
    };
    REQUIRE(roaming.agent.engine.command(roaming.net.now, ike::Rekey{"homes", ike::Rekey::What::ike}));
    roaming.agent.pump(roaming.net.now);
    CHECK(refusals(roaming, Rule::collision, 100s).size() == 3); // after 10, 30 and 70 seconds
}
