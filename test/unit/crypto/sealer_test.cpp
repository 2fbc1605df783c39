#include "lib/crypto/prf.h"
#include "lib/crypto/sealer.h"
#include "test/support/scripted_random.h"
#include "test/support/vectors.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace sheaf;
using namespace sheaf::crypto;
using namespace sheaf::test;

namespace {

struct Case {
    std::string title;
    Encryption encryption;
    IntegId integ = IntegId::none;
    Bytes encr_key;
    Bytes integ_key;
    Bytes iv;
    Bytes plaintext;
    Bytes message;
    std::size_t head_length = 0;

    [[nodiscard]] SkKeys keys() const { return {encryption, integ, encr_key, integ_key}; }
    [[nodiscard]] View head() const { return View(message).first(head_length); }
    [[nodiscard]] View sealed() const { return View(message).subspan(head_length); }
};

Case case_of(const Vector& v) {
    Case c;
    c.title = v.title;
    c.encryption = encryption_from_string(v.text("encr")).value();
    if (v.has("integ")) {
        c.integ = integ_from_string(v.text("integ")).value();
        c.integ_key = v.hex("integ_key");
    }
    c.encr_key = v.hex("encr_key");
    c.iv = v.hex("iv");
    c.plaintext = v.hex("plaintext");
    c.message = v.hex("message");
    c.head_length = v.number("head_length");
    return c;
}

Case aosp_auth_request() {
    const Vector v = read_vectors("aosp_ike_chain.txt").at(0);
    Case c;
    c.title = "IKE_AUTH request under AES-CBC-128 and HMAC-SHA1-96";
    c.encryption = {EncrId::aes_cbc, 128};
    c.integ = IntegId::hmac_sha1_96;
    c.encr_key = v.hex("sk_ei");
    c.integ_key = v.hex("sk_ai");
    c.iv = v.hex("auth_iv");
    c.plaintext = v.hex("auth_plaintext");
    c.message = v.hex("auth_request");
    c.head_length = 32;
    return c;
}

// Third-party messages of every kind of protection, and computed ones for AES-CBC with HMAC-SHA2.
std::vector<Case> cases() {
    std::vector<Case> all{aosp_auth_request()};
    for (const char* file : {"aosp_aes_gcm.txt", "chacha20poly1305_rfc7634.txt", "aes_cbc_hmac_computed.txt"})
        for (const Vector& v : read_vectors(file))
            all.push_back(case_of(v));
    return all;
}

std::uint64_t number(View octets) {
    std::uint64_t n = 0;
    for (const std::uint8_t octet : octets)
        n = n << 8 | octet;
    return n;
}

Bytes resealed(Backend& backend, const Case& c, View plaintext) {
    IvCounter ivs(is_aead(c.encryption.id) ? number(c.iv) : 0);
    ScriptedRandom random(c.iv);
    Bytes message(c.head().begin(), c.head().end());
    seal(backend, c.keys(), ivs, random, message, plaintext);
    return message;
}

} // namespace

TEST_CASE("messages of others open to their plaintext", "[crypto][vectors]") {
    Backend backend;
    for (const Case& c : cases()) {
        INFO(c.title);
        const auto plaintext = open(backend, c.keys(), c.head(), c.sealed());
        REQUIRE(plaintext);
        CHECK(to_hex(*plaintext) == to_hex(c.plaintext));
    }
}

TEST_CASE("sealing with the same IV gives others' messages octet for octet", "[crypto][vectors]") {
    Backend backend;
    for (const Case& c : cases()) {
        INFO(c.title);
        CHECK(sealed_length(c.keys(), c.plaintext.size()) == c.sealed().size());
        CHECK(to_hex(resealed(backend, c, c.plaintext)) == to_hex(c.message));
    }
}

TEST_CASE("AES-GCM opens the examples of its authors, in every key length", "[crypto][vectors]") {
    Backend backend;
    const auto vectors = read_vectors("aes_gcm_mcgrew_viega.txt");
    CHECK(vectors.size() == 4);
    for (const Vector& v : vectors) {
        INFO(v.title);
        const Bytes nonce = v.hex("nonce");
        Bytes key = v.hex("key");
        append(key, View(nonce).first(4)); // salt
        Bytes sealed(nonce.begin() + 4, nonce.end());
        append(sealed, v.hex("ciphertext"));
        append(sealed, v.hex("tag"));
        const SkKeys keys{encryption_from_string(v.text("encr")).value(), IntegId::none, key, {}};
        const auto opened = open(backend, keys, v.hex("aad"), sealed);

        const Bytes plaintext = v.hex("plaintext");
        const std::size_t padding = plaintext.back() + std::size_t{1};
        if (padding > plaintext.size()) {
            REQUIRE_FALSE(opened);
            CHECK(opened.error() == Rule::bad_padding);
        } else {
            REQUIRE(opened);
            CHECK(equal(*opened, View(plaintext).first(plaintext.size() - padding)));
        }
    }
}

TEST_CASE("one flipped bit anywhere is found", "[crypto]") {
    Backend backend;
    for (const Case& c : cases()) {
        INFO(c.title);
        for (std::size_t i = 0; i < c.message.size(); ++i) {
            Bytes bad = c.message;
            bad[i] ^= static_cast<std::uint8_t>(1U << (i % 8));
            const auto opened =
                open(backend, c.keys(), View(bad).first(c.head_length), View(bad).subspan(c.head_length));
            REQUIRE_FALSE(opened);
            CHECK(opened.error() == Rule::integrity_check);
        }
        // and the backend is none the worse for it
        CHECK(open(backend, c.keys(), c.head(), c.sealed()));
    }
}

TEST_CASE("a wrong key opens nothing", "[crypto]") {
    Backend backend;
    for (Case c : cases()) {
        INFO(c.title);
        Bytes& key = c.integ == IntegId::none ? c.encr_key : c.integ_key;
        for (const std::size_t at : {std::size_t{0}, key.size() - 1}) { // the salt counts, too
            key[at] ^= 1;
            const auto opened = open(backend, c.keys(), c.head(), c.sealed());
            REQUIRE_FALSE(opened);
            CHECK(opened.error() == Rule::integrity_check);
            key[at] ^= 1;
        }
    }
}

TEST_CASE("truncated and lengthened payloads do not open", "[crypto]") {
    Backend backend;
    for (const Case& c : cases()) {
        INFO(c.title);
        const std::size_t least =
            iv_length(c.encryption.id) + pad_block(c.encryption.id) + icv_length(c.encryption.id, c.integ);
        for (std::size_t length = 0; length < c.sealed().size(); ++length) {
            const auto opened = open(backend, c.keys(), c.head(), c.sealed().first(length));
            REQUIRE_FALSE(opened);
            const Rule expected = length < least ? Rule::ciphertext_too_short
                                  : (length - least) % pad_block(c.encryption.id) != 0
                                      ? Rule::ciphertext_not_blocks
                                      : Rule::integrity_check;
            CHECK(opened.error() == expected);
        }
        Bytes longer(c.sealed().begin(), c.sealed().end());
        longer.insert(longer.end(), 16, 0);
        const auto opened = open(backend, c.keys(), c.head(), longer);
        REQUIRE_FALSE(opened);
        CHECK(opened.error() == Rule::integrity_check);
    }
}

TEST_CASE("what was sealed opens again, whatever its length", "[crypto]") {
    Backend backend;
    for (const Case& c : cases()) {
        INFO(c.title);
        for (std::size_t length = 0; length <= 70; ++length) {
            const Bytes plaintext(length, static_cast<std::uint8_t>(length));
            const Bytes message = resealed(backend, c, plaintext);
            CHECK(message.size() == c.head_length + sealed_length(c.keys(), length));
            const auto opened = open(backend, c.keys(), c.head(), View(message).subspan(c.head_length));
            REQUIRE(opened);
            CHECK(*opened == plaintext);
        }
    }
}

TEST_CASE("padding of every length that fits is taken off, whatever it holds", "[crypto]") {
    // One block of AES-CBC, all padding. What is flipped in the IV is flipped in the plaintext, and the test
    // holds the integrity key, as a peer does.
    Backend backend;
    const Vector v = read_vectors("aes_cbc_hmac_computed.txt").at(1);
    const Case c = case_of(v);
    REQUIRE(c.plaintext.empty());
    REQUIRE(c.sealed().size() == 16 + 16 + 16);
    for (unsigned pad_length = 0; pad_length < 256; ++pad_length) {
        INFO("pad length " << pad_length);
        Bytes sealed(c.sealed().begin(), c.sealed().end());
        sealed[15] = static_cast<std::uint8_t>(sealed[15] ^ 15U ^ pad_length);
        sealed[3] ^= 0xa5; // no zero octet there any more
        const Secret mac =
            prf(backend, PrfId::hmac_sha2_256, c.integ_key, {c.head(), View(sealed).first(32)});
        std::ranges::copy(mac.view().first(16), sealed.begin() + 32);
        const auto opened = open(backend, c.keys(), c.head(), sealed);
        if (pad_length > 15) {
            REQUIRE_FALSE(opened);
            CHECK(opened.error() == Rule::bad_padding);
        } else {
            REQUIRE(opened);
            CHECK(opened->size() == 15 - pad_length);
        }
    }
}

TEST_CASE("an AEAD counts its IVs and never gives one twice", "[crypto]") {
    Backend backend;
    ScriptedRandom random;
    const Case c = case_of(read_vectors("aosp_aes_gcm.txt").at(0));
    IvCounter ivs;
    Bytes first(c.head().begin(), c.head().end());
    Bytes second = first;
    seal(backend, c.keys(), ivs, random, first, c.plaintext);
    IvCounter moved(std::move(ivs));
    seal(backend, c.keys(), moved, random, second, c.plaintext);
    CHECK(number(View(first).subspan(32, 8)) == 0);
    CHECK(number(View(second).subspan(32, 8)) == 1);
    CHECK(first != second);
}

TEST_CASE("CBC draws its IVs", "[crypto]") {
    Backend backend;
    ScriptedRandom random;
    IvCounter ivs;
    const Case c = aosp_auth_request();
    Bytes first(c.head().begin(), c.head().end());
    Bytes second = first;
    seal(backend, c.keys(), ivs, random, first, c.plaintext);
    seal(backend, c.keys(), ivs, random, second, c.plaintext);
    CHECK_FALSE(equal(View(first).subspan(32, 16), View(second).subspan(32, 16)));
    CHECK(ivs.take() == 0); // untouched
}

TEST_CASE("each direction has its own keys", "[crypto]") {
    Backend backend;
    ScriptedRandom random;
    const Bytes seed(32, 3);
    const IkeSuite suite{EncrId::aes_cbc, 256, IntegId::hmac_sha2_256_128, PrfId::hmac_sha2_256,
                         KeId::x25519};
    const IkeKeys keys = ike_keys(backend, suite, seed, {seed, seed}, {1, 2});
    IvCounter ivs;
    const Bytes head(32, 0);
    Bytes message = head;
    seal(backend, sk_keys(suite, keys, true), ivs, random, message, seed);
    CHECK(open(backend, sk_keys(suite, keys, true), head, View(message).subspan(32)) == seed);
    CHECK_FALSE(open(backend, sk_keys(suite, keys, false), head, View(message).subspan(32)));
}
