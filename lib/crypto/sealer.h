#pragma once

#include "lib/base/random.h"
#include "lib/base/rule.h"
#include "lib/base/secret.h"
#include "lib/crypto/backend.h"
#include "lib/crypto/key_schedule.h"
#include "lib/crypto/suite.h"

#include <cstdint>
#include <expected>

// Protection of the SK payload (RFC 7296 3.14) and of the fragments that share its form (RFC 7383 2.5):
// AES-CBC with HMAC, and the AEADs of RFC 5282 and RFC 7634.
//
//   IKE header .. generic header of SK or SKF (with the fragment numbers) | IV | ciphertext | ICV
//   `------------------------- head ------------------------------------'  `----- sealed -----'
namespace sheaf::crypto {

// The IVs of an AEAD key: each is given out once (RFC 5282 3.1). One per direction and IKE SA, kept as long
// as the key. A copy would repeat IVs and so open the key; hence there is none. It cannot run out: an IKE SA
// has 2^32 message IDs of at most 2^16 fragments, in two kinds.
class IvCounter {
  public:
    IvCounter() = default;
    // Goes on after IVs that are known to be spent; also for replaying vectors.
    explicit IvCounter(std::uint64_t first) : next_(first) {}
    IvCounter(IvCounter&& other) noexcept : next_(other.next_) { other.next_ = kSpent; }
    IvCounter& operator=(IvCounter&& other) noexcept;
    IvCounter(const IvCounter&) = delete;
    IvCounter& operator=(const IvCounter&) = delete;
    ~IvCounter() = default;

    // REQUIRES that this counter was not moved from; stops the process otherwise.
    [[nodiscard]] std::uint64_t take();

  private:
    static constexpr std::uint64_t kSpent = ~std::uint64_t{0};
    std::uint64_t next_ = 0;
};

// What one direction needs. Views into the IKE SA's keys, which must outlive this.
struct SkKeys {
    Encryption encryption;
    IntegId integ = IntegId::none;
    View encr_key; // with salt
    View integ_key;
};

// The direction in which the original initiator of the IKE SA sends, or the other (RFC 7296 2.14).
[[nodiscard]] SkKeys sk_keys(const IkeSuite& suite, const IkeKeys& keys, bool from_initiator);

// Octets of IV, ciphertext with padding, and ICV for so much plaintext: the sender has to write the message's
// lengths before they are authenticated.
[[nodiscard]] std::size_t sealed_length(const SkKeys& keys, std::size_t plaintext_length);

// Appends the sealed plaintext to `message`, which holds the head with its final lengths. The padding is the
// least that the cipher takes, of zero octets (RFC 7296 3.14). CBC takes its IV from `random`, an AEAD from
// `ivs`.
void seal(Backend& backend, const SkKeys& keys, IvCounter& ivs, Random& random, Bytes& message,
          View plaintext);

// The plaintext without padding, or why there is none; nothing of it is computed for the caller before the
// ICV was found right. Padding may have any content and length that fits (RFC 7296 3.14). Errors:
// ciphertext_too_short, ciphertext_not_blocks, integrity_check, bad_padding, internal.
[[nodiscard]] std::expected<Bytes, Rule> open(Backend& backend, const SkKeys& keys, View head, View sealed);

} // namespace sheaf::crypto
