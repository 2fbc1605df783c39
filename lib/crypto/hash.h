#pragma once

#include "lib/base/bytes.h"
#include "lib/crypto/backend.h"
#include "lib/crypto/ids.h"

#include <array>
#include <initializer_list>

namespace sheaf::crypto {

// SHA-1 of the parts in order. Only where a standard fixes it and no secret hangs on it: NAT detection
// (RFC 7296 2.23) and key identifiers.
[[nodiscard]] std::array<std::uint8_t, 20> sha1(Backend& backend, std::initializer_list<View> parts);

[[nodiscard]] Bytes hash(Backend& backend, HashId id, std::initializer_list<View> parts);

} // namespace sheaf::crypto
