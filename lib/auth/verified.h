#pragma once

#include "lib/auth/identity.h"

#include <utility>

namespace sheaf::auth {

// An identity whose owner has proved to hold its credential. Only a verification can make one, so code that
// takes a Verified cannot be reached by a peer that proved nothing.
class Verified {
  public:
    [[nodiscard]] const Identity& identity() const { return identity_; }

  private:
    friend class Verifier; // of lib/auth's sources
    explicit Verified(Identity identity) : identity_(std::move(identity)) {}
    Identity identity_;
};

} // namespace sheaf::auth
