#pragma once

#include "lib/base/bytes.h"
#include "lib/base/ip.h"
#include "lib/base/random.h"
#include "lib/base/secret.h"
#include "lib/base/time.h"
#include "lib/crypto/backend.h"
#include "lib/wire/header.h"

namespace sheaf::ike {

// Stateless cookies (RFC 7296 2.6): proof that the sender of an IKE_SA_INIT request receives what is sent to
// its address. A cookie is good for one to two minutes.
class CookieJar {
  public:
    CookieJar(Random& random, Instant now);

    [[nodiscard]] Bytes make(crypto::Backend& backend, Instant now, View nonce, const Endpoint& peer,
                             wire::Spi spi_i);
    [[nodiscard]] bool check(crypto::Backend& backend, Instant now, View cookie, View nonce,
                             const Endpoint& peer, wire::Spi spi_i);

  private:
    void rotate(Instant now);
    [[nodiscard]] Bytes compute(crypto::Backend& backend, std::uint8_t version, View key, View nonce,
                                const Endpoint& peer, wire::Spi spi_i) const;

    Random* random_;
    Secret current_;
    Secret previous_;
    std::uint8_t version_ = 0;
    Instant changed_;
};

} // namespace sheaf::ike
