#include "conf/proposal_words.h"

#include "conf/text.h"
#include "lib/crypto/ids.h"
#include "lib/crypto/suite.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

namespace sheaf::conf {
namespace {

constexpr std::size_t kMaxWords = 16; // per proposal; fits one proposal of the wire with room (RFC 7296 3.3)

// Words of the field that name what we do not offer, and what to take instead (RFC 8221, RFC 8247).
struct Refused {
    std::string_view word;
    std::string_view instead;
    std::string_view still = {}; // the word by which it can be had
};
constexpr std::array<Refused, 16> kWeak = {{
    {"3des", "aes256gcm16"},
    {"des", "aes256gcm16"},
    {"blowfish256", "aes256gcm16"},
    {"cast128", "aes256gcm16"},
    {"null", "aes256gcm16"},
    {"md5", "sha256"},
    {"sha", "sha256", "weak-sha1"},
    {"sha1", "sha256", "weak-sha1"},
    {"aesxcbc", "sha256"},
    {"prfmd5", "prfsha256"},
    {"prfsha1", "prfsha256", "weak-prfsha1"},
    {"prfaesxcbc", "prfsha256"},
    {"modp768", "modp2048"},
    {"modp1024", "modp2048"},
    {"modp1536", "modp2048"},
    {"ecp192", "ecp256"},
}};

// What a proposal's words come to, for IKE and ESP alike.
struct Parts {
    std::vector<crypto::Encryption> encryption;
    std::vector<crypto::IntegId> integrity;
    std::vector<crypto::PrfId> prf;
    std::vector<crypto::KeId> key_exchange;
    std::vector<crypto::EsnId> sequence_numbers;
};

constexpr std::array<std::string_view, 3> kEspWords = {"none", "esn", "noesn"};
constexpr std::string_view kWeakMark = "weak-";

bool is_weak(std::string_view word) { return word.starts_with(kWeakMark); }

std::vector<std::string_view> known_words(bool ike) {
    std::vector<std::string_view> out;
    const auto take = [&out](auto words) {
        std::ranges::copy_if(words, std::back_inserter(out),
                             [](std::string_view word) { return !is_weak(word); });
    };
    take(crypto::encryption_words());
    take(crypto::integ_words());
    if (ike) take(crypto::prf_words());
    take(crypto::ke_words());
    if (!ike) take(kEspWords);
    return out;
}

Fault unknown_word(std::string_view word, std::string_view text, bool ike) {
    if (word.empty())
        return {"an algorithm is missing in the proposal " + quote(text),
                "words are joined by a single \"-\""};
    const auto weak = std::ranges::find(kWeak, word, &Refused::word);
    if (weak != kWeak.end())
        return {
            "the algorithm " + quote(word) + " is too weak to be offered",
            "use " + quote(weak->instead) +
                (weak->still.empty() ? "" : "; if the peer has nothing better, write " + quote(weak->still)),
            word};
    if (!ike && crypto::prf_from_string(word))
        return {"the PRF " + quote(word) + " has no place in an ESP proposal", "remove it", word};
    return {"unknown algorithm " + quote(word), suggestion(word, known_words(ike)), word};
}

bool take_esp(std::string_view word, Parts& parts) {
    if (word == "none")
        parts.key_exchange.push_back(crypto::KeId::none);
    else if (word == "esn")
        parts.sequence_numbers.push_back(crypto::EsnId::esn);
    else if (word == "noesn")
        parts.sequence_numbers.push_back(crypto::EsnId::none);
    else
        return false;
    return true;
}

// The word at `begin`, "weak-" and what it stands before being one.
std::string_view word_at(std::string_view text, std::size_t begin) {
    const std::size_t mark = text.substr(begin).starts_with(kWeakMark) ? kWeakMark.size() : 0;
    const std::size_t end = std::min(text.find('-', begin + mark), text.size());
    return text.substr(begin, end - begin);
}

// Puts one word where it belongs; false if it is none.
bool take(std::string_view word, bool ike, Parts& parts) {
    if (const auto encryption = crypto::encryption_from_string(word))
        parts.encryption.push_back(*encryption);
    else if (const auto integrity = crypto::integ_from_string(word))
        parts.integrity.push_back(*integrity);
    else if (const auto prf = crypto::prf_from_string(word); prf && ike)
        parts.prf.push_back(*prf);
    else if (const auto group = crypto::ke_from_string(word))
        parts.key_exchange.push_back(*group);
    else
        return !ike && take_esp(word, parts);
    return true;
}

std::expected<Parts, Fault> split(std::string_view text, bool ike) {
    Parts parts;
    std::vector<std::string_view> seen;
    for (std::size_t begin = 0; begin <= text.size();) {
        const auto word = word_at(text, begin);
        if (std::ranges::find(seen, word) != seen.end())
            return std::unexpected(Fault{quote(word) + " stands twice in the proposal", "remove one", word});
        if (seen.size() == kMaxWords)
            return std::unexpected(Fault{"the proposal has more than " + std::to_string(kMaxWords) + " words",
                                         "write several proposals",
                                         {}});
        if (!take(word, ike, parts)) return std::unexpected(unknown_word(word, text, ike));
        seen.push_back(word);
        begin += word.size() + 1;
    }
    return parts;
}

// RFC 7296 3.3, RFC 5282 8: an AEAD brings its own integrity, other ciphers need one beside them.
std::optional<Fault> check_protection(const Parts& parts, std::string_view text) {
    const std::string proposal = "the proposal " + quote(text);
    const auto is_aead = [](const crypto::Encryption& encryption) { return crypto::is_aead(encryption.id); };
    const auto aeads = std::ranges::count_if(parts.encryption, is_aead);
    if (parts.encryption.empty()) return Fault{proposal + " has no cipher", "begin it with \"aes256gcm16\""};
    if (aeads > 0 && aeads < std::ssize(parts.encryption))
        return Fault{proposal + " mixes AEADs with other ciphers", "write two proposals"};
    if (aeads > 0 && !parts.integrity.empty())
        return Fault{proposal + " has both an AEAD and integrity " +
                         quote(crypto::to_string(parts.integrity.front())),
                     "an AEAD protects integrity itself: remove the second"};
    if (aeads == 0 && parts.integrity.empty())
        return Fault{proposal + " has a cipher without integrity",
                     "add \"sha256\", or use an AEAD such as \"aes256gcm16\""};
    return std::nullopt;
}

constexpr std::string_view kSuiteHint = "write \"aes256-sha256-prfsha256\"";

// The first cipher that members who share a key could not use.
std::optional<Fault> check_shared_cipher(std::string_view text) {
    for (std::size_t begin = 0; begin <= text.size();) {
        const auto word = word_at(text, begin);
        const auto cipher = crypto::encryption_from_string(word);
        if (cipher && group::is_counter_mode(cipher->id))
            return Fault{"the cipher " + quote(word) +
                             " is not for a group: a counter mode (GCM, CCM, CTR, ChaCha20-Poly1305) must "
                             "never use a counter twice under one key, and members that share the key count "
                             "on their own",
                         std::string(kSuiteHint), word};
        begin += word.size() + 1;
    }
    return std::nullopt;
}

// Each member would have to choose, and all the same.
template <typename List>
std::optional<Fault> check_one(const List& list, std::string_view noun, std::string_view text) {
    if (list.size() == 1) return std::nullopt;
    return Fault{"the suite " + quote(text) + (list.empty() ? " has no " : " has more than one ") +
                     std::string(noun),
                 std::string(kSuiteHint)};
}

} // namespace

std::expected<child::IkeProposal, Fault> parse_ike_proposal(std::string_view text) {
    auto parts = split(text, true);
    if (!parts) return std::unexpected(std::move(parts.error()));
    if (auto fault = check_protection(*parts, text)) return std::unexpected(std::move(*fault));
    if (parts->prf.empty())
        return std::unexpected(Fault{"the proposal " + quote(text) + " has no PRF", "add \"prfsha256\""});
    if (parts->key_exchange.empty())
        return std::unexpected(
            Fault{"the proposal " + quote(text) + " has no key exchange", "add \"x25519\""});
    return child::IkeProposal{std::move(parts->encryption), std::move(parts->integrity),
                              std::move(parts->prf), std::move(parts->key_exchange)};
}

std::expected<child::EspProposal, Fault> parse_esp_proposal(std::string_view text) {
    auto parts = split(text, false);
    if (!parts) return std::unexpected(std::move(parts.error()));
    if (auto fault = check_protection(*parts, text)) return std::unexpected(std::move(*fault));
    if (std::ranges::all_of(parts->key_exchange, [](crypto::KeId ke) { return ke == crypto::KeId::none; }))
        parts->key_exchange.clear();
    if (parts->sequence_numbers.empty()) parts->sequence_numbers = {crypto::EsnId::esn, crypto::EsnId::none};
    return child::EspProposal{std::move(parts->encryption), std::move(parts->integrity),
                              std::move(parts->key_exchange), std::move(parts->sequence_numbers)};
}

std::expected<group::Suite, Fault> parse_group_suite(std::string_view text) {
    auto parts = split(text, true);
    if (!parts) return std::unexpected(std::move(parts.error()));
    auto fault = check_shared_cipher(text);
    if (!fault) fault = check_one(parts->encryption, "cipher", text);
    if (!fault) fault = check_one(parts->integrity, "integrity", text);
    if (!fault) fault = check_one(parts->prf, "PRF", text);
    if (!fault && !parts->key_exchange.empty())
        fault = Fault{"the suite " + quote(text) +
                          " has a key exchange, and a group's keys are made by its gateway",
                      "remove " + quote(crypto::to_string(parts->key_exchange.front()))};
    if (fault) return std::unexpected(std::move(*fault));
    const group::Suite suite{parts->encryption.front(), parts->integrity.front(), parts->prf.front()};
    if (const auto good = group::check(suite, {.sha1 = true}); !good)
        return std::unexpected(Fault{std::string(group::sentence(good.error())), std::string(kSuiteHint)});
    return suite;
}

std::vector<std::string_view> weak_words(std::string_view text) {
    std::vector<std::string_view> out;
    for (std::size_t begin = 0; begin <= text.size();) {
        const auto word = word_at(text, begin);
        if (is_weak(word)) out.push_back(word);
        begin += word.size() + 1;
    }
    return out;
}

} // namespace sheaf::conf
