#pragma once

#include "lib/base/bytes.h"
#include "lib/crypto/ids.h"

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>

namespace sheaf::crypto {

enum class KeyKind : std::uint8_t { rsa, ecdsa_p256, ecdsa_p384, ecdsa_p521, ed25519 };

// How a signature is made.
enum class SignatureScheme : std::uint8_t { rsa_pkcs1, rsa_pss, ecdsa, ed25519 };

struct SignatureAlgorithm {
    SignatureScheme scheme{};
    HashId hash{}; // identity for ed25519, which hashes within
    friend bool operator==(const SignatureAlgorithm&, const SignatureAlgorithm&) = default;
};

[[nodiscard]] std::string describe(const SignatureAlgorithm& algorithm); // "RSASSA-PSS with SHA-256"
[[nodiscard]] bool fits(KeyKind kind, SignatureScheme scheme);

// RFC 7427 3: the DER AlgorithmIdentifier that stands before the signature, and what it says. None for
// algorithms that are not ours.
[[nodiscard]] Bytes algorithm_identifier(const SignatureAlgorithm& algorithm);
[[nodiscard]] std::optional<SignatureAlgorithm> parse_algorithm_identifier(View der);

// The form of an ECDSA signature: DER (RFC 7427) or r|s of fixed length (RFC 4754 7, the old methods).
enum class EcdsaForm : std::uint8_t { der, concatenated };

// A public key of a kind and size that we accept: RSA from 2048 to 8192 bits, the NIST curves above, Ed25519.
class PublicKey {
  public:
    // A DER SubjectPublicKeyInfo (RFC 7670 2), or PEM of one. Error: a sentence.
    [[nodiscard]] static std::expected<PublicKey, std::string> parse(View der_or_pem);

    // Of no kind and verifying nothing, until one that was parsed is assigned.
    PublicKey() = default;

    [[nodiscard]] KeyKind kind() const { return kind_; }
    [[nodiscard]] const Bytes& spki() const { return spki_; } // DER
    [[nodiscard]] std::string describe() const;               // "RSA with 3072 bits"
    [[nodiscard]] bool verify(const SignatureAlgorithm& algorithm, View message, View signature,
                              EcdsaForm form = EcdsaForm::der) const;

    friend bool operator==(const PublicKey& a, const PublicKey& b) { return a.spki_ == b.spki_; }

    struct Parts;
    [[nodiscard]] const Parts& parts() const { return *parts_; } // for the sources of lib/crypto

  private:
    KeyKind kind_{};
    Bytes spki_;
    std::shared_ptr<const Parts> parts_;
};

} // namespace sheaf::crypto
