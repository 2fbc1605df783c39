#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

// Algorithms that Sheaf can run, by their transform IDs. The enums are as wide as the wire field; a value
// that is not listed is one we do not support (see supported() in suite.h).
//
// Words are what an operator writes and reads ("aes256gcm16", "prfsha384", "x25519"). SHA-1 is reachable only
// by a word that begins with "weak-", so that nobody gets it without asking for it (RFC 8247 2.2: MUST- ).
namespace sheaf::crypto {

// RFC 7296 3.3.2, RFC 5282 6, RFC 7634 2
enum class EncrId : std::uint16_t { aes_cbc = 12, aes_gcm_16 = 20, chacha20_poly1305 = 28 };

// RFC 7296 3.3.2, RFC 4868 2.4
enum class PrfId : std::uint16_t { hmac_sha1 = 2, hmac_sha2_256 = 5, hmac_sha2_384 = 6, hmac_sha2_512 = 7 };

// RFC 7296 3.3.2, RFC 4868 2.3
enum class IntegId : std::uint16_t {
    none = 0,
    hmac_sha1_96 = 2,
    hmac_sha2_256_128 = 12,
    hmac_sha2_384_192 = 13,
    hmac_sha2_512_256 = 14,
};

// RFC 7296 3.3.2, RFC 5903 3, RFC 8031 2
enum class KeId : std::uint16_t {
    none = 0,
    modp2048 = 14,
    modp3072 = 15,
    modp4096 = 16,
    ecp256 = 19,
    ecp384 = 20,
    ecp521 = 21,
    x25519 = 31,
};

// RFC 7296 3.3.2
enum class EsnId : std::uint16_t { none = 0, esn = 1 };

// RFC 7427 4, Hash Algorithm Notification numbers. RFC 8420 2: identity stands for signatures over the
// message itself and is no hash function; it is announced, never computed.
enum class HashId : std::uint16_t { sha1 = 1, sha2_256 = 2, sha2_384 = 3, sha2_512 = 4, identity = 5 };

// A cipher with its Key Length attribute in bits; 0 for ciphers that must not carry one (RFC 7296 3.3.5).
struct Encryption {
    EncrId id{};
    std::uint16_t key_bits = 0;

    friend bool operator==(const Encryption&, const Encryption&) = default;
};

// "unknown" for what has no word.
[[nodiscard]] std::string_view to_string(Encryption encryption);
[[nodiscard]] std::string_view to_string(PrfId prf);
[[nodiscard]] std::string_view to_string(IntegId integ);
[[nodiscard]] std::string_view to_string(KeId ke);

[[nodiscard]] std::optional<Encryption> encryption_from_string(std::string_view word);
[[nodiscard]] std::optional<PrfId> prf_from_string(std::string_view word);
[[nodiscard]] std::optional<IntegId> integ_from_string(std::string_view word);
[[nodiscard]] std::optional<KeId> ke_from_string(std::string_view word);

// Every word that the functions above take, strongest habit first; for "did you mean".
[[nodiscard]] std::span<const std::string_view> encryption_words();
[[nodiscard]] std::span<const std::string_view> prf_words();
[[nodiscard]] std::span<const std::string_view> integ_words();
[[nodiscard]] std::span<const std::string_view> ke_words();

} // namespace sheaf::crypto
