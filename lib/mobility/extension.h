#pragma once

#include "lib/base/bytes.h"
#include "lib/base/ip.h"
#include "lib/base/rule.h"

#include <cstdint>
#include <expected>
#include <optional>

// The two extension headers that carry a home address beside the addresses of a packet.
namespace sheaf::mobility {

inline constexpr std::size_t kMaxDestinationOptions = 32; // in one header; one is what senders have

// RFC 6275 6.3: a Destination Options header with the Home Address option alone, 24 octets.
[[nodiscard]] Bytes encode_home_address_option(std::uint8_t next_header, const IpAddress& home);

// The home address in a Destination Options header, if there is one; other options are skipped. All octets
// must be used. Errors: bad_destination_options, bad_home_address.
[[nodiscard]] std::expected<std::optional<IpAddress>, Rule> parse_home_address_option(View header);

// RFC 6275 6.4: a type 2 routing header, 24 octets.
[[nodiscard]] Bytes encode_routing_header(std::uint8_t next_header, const IpAddress& home);

// The home address in it. Errors: bad_routing_header, bad_home_address.
[[nodiscard]] std::expected<IpAddress, Rule> parse_routing_header(View header);

} // namespace sheaf::mobility
