#include "lib/auth/shared_key.h"

#include "lib/auth/verifier.h"
#include "lib/crypto/psk_auth.h"

#include <utility>

namespace sheaf::auth {

std::expected<Verified, Rule> verify_shared_key(crypto::Backend& backend, crypto::PrfId prf, View key,
                                                View signed_octets, Identity claimed,
                                                const wire::Authentication& proof) {
    if (proof.method != wire::AuthMethod::shared_key) return std::unexpected(Rule::unsupported_auth_method);
    if (!crypto::verify_psk_auth(backend, prf, key, signed_octets, proof.data))
        return std::unexpected(Rule::authentication_failed);
    return Verifier::vouch(std::move(claimed));
}

wire::Authentication prove_shared_key(crypto::Backend& backend, crypto::PrfId prf, View key,
                                      View signed_octets) {
    return {wire::AuthMethod::shared_key, crypto::psk_auth(backend, prf, key, signed_octets)};
}

} // namespace sheaf::auth
