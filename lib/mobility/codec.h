#pragma once

#include "lib/base/bytes.h"
#include "lib/base/ip.h"
#include "lib/base/rule.h"
#include "lib/mobility/message.h"

#include <expected>

namespace sheaf::mobility {

// RFC 6275 6.1.1, 9.2: a whole Mobility Header, all octets of it, its checksum aside. A type that we do not
// know is Rule::unknown_mobility_message, which the receiver answers with a Binding Error.
[[nodiscard]] std::expected<Message, Rule> parse_message(View header);

// The header with every option where its alignment asks for it, and a checksum of zero: a raw socket of Linux
// fills it in. Errors: mobility_message_too_long.
[[nodiscard]] std::expected<Bytes, Rule> encode_message(const Message& message);

// RFC 6275 6.1.1: over the pseudo-header of the addresses with which the packet is meant: the home address
// where there is a home address option or a type 2 routing header. REQUIRES: the header has 6 octets or more,
// both addresses are IPv6.
[[nodiscard]] std::uint16_t checksum(View header, const IpAddress& source, const IpAddress& destination);
void set_checksum(Bytes& header, const IpAddress& source, const IpAddress& destination);
[[nodiscard]] std::expected<void, Rule> verify_checksum(View header, const IpAddress& source,
                                                        const IpAddress& destination);

} // namespace sheaf::mobility
