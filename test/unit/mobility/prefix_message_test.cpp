// Mobile Prefix Solicitations and Advertisements as octets, ours and hostile ones.
#include "lib/mobility/prefix_message.h"
#include "test/support/hex.h"
#include "test/support/seeded_random.h"
#include "test/unit/mobility/samples.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::mobility;
using sheaf::test::from_hex;
using sheaf::test::to_hex;

namespace {

constexpr std::string_view kHead = "93000000 1234 0000";
constexpr std::string_view kPrefix = "0304 40c0 ffffffff ffffffff 00000000 20010db8000a00000000000000000000";

Bytes advertisement(std::string_view options) {
    Bytes out = from_hex(kHead);
    append(out, from_hex(options));
    return out;
}

std::vector<PrefixInformation> prefixes(std::string_view options) {
    return std::get<PrefixAdvertisement>(parse_prefix_message(advertisement(options)).value()).prefixes;
}

Prefix prefix(std::string_view text) { return Prefix::parse(text).value(); }

} // namespace

TEST_CASE("a solicitation is 8 octets, and options behind it are skipped") {
    const Bytes octets = encode_prefix_message(PrefixSolicitation{0x1234});
    CHECK(to_hex(octets) == "9200000012340000");
    CHECK(parse_prefix_message(octets) == PrefixMessage(PrefixSolicitation{0x1234}));
    CHECK(parse_prefix_message(from_hex("9200abcd 1234ffff 0101020304050607")) ==
          PrefixMessage(PrefixSolicitation{0x1234}));
}

TEST_CASE("an advertisement has an option of 32 octets for each prefix") {
    PrefixAdvertisement message{0x1234, {{prefix("2001:db8:a::/64")}}};
    message.prefixes[0].on_link = message.prefixes[0].autonomous = true;
    const Bytes octets = encode_prefix_message(message);
    CHECK(octets == advertisement(kPrefix));
    CHECK(parse_prefix_message(octets) == PrefixMessage(message));
    message.prefixes.push_back({.prefix = prefix("2001:db8:b::/48"), .valid = 7200, .preferred = 0});
    CHECK(parse_prefix_message(encode_prefix_message(message)) == PrefixMessage(message));
}

TEST_CASE("a router's address in a prefix option tells the prefix alone") {
    const auto found =
        prefixes("0304 40e0 00000e10 00000708 00000000 20010db8000a00000000000000000001"); // the flag R
    REQUIRE(found.size() == 1);
    CHECK(found[0].prefix == prefix("2001:db8:a::/64"));
    CHECK(found[0].valid == 3600);
    CHECK(found[0].preferred == 1800);
}

TEST_CASE("prefixes that a host has to ignore are ignored, as are options that are not known") {
    const std::string known(kPrefix);
    CHECK(prefixes(known + "0501 000000000578").size() == 1);
    CHECK(prefixes(known + "0304 4000 00000001 00000002 00000000 20010db8000b00000000000000000000").size() ==
          1);
    CHECK(prefixes(known + "0304 4000 ffffffff ffffffff 00000000 fe800000000000000000000000000000").size() ==
          1);
}

TEST_CASE("a message of prefix discovery that lacks its form is refused") {
    const auto error = [](const Bytes& octets) { return parse_prefix_message(octets).error(); };
    const std::string known(kPrefix);
    CHECK(error({}) == Rule::bad_prefix_message);
    CHECK(error(from_hex("92010000 12340000")) == Rule::bad_prefix_message);                  // a code
    CHECK(error(from_hex("91000000 12340000")) == Rule::bad_prefix_message);                  // another type
    CHECK(error(from_hex("92000000 12340000 0100000000000000")) == Rule::bad_prefix_message); // no length
    CHECK(error(advertisement("")) == Rule::bad_prefix_message);
    CHECK(error(advertisement("0501 000000000578")) == Rule::bad_prefix_message);
    CHECK(error(advertisement("0301 000000000000")) == Rule::bad_prefix_message);
    Bytes long_prefix = advertisement(known);
    long_prefix[10] = 129;
    CHECK(error(long_prefix) == Rule::bad_prefix_message);
    const Bytes whole = advertisement(known + known);
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const auto parsed = parse_prefix_message(View(whole).first(size));
        CHECK(parsed.has_value() == (size == whole.size() - 32)); // one prefix is a message, too
    }
}

TEST_CASE("a home link has a stated number of prefixes at most") {
    PrefixAdvertisement message{1,
                                std::vector<PrefixInformation>(kMaxHomePrefixes, {prefix("2001:db8::/64")})};
    Bytes octets = encode_prefix_message(message);
    CHECK(octets.size() == kMaxPrefixMessage);
    CHECK(parse_prefix_message(octets) == PrefixMessage(message));
    append(octets, from_hex(kPrefix));
    CHECK(parse_prefix_message(octets).error() == Rule::too_many_prefixes);
}

TEST_CASE("octets that are changed at random never read beyond the message of prefix discovery") {
    test::SeededRandom random(1);
    for (int round = 0; round < 20000; ++round) {
        Bytes octets = advertisement(std::string(kPrefix) + "0501 000000000578");
        for (std::uint64_t i = 0; i <= random.below(4); ++i)
            octets[random.below(octets.size())] = static_cast<std::uint8_t>(random.below(256));
        octets.resize(random.below(octets.size() + 1));
        const auto parsed = parse_prefix_message(octets);
        if (parsed) CHECK(parse_prefix_message(encode_prefix_message(*parsed)) == parsed);
    }
}
