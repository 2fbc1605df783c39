#pragma once

#include "lib/base/bytes.h"
#include "lib/base/rule.h"
#include "lib/wire/numbers.h"

#include <cstdint>
#include <expected>
#include <optional>

namespace sheaf::wire {

inline constexpr std::size_t kHeaderSize = 28;
// An IKE message over UDP fits one datagram; RFC 7296 2 asks for 3000 octets at least. IP limits us to this.
inline constexpr std::size_t kMaxDatagram = 65535;

using Spi = std::uint64_t;      // an IKE SPI, as a number read in network order
using ChildSpi = std::uint32_t; // an ESP SPI, likewise

// RFC 7296 3.1: the header of every IKE message. `length` is filled in by the encoder.
struct Header {
    Spi initiator_spi = 0;
    Spi responder_spi = 0;
    PayloadType next = PayloadType::none;
    std::uint8_t major = 2;
    std::uint8_t minor = 0;
    ExchangeType exchange{};
    bool from_initiator = false; // the I flag: sent by the original initiator of this IKE SA
    bool higher_version = false; // the V flag
    bool response = false;       // the R flag
    std::uint32_t message_id = 0;
    std::uint32_t length = 0;

    friend bool operator==(const Header&, const Header&) = default;
};

// Checks the size, the version (another one may give the rest another meaning), the length field against the
// datagram and the initiator's SPI, in this order.
// Errors: datagram_too_short, datagram_too_long, major_version, length_mismatch, zero_spi.
[[nodiscard]] std::expected<Header, Rule> parse_header(View datagram);

// RFC 7296 2.5: of a message of a higher major version than ours the fields that an answer copies, as version 2 has them;
// nothing in them is checked. None of other messages.
[[nodiscard]] std::optional<Header> parse_higher_version(View datagram);

void encode(const Header& header, Bytes& to); // appends 28 octets

} // namespace sheaf::wire
