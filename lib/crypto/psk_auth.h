#pragma once

#include "lib/base/secret.h"
#include "lib/crypto/backend.h"
#include "lib/crypto/ids.h"

namespace sheaf::crypto {

// RFC 7296 2.15: what one side signs to authenticate itself. For the initiator: its first message of
// IKE_SA_INIT from the IKE header to the end, the responder's nonce, the body of its own ID payload, SK_pi;
// for the responder the same with the roles exchanged.
struct SignedParts {
    View message; // no non-ESP marker
    View peer_nonce;
    View id_body; // after the generic header: ID type, reserved octets, data
    View sk_p;
    View int_auth{}; // appended by exchanges that extend the transcript (RFC 9242 3.3.2); else empty
};

[[nodiscard]] Bytes signed_octets(Backend& backend, PrfId prf, const SignedParts& parts);

// RFC 7296 2.15: the AUTH data of a shared key over octets from signed_octets().
[[nodiscard]] Bytes psk_auth(Backend& backend, PrfId prf, View psk, View octets);

// Whether `received` is the AUTH data that the shared key gives; takes the same time whatever differs.
[[nodiscard]] bool verify_psk_auth(Backend& backend, PrfId prf, View psk, View octets, View received);

} // namespace sheaf::crypto
