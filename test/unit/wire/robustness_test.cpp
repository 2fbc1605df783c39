#include "test/support/hex.h"
#include "test/unit/wire/printing.h"
#include "test/unit/wire/samples.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::wire;
using sheaf::test::to_hex;

namespace {

// Whatever was accepted can be written, and reads as the same value again.
bool is_stable(const Payload& payload) {
    Payload comparable = payload;
    if (auto* sa = std::get_if<Sa>(&comparable)) {
        for (Proposal& proposal : sa->proposals)
            for (Transform& transform : proposal.transforms)
                transform.unknown_attribute = false;
    }
    if (const auto* ts = std::get_if<TrafficSelectors>(&comparable); ts != nullptr && ts->selectors.empty())
        return true; // all were of unknown types
    return parse_payload(type_of(comparable), body_of(comparable)) == comparable;
}

Bytes as_message(const Payload& payload) { return encode_message(sample_header(), std::span(&payload, 1)); }

} // namespace

TEST_CASE("a message cut anywhere is refused") {
    for (const Payload& payload : sample_payloads()) {
        const Bytes whole = as_message(payload);
        for (std::size_t size = 0; size < whole.size(); ++size) {
            CAPTURE(type_of(payload), size, to_hex(whole));
            Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
            CHECK_FALSE(parse_message(cut).has_value());
            if (size < kHeaderSize) continue;
            // Once more with a length field in the header that agrees with the cut.
            cut.at(26) = static_cast<std::uint8_t>(size >> 8);
            cut.at(27) = static_cast<std::uint8_t>(size);
            CHECK_FALSE(parse_message(cut).has_value());
        }
    }
}

TEST_CASE("a payload body cut anywhere is refused or stable, and never more than the whole") {
    for (const Payload& payload : sample_payloads()) {
        const Bytes whole = body_of(payload);
        for (std::size_t size = 0; size < whole.size(); ++size) {
            CAPTURE(type_of(payload), size, to_hex(whole));
            const auto parsed = parse_payload(type_of(payload), View(whole).first(size));
            if (!parsed) continue;
            CHECK(is_stable(*parsed));
            CHECK(*parsed != payload);
        }
    }
}

TEST_CASE("a structured body with an octet more is refused or a longer value") {
    for (const Payload& payload : sample_payloads()) {
        Bytes longer = body_of(payload);
        longer.push_back(0);
        CAPTURE(type_of(payload), to_hex(longer));
        const auto parsed = parse_payload(type_of(payload), longer);
        if (parsed) CHECK(body_of(*parsed) == longer);
        for (const PayloadType strict : {PayloadType::sa, PayloadType::del, PayloadType::ts_i,
                                         PayloadType::ts_r, PayloadType::cp, PayloadType::eap}) {
            if (type_of(payload) == strict) CHECK_FALSE(parsed.has_value());
        }
    }
}

TEST_CASE("a payload length that is one off is refused") {
    for (const Payload& payload : sample_payloads()) {
        for (const int step : {-1, 1}) {
            Bytes off = as_message(payload);
            const int length = off.at(kHeaderSize + 2) << 8 | off.at(kHeaderSize + 3);
            off.at(kHeaderSize + 2) = static_cast<std::uint8_t>((length + step) >> 8);
            off.at(kHeaderSize + 3) = static_cast<std::uint8_t>(length + step);
            CAPTURE(type_of(payload), step, to_hex(off));
            CHECK_FALSE(parse_message(off).has_value());
        }
    }
}

TEST_CASE("every octet one off is refused or stable") {
    for (const Payload& payload : sample_payloads()) {
        const Bytes whole = body_of(payload);
        for (std::size_t at = 0; at < whole.size(); ++at) {
            for (const int step : {-1, 1}) {
                Bytes off = whole;
                off.at(at) = static_cast<std::uint8_t>(off.at(at) + step);
                CAPTURE(type_of(payload), at, step, to_hex(off));
                const auto parsed = parse_payload(type_of(payload), off);
                CHECK((!parsed || is_stable(*parsed)));
            }
        }
    }
}

TEST_CASE("every bit flipped is refused or stable") {
    for (const Payload& payload : sample_payloads()) {
        const Bytes whole = as_message(payload);
        for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
            Bytes flipped = whole;
            flipped.at(bit / 8) = static_cast<std::uint8_t>(flipped.at(bit / 8) ^ (0x80U >> (bit % 8)));
            const auto parsed = parse_message(flipped);
            if (!parsed) continue;
            CAPTURE(type_of(payload), bit, to_hex(flipped));
            for (const Payload& read : parsed->payloads)
                CHECK(is_stable(read));
        }
    }
}

TEST_CASE("random octets as any payload are refused or stable") {
    std::uint32_t state = 1; // a fixed sequence: xorshift
    const auto next = [&state] {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        return static_cast<std::uint8_t>(state >> 8);
    };
    std::size_t accepted = 0;
    for (int round = 0; round < 20000; ++round) {
        Bytes body(next() % 48U);
        for (std::uint8_t& octet : body)
            octet = static_cast<std::uint8_t>(next() % 3 == 0 ? next() : next() % 17);
        const PayloadType type{static_cast<std::uint8_t>(33 + next() % 20)};
        const auto parsed = parse_payload(type, body);
        if (!parsed) continue;
        ++accepted;
        CAPTURE(type, to_hex(body));
        CHECK(is_stable(*parsed));
    }
    CHECK(accepted > 1000);
}

TEST_CASE("samples cover every payload type") {
    for (const PayloadType type :
         {PayloadType::sa, PayloadType::ke, PayloadType::id_i, PayloadType::id_r, PayloadType::cert,
          PayloadType::certreq, PayloadType::auth, PayloadType::nonce, PayloadType::notify, PayloadType::del,
          PayloadType::vendor_id, PayloadType::ts_i, PayloadType::ts_r, PayloadType::cp, PayloadType::eap}) {
        const auto samples = sample_payloads();
        CAPTURE(type);
        CHECK(std::ranges::any_of(samples, [type](const Payload& p) { return type_of(p) == type; }));
    }
}
