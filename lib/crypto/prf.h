#pragma once

#include "lib/base/secret.h"
#include "lib/crypto/backend.h"
#include "lib/crypto/ids.h"

#include <initializer_list>

namespace sheaf::crypto {

// RFC 7296 2.13: the negotiated pseudorandom function of the key and the concatenated data. The result has
// prf_length(id) octets. REQUIRES supported(id).
[[nodiscard]] Secret prf(Backend& backend, PrfId id, View key, std::initializer_list<View> data);

// No more than this many rounds, since the round number is one octet.
inline constexpr std::size_t kMaxPrfPlusRounds = 255;

// RFC 7296 2.13: prf+ stretches key and seed to `length` octets: each round is keyed alike and takes the
// round before, the seed and a counter that starts at 1. REQUIRES length <= kMaxPrfPlusRounds *
// prf_length(id).
[[nodiscard]] Secret prf_plus(Backend& backend, PrfId id, View key, std::initializer_list<View> seed,
                              std::size_t length);

} // namespace sheaf::crypto
