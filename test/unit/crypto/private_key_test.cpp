#include "lib/crypto/private_key.h"
#include "test/support/seeded_random.h"
#include "test/support/vectors.h"
#include "test/unit/crypto/files.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::crypto;
using namespace sheaf::test;

namespace {

PrivateKey key_of(const std::string& file) {
    auto key = PrivateKey::parse(certificate_file(file));
    if (!key) FAIL(file << ": " << key.error());
    return *std::move(key);
}

std::string refusal(View octets) {
    const auto key = PrivateKey::parse(octets);
    REQUIRE_FALSE(key);
    return key.error();
}

Bytes octets(std::string_view text) { return {text.begin(), text.end()}; }

} // namespace

TEST_CASE("what a key signs, its public key verifies, under every algorithm that fits") {
    SeededRandom random(1);
    for (const Vector& vector : read_vectors("signatures_openssl.txt")) {
        CAPTURE(vector.title);
        const PrivateKey key = key_of(vector.text("key") + ".key");
        CHECK(to_hex(key.public_key().spki()) == to_hex(vector.hex("spki")));
        const auto algorithm = *parse_algorithm_identifier(vector.hex("identifier"));
        for (const EcdsaForm form : {EcdsaForm::der, EcdsaForm::concatenated}) {
            const auto signature = key.sign(algorithm, vector.hex("message"), random, form);
            REQUIRE(signature);
            CHECK(key.public_key().verify(algorithm, vector.hex("message"), *signature, form));
        }
    }
}

TEST_CASE("signatures without randomness are the ones of openssl and of RFC 8032") {
    SeededRandom random(1);
    for (const Vector& vector : read_vectors("signatures_openssl.txt")) {
        if (!vector.title.starts_with("RSASSA-PKCS1") && vector.title != "Ed25519") continue;
        CAPTURE(vector.title);
        const auto algorithm = *parse_algorithm_identifier(vector.hex("identifier"));
        const auto signature =
            key_of(vector.text("key") + ".key").sign(algorithm, vector.hex("message"), random);
        REQUIRE(signature);
        CHECK(to_hex(*signature) == to_hex(vector.hex("signature")));
    }
    for (const Vector& vector : read_vectors("ed25519_rfc8032.txt")) {
        CAPTURE(vector.title);
        Bytes pkcs8 = from_hex("302e020100300506032b657004220420");
        append(pkcs8, vector.hex("secret"));
        const auto key = PrivateKey::parse(pkcs8);
        REQUIRE(key);
        const auto signature =
            key->sign({SignatureScheme::ed25519, HashId::identity}, vector.hex("message"), random);
        REQUIRE(signature);
        CHECK(to_hex(*signature) == to_hex(vector.hex("signature")));
    }
}

TEST_CASE("a concatenated ECDSA signature has twice the length of the curve's order") {
    SeededRandom random(1);
    const std::map<std::string, std::size_t> lengths{{"gw-p256", 64}, {"gw-p384", 96}, {"gw-p521", 132}};
    for (const auto& [name, length] : lengths) {
        const auto signature =
            key_of(name + ".key")
                .sign({SignatureScheme::ecdsa, HashId::sha2_512}, Bytes{1}, random, EcdsaForm::concatenated);
        REQUIRE(signature);
        CHECK(signature->size() == length);
    }
}

TEST_CASE("the older forms of a private key are the same key") {
    CHECK(key_of("gw-rsa.traditional.key").public_key() == key_of("gw-rsa.key").public_key());
    CHECK(key_of("gw-p256.sec1.key").public_key() == key_of("gw-p256.key").public_key());
    CHECK(key_of("gw-p256.sec1-parameters.key").public_key() == key_of("gw-p256.key").public_key());
}

TEST_CASE("a key that cannot be read is refused by a sentence that says nothing of it") {
    CHECK(refusal(certificate_file("encrypted.pkcs8")).starts_with("the private key is encrypted"));
    CHECK(refusal(certificate_file("encrypted.traditional")).starts_with("the private key is encrypted"));
    CHECK(refusal(certificate_file("gw-p256.pem")) == "it holds a CERTIFICATE where a PRIVATE KEY is needed");
    CHECK(refusal({}) == "it is empty");
    CHECK(refusal(Bytes(100'000, 'a')) == "it is longer than 65536 octets");
    const std::string broken =
        "-----BEGIN PRIVATE KEY-----\nc2VjcmV0IG9jdGV0cw==\n-----END PRIVATE KEY-----\n";
    CHECK(refusal(octets(broken)) ==
          "it is not a private key that can be read; use PKCS#8, as 'openssl pkey' writes it");
    const std::string torn = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0IG9jdGV0cw==";
    CHECK(refusal(octets(torn)) == "its PEM cannot be read; make it anew with 'openssl pkey'");
}

TEST_CASE("a key does not sign by a scheme of another kind") {
    SeededRandom random(1);
    const auto signature =
        key_of("gw-ed25519.key").sign({SignatureScheme::rsa_pss, HashId::sha2_256}, Bytes{1}, random);
    REQUIRE_FALSE(signature);
    CHECK(signature.error() == "a key of Ed25519 does not sign by RSASSA-PSS with SHA-256");
}
