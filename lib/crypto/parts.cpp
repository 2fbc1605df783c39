#include "lib/crypto/parts.h"

#include <botan/aead.h>
#include <botan/cipher_mode.h>
#include <botan/dl_group.h>
#include <botan/ec_group.h>
#include <botan/hash.h>
#include <botan/mac.h>

#include <cstdlib>
#include <string>

namespace sheaf::crypto {
namespace {

// A caller that asks for an algorithm which supported() denies has a bug; going on with another algorithm in
// its place would be worse than stopping.
[[noreturn]] void unsupported() { std::abort(); }

std::size_t index_of(HashId id) {
    const auto n = static_cast<std::size_t>(id);
    if (n < 1 || n > 4) unsupported();
    return n - 1;
}

std::size_t block_size(HashId id) { return id == HashId::sha1 || id == HashId::sha2_256 ? 64 : 128; }

constexpr std::array<const char*, 4> kHashNames{"SHA-1", "SHA-256", "SHA-384", "SHA-512"};

std::size_t size_index(Encryption e) {
    if (e.key_bits != 128 && e.key_bits != 192 && e.key_bits != 256) unsupported();
    return (e.key_bits - 128U) / 64U;
}

Botan::Cipher_Dir botan(Direction d) {
    return d == Direction::encrypt ? Botan::ENCRYPTION : Botan::DECRYPTION;
}

} // namespace

Backend::Backend() : parts_(std::make_unique<Parts>()) {}
Backend::Backend(Backend&&) noexcept = default;
Backend& Backend::operator=(Backend&&) noexcept = default;
Backend::~Backend() = default;

Backend::Parts::Parts() = default;
Backend::Parts::~Parts() = default;

Botan::HashFunction& Backend::Parts::hash(HashId id) {
    auto& slot = hash_[index_of(id)];
    if (!slot) slot = Botan::HashFunction::create_or_throw(kHashNames[index_of(id)]);
    return *slot;
}

Botan::MessageAuthenticationCode& Backend::Parts::hmac(HashId id, View key) {
    auto& slot = hmac_[index_of(id)];
    if (!slot) {
        slot = Botan::MessageAuthenticationCode::create_or_throw(std::string("HMAC(") +
                                                                 kHashNames[index_of(id)] + ")");
    }
    if (key.size() > block_size(id)) {
        auto& h = hash(id);
        h.update(key.data(), key.size());
        slot->set_key(h.final());
    } else {
        slot->set_key(key.data(), key.size());
    }
    return *slot;
}

Botan::AEAD_Mode& Backend::Parts::aead(Encryption e, Direction d) {
    const bool gcm = e.id == EncrId::aes_gcm_16;
    if (!gcm && e.id != EncrId::chacha20_poly1305) unsupported();
    const std::size_t kind = gcm ? size_index(e) : 3;
    auto& slot = aead_[kind * 2 + (d == Direction::encrypt ? 0 : 1)];
    if (!slot) {
        const std::string name = gcm ? "AES-" + std::to_string(e.key_bits) + "/GCM(16)" : "ChaCha20Poly1305";
        slot = Botan::AEAD_Mode::create_or_throw(name, botan(d));
    }
    return *slot;
}

Botan::Cipher_Mode& Backend::Parts::cbc(Encryption e, Direction d) {
    if (e.id != EncrId::aes_cbc) unsupported();
    auto& slot = cbc_[size_index(e) * 2 + (d == Direction::encrypt ? 0 : 1)];
    if (!slot) {
        slot = Botan::Cipher_Mode::create_or_throw("AES-" + std::to_string(e.key_bits) + "/CBC/NoPadding",
                                                   botan(d));
    }
    return *slot;
}

const Botan::EC_Group& Backend::Parts::curve(KeId id) {
    static constexpr std::array<const char*, 3> kNames{"secp256r1", "secp384r1", "secp521r1"};
    const std::size_t n = static_cast<std::size_t>(id) - static_cast<std::size_t>(KeId::ecp256);
    if (n >= kNames.size()) unsupported();
    if (!curve_[n]) curve_[n] = std::make_unique<Botan::EC_Group>(kNames[n]);
    return *curve_[n];
}

const Botan::DL_Group& Backend::Parts::modulus(KeId id) {
    static constexpr std::array<const char*, 3> kNames{"modp/ietf/2048", "modp/ietf/3072", "modp/ietf/4096"};
    const std::size_t n = static_cast<std::size_t>(id) - static_cast<std::size_t>(KeId::modp2048);
    if (n >= kNames.size()) unsupported();
    if (!modulus_[n]) modulus_[n] = std::make_unique<Botan::DL_Group>(kNames[n]);
    return *modulus_[n];
}

HashId hash_of(PrfId prf) {
    switch (prf) {
    case PrfId::hmac_sha1: return HashId::sha1;
    case PrfId::hmac_sha2_256: return HashId::sha2_256;
    case PrfId::hmac_sha2_384: return HashId::sha2_384;
    case PrfId::hmac_sha2_512: return HashId::sha2_512;
    }
    unsupported();
}

HashId hash_of(IntegId integ) {
    switch (integ) {
    case IntegId::none: break;
    case IntegId::hmac_sha1_96: return HashId::sha1;
    case IntegId::hmac_sha2_256_128: return HashId::sha2_256;
    case IntegId::hmac_sha2_384_192: return HashId::sha2_384;
    case IntegId::hmac_sha2_512_256: return HashId::sha2_512;
    }
    unsupported();
}

} // namespace sheaf::crypto
