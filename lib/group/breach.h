#pragma once

#include "lib/base/rule.h"
#include "lib/wire/numbers.h"

#include <cstdint>
#include <string_view>

namespace sheaf::group {

// Why an MPSA_PUT is not taken, or a suite not used for a group. What is answered follows from the name:
// INVALID_SYNTAX ends the IKE SA as everywhere (RFC 7296 2.21.3), the others leave it alone.
//
//   X(name, what is answered, sentence)
#define SHEAF_GROUP_BREACHES(X)                                                                              \
    X(bad_structure, invalid_syntax, "the lengths and counts inside MPSA_PUT do not fit its size")           \
    X(several_proposals, invalid_syntax, "MPSA_PUT holds something else than one proposal of number 1")      \
    X(wrong_protocol, invalid_syntax, "MPSA_PUT does not name ESP in both places")                           \
    X(spi_mismatch, invalid_syntax, "MPSA_PUT does not have the same SPI of four octets in both places")     \
    X(reserved_spi, invalid_syntax, "the SPI of MPSA_PUT is below 256")                                      \
    X(duplicate_transform, invalid_syntax, "a transform or its value stands twice in MPSA_PUT")              \
    X(missing_transform, invalid_syntax, "MPSA_PUT lacks cipher, PRF, integrity, nonce, SK_d or lifetime")   \
    X(bad_value, invalid_syntax, "a value of MPSA_PUT is missing or does not have its length")               \
    X(bad_nonce, invalid_syntax, "the nonce of MPSA_PUT is not 16 to 256 octets, or too short for the PRF")  \
    X(bad_sk_d, invalid_syntax, "the SK_d of MPSA_PUT does not have the key length of its PRF")              \
    X(zero_lifetime, invalid_syntax, "the lifetime of MPSA_PUT is zero")                                     \
    X(other_keys, invalid_syntax, "MPSA_PUT gives other keys to the SPI of a group SA that we hold")         \
    X(counter_mode, no_proposal_chosen,                                                                      \
      "a counter mode (GCM, CCM, CTR, ChaCha20-Poly1305) must never use a counter twice under one key, and " \
      "the members of a group would: they share the key and count on their own; use AES-CBC with HMAC")      \
    X(unknown_transform, no_proposal_chosen, "MPSA_PUT holds a transform or attribute that we do not know")  \
    X(unsupported_cipher, no_proposal_chosen,                                                                \
      "the cipher is not AES-CBC with a key of 128, 192 or 256 bits")                                        \
    X(unsupported_integrity, no_proposal_chosen, "the integrity algorithm is no HMAC that we support")       \
    X(unsupported_prf, no_proposal_chosen, "the PRF is no HMAC that we support")                             \
    X(weak_algorithm, no_proposal_chosen, "SHA-1 is used, and the configuration does not allow it")          \
    X(spi_in_use, temporary_failure, "the SPI of MPSA_PUT is in use by a Child SA of ours")                  \
    X(no_resources, temporary_failure, "the group SA could not be installed")

enum class Breach : std::uint8_t {
#define X(name, answer, sentence) name,
    SHEAF_GROUP_BREACHES(X)
#undef X
};

[[nodiscard]] std::string_view name(Breach breach);     // as in counters: "counter_mode"
[[nodiscard]] std::string_view sentence(Breach breach); // as in logs
// What the response to the INFORMATIONAL request carries; an empty response means "installed".
[[nodiscard]] wire::NotifyType answer(Breach breach);
// The engine's own rule of the same kind, for its counters.
[[nodiscard]] Rule rule(Breach breach);

} // namespace sheaf::group
