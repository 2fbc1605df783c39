#pragma once

#include "lib/auth/key_ring.h"
#include "lib/crypto/certificate.h"
#include "lib/crypto/private_key.h"
#include "lib/crypto/public_key.h"

#include <memory>
#include <optional>
#include <vector>

namespace sheaf::auth {

// A key of ours, with what shows whose it is.
struct OwnKey {
    std::shared_ptr<const crypto::PrivateKey> key;
    std::vector<crypto::Certificate>
        chain;                        // ours first, then intermediates; empty: a raw public key (RFC 7670)
    std::optional<Identity> identity; // of a raw public key: whom it stands for; none: any
};

// A peer's raw public key (RFC 7670).
struct RawKey {
    IdentityPattern peer;
    crypto::PublicKey key;
};

// All that an engine knows to prove itself and to check its peers. Copies share secrets and keys.
struct Credentials {
    std::vector<SharedKey> shared_keys;
    std::vector<OwnKey> own_keys;
    std::vector<RawKey> raw_keys;
    std::vector<crypto::Certificate> authorities; // trust anchors
    std::vector<crypto::Certificate> intermediates;
    std::vector<crypto::Certificate>
        peer_certificates; // of peers that send none; trusted no more than if they did
    std::vector<crypto::RevocationList> revocations;
};

// Whether the certificate names this identity. RFC 4945 3.1: addresses, host names and mail addresses stand
// in subjectAltName, a distinguished name is the subject; its common name never stands for a host.
[[nodiscard]] bool names_identity(const crypto::Certificate& certificate, const Identity& identity);

} // namespace sheaf::auth
