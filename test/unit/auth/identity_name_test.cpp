// Distinguished names as identities; the other kinds are in conf/identity_test.cpp.

#include "lib/auth/identity.h"
#include "lib/auth/key_ring.h"
#include "test/support/hex.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::auth;
using namespace sheaf::test;

namespace {

// CN=gw as PrintableString, where parse() makes a UTF8String
const Identity kOtherEncoding{wire::IdType::der_asn1_dn, from_hex("300d310b3009060355040313026777")};

} // namespace

TEST_CASE("a distinguished name is configured and printed as its parts") {
    const auto name = Identity::parse("C=CH, O=Example, CN=gw.example.org");
    REQUIRE(name);
    CHECK(name->type == wire::IdType::der_asn1_dn);
    CHECK(name->to_string() == "C=CH, O=Example, CN=gw.example.org");
    CHECK(Identity::parse(name->to_string()) == name);
    CHECK(Identity::parse("E=gw@example.org, CN=gw")->type == wire::IdType::der_asn1_dn);
    CHECK(Identity::parse("a=b@example.org")->type == wire::IdType::rfc822_addr);
    CHECK_FALSE(Identity::parse("XX=gw"));
    CHECK_FALSE(Identity::parse("CN=" + std::string(2000, 'a')));
}

TEST_CASE("octets that are no distinguished name print as octets") {
    CHECK(Identity{wire::IdType::der_asn1_dn, {0x30, 0x03}}.to_string() == "type9#3003");
    CHECK(Identity{wire::IdType::der_asn1_dn, {0x30, 0x00}}.to_string() == "type9#3000");
}

TEST_CASE("a distinguished name is the same in another encoding") {
    const auto name = *Identity::parse("CN=gw");
    CHECK_FALSE(name == kOtherEncoding);
    CHECK(same_identity(name, kOtherEncoding));
    CHECK_FALSE(same_identity(*Identity::parse("CN=gw2"), kOtherEncoding));
    CHECK_FALSE(same_identity(*Identity::parse("gw"), kOtherEncoding));
    CHECK(IdentityPattern::parse("CN=gw")->matches(kOtherEncoding));
    CHECK_FALSE(IdentityPattern::parse("CN=gw, O=e")->matches(kOtherEncoding));
    const KeyRing ring({{*IdentityPattern::parse("CN=GW"), std::make_shared<const Secret>(Secret(1))}});
    CHECK(ring.find(kOtherEncoding));
    CHECK_FALSE(ring.find(*Identity::parse("CN=other")));
}
