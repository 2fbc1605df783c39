#pragma once

#include "lib/auth/authenticator.h"

#include <expected>
#include <optional>
#include <span>

// Only for the sources of lib/auth: the AUTH payload that a public key's owner makes.
namespace sheaf::auth {

// RFC 7427 4, RFC 8420 2: the hashes that we verify, strongest first.
[[nodiscard]] std::span<const crypto::HashId> signature_hashes();

// RFC 7427 3 with a peer that announced hashes, else RFC 7296 3.8 and RFC 4754. `received` may hold the
// peer's AUTH payload. Error: our key and the peer have no way in common.
[[nodiscard]] std::expected<wire::Authentication, Refusal> sign(const Session& session, const Terms& terms,
                                                                const crypto::PrivateKey& key, View octets,
                                                                std::span<const wire::Payload> received);

// Whether the owner of the key made the proof; none if so. `owner` is how the refusal calls it.
[[nodiscard]] std::optional<Refusal> check_signature(const Terms& terms, const crypto::PublicKey& key,
                                                     View octets, const wire::Authentication& proof,
                                                     const std::string& owner);

} // namespace sheaf::auth
