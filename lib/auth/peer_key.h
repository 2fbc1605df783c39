#pragma once

#include "lib/auth/authenticator.h"
#include "lib/auth/stock.h"

#include <expected>
#include <span>
#include <string>
#include <vector>

// Only for the sources of lib/auth: the public key that belongs to a peer's identity.
namespace sheaf::auth {

// RFC 7296 3.6 sets no limit; a chain has at most kMaxChain certificates.
inline constexpr std::size_t kMaxPeerCertificates = crypto::kMaxChain;
// Raw keys that may belong to one identity, of which each is tried.
inline constexpr std::size_t kMaxPeerKeys = 8;

struct PeerKeys {
    Identity identity;                   // as the credential vouches for it
    std::vector<crypto::PublicKey> keys; // any of which may have signed
    std::string owner;                   // how a refusal calls it
};

// By the peer's CERT payloads or by what is configured for it; nothing is proved yet. Error: why none.
[[nodiscard]] std::expected<PeerKeys, Refusal> peer_keys(const Stock& stock, const Terms& terms, WallTime now,
                                                         const Identity& peer,
                                                         std::span<const wire::Payload> received);

// Whether there is a way to check this identity by a public key.
[[nodiscard]] bool has_peer_keys(const Stock& stock, const Terms& terms, const Identity& peer);

} // namespace sheaf::auth
