#pragma once

#include "lib/base/bytes.h"
#include "lib/crypto/backend.h"
#include "lib/crypto/ids.h"

#include <array>
#include <memory>

namespace Botan {
class AEAD_Mode;
class Cipher_Mode;
class DL_Group;
class EC_Group;
class HashFunction;
class MessageAuthenticationCode;
} // namespace Botan

// Only for the sources of lib/crypto.
namespace sheaf::crypto {

enum class Direction : std::uint8_t { encrypt, decrypt };

// Each object is made at its first use. REQUIRES everywhere: the algorithm is supported().
class Backend::Parts {
  public:
    Parts();
    ~Parts();

    [[nodiscard]] Botan::HashFunction& hash(HashId id);

    // Keyed and ready for update(). Any key length: RFC 2104 2 hashes what is longer than a block.
    [[nodiscard]] Botan::MessageAuthenticationCode& hmac(HashId id, View key);

    [[nodiscard]] Botan::AEAD_Mode& aead(Encryption encryption, Direction direction);
    [[nodiscard]] Botan::Cipher_Mode& cbc(Encryption encryption, Direction direction);

    [[nodiscard]] const Botan::EC_Group& curve(KeId id);
    [[nodiscard]] const Botan::DL_Group& modulus(KeId id);

  private:
    std::array<std::unique_ptr<Botan::HashFunction>, 4> hash_;
    std::array<std::unique_ptr<Botan::MessageAuthenticationCode>, 4> hmac_;
    std::array<std::unique_ptr<Botan::AEAD_Mode>, 8> aead_;
    std::array<std::unique_ptr<Botan::Cipher_Mode>, 6> cbc_;
    std::array<std::unique_ptr<Botan::EC_Group>, 3> curve_;
    std::array<std::unique_ptr<Botan::DL_Group>, 3> modulus_;
};

[[nodiscard]] HashId hash_of(PrfId prf);
[[nodiscard]] HashId hash_of(IntegId integ);

} // namespace sheaf::crypto
