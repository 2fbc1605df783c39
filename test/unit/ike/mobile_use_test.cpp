// What the Child SAs of a home address are for: names, selectors, and the notify that says which binding.

#include "lib/child/selector.h"
#include "lib/ike/mobile_use.h"
#include "lib/ike/payload_query.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::ike;

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
