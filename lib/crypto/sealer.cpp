#include "lib/crypto/sealer.h"

#include "lib/crypto/parts.h"

#include <botan/aead.h>
#include <botan/cipher_mode.h>
#include <botan/exceptn.h>
#include <botan/mac.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <span>

namespace sheaf::crypto {
namespace {

constexpr std::size_t kAeadIv = 8;
constexpr std::size_t kMaxMac = 64; // HMAC-SHA2-512 before truncation

// RFC 5282 4, RFC 7634 2: salt, then the IV of the message.
using AeadNonce = std::array<std::uint8_t, 12>;

AeadNonce aead_nonce(const SkKeys& keys, View iv) {
    AeadNonce nonce{};
    const auto middle = std::ranges::copy(keys.encr_key.last(4), nonce.begin()).out;
    std::ranges::copy(iv, middle);
    return nonce;
}

// Keyed, with the head as associated data (RFC 5282 5.1), and started.
Botan::AEAD_Mode& start_aead(Backend& backend, const SkKeys& keys, Direction direction, View head, View iv) {
    auto& mode = backend.parts().aead(keys.encryption, direction);
    const std::size_t key_length = keys.encr_key.size() - salt_length(keys.encryption.id);
    mode.set_key(keys.encr_key.data(), key_length);
    mode.set_associated_data(head.data(), head.size());
    const AeadNonce nonce = aead_nonce(keys, iv);
    mode.start(nonce.data(), nonce.size());
    return mode;
}

Botan::Cipher_Mode& start_cbc(Backend& backend, const SkKeys& keys, Direction direction, View iv) {
    auto& mode = backend.parts().cbc(keys.encryption, direction);
    mode.set_key(keys.encr_key.data(), keys.encr_key.size());
    mode.start(iv.data(), iv.size());
    return mode;
}

// RFC 7296 3.14: over the whole message from the IKE header to the end of the ciphertext, truncated.
void integrity_checksum(Backend& backend, const SkKeys& keys, std::initializer_list<View> covered,
                        std::span<std::uint8_t> icv) {
    auto& mac = backend.parts().hmac(hash_of(keys.integ), keys.integ_key);
    for (const View part : covered)
        mac.update(part.data(), part.size());
    std::array<std::uint8_t, kMaxMac> full{};
    mac.final(full.data());
    std::copy_n(full.begin(), icv.size(), icv.begin());
}

std::size_t pad_length(const SkKeys& keys, std::size_t plaintext_length) {
    const std::size_t block = pad_block(keys.encryption.id);
    return (block - (plaintext_length + 1) % block) % block;
}

std::size_t icv_length(const SkKeys& keys) { return icv_length(keys.encryption.id, keys.integ); }

Botan::secure_vector<std::uint8_t> padded(const SkKeys& keys, View plaintext) {
    const std::size_t pad = pad_length(keys, plaintext.size());
    Botan::secure_vector<std::uint8_t> buffer;
    buffer.reserve(plaintext.size() + pad + 1 + icv_length(keys));
    buffer.assign(plaintext.begin(), plaintext.end());
    buffer.resize(plaintext.size() + pad);
    buffer.push_back(static_cast<std::uint8_t>(pad));
    return buffer;
}

std::expected<Botan::secure_vector<std::uint8_t>, Rule>
decrypt(Backend& backend, const SkKeys& keys, View head, View iv, View ciphertext, View icv) {
    Botan::secure_vector<std::uint8_t> buffer(ciphertext.begin(), ciphertext.end());
    try {
        if (is_aead(keys.encryption.id)) {
            buffer.insert(buffer.end(), icv.begin(), icv.end());
            start_aead(backend, keys, Direction::decrypt, head, iv).finish(buffer);
            return buffer;
        }
        std::array<std::uint8_t, kMaxMac> expected{};
        const auto ours = std::span(expected).first(icv.size());
        integrity_checksum(backend, keys, {head, iv, ciphertext}, ours);
        if (!constant_time_equal(ours, icv)) return std::unexpected(Rule::integrity_check);
        start_cbc(backend, keys, Direction::decrypt, iv).finish(buffer);
        return buffer;
    } catch (const Botan::Invalid_Authentication_Tag&) {
        return std::unexpected(Rule::integrity_check);
    } catch (const std::exception&) {
        return std::unexpected(Rule::internal);
    }
}

} // namespace

IvCounter& IvCounter::operator=(IvCounter&& other) noexcept {
    if (this != &other) {
        next_ = other.next_;
        other.next_ = kSpent;
    }
    return *this;
}

std::uint64_t IvCounter::take() {
    if (next_ == kSpent) std::abort();
    return next_++;
}

SkKeys sk_keys(const IkeSuite& suite, const IkeKeys& keys, bool from_initiator) {
    return {.encryption = {suite.encr, suite.key_bits},
            .integ = suite.integ,
            .encr_key = from_initiator ? keys.ei.view() : keys.er.view(),
            .integ_key = from_initiator ? keys.ai.view() : keys.ar.view()};
}

std::size_t sealed_length(const SkKeys& keys, std::size_t plaintext_length) {
    return iv_length(keys.encryption.id) + plaintext_length + pad_length(keys, plaintext_length) + 1 +
           icv_length(keys);
}

void seal(Backend& backend, const SkKeys& keys, IvCounter& ivs, Random& random, Bytes& message,
          View plaintext) {
    const std::size_t head_length = message.size();
    message.reserve(head_length + sealed_length(keys, plaintext.size()));
    auto buffer = padded(keys, plaintext);

    if (is_aead(keys.encryption.id)) {
        std::array<std::uint8_t, kAeadIv> iv{};
        const std::uint64_t count = ivs.take();
        for (std::size_t i = 0; i < iv.size(); ++i)
            iv[i] = static_cast<std::uint8_t>(count >> (56 - 8 * i));
        start_aead(backend, keys, Direction::encrypt, message, iv).finish(buffer);
        append(message, iv);
        append(message, buffer);
        return;
    }
    // RFC 7296 3.14: a CBC IV must not be guessable, so it is drawn and not counted.
    std::array<std::uint8_t, 16> iv{};
    random.fill(iv);
    start_cbc(backend, keys, Direction::encrypt, iv).finish(buffer);
    append(message, iv);
    append(message, buffer);
    const std::size_t covered = message.size();
    message.resize(covered + icv_length(keys));
    const auto whole = std::span(message);
    integrity_checksum(backend, keys, {whole.first(covered)}, whole.subspan(covered));
}

std::expected<Bytes, Rule> open(Backend& backend, const SkKeys& keys, View head, View sealed) {
    const EncrId id = keys.encryption.id;
    const std::size_t iv_size = iv_length(id);
    const std::size_t icv_size = icv_length(keys);
    // One block at least, since the pad length octet is always there.
    if (sealed.size() < iv_size + pad_block(id) + icv_size)
        return std::unexpected(Rule::ciphertext_too_short);
    const View iv = sealed.first(iv_size);
    const View ciphertext = sealed.subspan(iv_size, sealed.size() - iv_size - icv_size);
    const View icv = sealed.last(icv_size);
    if (ciphertext.size() % pad_block(id) != 0) return std::unexpected(Rule::ciphertext_not_blocks);

    const auto plain = decrypt(backend, keys, head, iv, ciphertext, icv);
    if (!plain) return std::unexpected(plain.error());
    const std::size_t padding = plain->back() + std::size_t{1};
    if (padding > plain->size()) return std::unexpected(Rule::bad_padding);
    return Bytes(plain->begin(), plain->end() - static_cast<std::ptrdiff_t>(padding));
}

} // namespace sheaf::crypto
