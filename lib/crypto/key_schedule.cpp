#include "lib/crypto/key_schedule.h"

#include "lib/crypto/prf.h"

#include <array>

namespace sheaf::crypto {
namespace {

std::array<std::uint8_t, 8> octets(std::uint64_t spi) {
    std::array<std::uint8_t, 8> out{};
    for (std::size_t i = 0; i < out.size(); ++i)
        out[i] = static_cast<std::uint8_t>(spi >> (56 - 8 * i));
    return out;
}

// Hands out the keys from the front of the stretched material.
class Cutter {
  public:
    explicit Cutter(View material) : rest_(material) {}
    [[nodiscard]] Secret take(std::size_t length) {
        if (length == 0) return {}; // an AEAD's integrity key takes no memory
        Secret key = Secret::copy_of(rest_.first(length));
        rest_ = rest_.subspan(length);
        return key;
    }

  private:
    View rest_;
};

} // namespace

Secret skeyseed(Backend& backend, PrfId prf_id, Nonces nonces, View shared) {
    // A key of variable length may be as long as both nonces; HMAC takes it whole.
    Secret key(nonces.initiator.size() + nonces.responder.size());
    const auto middle = std::ranges::copy(nonces.initiator, key.span().begin()).out;
    std::ranges::copy(nonces.responder, middle);
    return prf(backend, prf_id, key.view(), {shared});
}

Secret rekey_skeyseed(Backend& backend, PrfId old_prf, View old_d, Nonces nonces, View shared) {
    return prf(backend, old_prf, old_d, {shared, nonces.initiator, nonces.responder});
}

IkeKeys ike_keys(Backend& backend, const IkeSuite& suite, View skeyseed, Nonces nonces, IkeSpis spis) {
    const std::size_t p = prf_length(suite.prf);
    const std::size_t a = integ_key_length(suite.integ);
    const std::size_t e = encr_key_length({suite.encr, suite.key_bits});
    const auto spi_i = octets(spis.initiator);
    const auto spi_r = octets(spis.responder);
    const Secret material =
        prf_plus(backend, suite.prf, skeyseed, {nonces.initiator, nonces.responder, spi_i, spi_r},
                 3 * p + 2 * a + 2 * e);
    Cutter cut(material.view());
    IkeKeys keys;
    keys.d = cut.take(p);
    keys.ai = cut.take(a);
    keys.ar = cut.take(a);
    keys.ei = cut.take(e);
    keys.er = cut.take(e);
    keys.pi = cut.take(p);
    keys.pr = cut.take(p);
    return keys;
}

ChildKeys child_keys(Backend& backend, PrfId prf, View sk_d, const EspSuite& suite, Nonces nonces,
                     View shared) {
    const std::size_t a = integ_key_length(suite.integ);
    const std::size_t e = encr_key_length({suite.encr, suite.key_bits});
    const Secret material =
        prf_plus(backend, prf, sk_d, {shared, nonces.initiator, nonces.responder}, 2 * (a + e));
    Cutter cut(material.view());
    ChildKeys keys;
    keys.initiator_to_responder.encr = cut.take(e);
    keys.initiator_to_responder.integ = cut.take(a);
    keys.responder_to_initiator.encr = cut.take(e);
    keys.responder_to_initiator.integ = cut.take(a);
    return keys;
}

} // namespace sheaf::crypto
