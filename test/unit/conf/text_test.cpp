#include "conf/text.h"
#include "conf/words.h"

#include <catch2/catch.hpp>

#include <array>
#include <string>

using namespace sheaf;
using namespace sheaf::conf;
using namespace std::chrono_literals;

TEST_CASE("Distances count the smallest change", "[conf]") {
    CHECK(edit_distance("", "") == 0);
    CHECK(edit_distance("abc", "") == 3);
    CHECK(edit_distance("", "abc") == 3);
    CHECK(edit_distance("retransmitt", "retransmit") == 1);
    CHECK(edit_distance("gatway", "gateway") == 1);
    CHECK(edit_distance("gtaeway", "gateway") == 1); // neighbours swapped
    CHECK(edit_distance("Gateway", "gATEWAY") == 0);
    CHECK(edit_distance("kitten", "sitting") == 3);
}

TEST_CASE("Only what is near is suggested", "[conf]") {
    constexpr std::array<std::string_view, 3> kWords = {"port", "nat_port", "addresses"};
    CHECK(nearest("prot", kWords) == "port");
    CHECK(nearest("adresses", kWords) == "addresses");
    CHECK(nearest("colour", kWords).empty());
    CHECK(nearest(std::string(10'000, 'a'), kWords).empty());
    CHECK(suggestion("prot", kWords) == "did you mean \"port\"?");
    CHECK(suggestion("colour", kWords) == "use one of \"port\", \"nat_port\" or \"addresses\"");
    CHECK(suggestion("colour", {}).empty());
}

TEST_CASE("Quoted words stay short and on their line", "[conf]") {
    CHECK(quote("a\nb\x1b\x7f") == "\"a\\x0ab\\x1b\\x7f\"");
    CHECK(quote(std::string(100, 'a')) == "\"" + std::string(64, 'a') + "...\"");
    const std::string cut(63, 'a');
    CHECK(quote(std::string(cut).append("\xc3\xa4z")) == std::string("\"").append(cut).append("...\""));
}

TEST_CASE("Durations have a unit", "[conf]") {
    CHECK(parse_duration("500ms") == 500ms);
    CHECK(parse_duration("30s") == 30s);
    CHECK(parse_duration("5m") == 5min);
    CHECK(parse_duration("1h") == 1h);
    CHECK(parse_duration("0s") == 0s);
    for (const auto* word :
         {"", "30", "s", "-1s", "+1s", "1.5s", "1 s", "1S", "1sec", "1s ", "99999999999999999999s"})
        CHECK_FALSE(parse_duration(word));
    CHECK(parse_duration("9223372036854775807h") > kMaxDuration); // and did not wrap around
}

TEST_CASE("Ranges of words include their ends", "[conf]") {
    CHECK_FALSE(check_duration("24h"));
    CHECK(check_duration("1441m"));
    CHECK_FALSE(check_wait("10ms"));
    CHECK(check_wait("9ms"));
    CHECK_FALSE(check_wait("1m"));
    CHECK_FALSE(check_binding_lifetime("60s"));
    CHECK(check_binding_lifetime("59999ms"));
    CHECK_FALSE(check_binding_lifetime("24h"));
    CHECK(check_binding_lifetime("25h"));
    CHECK_FALSE(check_interface("exactly15chars."));
    CHECK(check_interface("exactly16chars.."));
    CHECK_FALSE(check_name(std::string(63, 'a')));
    CHECK(check_name(std::string(64, 'a')));
    CHECK(check_credential("../shadow"));
    CHECK(check_credential("a/b"));
    CHECK_FALSE(check_credential("alice.psk"));
}
