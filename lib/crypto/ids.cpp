#include "lib/crypto/ids.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace sheaf::crypto {
namespace {

// Words and values in step, so that the words alone can be handed out as a span.
template <typename T, std::size_t N>
struct Table {
    std::array<std::string_view, N> words;
    std::array<T, N> values;

    [[nodiscard]] constexpr std::string_view word_of(const T& value) const {
        for (std::size_t i = 0; i < N; ++i)
            if (values[i] == value) return words[i];
        return "unknown";
    }

    [[nodiscard]] constexpr std::optional<T> value_of(std::string_view word) const {
        for (std::size_t i = 0; i < N; ++i)
            if (words[i] == word) return values[i];
        return std::nullopt;
    }
};

constexpr Table<Encryption, 7> kEncryption{
    {"aes256gcm16", "aes192gcm16", "aes128gcm16", "chacha20poly1305", "aes256", "aes192", "aes128"},
    {Encryption{EncrId::aes_gcm_16, 256}, Encryption{EncrId::aes_gcm_16, 192},
     Encryption{EncrId::aes_gcm_16, 128}, Encryption{EncrId::chacha20_poly1305, 0},
     Encryption{EncrId::aes_cbc, 256}, Encryption{EncrId::aes_cbc, 192}, Encryption{EncrId::aes_cbc, 128}}};

constexpr Table<PrfId, 4> kPrf{
    {"prfsha256", "prfsha384", "prfsha512", "weak-prfsha1"},
    {PrfId::hmac_sha2_256, PrfId::hmac_sha2_384, PrfId::hmac_sha2_512, PrfId::hmac_sha1}};

constexpr Table<IntegId, 4> kInteg{{"sha256", "sha384", "sha512", "weak-sha1"},
                                   {IntegId::hmac_sha2_256_128, IntegId::hmac_sha2_384_192,
                                    IntegId::hmac_sha2_512_256, IntegId::hmac_sha1_96}};

constexpr Table<KeId, 7> kKe{
    {"x25519", "ecp256", "ecp384", "ecp521", "modp4096", "modp3072", "modp2048"},
    {KeId::x25519, KeId::ecp256, KeId::ecp384, KeId::ecp521, KeId::modp4096, KeId::modp3072, KeId::modp2048}};

} // namespace

std::string_view to_string(Encryption encryption) { return kEncryption.word_of(encryption); }
std::string_view to_string(PrfId prf) { return kPrf.word_of(prf); }
std::string_view to_string(IntegId integ) { return kInteg.word_of(integ); }
std::string_view to_string(KeId ke) { return kKe.word_of(ke); }

std::optional<Encryption> encryption_from_string(std::string_view word) { return kEncryption.value_of(word); }
std::optional<PrfId> prf_from_string(std::string_view word) { return kPrf.value_of(word); }
std::optional<IntegId> integ_from_string(std::string_view word) { return kInteg.value_of(word); }
std::optional<KeId> ke_from_string(std::string_view word) { return kKe.value_of(word); }

std::span<const std::string_view> encryption_words() { return kEncryption.words; }
std::span<const std::string_view> prf_words() { return kPrf.words; }
std::span<const std::string_view> integ_words() { return kInteg.words; }
std::span<const std::string_view> ke_words() { return kKe.words; }

} // namespace sheaf::crypto
