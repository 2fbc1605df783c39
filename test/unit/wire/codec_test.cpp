#include "lib/wire/codec.h"
#include "test/support/hex.h"
#include "test/unit/wire/printing.h"
#include "test/unit/wire/samples.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::wire;
using sheaf::test::from_hex;
using sheaf::test::to_hex;

namespace {

// A message in clear around the octets of a payload chain.
Bytes message(PayloadType first, std::string_view chain) {
    Header header = sample_header();
    const Bytes octets = from_hex(chain);
    header.next = first;
    header.length = static_cast<std::uint32_t>(kHeaderSize + octets.size());
    Bytes out;
    encode(header, out);
    append(out, octets);
    return out;
}

std::optional<Rule> outer_rule(PayloadType first, std::string_view chain) {
    return broken_rule(parse_message(message(first, chain)));
}

std::optional<Rule> chain_rule(PayloadType first, std::string_view chain) {
    return broken_rule(parse_payloads(first, from_hex(chain)));
}

constexpr std::uint8_t code(PayloadType type) { return static_cast<std::uint8_t>(type); }

} // namespace

TEST_CASE("a chain names each payload in the one before") {
    const std::vector<Payload> payloads{VendorId{{0xaa}}, Nonce{counting(16)}, VendorId{{0xbb}}};
    Bytes chain{0xee}; // what stood before stays
    CHECK(encode_payloads(payloads, chain) == PayloadType::vendor_id);
    CHECK(to_hex(chain) == "ee"
                           "28000005aa"
                           "2b000014000102030405060708090a0b0c0d0e0f"
                           "00000005bb");
    CHECK(parse_payloads(PayloadType::vendor_id, View(chain).subspan(1)) == payloads);

    Bytes empty;
    CHECK(encode_payloads({}, empty) == PayloadType::none);
    CHECK(empty.empty());
    CHECK(parse_payloads(PayloadType::none, {})->empty());
}

TEST_CASE("each payload alone survives writing and reading") {
    for (const Payload& payload : sample_payloads()) {
        CAPTURE(type_of(payload), to_hex(body_of(payload)));
        CHECK(parse_payload(type_of(payload), body_of(payload)) == payload);
    }
}

TEST_CASE("all payloads together survive writing and reading") {
    const std::vector<Payload> payloads = sample_payloads();
    REQUIRE(payloads.size() <= kMaxPayloads);
    const Bytes written = encode_message(sample_header(), payloads);
    const auto read = parse_message(written);
    REQUIRE(read.has_value());
    CHECK(read->payloads == payloads);
    CHECK(read->header.length == written.size());
    CHECK(read->header.next == PayloadType::sa);
    CHECK_FALSE(read->encrypted.has_value());
    CHECK(encode_message(read->header, read->payloads) == written);
}

TEST_CASE("a message without payloads is whole") {
    const Bytes written = encode_message(sample_header(), {});
    CHECK(written.size() == kHeaderSize);
    CHECK(parse_message(written)->payloads.empty());
}

TEST_CASE("payload lengths must be exact") {
    for (const auto rule_of : {outer_rule, chain_rule}) {
        CHECK(rule_of(PayloadType::vendor_id, "00000005aa") == std::nullopt);
        CHECK(rule_of(PayloadType::vendor_id, "00000004") == std::nullopt);
        CHECK(rule_of(PayloadType::vendor_id, "") == Rule::truncated);
        CHECK(rule_of(PayloadType::vendor_id, "000000") == Rule::truncated);
        CHECK(rule_of(PayloadType::vendor_id, "00000003") == Rule::payload_too_short);
        CHECK(rule_of(PayloadType::vendor_id, "00000000") == Rule::payload_too_short);
        CHECK(rule_of(PayloadType::vendor_id, "00000006aa") == Rule::truncated);
        CHECK(rule_of(PayloadType::vendor_id, "0000ffffaa") == Rule::truncated);
        CHECK(rule_of(PayloadType::vendor_id, "00000004aa") == Rule::trailing_bytes);
        CHECK(rule_of(PayloadType::vendor_id, "2b000005aa") == Rule::truncated);
        CHECK(rule_of(PayloadType::none, "aa") == Rule::trailing_bytes);
    }
}

TEST_CASE("an error names the payload that it is about") {
    const auto error = [](PayloadType first, std::string_view chain) {
        return parse_payloads(first, from_hex(chain)).error();
    };
    CHECK(error(PayloadType::vendor_id, "28000004 00000005aa").payload == PayloadType::nonce);
    CHECK(error(PayloadType::vendor_id, "00000004 aa").payload == PayloadType::none);
    CHECK(parse_message(message(PayloadType::vendor_id, "28000004 00000005aa")).error().payload ==
          PayloadType::nonce);
}

TEST_CASE("the critical bit counts for unknown types only") {
    CHECK(chain_rule(PayloadType::vendor_id, "00800005aa") == std::nullopt);
    CHECK(chain_rule(PayloadType::vendor_id, "00ff0005aa") == std::nullopt);
    CHECK(chain_rule(PayloadType{200}, "007f0005aa") == std::nullopt);
    CHECK(chain_rule(PayloadType{200}, "00800005aa") == Rule::unknown_critical_payload);
    CHECK(chain_rule(PayloadType{1}, "00800005aa") == Rule::unknown_critical_payload); // IKEv1's
    const auto refused = parse_payloads(PayloadType::vendor_id, from_hex("c9000004 00800004"));
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().rule == Rule::unknown_critical_payload);
    CHECK(refused.error().payload == PayloadType{0xc9});
    CHECK(outer_rule(PayloadType{200}, "00800005aa") == Rule::unknown_critical_payload);
}

TEST_CASE("a chain is bounded") {
    const std::vector<Payload> most(kMaxPayloads, VendorId{});
    const std::vector<Payload> too_many(kMaxPayloads + 1, VendorId{});
    Bytes chain;
    encode_payloads(most, chain);
    CHECK(parse_payloads(PayloadType::vendor_id, chain) == most);
    CHECK(parse_message(encode_message(sample_header(), most)).has_value());
    chain.clear();
    encode_payloads(too_many, chain);
    CHECK(broken_rule(parse_payloads(PayloadType::vendor_id, chain)) == Rule::too_many_payloads);
    CHECK(broken_rule(parse_message(encode_message(sample_header(), too_many))) == Rule::too_many_payloads);
}

TEST_CASE("an encrypted payload is taken out whole") {
    const Bytes datagram = message(PayloadType::sk, "29000008 aabbccdd");
    const auto read = parse_message(datagram);
    REQUIRE(read.has_value());
    REQUIRE(read->encrypted.has_value());
    CHECK(read->encrypted->first_inner == PayloadType::notify);
    CHECK(to_hex(read->encrypted->protected_data) == "aabbccdd");
    CHECK(read->encrypted->associated.size() == kHeaderSize + 4);
    CHECK(read->encrypted->associated.data() == datagram.data());
    CHECK_FALSE(read->encrypted->is_fragment);
    CHECK(read->encrypted->fragments == 1);

    const Bytes without_content = message(PayloadType::sk, "00000004");
    const auto empty = parse_message(without_content);
    REQUIRE(empty.has_value());
    CHECK(empty->encrypted->protected_data.empty()); // too short for any cipher; that is the cipher's to say
}

TEST_CASE("payloads in clear may stand before an encrypted one, and nothing after") {
    const Bytes datagram = message(PayloadType::vendor_id, "2e000005aa 00000006bbcc");
    const auto read = parse_message(datagram);
    REQUIRE(read.has_value());
    CHECK(read->payloads == std::vector<Payload>{VendorId{{0xaa}}});
    CHECK(to_hex(read->encrypted->protected_data) == "bbcc");
    CHECK(outer_rule(PayloadType::sk, "2b000005aa 00000005bb") == Rule::misplaced_encrypted_payload);
    CHECK(outer_rule(PayloadType::sk, "00000005aa bb") == Rule::misplaced_encrypted_payload);
    CHECK(outer_rule(PayloadType::sk, "00000006aa") == Rule::truncated);
    CHECK(outer_rule(PayloadType::skf, "00000009 00010001 aa bb") == Rule::misplaced_encrypted_payload);
}

TEST_CASE("encrypted payloads do not nest") {
    CHECK(chain_rule(PayloadType::sk, "00000004") == Rule::nested_encrypted_payload);
    CHECK(chain_rule(PayloadType::skf, "00000008 00010001") == Rule::nested_encrypted_payload);
    CHECK(chain_rule(PayloadType::vendor_id, "2e000004 00000004") == Rule::nested_encrypted_payload);
}

TEST_CASE("fragments are numbered from one to a bounded total") {
    const auto fragment = [](std::string_view next, std::string_view numbers) {
        return outer_rule(PayloadType::skf, std::string(next) + "000009" + std::string(numbers) + "aa");
    };
    CHECK(fragment("23", "00010001") == std::nullopt);
    CHECK(fragment("23", "00010002") == std::nullopt);
    CHECK(fragment("00", "00020002") == std::nullopt);
    CHECK(fragment("00", "00010002") == std::nullopt); // an empty message, in pieces
    CHECK(fragment("23", "00020002") == Rule::bad_fragment);
    CHECK(fragment("23", "00000001") == Rule::bad_fragment);
    CHECK(fragment("23", "00010000") == Rule::bad_fragment);
    CHECK(fragment("00", "00030002") == Rule::bad_fragment);
    CHECK(fragment("00", "00400040") == std::nullopt);
    CHECK(fragment("00", "00400041") == Rule::bad_fragment);
    CHECK(outer_rule(PayloadType::skf, "00000007 000100") == Rule::bad_fragment);
    CHECK(outer_rule(PayloadType::skf, "00000008 00010001") == std::nullopt);

    const Bytes datagram = message(PayloadType::skf, "0000000a 00020003 aabb");
    const auto read = parse_message(datagram);
    REQUIRE(read.has_value());
    CHECK(read->encrypted->is_fragment);
    CHECK(read->encrypted->fragment == 2);
    CHECK(read->encrypted->fragments == 3);
    CHECK(read->encrypted->associated.size() == kHeaderSize + 8);
    CHECK(to_hex(read->encrypted->protected_data) == "aabb");
}

TEST_CASE("prefixes of encrypted messages are completed by their protected data") {
    const Bytes secret = from_hex("aabbccddee");
    Bytes whole = encode_encrypted_prefix(sample_header(), PayloadType::id_i, secret.size());
    CHECK(whole.size() == kHeaderSize + 4);
    append(whole, secret);
    const auto read = parse_message(whole);
    REQUIRE(read.has_value());
    CHECK(read->encrypted->first_inner == PayloadType::id_i);
    CHECK(equal(read->encrypted->protected_data, secret));
    CHECK(equal(read->encrypted->associated, View(whole).first(kHeaderSize + 4)));

    Bytes piece = encode_fragment_prefix(sample_header(), PayloadType::none, 2, 3, secret.size());
    CHECK(piece.size() == kHeaderSize + 8);
    append(piece, secret);
    const auto fragment = parse_message(piece);
    REQUIRE(fragment.has_value());
    CHECK(fragment->encrypted->fragment == 2);
    CHECK(fragment->encrypted->fragments == 3);
    CHECK(equal(fragment->encrypted->protected_data, secret));
    CHECK(fragment->header.next == PayloadType::skf);
}

TEST_CASE("a broken header ends the parse") {
    const auto refused = parse_message(from_hex("00"));
    CHECK(broken_rule(refused) == Rule::datagram_too_short);
    CHECK(code(refused.error().payload) == 0);
}
