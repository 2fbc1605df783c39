#include "lib/mobility/extension.h"
#include "test/support/hex.h"
#include "test/unit/mobility/samples.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::mobility;
using sheaf::test::from_hex;
using sheaf::test::ip;
using sheaf::test::to_hex;

TEST_CASE("a home address option is 24 octets with the address at a multiple of 8") {
    const Bytes header = encode_home_address_option(50, ip("2001:db8:a::1"));
    CHECK(to_hex(header) == "320201020000c91020010db8000a00000000000000000001");
    CHECK(parse_home_address_option(header).value() == std::optional(ip("2001:db8:a::1")));
}

TEST_CASE("destination options are read for the home address alone") {
    CHECK_FALSE(parse_home_address_option(from_hex("3b00 0104 00000000")).value().has_value());
    CHECK_FALSE(parse_home_address_option(from_hex("3b00 1e04 00000000")).value().has_value());
    CHECK(parse_home_address_option(from_hex("3b00 0105 00000000")).error() == Rule::bad_destination_options);
    CHECK(parse_home_address_option(from_hex("3b01 0104 00000000")).error() == Rule::bad_destination_options);
    CHECK(parse_home_address_option(from_hex("3b00 c904 c0000201")).error() == Rule::bad_destination_options);
    CHECK(parse_home_address_option(encode_home_address_option(50, ip("fe80::1"))).error() ==
          Rule::bad_home_address);
    Bytes twice = encode_home_address_option(50, ip("2001:db8:a::1"));
    append(twice, from_hex("0102 0000 0000 c910 20010db8000a00000000000000000001"));
    twice[1] = 5;
    CHECK(parse_home_address_option(twice).error() == Rule::bad_destination_options);
}

TEST_CASE("a type 2 routing header has one home address") {
    const Bytes header = encode_routing_header(50, ip("2001:db8:a::1"));
    CHECK(to_hex(header) == "320202010000000020010db8000a00000000000000000001");
    CHECK(parse_routing_header(header) == ip("2001:db8:a::1"));
    for (const std::size_t at : {1U, 2U, 3U}) {
        Bytes wrong = header;
        wrong[at] ^= 1;
        CHECK(parse_routing_header(wrong).error() == Rule::bad_routing_header);
    }
    CHECK(parse_routing_header(View(header).first(16)).error() == Rule::bad_routing_header);
    CHECK(parse_routing_header(encode_routing_header(50, ip("ff02::1"))).error() == Rule::bad_home_address);
}
