#pragma once

#include "lib/auth/identity.h"
#include "lib/base/secret.h"

#include <map>
#include <memory>
#include <vector>

namespace sheaf::auth {

// A pre-shared key and the peer that it belongs to. Copies share the one secret.
struct SharedKey {
    IdentityPattern peer;
    std::shared_ptr<const Secret> key;
};

// All pre-shared keys of an engine, found by the peer's identity in a time that hardly grows with their
// number.
class KeyRing {
  public:
    KeyRing() = default;
    explicit KeyRing(const std::vector<SharedKey>& keys);

    // The key of exactly this peer, else that of the first pattern that fits, else null. Valid as long as the
    // ring.
    [[nodiscard]] const Secret* find(const Identity& peer) const;

  private:
    std::map<Identity, std::shared_ptr<const Secret>> exact_;
    std::vector<SharedKey> patterns_;
};

} // namespace sheaf::auth
