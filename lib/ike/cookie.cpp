#include "lib/ike/cookie.h"

#include "lib/crypto/prf.h"

#include <array>
#include <utility>

namespace sheaf::ike {
namespace {

constexpr Duration kLifetime = std::chrono::seconds(60);
constexpr std::size_t kSecretSize = 32;
constexpr std::size_t kMacSize = 16;

Secret fresh(Random& random) {
    Secret secret(kSecretSize);
    random.fill(secret.span());
    return secret;
}

} // namespace

CookieJar::CookieJar(Random& random, Instant now)
    : random_(&random), current_(fresh(random)), previous_(fresh(random)), changed_(now) {}

void CookieJar::rotate(Instant now) {
    if (now - changed_ < kLifetime) return;
    const bool both_old = now - changed_ >= 2 * kLifetime;
    previous_ = both_old ? fresh(*random_) : std::move(current_);
    current_ = fresh(*random_);
    ++version_;
    changed_ = now;
}

Bytes CookieJar::compute(crypto::Backend& backend, std::uint8_t version, View key, View nonce,
                         const Endpoint& peer, wire::Spi spi_i) const {
    std::array<std::uint8_t, 11> facts{version};
    for (std::size_t i = 0; i < 8; ++i)
        facts.at(1 + i) = static_cast<std::uint8_t>(spi_i >> (56 - 8 * i));
    facts[9] = static_cast<std::uint8_t>(peer.port >> 8);
    facts[10] = static_cast<std::uint8_t>(peer.port);
    const Secret mac =
        crypto::prf(backend, crypto::PrfId::hmac_sha2_256, key, {facts, peer.address.view(), nonce});
    Bytes cookie{version};
    append(cookie, mac.view().first(kMacSize));
    return cookie;
}

Bytes CookieJar::make(crypto::Backend& backend, Instant now, View nonce, const Endpoint& peer,
                      wire::Spi spi_i) {
    rotate(now);
    return compute(backend, version_, current_.view(), nonce, peer, spi_i);
}

bool CookieJar::check(crypto::Backend& backend, Instant now, View cookie, View nonce, const Endpoint& peer,
                      wire::Spi spi_i) {
    rotate(now);
    if (cookie.empty()) return false;
    const bool is_current = cookie.front() == version_;
    if (!is_current && cookie.front() != static_cast<std::uint8_t>(version_ - 1)) return false;
    const View key = is_current ? current_.view() : previous_.view();
    return constant_time_equal(cookie, compute(backend, cookie.front(), key, nonce, peer, spi_i));
}

} // namespace sheaf::ike
