#pragma once

#include "lib/crypto/ids.h"
#include "lib/group/breach.h"

#include <expected>

namespace sheaf::group {

// What protects a group SA, and the PRF that makes its keys.
struct Suite {
    crypto::Encryption encr{crypto::EncrId::aes_cbc, 256};
    crypto::IntegId integ = crypto::IntegId::hmac_sha2_256_128;
    crypto::PrfId prf = crypto::PrfId::hmac_sha2_256;

    friend bool operator==(const Suite&, const Suite&) = default;
};

// What an operator lets groups use beyond the default.
struct Acceptance {
    bool sha1 = false; // RFC 8247 2.2, 2.3: no longer to be used where it can be helped
    friend bool operator==(const Acceptance&, const Acceptance&) = default;
};

// Ciphers that turn a counter, or an IV that must never repeat, into a key stream: RFC 4106, 4309, 3686,
// 7634, 8750 and their like by transform ID. Members that share a key cannot keep their IVs apart
// (RFC 6054 2).
[[nodiscard]] bool is_counter_mode(crypto::EncrId encr);

// AES-CBC with HMAC only.
[[nodiscard]] std::expected<void, Breach> check(const Suite& suite, const Acceptance& acceptance);

} // namespace sheaf::group
