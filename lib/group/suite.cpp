#include "lib/group/suite.h"

#include "lib/crypto/suite.h"

#include <cstdint>

namespace sheaf::group {

using crypto::EncrId;
using crypto::IntegId;
using crypto::PrfId;

bool is_counter_mode(EncrId encr) {
    const auto id = static_cast<std::uint16_t>(encr);
    return (id >= 13 && id <= 16)     // AES-CTR, AES-CCM
           || (id >= 18 && id <= 21)  // AES-GCM, AES-GMAC
           || (id >= 24 && id <= 31); // Camellia-CTR and -CCM, ChaCha20-Poly1305, implicit IVs
}

std::expected<void, Breach> check(const Suite& suite, const Acceptance& acceptance) {
    if (is_counter_mode(suite.encr.id)) return std::unexpected(Breach::counter_mode);
    if (suite.encr.id != EncrId::aes_cbc || !supported(suite.encr))
        return std::unexpected(Breach::unsupported_cipher);
    if (suite.integ == IntegId::none || !supported(suite.integ))
        return std::unexpected(Breach::unsupported_integrity);
    if (!supported(suite.prf)) return std::unexpected(Breach::unsupported_prf);
    if (!acceptance.sha1 && (suite.integ == IntegId::hmac_sha1_96 || suite.prf == PrfId::hmac_sha1))
        return std::unexpected(Breach::weak_algorithm);
    return {};
}

} // namespace sheaf::group
