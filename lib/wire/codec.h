#pragma once

#include "lib/base/bytes.h"
#include "lib/base/rule.h"
#include "lib/wire/header.h"
#include "lib/wire/payload.h"

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace sheaf::wire {

// Why bytes are not a message. `payload` names the payload that broke the rule (RFC 7296 2.5 wants the type
// of an unknown critical payload in the answer); none where the chain itself is broken.
struct ParseError {
    Rule rule;
    PayloadType payload = PayloadType::none;
};

// An SK or SKF payload as it stands in the datagram. Views point into the datagram that was parsed.
//
// RFC 7296 3.14, RFC 5282 5.1, RFC 7383 2.5: `associated` is everything from the IKE header up to and
// including the SK generic header (for SKF: and the fragment numbers); `protected_data` is IV, ciphertext and
// checksum.
struct Encrypted {
    PayloadType first_inner = PayloadType::none;
    View associated;
    View protected_data;
    std::uint16_t fragment = 1; // 1 of 1 for SK
    std::uint16_t fragments = 1;
    bool is_fragment = false;
};

// A datagram taken apart as far as that goes without keys.
struct OuterMessage {
    Header header;
    std::vector<Payload> payloads;      // those in clear
    std::optional<Encrypted> encrypted; // always last
};

// The whole datagram without the non-ESP marker.
[[nodiscard]] std::expected<OuterMessage, ParseError> parse_message(View datagram);

// A chain of payloads, such as a decrypted SK payload: `first` is the type of the first one. All octets must
// be used.
[[nodiscard]] std::expected<std::vector<Payload>, ParseError> parse_payloads(PayloadType first, View chain);

// A single payload's body (without generic header); entry points for tests and fuzzing.
[[nodiscard]] std::expected<Payload, Rule> parse_payload(PayloadType type, View body);

// Appends a payload chain. Answers the type of the first payload (none for an empty chain).
// REQUIRES: every payload's body is at most 65531 octets.
PayloadType encode_payloads(std::span<const Payload> payloads, Bytes& to);

// A message in clear. header.next and header.length are computed.
[[nodiscard]] Bytes encode_message(Header header, std::span<const Payload> payloads);

// The start of an encrypted message, up to the point where IV and ciphertext follow: IKE header and SK
// generic header with the lengths that `protected_size` octets of IV, ciphertext and checksum lead to.
[[nodiscard]] Bytes encode_encrypted_prefix(Header header, PayloadType first_inner,
                                            std::size_t protected_size);

// Likewise for fragment `number` of `total` (RFC 7383 2.5); `first_inner` is none for all but the first.
[[nodiscard]] Bytes encode_fragment_prefix(Header header, PayloadType first_inner, std::uint16_t number,
                                           std::uint16_t total, std::size_t protected_size);

// Exactly the body of an Identification payload (type, three reserved octets, data): what AUTH signs
// (RFC 7296 2.15).
[[nodiscard]] Bytes identification_body(const Identification& id);

} // namespace sheaf::wire
