#pragma once

#include "lib/base/random.h"
#include "lib/crypto/public_key.h"

#include <expected>
#include <memory>
#include <string>

namespace sheaf::crypto {

// A private key of a kind that PublicKey knows. Its secrets are wiped at its end and have no way out of it.
class PrivateKey {
  public:
    // PKCS#8, in PEM or DER, or the older PEM forms of RSA and EC keys; never one that is encrypted. Error: a
    // sentence without any of the key.
    [[nodiscard]] static std::expected<PrivateKey, std::string> parse(View der_or_pem);

    PrivateKey(PrivateKey&&) noexcept;
    PrivateKey& operator=(PrivateKey&&) noexcept;
    ~PrivateKey();

    [[nodiscard]] const PublicKey& public_key() const;
    // REQUIRES that the algorithm fits the kind of key. Error: a sentence; the key and the algorithm do not
    // go together (an RSA key too short for the hash), or the library failed.
    [[nodiscard]] std::expected<Bytes, std::string> sign(const SignatureAlgorithm& algorithm, View message,
                                                         Random& random,
                                                         EcdsaForm form = EcdsaForm::der) const;

  private:
    struct Parts;
    explicit PrivateKey(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

} // namespace sheaf::crypto
