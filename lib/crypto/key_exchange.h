#pragma once

#include "lib/base/random.h"
#include "lib/base/rule.h"
#include "lib/base/secret.h"
#include "lib/crypto/backend.h"
#include "lib/crypto/ids.h"

#include <expected>
#include <memory>

namespace sheaf::crypto {

// One side of an ephemeral Diffie-Hellman exchange: made with a fresh private key, which dies with it.
//
// An initiator may meet several answers to one request (a forged one first), so agree() may be called more
// than once; a new exchange takes a new object (RFC 7296 2.12).
class KeyExchange {
  public:
    // REQUIRES supported(id).
    [[nodiscard]] static KeyExchange create(Backend& backend, KeId id, Random& random);

    KeyExchange(KeyExchange&&) noexcept;
    KeyExchange& operator=(KeyExchange&&) noexcept;
    ~KeyExchange();

    [[nodiscard]] KeId id() const { return id_; }

    // As in the KE payload: the modulus's length in big endian (RFC 7296 3.4), x and y of a fixed length
    // (RFC 5903 7), or the 32 octets of RFC 8031 3.1.
    [[nodiscard]] const Bytes& public_value() const { return public_; }

    // The shared secret as the key schedule takes it: padded to the modulus (RFC 7296 2.14), the x-coordinate
    // (RFC 5903 7), or the X25519 output (RFC 8031 2). `random` only blinds the computation.
    // Checked before it is used, so that a peer cannot push us into a small group: 1 < r < p-1
    // (RFC 6989 2.1), the point is on the curve (RFC 6989 2.3), the X25519 output is not zero (RFC 8031 3).
    // Errors: bad_key_exchange_size, bad_key_exchange_value, internal.
    [[nodiscard]] std::expected<Secret, Rule> agree(View peer_public, Random& random) const;

  private:
    struct GroupKey; // the private key of a MODP or ECP group

    KeyExchange(KeId id, Secret scalar, std::unique_ptr<GroupKey> key, Bytes public_value);

    KeId id_;
    Secret scalar_; // of X25519; empty for the other groups
    std::unique_ptr<GroupKey> key_;
    Bytes public_;
};

} // namespace sheaf::crypto
