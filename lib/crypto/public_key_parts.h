#pragma once

#include "lib/base/secret.h"
#include "lib/crypto/public_key.h"

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

namespace Botan {
class Public_Key;
}

// Only for the sources of lib/crypto.
namespace sheaf::crypto {

// RFC 8247 4 asks for 2048 bits at least; above 8192 verifying costs more than a stranger may ask for.
inline constexpr std::size_t kMinRsaBits = 2048, kMaxRsaBits = 8192;
// Of the public exponent: 65537 in practice; a long one makes verifying as slow as signing.
inline constexpr std::size_t kMaxExponentBits = 64;
// Of a key or PEM file; the largest RSA key is below 8 KiB.
inline constexpr std::size_t kMaxKeyFile = 65536;

struct PublicKey::Parts {
    Parts();
    ~Parts();
    std::unique_ptr<Botan::Public_Key> key;
};

// The name of message encoding that Botan knows the algorithm's by.
[[nodiscard]] std::string emsa(const SignatureAlgorithm& algorithm);

// One block of PEM, or the whole of DER.
struct Encoded {
    std::string label; // empty: it was DER
    Secret der;        // it may be a private key
};

// The first block whose label is none of those that only describe (EC PARAMETERS). Error: a sentence.
[[nodiscard]] std::expected<Encoded, std::string> decode_file(View der_or_pem);

} // namespace sheaf::crypto
