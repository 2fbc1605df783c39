#include "lib/mobility/flow_selector.h"
#include "test/support/hex.h"
#include "test/unit/mobility/samples.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::mobility;
using sheaf::test::from_hex;
using sheaf::test::ip;
using sheaf::test::to_hex;

TEST_CASE("a selector's fields follow its flags") {
    Bytes out;
    encode_selector(test::sample_selector(), out);
    // A B C E F G I K L M O P
    CHECK(to_hex(View(out).first(4)) == "eebb0000");
    CHECK(out.size() == 4 + 48 + 12 + 6 + 3);
    CHECK(parse_selector(out) == test::sample_selector());
}

TEST_CASE("malformed selectors are refused") {
    CHECK(parse_selector(from_hex("")).error() == Rule::bad_mobility_option);
    CHECK(parse_selector(from_hex("00400000 0050")).error() == Rule::bad_mobility_option); // J without I
    CHECK(parse_selector(from_hex("00800000 00")).error() == Rule::bad_mobility_option);   // too short
    CHECK(parse_selector(from_hex("00800000 0050 00")).error() == Rule::bad_mobility_option);
    CHECK(parse_selector(from_hex("00c00000 0050 004f")).error() ==
          Rule::bad_mobility_option); // an empty range
    CHECK(parse_selector(from_hex("00c00000 0050 0050"))->source_port == Range<std::uint16_t>{80, 80});
    CHECK(parse_selector(from_hex("00000000")) == FlowSelector{});
}

TEST_CASE("a selector matches what has all its fields") {
    FlowSelector selector;
    PacketFacts packet{ip("2001:db8:c::7"), ip("2001:db8:a::1"), 6, 0, 0, {}, 443, 40000};
    CHECK(selector.matches(packet));
    selector = test::sample_selector();
    selector.spi.reset();
    selector.flow_label.reset();
    packet.traffic_class = 0xb8 | 3; // the bits of congestion notification do not count
    REQUIRE(selector.matches(packet));
    const auto with = [&](auto&& change) {
        PacketFacts other = packet;
        change(other);
        return selector.matches(other);
    };
    CHECK_FALSE(with([](PacketFacts& p) { p.source = ip("2001:db8:c::1:0"); }));
    CHECK_FALSE(with([](PacketFacts& p) { p.destination = ip("2001:db8:a::2"); }));
    CHECK_FALSE(with([](PacketFacts& p) { p.source_port = 444; }));
    CHECK_FALSE(with([](PacketFacts& p) { p.destination_port.reset(); })); // as in a later fragment
    CHECK_FALSE(with([](PacketFacts& p) { p.traffic_class = 0; }));
    CHECK_FALSE(with([](PacketFacts& p) { p.next_header = 58; }));
    selector.flow_label = {1, 2};
    CHECK_FALSE(selector.matches(packet));
    CHECK(with([](PacketFacts& p) { p.flow_label = 2; }));
    selector.spi = {1, 2};
    CHECK_FALSE(with([](PacketFacts& p) { p.flow_label = 2; }));
}
