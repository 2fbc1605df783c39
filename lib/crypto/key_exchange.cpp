#include "lib/crypto/key_exchange.h"

#include "lib/crypto/draw.h"
#include "lib/crypto/parts.h"
#include "lib/crypto/suite.h"

#include <botan/curve25519.h>
#include <botan/dh.h>
#include <botan/dl_group.h>
#include <botan/ec_group.h>
#include <botan/ecdh.h>
#include <botan/pubkey.h>
#include <botan/rng.h>

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

namespace sheaf::crypto {
namespace {

bool is_modp(KeId id) { return id == KeId::modp2048 || id == KeId::modp3072 || id == KeId::modp4096; }

// RFC 3526 8: the upper estimate of the exponent that matches each group's strength, in octets.
std::size_t exponent_length(KeId id) {
    switch (id) {
    case KeId::modp2048: return 40;
    case KeId::modp3072: return 52;
    default: return 60;
    }
}

Botan::BigInt number(View octets) { return {octets.data(), octets.size()}; }

Botan::BigInt draw_exponent(KeId id, Random& random) {
    Secret exponent(exponent_length(id));
    random.fill(exponent.span());
    exponent.span()[0] |= 0x80; // full length, never zero
    return number(exponent.view());
}

// Uniform in [1, order) by rejection.
Botan::BigInt draw_scalar(const Botan::EC_Group& curve, Random& random) {
    const std::size_t bits = curve.get_order_bits();
    Secret octets((bits + 7) / 8);
    const auto top = static_cast<std::uint8_t>(0xff >> (octets.size() * 8 - bits));
    for (;;) {
        random.fill(octets.span());
        octets.span()[0] &= top;
        Botan::BigInt scalar = number(octets.view());
        if (!scalar.is_zero() && scalar < curve.get_order()) return scalar;
    }
}

Secret raw_agreement(const Botan::Private_Key& key, Botan::RandomNumberGenerator& draw, View peer,
                     std::size_t length) {
    const Botan::PK_Key_Agreement agreement(key, draw, "Raw");
    const auto shared = agreement.derive_key(0, peer.data(), peer.size()).bits_of();
    Secret secret(length);
    std::ranges::copy(shared, secret.span().end() - static_cast<std::ptrdiff_t>(shared.size()));
    return secret;
}

std::expected<Secret, Rule> agree_x25519(View scalar, View peer) {
    Secret shared(32);
    Botan::curve25519_donna(shared.span().data(), scalar.data(), peer.data());
    static constexpr std::array<std::uint8_t, 32> kZero{};
    if (constant_time_equal(shared.view(), kZero)) return std::unexpected(Rule::bad_key_exchange_value);
    return shared;
}

std::expected<Secret, Rule> agree_ecp(const Botan::ECDH_PrivateKey& key, View peer,
                                      Botan::RandomNumberGenerator& draw) {
    const Botan::EC_Group& curve = key.domain();
    const std::size_t length = peer.size() / 2;
    Bytes point{0x04}; // uncompressed, as SEC 1 marks it
    append(point, peer);
    try { // refuses coordinates outside [0, p) itself
        if (!curve.OS2ECP(point).on_the_curve()) return std::unexpected(Rule::bad_key_exchange_value);
    } catch (const std::exception&) {
        return std::unexpected(Rule::bad_key_exchange_value);
    }
    return raw_agreement(key, draw, point, length);
}

std::expected<Secret, Rule> agree_modp(const Botan::DH_PrivateKey& key, View peer,
                                       Botan::RandomNumberGenerator& draw) {
    const Botan::BigInt r = number(peer);
    if (r <= 1 || r >= key.group_p() - 1) return std::unexpected(Rule::bad_key_exchange_value);
    return raw_agreement(key, draw, peer, peer.size());
}

} // namespace

struct KeyExchange::GroupKey {
    std::variant<Botan::DH_PrivateKey, Botan::ECDH_PrivateKey> key;
};

KeyExchange::KeyExchange(KeId id, Secret scalar, std::unique_ptr<GroupKey> key, Bytes public_value)
    : id_(id), scalar_(std::move(scalar)), key_(std::move(key)), public_(std::move(public_value)) {}
KeyExchange::KeyExchange(KeyExchange&&) noexcept = default;
KeyExchange& KeyExchange::operator=(KeyExchange&&) noexcept = default;
KeyExchange::~KeyExchange() = default;

KeyExchange KeyExchange::create(Backend& backend, KeId id, Random& random) {
    if (id == KeId::x25519) {
        Secret scalar(32);
        random.fill(scalar.span()); // RFC 8031 3.1: the function itself clamps
        Bytes point(32);
        Botan::curve25519_basepoint(point.data(), scalar.view().data());
        return {id, std::move(scalar), nullptr, std::move(point)};
    }
    const auto draw = draw_from(random);
    if (is_modp(id)) {
        Botan::DH_PrivateKey key(*draw, backend.parts().modulus(id), draw_exponent(id, random));
        Bytes value = key.public_value(); // padded to the modulus
        return {id, {}, std::make_unique<GroupKey>(std::move(key)), std::move(value)};
    }
    const Botan::EC_Group& curve = backend.parts().curve(id);
    Botan::ECDH_PrivateKey key(*draw, curve, draw_scalar(curve, random));
    const Bytes point = key.public_value(); // 04 | x | y
    return {id, {}, std::make_unique<GroupKey>(std::move(key)), Bytes(point.begin() + 1, point.end())};
}

std::expected<Secret, Rule> KeyExchange::agree(View peer_public, Random& random) const {
    if (peer_public.size() != ke_public_length(id_)) return std::unexpected(Rule::bad_key_exchange_size);
    if (id_ == KeId::x25519) return agree_x25519(scalar_.view(), peer_public);
    const auto draw = draw_from(random);
    try {
        if (const auto* key = std::get_if<Botan::DH_PrivateKey>(&key_->key))
            return agree_modp(*key, peer_public, *draw);
        return agree_ecp(std::get<Botan::ECDH_PrivateKey>(key_->key), peer_public, *draw);
    } catch (const std::exception&) {
        return std::unexpected(Rule::internal);
    }
}

} // namespace sheaf::crypto
