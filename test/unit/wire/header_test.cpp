#include "lib/wire/header.h"
#include "test/support/hex.h"
#include "test/unit/wire/printing.h"
#include "test/unit/wire/samples.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::wire;
using sheaf::test::from_hex;
using sheaf::test::to_hex;

namespace {

Bytes with_octet(Bytes message, std::size_t at, std::uint8_t value) {
    message.at(at) = value;
    return message;
}

const Bytes kEmptyInformational = from_hex("0102030405060708 1112131415161718 00 20 25 08 21222324 0000001c");

} // namespace

TEST_CASE("a header is written and read field by field") {
    Header header = sample_header();
    header.length = 28;
    Bytes written;
    encode(header, written);
    CHECK(to_hex(written) == to_hex(kEmptyInformational));
    CHECK(parse_header(written) == header);
}

TEST_CASE("header flags are independent and other bits are ignored") {
    const auto flags = [](std::uint8_t octet) {
        return parse_header(with_octet(kEmptyInformational, 19, octet)).value();
    };
    CHECK(flags(0x08).from_initiator);
    CHECK_FALSE(flags(0x08).response);
    CHECK(flags(0x20).response);
    CHECK_FALSE(flags(0x20).from_initiator);
    CHECK(flags(0x10).higher_version);
    CHECK(flags(0xc7) == flags(0x00));
}

TEST_CASE("the minor version does not matter and the major one does") {
    CHECK(parse_header(with_octet(kEmptyInformational, 17, 0x2f))->minor == 15);
    CHECK(broken_rule(parse_header(with_octet(kEmptyInformational, 17, 0x10))) == Rule::major_version);
    CHECK(broken_rule(parse_header(with_octet(kEmptyInformational, 17, 0x30))) == Rule::major_version);
    // A message of another version may have its length elsewhere.
    CHECK(broken_rule(parse_header(with_octet(with_octet(kEmptyInformational, 17, 0x30), 27, 0xff))) ==
          Rule::major_version);
}

TEST_CASE("of a higher major version as much is read as an answer copies") {
    CHECK_FALSE(parse_higher_version(kEmptyInformational));
    CHECK_FALSE(parse_higher_version(with_octet(kEmptyInformational, 17, 0x10)));
    const Bytes higher = with_octet(with_octet(kEmptyInformational, 17, 0x35), 27, 0xff);
    const auto header = parse_higher_version(higher);
    REQUIRE(header);
    CHECK(header->major == 3);
    CHECK(header->initiator_spi == parse_header(kEmptyInformational)->initiator_spi);
    CHECK(header->message_id == parse_header(kEmptyInformational)->message_id);
    for (std::size_t size = 0; size < kHeaderSize; ++size)
        CHECK_FALSE(parse_higher_version(View(higher).first(size)));
}

TEST_CASE("a header must fit its datagram") {
    for (std::size_t size = 0; size < kHeaderSize; ++size)
        CHECK(broken_rule(parse_header(View(kEmptyInformational).first(size))) == Rule::datagram_too_short);
    CHECK(broken_rule(parse_header(with_octet(kEmptyInformational, 27, 0x1b))) == Rule::length_mismatch);
    CHECK(broken_rule(parse_header(with_octet(kEmptyInformational, 27, 0x1d))) == Rule::length_mismatch);
    CHECK(broken_rule(parse_header(with_octet(kEmptyInformational, 24, 0x01))) == Rule::length_mismatch);

    Bytes large = kEmptyInformational;
    large.resize(kMaxDatagram);
    large.at(25) = 0;
    large.at(26) = 0xff;
    large.at(27) = 0xff;
    CHECK(parse_header(large).has_value());
    large.push_back(0);
    CHECK(broken_rule(parse_header(large)) == Rule::datagram_too_long);
}

TEST_CASE("the initiator's SPI is never zero, the responder's may be") {
    Bytes message = kEmptyInformational;
    std::fill_n(message.begin() + 8, 8, std::uint8_t{0});
    CHECK(parse_header(message)->responder_spi == 0);
    std::fill_n(message.begin(), 8, std::uint8_t{0});
    CHECK(broken_rule(parse_header(message)) == Rule::zero_spi);
}

TEST_CASE("exchange types that we do not know are still headers") {
    CHECK(parse_header(with_octet(kEmptyInformational, 18, 43))->exchange == ExchangeType{43});
}
