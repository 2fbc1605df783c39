#pragma once

#include "lib/auth/identity.h"
#include "lib/base/bytes.h"
#include "lib/base/rule.h"
#include "lib/crypto/backend.h"
#include "lib/crypto/ids.h"
#include "lib/wire/payload.h"

#include <expected>
#include <utility>

namespace sheaf::auth {

// An identity whose owner has proved to hold its credential. Only a verification can make one, so code that
// takes a Verified cannot be reached by a peer that proved nothing.
class Verified {
  public:
    [[nodiscard]] const Identity& identity() const { return identity_; }

  private:
    friend std::expected<Verified, Rule> verify_shared_key(crypto::Backend&, crypto::PrfId, View, View,
                                                           Identity, const wire::Authentication&);
    explicit Verified(Identity identity) : identity_(std::move(identity)) {}
    Identity identity_;
};

// RFC 7296 2.15: whether `proof` is what the holder of `key` makes over `signed_octets`
// (crypto::signed_octets). Errors: unsupported_auth_method, authentication_failed.
[[nodiscard]] std::expected<Verified, Rule> verify_shared_key(crypto::Backend& backend, crypto::PrfId prf,
                                                              View key, View signed_octets, Identity claimed,
                                                              const wire::Authentication& proof);

[[nodiscard]] wire::Authentication prove_shared_key(crypto::Backend& backend, crypto::PrfId prf, View key,
                                                    View signed_octets);

} // namespace sheaf::auth
