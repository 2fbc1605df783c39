#include "test/support/hex.h"
#include "test/unit/wire/printing.h"
#include "test/unit/wire/samples.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::wire;
using sheaf::test::from_hex;
using sheaf::test::to_hex;

namespace {

std::expected<Sa, Rule> parse(std::string_view hex) {
    auto payload = parse_payload(PayloadType::sa, from_hex(hex));
    if (!payload) return std::unexpected(payload.error());
    return std::get<Sa>(*payload);
}

Transform only_transform(std::string_view attributes) {
    const std::size_t size = 8 + from_hex(attributes).size();
    const auto octet = [](std::size_t n) { return to_hex(Bytes{static_cast<std::uint8_t>(n)}); };
    const auto sa = parse("000000" + octet(8 + size) + "01010001 000000" + octet(size) + "01 00 000c" +
                          std::string(attributes));
    REQUIRE(sa.has_value());
    return sa->proposals.at(0).transforms.at(0);
}

Bytes transforms_of(std::size_t count) {
    const Sa sa{{{1, Protocol::ike, {}, std::vector(count, Transform{TransformType::prf, 5, {}, false})}}};
    return body_of(sa);
}

} // namespace

TEST_CASE("an SA payload is written as RFC 7296 3.3 draws it") {
    const Sa sa{{{1,
                  Protocol::esp,
                  {1, 2, 3, 4},
                  {{TransformType::encr, 12, 256, false}, {TransformType::sn, 0, {}, false}}},
                 {2, Protocol::ike, {}, {{TransformType::ke, 31, {}, false}}}}};
    CHECK(to_hex(body_of(sa)) == "02000020"
                                 "01030402"
                                 "01020304"
                                 "0300000c0100000c800e0100"
                                 "0000000805000000"
                                 "00000010"
                                 "02010001"
                                 "000000080400001f");
    CHECK(parse_payload(PayloadType::sa, body_of(sa)) == Payload{sa});
}

TEST_CASE("the marks of the last substructures are ignored: lengths and counts decide") {
    for (const char* mark : {"00", "02", "03", "ff"}) {
        const auto sa = parse(std::string(mark) + "000018 01030401 01020304" + std::string(mark) +
                              "00000c 0100000c 800e0080");
        REQUIRE(sa.has_value());
        CHECK(sa->proposals.at(0).transforms.at(0).key_bits == 128);
    }
}

TEST_CASE("reserved octets of proposals and transforms are ignored") {
    CHECK(parse("00ff0010 01010001 00ff0008 02ff0005") == parse("00000010 01010001 00000008 02000005"));
}

TEST_CASE("proposal and transform lengths must be exact") {
    CHECK(broken_rule(parse("")) == Rule::bad_proposal);
    CHECK(broken_rule(parse("000000")) == Rule::bad_proposal);
    CHECK(broken_rule(parse("00000007 010100")) == Rule::bad_proposal);
    CHECK(broken_rule(parse("00000008 01010000")) == Rule::bad_proposal); // no transform
    CHECK(broken_rule(parse("0000000f 01010001 00000008 020000")) == Rule::bad_proposal);
    CHECK(broken_rule(parse("00000011 01010001 00000008 02000005")) == Rule::bad_proposal);
    CHECK(broken_rule(parse("00000010 01010001 00000009 02000005")) == Rule::bad_proposal);
    CHECK(broken_rule(parse("00000010 01010001 00000007 02000005")) == Rule::bad_proposal);
    CHECK(broken_rule(parse("00000010 01010001 00000000 02000005")) == Rule::bad_proposal);
    CHECK(broken_rule(parse("00000010 01010002 00000008 02000005")) == Rule::bad_proposal); // count too high
    CHECK(broken_rule(parse("00000018 01010001 03000008 02000005 00000008 0400001f")) ==
          Rule::bad_proposal); // count too low
    CHECK(broken_rule(parse("00000010 01010001 00000008 02000005 00")) == Rule::bad_proposal);
}

TEST_CASE("a proposal's SPI has its protocol's size") {
    const auto with_spi = [](std::uint8_t protocol, std::size_t size) {
        return broken_rule(parse_payload(
            PayloadType::sa,
            body_of(Sa{{{1, Protocol{protocol}, counting(size), {{TransformType::encr, 20, 256, false}}}}})));
    };
    CHECK(with_spi(1, 0) == std::nullopt);
    CHECK(with_spi(1, 8) == std::nullopt);
    CHECK(with_spi(1, 4) == Rule::bad_spi_size);
    CHECK(with_spi(2, 4) == std::nullopt);
    CHECK(with_spi(3, 4) == std::nullopt);
    CHECK(with_spi(3, 0) == Rule::bad_spi_size);
    CHECK(with_spi(3, 3) == Rule::bad_spi_size);
    CHECK(with_spi(3, 5) == Rule::bad_spi_size);
    CHECK(with_spi(3, 8) == Rule::bad_spi_size);
    CHECK(with_spi(6, 16) == std::nullopt); // of a protocol that we do not speak: kept, never chosen
    CHECK(broken_rule(parse("00000010 01030401 01020304 02000005")) == Rule::bad_proposal);
}

TEST_CASE("proposals are numbered without gaps") {
    const auto numbered = [](std::vector<std::uint8_t> numbers) {
        Sa sa;
        for (const std::uint8_t number : numbers)
            sa.proposals.push_back({number, Protocol::ike, {}, {{TransformType::prf, 5, {}, false}}});
        return broken_rule(parse_payload(PayloadType::sa, body_of(sa)));
    };
    CHECK(numbered({1, 2, 3}) == std::nullopt);
    CHECK(numbered({3}) == std::nullopt); // an answer
    CHECK(numbered({0}) == Rule::bad_proposal);
    CHECK(numbered({1, 1}) == Rule::bad_proposal);
    CHECK(numbered({1, 3}) == Rule::bad_proposal);
    CHECK(numbered({2, 1}) == Rule::bad_proposal);
    CHECK(numbered({255, 0}) == Rule::bad_proposal);
}

TEST_CASE("the key length is read in its fixed form only") {
    CHECK(only_transform("").key_bits == std::nullopt);
    CHECK_FALSE(only_transform("").unknown_attribute);
    CHECK(only_transform("800e0100").key_bits == 256);
    CHECK_FALSE(only_transform("800e0100").unknown_attribute);

    const Transform variable = only_transform("000e0002 0100");
    CHECK(variable.key_bits == std::nullopt);
    CHECK(variable.unknown_attribute);
    const Transform other = only_transform("80120001 800e0080");
    CHECK(other.key_bits == 128);
    CHECK(other.unknown_attribute);
    const Transform twice = only_transform("800e0080 800e0100");
    CHECK(twice.key_bits == 128);
    CHECK(twice.unknown_attribute);
    CHECK(only_transform("00120003 010203").unknown_attribute);
    CHECK(only_transform("00120000").unknown_attribute);
}

TEST_CASE("an attribute ends within its transform") {
    CHECK(broken_rule(parse("00000012 01010001 0000000a 0100000c 800e")) == Rule::bad_proposal);
    CHECK(broken_rule(parse("00000013 01010001 0000000b 0100000c 800e00")) == Rule::bad_proposal);
    CHECK(broken_rule(parse("00000015 01010001 0000000d 0100000c 00120002 01")) == Rule::bad_proposal);
    CHECK(broken_rule(parse("00000014 01010001 0000000c 0100000c 0012ffff")) == Rule::bad_proposal);
}

TEST_CASE("an SA payload's lists are bounded") {
    CHECK(broken_rule(parse_payload(PayloadType::sa, transforms_of(kMaxTransforms))) == std::nullopt);
    CHECK(broken_rule(parse_payload(PayloadType::sa, transforms_of(kMaxTransforms + 1))) ==
          Rule::too_many_transforms);

    Sa sa;
    for (std::uint8_t number = 1; number <= kMaxProposals; ++number)
        sa.proposals.push_back({number, Protocol::ike, {}, {{TransformType::prf, 5, {}, false}}});
    CHECK(parse_payload(PayloadType::sa, body_of(sa)) == Payload{sa});
    sa.proposals.push_back({kMaxProposals + 1, Protocol::ike, {}, {{TransformType::prf, 5, {}, false}}});
    CHECK(broken_rule(parse_payload(PayloadType::sa, body_of(sa))) == Rule::too_many_proposals);

    CHECK(only_transform("80630000 80630000 80630000 800e0080").key_bits == 128);
    CHECK(broken_rule(
              parse("00000024 01010001 0000001c 0100000c 80630000 80630000 80630000 80630000 80630000")) ==
          Rule::too_many_attributes);
}
