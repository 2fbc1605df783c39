#include "lib/auth/identity.h"
#include "lib/base/ip.h"

#include <catch2/catch.hpp>

#include <string>

using namespace sheaf;
using auth::Identity;
using auth::IdentityPattern;
using wire::IdType;

namespace {

Identity identity(std::string_view text) {
    const auto parsed = Identity::parse(text);
    REQUIRE(parsed);
    return *parsed;
}

bool fits(std::string_view pattern, std::string_view text) {
    const auto parsed = IdentityPattern::parse(pattern);
    REQUIRE(parsed);
    return parsed->matches(identity(text));
}

Identity received(IdType type, std::string_view octets) {
    return Identity::from({.initiator = true, .type = type, .data = {octets.begin(), octets.end()}});
}

} // namespace

TEST_CASE("An identity's word decides its type", "[auth]") {
    CHECK(identity("192.0.2.1").type == IdType::ipv4_addr);
    CHECK(identity("192.0.2.1").data == Bytes{192, 0, 2, 1});
    CHECK(identity("2001:db8::1").type == IdType::ipv6_addr);
    CHECK(identity("2001:db8::1").data.size() == 16);
    CHECK(identity("gw.example.org").type == IdType::fqdn);
    CHECK(identity("gw").type == IdType::fqdn);
    CHECK(identity("alice@example.org").type == IdType::rfc822_addr);
    CHECK(identity("@#00ffA0").type == IdType::key_id);
    CHECK(identity("@#00ffA0").data == Bytes{0x00, 0xff, 0xa0});
}

TEST_CASE("Words that are no identity are refused", "[auth]") {
    const auto word =
        GENERATE(as<std::string>(), "", " ", "a b", ".", "a.", ".a", "a..b", "10.0.0.300", "1.2.3",
                 "2001:db8::zz", "@", "@example.org", "alice@", "a@b@c", "al ice@example.org", "@#", "@#0",
                 "@#0g", "*", "*.example.org", "gw.example.org\n", "gw/24", "g\xc3\xbc.org");
    CAPTURE(word);
    CHECK_FALSE(Identity::parse(word));
}

TEST_CASE("Bounds of names hold", "[auth]") {
    std::string label(63, 'a');
    CHECK(Identity::parse(label.append(".org")));
    CHECK_FALSE(Identity::parse(label.insert(0, 1, 'a')));
    std::string name;
    while (name.size() < 252)
        name += "a.";
    CHECK(Identity::parse(name + "b")); // 253
    CHECK_FALSE(Identity::parse(name + "bc"));
    CHECK(Identity::parse("@#" + std::string(2 * wire::kMaxIdentity, '0')));
    CHECK_FALSE(Identity::parse("@#" + std::string(2 * wire::kMaxIdentity + 2, '0')));
}

TEST_CASE("Names differ by letters, not by their case", "[auth]") {
    CHECK(identity("GW.Example.ORG") == identity("gw.example.org"));
    CHECK(identity("alice@Example.ORG") == identity("alice@example.org"));
    CHECK(identity("Alice@example.org") != identity("alice@example.org"));
    CHECK(received(IdType::fqdn, "GW.example.ORG") == identity("gw.example.org"));
    CHECK(received(IdType::rfc822_addr, "alice@EXAMPLE.org") == identity("alice@example.org"));
    CHECK(received(IdType::key_id, "GW") != received(IdType::key_id, "gw"));
}

TEST_CASE("The type is part of an identity", "[auth]") {
    CHECK(received(IdType::key_id, "gw.example.org") != identity("gw.example.org"));
    CHECK(received(IdType::fqdn, "192.0.2.1") != identity("192.0.2.1"));
}

TEST_CASE("Identities survive the payload and the text", "[auth]") {
    const auto word = GENERATE(as<std::string>(), "192.0.2.1", "2001:db8::1", "gw.example.org",
                               "alice@example.org", "@#00ffa0");
    const Identity before = identity(word);
    CHECK(Identity::from(before.payload(true)) == before);
    CHECK(before.payload(true).initiator);
    CHECK_FALSE(before.payload(false).initiator);
    CHECK(before.to_string() == word);
    CHECK(identity(before.to_string()) == before);
}

TEST_CASE("Hostile octets do not reach a terminal", "[auth]") {
    CHECK(received(IdType::fqdn, "a\x1b[2J\n\\b c\xff").to_string() == "a\\x1b[2j\\x0a\\x5cb\\x20c\\xff");
    CHECK(received(IdType::ipv4_addr, "abc").to_string() == "type1#616263");
    CHECK(received(IdType::der_asn1_dn, "0").to_string() == "type9#30");
    CHECK(received(IdType::rfc822_addr, "nobody").to_string() == "nobody");
    CHECK(received(IdType::key_id, "").to_string() == "@#");
}

TEST_CASE("Patterns take one, a domain, or all", "[auth]") {
    CHECK(fits("gw.example.org", "GW.example.org"));
    CHECK_FALSE(fits("gw.example.org", "gw2.example.org"));
    CHECK(fits("192.0.2.1", "192.0.2.1"));
    CHECK(fits("*.Example.org", "a.example.org"));
    CHECK(fits("*.example.org", "a.b.example.org"));
    CHECK_FALSE(fits("*.example.org", "example.org"));
    CHECK_FALSE(fits("*.example.org", "aexample.org"));
    CHECK_FALSE(fits("*.example.org", "a.example.org.net"));
    CHECK_FALSE(fits("*.example.org", "user@a.example.org"));
    CHECK(fits("*", "user@a.example.org"));
    CHECK(fits("*", "2001:db8::1"));
}

TEST_CASE("A name with foreign octets is below no domain", "[auth]") {
    const auto pattern = IdentityPattern::parse("*.example.org");
    REQUIRE(pattern);
    using namespace std::string_view_literals;
    CHECK_FALSE(pattern->matches(received(IdType::fqdn, "evil.net\0.example.org"sv)));
    CHECK_FALSE(pattern->matches(received(IdType::fqdn, "a b.example.org")));
    CHECK_FALSE(pattern->matches(received(IdType::fqdn, ".example.org")));
    CHECK_FALSE(pattern->matches(received(IdType::key_id, "a.example.org")));
}

TEST_CASE("Patterns are refused, told apart and written again", "[auth]") {
    for (const auto* word : {"", "**", "*a", "*.", "a.*.org", "gw.*", "*@example.org", "*.10"})
        CHECK_FALSE(IdentityPattern::parse(word));
    for (const auto* word : {"*", "*.example.org", "gw.example.org", "@#00ff"})
        CHECK(IdentityPattern::parse(word)->to_string() == word);
    CHECK(IdentityPattern::parse("*") == IdentityPattern());
    CHECK(IdentityPattern::parse("*.A.org") == IdentityPattern::parse("*.a.org"));
    CHECK_FALSE(IdentityPattern::parse("*.a.org") == IdentityPattern::parse("*.b.org"));
    CHECK(IdentityPattern::parse("gw.example.org")->exact() == Identity::parse("gw.example.org"));
    CHECK_FALSE(IdentityPattern::parse("*.example.org")->exact());
}
