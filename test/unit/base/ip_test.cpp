#include "lib/base/ip.h"
#include "test/support/hex.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using sheaf::test::from_hex;
using sheaf::test::to_hex;

namespace {

IpAddress ip(std::string_view text) { return IpAddress::parse(text).value(); }
Prefix prefix(std::string_view text) { return Prefix::parse(text).value(); }

} // namespace

TEST_CASE("addresses are read and written") {
    for (const char* text :
         {"0.0.0.0", "192.0.2.1", "255.255.255.255", "::", "::1", "2001:db8::1", "fe80::1:2:3:4"})
        CHECK(ip(text).to_string() == text);
    CHECK(ip("2001:DB8:0:0::1").to_string() == "2001:db8::1");
    for (const char* text : {"", "192.0.2", "192.0.2.256", "192.0.2.1.1", "192.0.2.1 ", "2001:db8", "1::2::3",
                             ":::", "fe80::1%eth0", "example.org", "192.0.2.1/32"})
        CHECK_FALSE(IpAddress::parse(text).has_value());
    CHECK_FALSE(IpAddress::parse(std::string_view("192.0.2.1\0junk", 14)).has_value());
}

TEST_CASE("addresses are 4 or 16 octets") {
    CHECK(IpAddress::from_bytes(from_hex("c0000201")) == ip("192.0.2.1"));
    CHECK(IpAddress::from_bytes(from_hex("20010db8000000000000000000000001")) == ip("2001:db8::1"));
    for (const std::size_t size : {0U, 3U, 5U, 8U, 15U, 17U})
        CHECK_FALSE(IpAddress::from_bytes(Bytes(size)).has_value());
    CHECK(to_hex(ip("192.0.2.1").view()) == "c0000201");
    CHECK(ip("::1").view().size() == 16);
    CHECK(ip("1.2.3.4").bits() == 32);
    CHECK(ip("::").bits() == 128);
}

TEST_CASE("families differ even where octets agree") {
    CHECK(ip("0.0.0.0") != ip("::"));
    CHECK(IpAddress::any(Family::ipv4) == ip("0.0.0.0"));
    CHECK(IpAddress::any(Family::ipv6) == ip("::"));
    CHECK(IpAddress::last(Family::ipv4) == ip("255.255.255.255"));
    CHECK(IpAddress::last(Family::ipv6) == ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
    CHECK(ip("0.0.0.0").is_any());
    CHECK(ip("::").is_any());
    CHECK_FALSE(ip("::1").is_any());
}

TEST_CASE("addresses are ordered as numbers within a family") {
    CHECK(ip("10.0.0.9") < ip("10.0.0.10"));
    CHECK(ip("9.255.255.255") < ip("10.0.0.0"));
    CHECK(ip("2001:db8::ff") < ip("2001:db8::100"));
}

TEST_CASE("link-local addresses are known") {
    CHECK(ip("fe80::1").is_link_local());
    CHECK(ip("febf:ffff::").is_link_local());
    CHECK_FALSE(ip("fec0::1").is_link_local());
    CHECK_FALSE(ip("2001:db8::1").is_link_local());
    CHECK(ip("169.254.0.1").is_link_local());
    CHECK_FALSE(ip("169.255.0.1").is_link_local());
}

TEST_CASE("masks and fills act on bits") {
    CHECK(ip("192.0.2.255").masked(25) == ip("192.0.2.128"));
    CHECK(ip("192.0.2.0").filled(25) == ip("192.0.2.127"));
    CHECK(ip("192.0.2.1").masked(32) == ip("192.0.2.1"));
    CHECK(ip("192.0.2.1").masked(0) == ip("0.0.0.0"));
    CHECK(ip("192.0.2.1").filled(0) == ip("255.255.255.255"));
    CHECK(ip("192.0.2.1").masked(99) == ip("192.0.2.1"));
    CHECK(ip("2001:db8:ffff::1").masked(33) == ip("2001:db8:8000::"));
    CHECK(ip("2001:db8::").filled(127) == ip("2001:db8::1"));
}

TEST_CASE("the next address carries and ends with the family") {
    CHECK(ip("192.0.2.1").next() == ip("192.0.2.2"));
    CHECK(ip("192.0.255.255").next() == ip("192.1.0.0"));
    CHECK(ip("2001:db8::ffff").next() == ip("2001:db8::1:0"));
    CHECK_FALSE(IpAddress::last(Family::ipv4).next().has_value());
    CHECK_FALSE(IpAddress::last(Family::ipv6).next().has_value());
}

TEST_CASE("prefixes have no host bits") {
    CHECK(Prefix(ip("192.0.2.77"), 24) == prefix("192.0.2.0/24"));
    CHECK(prefix("192.0.2.77/24").to_string() == "192.0.2.0/24");
    CHECK(prefix("2001:db8::77/64").to_string() == "2001:db8::/64");
    CHECK(prefix("192.0.2.77") == Prefix::host(ip("192.0.2.77")));
    CHECK(Prefix(ip("192.0.2.77"), 99).length() == 32);
    CHECK(Prefix(ip("::1"), 200).length() == 128);
    CHECK(Prefix::all(Family::ipv6).to_string() == "::/0");
    CHECK(prefix("192.0.2.0/25").last() == ip("192.0.2.127"));
}

TEST_CASE("prefix texts are read strictly") {
    for (const char* text : {"", "/", "/24", "192.0.2.0/", "192.0.2.0/33", "2001:db8::/129", "192.0.2.0/-1",
                             "192.0.2.0/+1", "192.0.2.0/ 8", "192.0.2.0/8 ", "192.0.2.0/8x", "192.0.2.0/8/8",
                             "192.0.2.0/4294967296", "192.0.2/24"})
        CHECK_FALSE(Prefix::parse(text).has_value());
}

TEST_CASE("prefixes contain addresses and each other") {
    const Prefix net = prefix("192.0.2.0/25");
    CHECK(net.contains(ip("192.0.2.0")));
    CHECK(net.contains(ip("192.0.2.127")));
    CHECK_FALSE(net.contains(ip("192.0.2.128")));
    CHECK_FALSE(net.contains(ip("::")));
    CHECK_FALSE(Prefix::all(Family::ipv4).contains(ip("::1")));
    CHECK(net.contains(net));
    CHECK(net.contains(prefix("192.0.2.64/26")));
    CHECK_FALSE(net.contains(prefix("192.0.2.0/24")));
    CHECK(prefix("192.0.2.0/24").overlaps(net));
    CHECK(net.overlaps(prefix("192.0.2.0/24")));
    CHECK_FALSE(net.overlaps(prefix("192.0.2.128/25")));
    CHECK_FALSE(Prefix::all(Family::ipv4).overlaps(Prefix::all(Family::ipv6)));
}

TEST_CASE("endpoints are written as one expects") {
    CHECK(Endpoint{ip("192.0.2.1"), 500}.to_string() == "192.0.2.1:500");
    CHECK(Endpoint{ip("2001:db8::1"), 4500}.to_string() == "[2001:db8::1]:4500");
}
