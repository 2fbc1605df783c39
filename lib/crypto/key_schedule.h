#pragma once

#include "lib/base/secret.h"
#include "lib/crypto/backend.h"
#include "lib/crypto/suite.h"

#include <cstdint>

namespace sheaf::crypto {

// The nonces of an exchange as sent, without payload headers.
struct Nonces {
    View initiator;
    View responder;
};

// The SPIs of an IKE SA, as numbers read in network order.
struct IkeSpis {
    std::uint64_t initiator = 0;
    std::uint64_t responder = 0;
};

// RFC 7296 2.14: the seven keys of an IKE SA. `ei` and `er` carry the salt of an AEAD at their end; `ai` and
// `ar` are empty for an AEAD.
struct IkeKeys {
    Secret d;  // children of this SA
    Secret ai; // integrity, initiator to responder
    Secret ar;
    Secret ei; // encryption, initiator to responder
    Secret er;
    Secret pi; // authentication of the initiator
    Secret pr;
};

// RFC 7296 2.14: SKEYSEED of a first IKE SA, from the nonces and the shared secret of the key exchange.
[[nodiscard]] Secret skeyseed(Backend& backend, PrfId prf, Nonces nonces, View shared);

// RFC 7296 2.18: SKEYSEED of an IKE SA that replaces another. `old_prf` and `old_d` are the old SA's.
[[nodiscard]] Secret rekey_skeyseed(Backend& backend, PrfId old_prf, View old_d, Nonces nonces, View shared);

// RFC 7296 2.14: the keys that a SKEYSEED gives under the new SA's suite, nonces and SPIs.
[[nodiscard]] IkeKeys ike_keys(Backend& backend, const IkeSuite& suite, View skeyseed, Nonces nonces,
                               IkeSpis spis);

// The keys of one direction of a Child SA. `encr` carries the salt of an AEAD at its end.
struct DirectionKeys {
    Secret encr;
    Secret integ; // empty for an AEAD
};

// "Initiator" is who sent the request that made this Child SA.
struct ChildKeys {
    DirectionKeys initiator_to_responder;
    DirectionKeys responder_to_initiator;
};

// RFC 7296 2.17: KEYMAT, cut into keys: initiator's direction first, encryption before integrity. `prf` is
// that of the IKE SA; `shared` is empty when the exchange had no key exchange of its own.
[[nodiscard]] ChildKeys child_keys(Backend& backend, PrfId prf, View sk_d, const EspSuite& suite,
                                   Nonces nonces, View shared);

} // namespace sheaf::crypto
