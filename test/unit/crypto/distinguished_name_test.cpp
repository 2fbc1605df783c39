#include "lib/crypto/distinguished_name.h"
#include "test/support/hex.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::crypto;
using namespace sheaf::test;

namespace {

Bytes name(std::string_view text) {
    const auto der = name_from_text(text);
    if (!der) FAIL("no name: " << text);
    return *der;
}

std::string text(std::string_view from) { return *name_to_text(name(from)); }

} // namespace

TEST_CASE("a name is encoded in the order of its text, by the string types of RFC 5280") {
    // openssl req -utf8 -subj /C=CH/CN=gw
    CHECK(to_hex(name("C=CH, CN=gw")) == "301a310b3009060355040613024348310b300906035504030c026777");
    CHECK(text("CN=gw.example.org, O=Example, C=CH") == "CN=gw.example.org, O=Example, C=CH");
    CHECK(text("cn = gw,o=An Example ,  c=CH") == "CN=gw, O=An Example, C=CH");
    CHECK(text("emailAddress=a@example.org,DC=org,serialNumber=17") ==
          "E=a@example.org, DC=org, serialNumber=17");
}

TEST_CASE("what does not print is escaped, and read again") {
    CHECK(text(R"(O=Example\, Inc., CN=a\\b)") == R"(O=Example\, Inc., CN=a\\b)");
    CHECK(text("O=Z\xc3\xbcrich") == R"(O=Z\c3\bcrich)");
    CHECK(name(R"(O=Z\c3\bcrich)") == name("O=Z\xc3\xbcrich"));
    CHECK(text(R"(CN=a\0ab)") == R"(CN=a\0ab)");
}

TEST_CASE("text that is no name is refused") {
    for (const char* wrong :
         {"", "gw", "CN", "CN=", "=gw", "CN=gw,", "XX=gw", "CN=gw,,O=e", "CN=gw\\", "1.2.3=a"}) {
        CAPTURE(wrong);
        CHECK_FALSE(name_from_text(wrong));
    }
    std::string many = "OU=a";
    for (int i = 0; i < 40; ++i)
        many += ",OU=a";
    CHECK_FALSE(name_from_text(many));
}

TEST_CASE("octets that are no name have no text") {
    CHECK_FALSE(name_to_text({}));
    CHECK_FALSE(name_to_text(from_hex("3003020101")));
    CHECK_FALSE(name_to_text(from_hex("301a310b3009060355040613024348310b300906035504030c0267")));
    CHECK(name_to_text(from_hex("3000")) == "");
}

TEST_CASE("names are the same whatever case, spaces and string types, not in another order") {
    // CN=gw as PrintableString
    CHECK(same_name(name("CN=GW"), from_hex("300d310b3009060355040313026777")));
    CHECK(same_name(name("O=An  Example"), name("O=an example")));
    CHECK_FALSE(same_name(name("CN=gw"), name("CN=gw2")));
    CHECK_FALSE(same_name(name("CN=gw"), name("O=gw")));
    CHECK_FALSE(same_name(name("CN=gw, O=e"), name("O=e, CN=gw")));
    CHECK_FALSE(same_name(name("CN=gw"), name("CN=gw, O=e")));
    CHECK_FALSE(same_name({}, name("CN=gw")));
}

TEST_CASE("a name is within one that it begins with") {
    CHECK(name_within(name("C=CH, O=Example, CN=gw"), name("C=CH, O=example")));
    CHECK(name_within(name("C=CH"), name("C=CH")));
    CHECK_FALSE(name_within(name("C=CH"), name("C=CH, O=Example")));
    CHECK_FALSE(name_within(name("O=Example, C=CH"), name("C=CH")));
}
