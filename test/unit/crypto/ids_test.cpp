#include "lib/crypto/ids.h"
#include "lib/crypto/suite.h"

#include <catch2/catch.hpp>

using namespace sheaf::crypto;

TEST_CASE("every word names a supported algorithm and comes back from it", "[crypto]") {
    for (const auto word : encryption_words()) {
        const auto value = encryption_from_string(word);
        REQUIRE(value);
        CHECK(supported(*value));
        CHECK(to_string(*value) == word);
    }
    for (const auto word : prf_words()) {
        const auto value = prf_from_string(word);
        REQUIRE(value);
        CHECK(supported(*value));
        CHECK(to_string(*value) == word);
    }
    for (const auto word : integ_words()) {
        const auto value = integ_from_string(word);
        REQUIRE(value);
        CHECK(supported(*value));
        CHECK(to_string(*value) == word);
    }
    for (const auto word : ke_words()) {
        const auto value = ke_from_string(word);
        REQUIRE(value);
        CHECK(supported(*value));
        CHECK(to_string(*value) == word);
    }
}

TEST_CASE("words have the numbers of the registry", "[crypto]") {
    CHECK(encryption_from_string("aes256gcm16") == Encryption{static_cast<EncrId>(20), 256});
    CHECK(encryption_from_string("aes128") == Encryption{static_cast<EncrId>(12), 128});
    CHECK(encryption_from_string("chacha20poly1305") == Encryption{static_cast<EncrId>(28), 0});
    CHECK(prf_from_string("prfsha256") == static_cast<PrfId>(5));
    CHECK(prf_from_string("prfsha512") == static_cast<PrfId>(7));
    CHECK(integ_from_string("sha256") == static_cast<IntegId>(12));
    CHECK(integ_from_string("sha512") == static_cast<IntegId>(14));
    CHECK(ke_from_string("x25519") == static_cast<KeId>(31));
    CHECK(ke_from_string("ecp521") == static_cast<KeId>(21));
    CHECK(ke_from_string("modp2048") == static_cast<KeId>(14));
}

TEST_CASE("SHA-1 needs a word that says what it is", "[crypto]") {
    CHECK_FALSE(integ_from_string("sha1"));
    CHECK_FALSE(prf_from_string("prfsha1"));
    CHECK(integ_from_string("weak-sha1") == IntegId::hmac_sha1_96);
    CHECK(prf_from_string("weak-prfsha1") == PrfId::hmac_sha1);
}

TEST_CASE("what has no word is unknown", "[crypto]") {
    CHECK_FALSE(encryption_from_string(""));
    CHECK_FALSE(encryption_from_string("3des"));
    CHECK_FALSE(ke_from_string("X25519"));
    CHECK(to_string(static_cast<KeId>(2)) == "unknown");
    CHECK(to_string(Encryption{EncrId::aes_cbc, 0}) == "unknown");
    CHECK(to_string(static_cast<PrfId>(65535)) == "unknown");
}

TEST_CASE("numbers and key lengths that we cannot run are not supported", "[crypto]") {
    CHECK_FALSE(supported(Encryption{static_cast<EncrId>(3), 0}));      // 3DES
    CHECK_FALSE(supported(Encryption{EncrId::aes_gcm_16, 0}));          // without Key Length
    CHECK_FALSE(supported(Encryption{EncrId::aes_cbc, 64}));            // no such AES
    CHECK_FALSE(supported(Encryption{EncrId::chacha20_poly1305, 256})); // with Key Length
    CHECK_FALSE(supported(static_cast<PrfId>(1)));
    CHECK_FALSE(supported(static_cast<IntegId>(1)));
    CHECK_FALSE(supported(static_cast<KeId>(22)));
    CHECK_FALSE(supported(KeId::none));
}

TEST_CASE("an AEAD stands without integrity algorithm, a CBC cipher with one", "[crypto]") {
    IkeSuite suite{EncrId::aes_gcm_16, 128, IntegId::none, PrfId::hmac_sha2_256, KeId::x25519};
    CHECK(supported(suite));
    suite.integ = IntegId::hmac_sha2_256_128;
    CHECK_FALSE(supported(suite));
    suite.encr = EncrId::aes_cbc;
    CHECK(supported(suite));
    suite.integ = IntegId::none;
    CHECK_FALSE(supported(suite));
    EspSuite esp{EncrId::chacha20_poly1305, 0, IntegId::none, std::nullopt, true};
    CHECK(supported(esp));
    esp.ke = KeId::none;
    CHECK_FALSE(supported(esp));
}

TEST_CASE("lengths of keys, salts and checksums", "[crypto]") {
    CHECK(encr_key_length({EncrId::aes_gcm_16, 128}) == 20); // RFC 4106 8.1
    CHECK(encr_key_length({EncrId::aes_gcm_16, 256}) == 36);
    CHECK(encr_key_length({EncrId::chacha20_poly1305, 0}) == 36);
    CHECK(encr_key_length({EncrId::aes_cbc, 192}) == 24);
    CHECK(icv_length(EncrId::aes_gcm_16, IntegId::none) == 16);
    CHECK(icv_length(EncrId::aes_cbc, IntegId::hmac_sha2_384_192) == 24);
    CHECK(icv_length(EncrId::aes_cbc, IntegId::hmac_sha1_96) == 12);
    CHECK(integ_key_length(IntegId::hmac_sha2_512_256) == 64);
    CHECK(ke_public_length(KeId::ecp521) == 132);
}
