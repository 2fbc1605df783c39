#pragma once

#include "lib/auth/verified.h"

#include <utility>

// Only for the sources of lib/auth that check a proof.
namespace sheaf::auth {

// The one maker of Verified. REQUIRES at every call: the identity's owner has just proved to hold its key.
class Verifier {
  public:
    [[nodiscard]] static Verified vouch(Identity identity) { return Verified(std::move(identity)); }
};

} // namespace sheaf::auth
