#include "lib/crypto/psk_auth.h"

#include "lib/crypto/prf.h"

#include <array>

namespace sheaf::crypto {
namespace {

// RFC 7296 2.15: 17 ASCII octets without terminator, which keep the shared key itself out of the AUTH data.
constexpr std::array<std::uint8_t, 17> kKeyPad{'K', 'e', 'y', ' ', 'P', 'a', 'd', ' ', 'f',
                                               'o', 'r', ' ', 'I', 'K', 'E', 'v', '2'};

Secret auth_data(Backend& backend, PrfId id, View psk, View octets) {
    const Secret key = prf(backend, id, psk, {kKeyPad});
    return prf(backend, id, key.view(), {octets});
}

} // namespace

Bytes signed_octets(Backend& backend, PrfId id, const SignedParts& parts) {
    const Secret maced_id = prf(backend, id, parts.sk_p, {parts.id_body});
    Bytes octets;
    octets.reserve(parts.message.size() + parts.peer_nonce.size() + maced_id.size() + parts.int_auth.size());
    append(octets, parts.message);
    append(octets, parts.peer_nonce);
    append(octets, maced_id.view());
    append(octets, parts.int_auth);
    return octets;
}

Bytes psk_auth(Backend& backend, PrfId id, View psk, View octets) {
    const Secret data = auth_data(backend, id, psk, octets);
    return {data.view().begin(), data.view().end()};
}

bool verify_psk_auth(Backend& backend, PrfId id, View psk, View octets, View received) {
    return constant_time_equal(auth_data(backend, id, psk, octets).view(), received);
}

} // namespace sheaf::crypto
