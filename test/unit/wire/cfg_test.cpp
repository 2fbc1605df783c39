#include "lib/wire/cfg.h"
#include "test/support/hex.h"
#include "test/unit/wire/printing.h"
#include "test/unit/wire/samples.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::wire;
using sheaf::test::from_hex;
using sheaf::test::to_hex;
using Type = CfgAttributeType;

namespace {

std::optional<Rule> rule_of(std::string_view hex) {
    return broken_rule(parse_payload(PayloadType::cp, from_hex(hex)));
}

CfgAttribute attribute(Type type, std::string_view hex) { return {type, from_hex(hex)}; }

} // namespace

TEST_CASE("a configuration payload is a type and a list of attributes") {
    const Configuration request{CfgType::request,
                                {empty_attribute(Type::internal_ip4_dns),
                                 address_attribute(Type::internal_ip4_address, ip("192.0.2.100"))}};
    CHECK(to_hex(body_of(request)) == "01000000"
                                      "00030000"
                                      "00010004c0000264");
    CHECK(parse_payload(PayloadType::cp, body_of(request)) == Payload{request});
    CHECK(parse_payload(PayloadType::cp, from_hex("01ffffff 80030000 80010004c0000264")) == Payload{request});
    CHECK(rule_of("02000000") == std::nullopt); // RFC 7296 3.15: zero or more
}

TEST_CASE("attributes end with the payload") {
    CHECK(rule_of("010000") == Rule::truncated);
    CHECK(rule_of("01000000 00") == Rule::bad_configuration);
    CHECK(rule_of("01000000 000300") == Rule::bad_configuration);
    CHECK(rule_of("01000000 00030001") == Rule::bad_configuration);
    CHECK(rule_of("01000000 00030004 010203") == Rule::bad_configuration);
    CHECK(rule_of("01000000 00030002 010203") == Rule::bad_configuration);
    CHECK(rule_of("01000000 0003ffff 01020304") == Rule::bad_configuration);
}

TEST_CASE("a configuration payload's list is bounded") {
    Configuration cp{CfgType::request,
                     std::vector(kMaxCfgAttributes, empty_attribute(Type::internal_ip4_dns))};
    CHECK(parse_payload(PayloadType::cp, body_of(cp)) == Payload{cp});
    cp.attributes.push_back(empty_attribute(Type::internal_ip4_dns));
    CHECK(broken_rule(parse_payload(PayloadType::cp, body_of(cp))) == Rule::too_many_attributes);
}

TEST_CASE("addresses have the size that their type asks for") {
    for (const Type type : {Type::internal_ip4_address, Type::internal_ip4_netmask, Type::internal_ip4_dns,
                            Type::internal_ip4_nbns, Type::internal_ip4_dhcp}) {
        CHECK(read_address(address_attribute(type, ip("192.0.2.1"))) == ip("192.0.2.1"));
        CHECK(read_address(address_attribute(type, ip("2001:db8::1"))) == std::nullopt);
        CHECK(read_address(empty_attribute(type)) == std::nullopt);
        CHECK(read_address(attribute(type, "c00002")) == std::nullopt);
    }
    for (const Type type : {Type::internal_ip6_dns, Type::internal_ip6_dhcp}) {
        CHECK(read_address(address_attribute(type, ip("2001:db8::1"))) == ip("2001:db8::1"));
        CHECK(read_address(address_attribute(type, ip("192.0.2.1"))) == std::nullopt);
        CHECK(read_address(empty_attribute(type)) == std::nullopt);
    }
    // 4 and 16 octets that are no address.
    CHECK(read_address(attribute(Type::application_version, "c0000201")) == std::nullopt);
    CHECK(read_address(address_attribute(Type::internal_ip6_address, ip("2001:db8::1"))) == std::nullopt);
}

TEST_CASE("INTERNAL_IP6_ADDRESS keeps its host bits") {
    const CfgAttribute written = ip6_address_attribute(ip("2001:db8::1"), 64);
    CHECK(written.type == Type::internal_ip6_address);
    CHECK(to_hex(written.value) == "20010db8000000000000000000000001"
                                   "40");
    CHECK(read_ip6_address(written) == Ip6Address{ip("2001:db8::1"), 64});
    CHECK(read_ip6_address(empty_attribute(Type::internal_ip6_address)) == std::nullopt);
    CHECK(read_ip6_address(attribute(Type::internal_ip6_address, "20010db800000000000000000000000181")) ==
          std::nullopt);
    CHECK(read_ip6_address(attribute(Type::internal_ip6_address, "20010db800000000000000000000000140ff")) ==
          std::nullopt);
    CHECK(read_ip6_address({Type::internal_ip6_subnet, written.value}) == std::nullopt);
}

TEST_CASE("INTERNAL_IP6_LINK is an interface identifier and an opaque rest") {
    const InterfaceId id{2, 0, 0, 0xff, 0xfe, 0, 0, 1};
    CHECK(to_hex(body_of(Configuration{CfgType::request, {link_attribute({id, {0xaa, 0xbb}})}})) ==
          "01000000"
          "0011000a"
          "020000fffe000001"
          "aabb");
    CHECK(read_link(link_attribute({id, {}})) == Ip6Link{id, {}});
    CHECK(read_link(link_attribute({id, counting(kMaxLinkId)})) == Ip6Link{id, counting(kMaxLinkId)});
    CHECK(read_link(link_attribute({id, counting(kMaxLinkId + 1)})) == std::nullopt);
    CHECK(read_link(attribute(Type::internal_ip6_link, "020000fffe0000")) == std::nullopt);
    CHECK(read_link(empty_attribute(Type::internal_ip6_link)) == std::nullopt);
    CHECK(read_link(attribute(Type::internal_ip6_prefix, "020000fffe000001")) == std::nullopt);
}

TEST_CASE("INTERNAL_IP6_PREFIX has no host bits, whatever is received") {
    const CfgAttribute written = prefix_attribute(prefix("2001:db8:1:2::/64"));
    CHECK(to_hex(body_of(Configuration{CfgType::reply, {written}})) == "02000000"
                                                                       "00120011"
                                                                       "20010db8000100020000000000000000"
                                                                       "40");
    CHECK(read_prefix(written) == prefix("2001:db8:1:2::/64"));
    CHECK(read_prefix(attribute(Type::internal_ip6_prefix, "20010db80001000200000000000000ff40")) ==
          prefix("2001:db8:1:2::/64"));
    CHECK(read_prefix(attribute(Type::internal_ip6_prefix, "ffffffffffffffffffffffffffffffff00")) ==
          prefix("::/0"));
    CHECK(read_prefix(attribute(Type::internal_ip6_prefix, "20010db800000000000000000000000180")) ==
          prefix("2001:db8::1/128"));
    CHECK(read_prefix(attribute(Type::internal_ip6_prefix, "20010db800000000000000000000000181")) ==
          std::nullopt);
    CHECK(read_prefix(attribute(Type::internal_ip6_prefix, "20010db8000000000000000000000001")) ==
          std::nullopt);
    CHECK(read_prefix({Type::internal_ip6_subnet, written.value}) == std::nullopt);
}

TEST_CASE("subnets are a mask in IPv4 and a length in IPv6") {
    CHECK(to_hex(subnet_attribute(prefix("198.51.100.0/26")).value) == "c6336400ffffffc0");
    CHECK(to_hex(subnet_attribute(prefix("0.0.0.0/0")).value) == "0000000000000000");
    CHECK(subnet_attribute(prefix("2001:db8::/32")).type == Type::internal_ip6_subnet);
    for (const char* text : {"0.0.0.0/0", "128.0.0.0/1", "198.51.100.0/26", "192.0.2.7/32", "::/0",
                             "2001:db8::/32", "2001:db8::1/128"})
        CHECK(read_subnet(subnet_attribute(prefix(text))) == prefix(text));
    CHECK(read_subnet(attribute(Type::internal_ip4_subnet, "c0000264fffffff0")) == prefix("192.0.2.96/28"));
    CHECK(read_subnet(attribute(Type::internal_ip4_subnet, "c0000264ffff00ff")) == std::nullopt);
    CHECK(read_subnet(attribute(Type::internal_ip4_subnet, "c0000264fffffff0ff")) == std::nullopt);
    CHECK(read_subnet(attribute(Type::internal_ip4_subnet, "c0000264ffffff")) == std::nullopt);
    CHECK(read_subnet(attribute(Type::internal_ip6_subnet, "20010db800000000000000000000000181")) ==
          std::nullopt);
    CHECK(read_subnet(attribute(Type::internal_ip6_prefix, "20010db800000000000000000000000140")) ==
          std::nullopt);
    CHECK(read_subnet(empty_attribute(Type::internal_ip4_subnet)) == std::nullopt);
}
