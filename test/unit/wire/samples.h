#pragma once

#include "lib/wire/codec.h"

#include <string_view>
#include <vector>

namespace sheaf::wire {

[[nodiscard]] IpAddress ip(std::string_view text);     // REQUIRES: well-formed
[[nodiscard]] Prefix prefix(std::string_view text);    // REQUIRES: well-formed
[[nodiscard]] Bytes text_bytes(std::string_view text); // its octets
[[nodiscard]] Bytes counting(std::size_t size);        // 0, 1, 2 ...

// One well-formed payload of every type and form, each parsable and in canonical form.
[[nodiscard]] std::vector<Payload> sample_payloads();

[[nodiscard]] Header sample_header();

// The body of a payload without the generic header.
[[nodiscard]] Bytes body_of(const Payload& payload);

} // namespace sheaf::wire
