#pragma once

#include "lib/auth/credentials.h"
#include "lib/auth/terms.h"

#include <algorithm>
#include <array>
#include <vector>

// Only for the sources of lib/auth.
namespace sheaf::auth {

using KeyHash = std::array<std::uint8_t, 20>; // RFC 7296 3.7

// A key of ours with what goes to the peer.
struct ReadyKey {
    const OwnKey* own = nullptr;
    std::vector<crypto::Certificate>
        sent;                         // ours first, the intermediates that lead to an authority, no authority
    std::vector<KeyHash> authorities; // by any of which a CERTREQ may ask for it
};

// Credentials, with all that can be found out before a peer is there.
class Stock {
  public:
    explicit Stock(Credentials credentials);
    Stock(const Stock&) = delete;
    Stock& operator=(const Stock&) = delete;

    [[nodiscard]] const Credentials& credentials() const { return credentials_; }
    [[nodiscard]] const KeyRing& shared_keys() const { return shared_keys_; }
    [[nodiscard]] const std::vector<ReadyKey>& own_keys() const { return own_keys_; }

  private:
    Credentials credentials_;
    KeyRing shared_keys_;
    std::vector<ReadyKey> own_keys_;
};

// An empty list of methods leaves the choice to the credentials.
[[nodiscard]] inline bool allows(const std::vector<Method>& methods, Method method) {
    return methods.empty() || std::ranges::find(methods, method) != methods.end();
}

// The trust anchors that the terms leave.
[[nodiscard]] std::vector<crypto::Certificate> authorities(const Stock& stock, const Terms& terms);

} // namespace sheaf::auth
