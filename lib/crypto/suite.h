#pragma once

#include "lib/crypto/ids.h"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace sheaf::crypto {

// What protects an IKE SA. `integ` is none exactly when `encr` is an AEAD (RFC 5282 8).
struct IkeSuite {
    EncrId encr{};
    std::uint16_t key_bits = 0; // the Key Length attribute; 0 for ChaCha20
    IntegId integ = IntegId::none;
    PrfId prf{};
    KeId ke{};

    friend bool operator==(const IkeSuite&, const IkeSuite&) = default;
};

// What protects a Child SA. `ke` is the group of its own key exchange, if it has one (RFC 7296 1.3.1).
struct EspSuite {
    EncrId encr{};
    std::uint16_t key_bits = 0;
    IntegId integ = IntegId::none;
    std::optional<KeId> ke;
    bool esn = false;

    friend bool operator==(const EspSuite&, const EspSuite&) = default;
};

// All lengths are in octets. They are 0 for algorithms that are not supported.

[[nodiscard]] constexpr bool is_aead(EncrId encr) {
    return encr == EncrId::aes_gcm_16 || encr == EncrId::chacha20_poly1305;
}

// The cipher's key without salt.
[[nodiscard]] constexpr std::size_t cipher_key_length(Encryption e) {
    switch (e.id) {
    case EncrId::aes_cbc:
    case EncrId::aes_gcm_16:
        return e.key_bits == 128 || e.key_bits == 192 || e.key_bits == 256 ? e.key_bits / 8U : 0;
    case EncrId::chacha20_poly1305: return e.key_bits == 0 ? 32 : 0; // RFC 7634 2
    }
    return 0;
}

// RFC 5282 7.1, RFC 7634 2: taken from the end of SK_e or the encryption part of KEYMAT.
[[nodiscard]] constexpr std::size_t salt_length(EncrId encr) { return is_aead(encr) ? 4 : 0; }

// Key and salt: what prf+ has to deliver per direction.
[[nodiscard]] constexpr std::size_t encr_key_length(Encryption e) {
    const std::size_t key = cipher_key_length(e);
    return key == 0 ? 0 : key + salt_length(e.id);
}

[[nodiscard]] constexpr std::size_t iv_length(EncrId encr) {
    return encr == EncrId::aes_cbc ? 16 : is_aead(encr) ? 8 : 0;
}

// To what the plaintext is padded inside an SK payload (RFC 7296 3.14, RFC 5282 3).
[[nodiscard]] constexpr std::size_t pad_block(EncrId encr) { return encr == EncrId::aes_cbc ? 16 : 1; }

[[nodiscard]] constexpr std::size_t integ_key_length(IntegId integ) {
    switch (integ) {
    case IntegId::none: return 0;
    case IntegId::hmac_sha1_96: return 20;
    case IntegId::hmac_sha2_256_128: return 32;
    case IntegId::hmac_sha2_384_192: return 48;
    case IntegId::hmac_sha2_512_256: return 64;
    }
    return 0;
}

// RFC 4868 2.3: half of the hash. 12 for SHA-1.
[[nodiscard]] constexpr std::size_t integ_icv_length(IntegId integ) {
    return integ == IntegId::hmac_sha1_96 ? 12 : integ_key_length(integ) / 2;
}

[[nodiscard]] constexpr std::size_t icv_length(EncrId encr, IntegId integ) {
    return is_aead(encr) ? 16 : integ_icv_length(integ);
}

// Output and preferred key length, which agree for HMAC (RFC 7296 2.13).
[[nodiscard]] constexpr std::size_t prf_length(PrfId prf) {
    switch (prf) {
    case PrfId::hmac_sha1: return 20;
    case PrfId::hmac_sha2_256: return 32;
    case PrfId::hmac_sha2_384: return 48;
    case PrfId::hmac_sha2_512: return 64;
    }
    return 0;
}

// Key exchange data on the wire: modulus length, x|y, or the u-coordinate.
[[nodiscard]] constexpr std::size_t ke_public_length(KeId ke) {
    switch (ke) {
    case KeId::none: return 0;
    case KeId::modp2048: return 256;
    case KeId::modp3072: return 384;
    case KeId::modp4096: return 512;
    case KeId::ecp256: return 64;
    case KeId::ecp384: return 96;
    case KeId::ecp521: return 132;
    case KeId::x25519: return 32;
    }
    return 0;
}

// Whether this build can run the algorithm; peers may name any number.
[[nodiscard]] constexpr bool supported(Encryption e) { return cipher_key_length(e) != 0; }
[[nodiscard]] constexpr bool supported(PrfId prf) { return prf_length(prf) != 0; }
[[nodiscard]] constexpr bool supported(IntegId integ) {
    return integ == IntegId::none || integ_key_length(integ) != 0;
}
[[nodiscard]] constexpr bool supported(KeId ke) { return ke_public_length(ke) != 0; }

// A cipher and an integrity algorithm that may stand together: exactly one of them protects integrity.
[[nodiscard]] constexpr bool pairs(EncrId encr, IntegId integ) {
    return is_aead(encr) == (integ == IntegId::none);
}

[[nodiscard]] constexpr bool supported(const IkeSuite& s) {
    return supported(Encryption{s.encr, s.key_bits}) && supported(s.integ) && pairs(s.encr, s.integ) &&
           supported(s.prf) && supported(s.ke);
}

[[nodiscard]] constexpr bool supported(const EspSuite& s) {
    return supported(Encryption{s.encr, s.key_bits}) && supported(s.integ) && pairs(s.encr, s.integ) &&
           (!s.ke || supported(*s.ke));
}

} // namespace sheaf::crypto
