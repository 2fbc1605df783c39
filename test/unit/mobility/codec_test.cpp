#include "lib/mobility/options.h"
#include "test/support/hex.h"
#include "test/unit/mobility/samples.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::mobility;
using sheaf::test::from_hex;
using sheaf::test::ip;
using sheaf::test::to_hex;

namespace {

Bytes encoded(const Message& message) { return encode_message(message).value(); }

// A Binding Update whose options are these octets.
Bytes update_with(std::string_view options) {
    Bytes out = from_hex("3b000500 0000 0001 c000 0064");
    append(out, from_hex(options));
    out[1] = static_cast<std::uint8_t>(out.size() / 8 - 1);
    return out;
}

std::expected<Options, Rule> options_of(std::string_view options) {
    const auto message = parse_message(update_with(options));
    if (!message) return std::unexpected(message.error());
    return std::get<BindingUpdate>(*message).options;
}

// Where RFC 6275 6.2 and its kin want a type's option to start: a multiple of the first, and the second beyond it.
std::pair<std::size_t, std::size_t> place(OptionType type, std::size_t length) {
    switch (type) {
    case OptionType::alternate_care_of: return {8, 6};
    case OptionType::mobile_network_prefix: return {8, 4};
    case OptionType::binding_id:
        return length == 4 ? std::pair<std::size_t, std::size_t>{2, 0}
                           : std::pair<std::size_t, std::size_t>{8, 2};
    case OptionType::refresh_advice:
    case OptionType::nonce_indices:
    case OptionType::flow_identification:
    case OptionType::flow_summary: return {2, 0};
    default: return {1, 0};
    }
}

} // namespace

TEST_CASE("a Binding Update without options is 16 octets") {
    BindingUpdate update;
    update.sequence = 5;
    update.flags = kAcknowledge | kHomeRegistration;
    update.lifetime = 10;
    Bytes header = encoded(update);
    CHECK(to_hex(header) == "3b01050000000005c000000a01020000");
    // Computed apart from this code.
    set_checksum(header, ip("2001:db8:a::1"), ip("2001:db8:a::2"));
    CHECK(to_hex(View(header).subspan(4, 2)) == "a2cc");
    CHECK(verify_checksum(header, ip("2001:db8:a::1"), ip("2001:db8:a::2")));
    CHECK(verify_checksum(header, ip("2001:db8:a::1"), ip("2001:db8:a::3")).error() ==
          Rule::bad_mobility_checksum);
    CHECK(parse_message(header) == Message(update));
}

TEST_CASE("a binding with its care-of address stands at 8n + 2") {
    BindingUpdate update;
    update.sequence = 0xfffe;
    update.flags = kAcknowledge | kHomeRegistration | kKeyMobility | kOverwrite;
    update.lifetime = 0x69;
    update.options.bindings = {{1, Status::accepted, false, 10, ip("2001:db8:1::5")}};
    Bytes header = encoded(update);
    CHECK(to_hex(header) ==
          "3b0405000000fffed040006901040000000023140001000a20010db8000100000000000000000005");
    CHECK(checksum(header, ip("2001:db8:a::1"), ip("2001:db8:a::2")) == 0x4138);
}

TEST_CASE("every mobility message reads as it was written") {
    for (const Message& message : test::sample_mobility_messages()) {
        const Bytes header = encoded(message);
        CAPTURE(to_hex(header));
        CHECK(header.size() % 8 == 0);
        CHECK(parse_message(header) == message);
    }
}

TEST_CASE("options stand at multiples of what their fields need") {
    std::size_t seen = 0;
    for (const Message& message : test::sample_mobility_messages()) {
        const auto type = type_of(message);
        if (type != MessageType::binding_update && type != MessageType::binding_ack) continue;
        const Bytes header = encoded(message);
        for (std::size_t at = 12; at < header.size();) {
            const OptionType option{header[at]};
            const std::size_t length = option == OptionType::pad1 ? 0 : header[at + 1] + 2U;
            const auto [unit, offset] = place(option, length - 2);
            CAPTURE(to_hex(header), at);
            CHECK(at % unit == offset);
            at += option == OptionType::pad1 ? 1 : length;
            ++seen;
        }
    }
    CHECK(seen > 20);
}

TEST_CASE("the addresses of a flow's selector stand at multiples of 8") {
    BindingUpdate update;
    update.options.flows = {{8, 10, FlowStatus::accepted, {1, 2, 3}, test::sample_selector()}};
    const Bytes header = encoded(update);
    const Bytes address = from_hex("20010db8000c00000000000000000000");
    const auto found = std::search(header.begin(), header.end(), address.begin(), address.end());
    REQUIRE(found != header.end());
    CHECK((found - header.begin()) % 8 == 0);
}

TEST_CASE("a mobility message cut anywhere is refused") {
    for (const Message& message : test::sample_mobility_messages()) {
        const Bytes whole = encoded(message);
        for (std::size_t size = 0; size < whole.size(); ++size) {
            Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
            CHECK_FALSE(parse_message(cut).has_value());
            if (size < 8 || size % 8 != 0) continue;
            cut[1] = static_cast<std::uint8_t>(size / 8 - 1); // a length that agrees
            const auto parsed = parse_message(cut);
            CHECK((!parsed || *parsed != message));
        }
    }
}

TEST_CASE("a Mobility Header is refused by the rule that it breaks") {
    Bytes header = update_with("01020000");
    REQUIRE(parse_message(header));
    SECTION("an unknown type comes before all else, for it is answered") {
        header[2] = 8;
        header[0] = 6;
        CHECK(parse_message(header).error() == Rule::unknown_mobility_message);
    }
    SECTION("a following header") {
        header[0] = 6;
        CHECK(parse_message(header).error() == Rule::header_after_mobility);
    }
    SECTION("a length beyond the packet") {
        header[1] = 2;
        CHECK(parse_message(header).error() == Rule::bad_mobility_header);
    }
    SECTION("shorter than its type") {
        header[2] = static_cast<std::uint8_t>(MessageType::binding_error);
        CHECK(parse_message(header).error() == Rule::bad_mobility_header);
        header[2] = static_cast<std::uint8_t>(MessageType::home_test);
        CHECK(parse_message(header).error() == Rule::bad_mobility_header);
        const Bytes shortest = from_hex("3b00050000000000");
        CHECK(parse_message(shortest).error() == Rule::bad_mobility_header);
    }
}

TEST_CASE("unknown mobility options are skipped") {
    CHECK(options_of("c8020909") == Options{});
    CHECK(options_of("00000000") == Options{});
}

TEST_CASE("options that break their form refuse the message") {
    CHECK(options_of("0302 0909").error() == Rule::bad_mobility_option);   // an alternate care-of address
    CHECK(options_of("0201 09 00").error() == Rule::bad_mobility_option);  // refresh advice
    CHECK(options_of("2d01 09 00").error() == Rule::bad_mobility_option);  // a summary of half a flow
    CHECK(options_of("2d00 0000").error() == Rule::bad_mobility_option);   // of none
    CHECK(options_of("0109 0000").error() == Rule::bad_mobility_option);   // padding beyond the end
    CHECK(options_of("00 00 00 01").error() == Rule::bad_mobility_option); // a type without a length
    CHECK(options_of("0610 0040 0000000000000000000000000000 0000").error() == Rule::bad_mobility_option);
    CHECK(options_of("0202 0009 0202 0009 01020000").error() == Rule::misplaced_mobility_option);
    // RFC 6275 6.2.7: nothing behind the authenticator.
    CHECK(options_of("0100 050c 00112233445566778899aabb 0102 0000").error() ==
          Rule::misplaced_mobility_option);
    CHECK(options_of("0100 050c 00112233445566778899aabb 00000000").error() ==
          Rule::misplaced_mobility_option);
}

TEST_CASE("what has an answer of its own is kept when it is malformed") {
    SECTION("a binding of a wrong length") {
        const auto options = options_of("2305 0007 00 00 09 0103 000000");
        REQUIRE(options);
        REQUIRE(options->bindings.size() == 1);
        CHECK(options->bindings[0].malformed);
        CHECK(options->bindings[0].bid == 7);
    }
    SECTION("a prefix beyond 128 bits") {
        const auto options = options_of("0612 0081 20010db8000000000000000000000000");
        REQUIRE(options);
        CHECK(options->invalid_prefix);
        CHECK(options->prefixes.empty());
    }
    SECTION("a flow with two selectors, keeping its name alone") {
        const auto options =
            options_of("2c1a 0007 0009 0000 0202 0001 0306 0200 0000 0000 0306 0200 0000 0000");
        REQUIRE(options);
        REQUIRE(options->flows.size() == 1);
        CHECK(options->flows[0].malformed);
        CHECK(options->flows[0].fid == 7);
        CHECK(options->flows[0].bids.empty());
        CHECK_FALSE(options->flows[0].selector.has_value());
    }
    SECTION("a flow's selector of a format that is not ours") {
        const auto options = options_of("2c0e 0007 0009 0000 0306 0100 0000 0000 0102 0000");
        REQUIRE(options);
        REQUIRE(options->flows.size() == 1);
        CHECK(options->flows[0].unsupported_selector);
        CHECK_FALSE(options->flows[0].malformed);
    }
}

TEST_CASE("the number of options is bounded") {
    const auto repeated = [](std::string_view option, std::size_t count) {
        std::string out;
        for (std::size_t i = 0; i < count; ++i)
            out += option;
        return out;
    };
    CHECK(options_of(repeated("230400010000", 16) + "01020000")->bindings.size() == kMaxBindings);
    CHECK(options_of(repeated("230400010000", 18)).error() == Rule::too_many_mobility_options);
    CHECK(options_of(repeated("0612004020010db8000000000000000000000000", 17)).error() ==
          Rule::too_many_mobility_options);
    CHECK(options_of(repeated("2c06000100010000", 33) + "01020000").error() ==
          Rule::too_many_mobility_options);
    CHECK(options_of(repeated("2d020001", 129)).error() == Rule::too_many_mobility_options);
}

TEST_CASE("more options than one header holds are an error") {
    BindingUpdate update;
    for (std::uint16_t fid = 1; fid <= kMaxFlowOptions; ++fid)
        update.options.flows.push_back({fid, fid, FlowStatus::accepted, {1}, test::sample_selector()});
    CHECK(encode_message(update).error() == Rule::mobility_message_too_long);
}

TEST_CASE("lifetimes are counted in units of four seconds, and never up") {
    CHECK(to_lifetime(std::chrono::milliseconds(7999)) == 1);
    CHECK(to_lifetime(std::chrono::seconds(-1)) == 0);
    CHECK(to_lifetime(std::chrono::hours(100000)) == 0xffff);
    CHECK(from_lifetime(105) == std::chrono::seconds(420));
}

TEST_CASE("addresses that nobody can be reached at") {
    for (const char* text : {"::", "::1", "fe80::1", "ff02::1", "192.0.2.1"})
        CHECK_FALSE(is_unicast_routable(ip(text)));
    CHECK(is_unicast_routable(ip("2001:db8::1")));
    CHECK(is_unicast_routable(ip("fd00::1")));
}

TEST_CASE("statuses have a name and a side") {
    CHECK(name(Status::malformed_binding) == "malformed_binding");
    CHECK(name(Status{99}) == "unknown");
    CHECK(is_accepted(Status::not_complete));
    CHECK_FALSE(is_accepted(Status::unspecified));
    CHECK(name(FlowStatus::unknown_flow) == "unknown_flow");
}
