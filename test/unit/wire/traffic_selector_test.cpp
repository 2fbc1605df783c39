#include "test/support/hex.h"
#include "test/unit/wire/printing.h"
#include "test/unit/wire/samples.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::wire;
using sheaf::test::from_hex;
using sheaf::test::to_hex;

namespace {

std::optional<Rule> rule_of(std::string_view hex) {
    return broken_rule(parse_payload(PayloadType::ts_i, from_hex(hex)));
}

std::optional<Rule> rule_of(const TrafficSelector& selector) {
    return broken_rule(parse_payload(PayloadType::ts_r, body_of(TrafficSelectors{false, {selector}})));
}

} // namespace

TEST_CASE("traffic selectors are written as RFC 7296 3.13 draws them") {
    const TrafficSelectors ts{true,
                              {{6, 80, 443, ip("192.0.2.0"), ip("192.0.2.255")},
                               {0, 0, 65535, ip("2001:db8::"), ip("2001:db8::ffff")}}};
    CHECK(to_hex(body_of(ts)) == "02000000"
                                 "07060010005001bbc0000200c00002ff"
                                 "080000280000ffff"
                                 "20010db8000000000000000000000000"
                                 "20010db800000000000000000000ffff");
    CHECK(parse_payload(PayloadType::ts_i, body_of(ts)) == Payload{ts});
}

TEST_CASE("the list and each selector have exact lengths") {
    CHECK(rule_of("010000") == Rule::truncated);
    CHECK(rule_of("00000000") == Rule::bad_traffic_selector);
    CHECK(rule_of("01ffffff 07000010 0000ffff 00000000 ffffffff") == std::nullopt);
    CHECK(rule_of("01000000 07000010 0000ffff 00000000 ffffff") == Rule::bad_traffic_selector);
    CHECK(rule_of("01000000 0700000f 0000ffff 00000000 ffffff") == Rule::bad_traffic_selector);
    CHECK(rule_of("01000000 07000011 0000ffff 00000000 ffffffff 00") == Rule::bad_traffic_selector);
    CHECK(rule_of("01000000 08000010 0000ffff 00000000 ffffffff") == Rule::bad_traffic_selector);
    CHECK(rule_of("01000000 07000003 0000ffff 00000000 ffffffff") == Rule::bad_traffic_selector);
    CHECK(rule_of("01000000 07000010 0000ffff 00000000 ffffffff 00") == Rule::bad_traffic_selector);
    CHECK(rule_of("02000000 07000010 0000ffff 00000000 ffffffff") == Rule::bad_traffic_selector);
}

TEST_CASE("ranges grow, but for the form of OPAQUE") {
    const IpAddress a = ip("10.0.0.1");
    const IpAddress b = ip("10.0.0.2");
    CHECK(rule_of(TrafficSelector{0, 0, 65535, a, a}) == std::nullopt);
    CHECK(rule_of(TrafficSelector{0, 0, 65535, b, a}) == Rule::bad_traffic_selector);
    CHECK(rule_of(TrafficSelector{0, 0, 65535, ip("::2"), ip("::1")}) == Rule::bad_traffic_selector);
    CHECK(rule_of(TrafficSelector{6, 80, 80, a, b}) == std::nullopt);
    CHECK(rule_of(TrafficSelector{6, 81, 80, a, b}) == Rule::bad_traffic_selector);
    CHECK(rule_of(TrafficSelector{6, 65535, 0, a, b}) == std::nullopt);
    CHECK(rule_of(TrafficSelector{6, 65535, 1, a, b}) == Rule::bad_traffic_selector);
    CHECK(rule_of(TrafficSelector{6, 65534, 0, a, b}) == Rule::bad_traffic_selector);
}

TEST_CASE("selectors of unknown types are left out") {
    const auto mixed = parse_payload(PayloadType::ts_i, from_hex("02000000 0a00000800010002"
                                                                 "07000010 0000ffff 00000000 ffffffff"));
    REQUIRE(mixed.has_value());
    CHECK(std::get<TrafficSelectors>(*mixed).selectors.size() == 1);
    const auto none = parse_payload(PayloadType::ts_r, from_hex("01000000 0a00000400"
                                                                ""));
    CHECK(broken_rule(none) == Rule::bad_traffic_selector); // an octet too many
    const auto only_unknown = parse_payload(PayloadType::ts_r, from_hex("01000000 0a000004"));
    REQUIRE(only_unknown.has_value());
    CHECK(std::get<TrafficSelectors>(*only_unknown).selectors.empty());
}

TEST_CASE("a traffic selector payload's list is bounded") {
    const TrafficSelector any{0, 0, 65535, IpAddress::any(Family::ipv4), IpAddress::last(Family::ipv4)};
    TrafficSelectors ts{true, std::vector(kMaxSelectors, any)};
    CHECK(parse_payload(PayloadType::ts_i, body_of(ts)) == Payload{ts});
    ts.selectors.push_back(any);
    CHECK(broken_rule(parse_payload(PayloadType::ts_i, body_of(ts))) == Rule::too_many_selectors);
}
