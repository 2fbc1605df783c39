#pragma once

#include "lib/base/bytes.h"

#include <array>
#include <cstdint>
#include <optional>

namespace sheaf::daemon {

// RFC 3948 2.2: on the NAT port four zero octets come before an IKE message, where ESP has its SPI.
inline constexpr std::array<std::uint8_t, 4> kNonEspMarker{};

// The IKE message in a datagram of the NAT port. None for what is no IKE message: a keepalive (RFC 3948 2.3:
// the single octet 0xff), an ESP packet that the kernel left to us, or too few octets.
[[nodiscard]] inline std::optional<View> ike_message(View datagram) {
    if (datagram.size() <= kNonEspMarker.size()) return std::nullopt;
    if (!equal(datagram.first(kNonEspMarker.size()), kNonEspMarker)) return std::nullopt;
    return datagram.subspan(kNonEspMarker.size());
}

} // namespace sheaf::daemon
