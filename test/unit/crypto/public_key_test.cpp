#include "lib/crypto/public_key.h"
#include "test/support/vectors.h"
#include "test/unit/crypto/files.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::crypto;
using namespace sheaf::test;

namespace {

PublicKey parsed(View octets) {
    const auto key = PublicKey::parse(octets);
    REQUIRE(key);
    return *key;
}

Bytes with_header(const std::string& header, View key) {
    Bytes out = from_hex(header);
    append(out, key);
    return out;
}

// The SubjectPublicKeyInfo of a bare key.
Bytes ed25519_spki(View key) { return with_header("302a300506032b6570032100", key); }
Bytes p256_spki(View key) {
    return with_header("3059301306072a8648ce3d020106082a8648ce3d03010703420004", key);
}

} // namespace

TEST_CASE("signatures that openssl made verify, and no other octets do") {
    for (const Vector& vector : read_vectors("signatures_openssl.txt")) {
        CAPTURE(vector.title);
        const PublicKey key = parsed(vector.hex("spki"));
        const auto algorithm = parse_algorithm_identifier(vector.hex("identifier"));
        REQUIRE(algorithm);
        CHECK(describe(*algorithm) == vector.title);
        Bytes message = vector.hex("message");
        Bytes signature = vector.hex("signature");
        CHECK(key.verify(*algorithm, message, signature));
        message[0] ^= 1;
        CHECK_FALSE(key.verify(*algorithm, message, signature));
        message[0] ^= 1;
        signature.back() ^= 1;
        CHECK_FALSE(key.verify(*algorithm, message, signature));
        signature.back() ^= 1;
        signature.push_back(0);
        CHECK_FALSE(key.verify(*algorithm, message, signature));
        CHECK_FALSE(key.verify(*algorithm, message, {}));
    }
}

TEST_CASE("a signature verifies under its own scheme and hash alone") {
    const auto vectors = read_vectors("signatures_openssl.txt");
    for (const Vector& vector : vectors) {
        for (const Vector& other : vectors) {
            if (vector.title == other.title) continue;
            CAPTURE(vector.title, other.title);
            CHECK_FALSE(parsed(vector.hex("spki"))
                            .verify(*parse_algorithm_identifier(other.hex("identifier")),
                                    vector.hex("message"), vector.hex("signature")));
        }
    }
}

TEST_CASE("the Ed25519 signatures of RFC 8032 verify") {
    for (const Vector& vector : read_vectors("ed25519_rfc8032.txt")) {
        CAPTURE(vector.title);
        const PublicKey key = parsed(ed25519_spki(vector.hex("public")));
        CHECK(key.kind() == KeyKind::ed25519);
        CHECK(key.verify({SignatureScheme::ed25519, HashId::identity}, vector.hex("message"),
                         vector.hex("signature")));
    }
}

TEST_CASE("an ECDSA signature of the old methods is two numbers of fixed length") {
    const Vector vector = read_vectors("ecdsa_rfc6979.txt").front();
    const PublicKey key = parsed(p256_spki(vector.hex("public")));
    CHECK(key.kind() == KeyKind::ecdsa_p256);
    const SignatureAlgorithm algorithm{SignatureScheme::ecdsa, HashId::sha2_256};
    const Bytes signature = vector.hex("signature");
    CHECK(key.verify(algorithm, vector.hex("message"), signature, EcdsaForm::concatenated));
    CHECK_FALSE(key.verify(algorithm, vector.hex("message"), signature, EcdsaForm::der));
    CHECK_FALSE(
        key.verify(algorithm, vector.hex("message"), View(signature).first(63), EcdsaForm::concatenated));
}

TEST_CASE("algorithm identifiers are those that the identifiers' own documents give") {
    for (const Vector& vector : read_vectors("signatures_openssl.txt")) {
        CAPTURE(vector.title);
        const Bytes identifier = vector.hex("identifier");
        CHECK(to_hex(algorithm_identifier(*parse_algorithm_identifier(identifier))) == to_hex(identifier));
    }
}

TEST_CASE("RSASSA-PSS parameters are taken in all forms in use") {
    // RFC 7427 A.4.3, with the trailer field that DER leaves out.
    CHECK(parse_algorithm_identifier(from_hex(
              "304606092a864886f70d01010a3039a00f300d06096086480165030402010500a11c301a06092a864886f70d01"
              "0108300d06096086480165030402010500a203020120a303020101")) ==
          SignatureAlgorithm{SignatureScheme::rsa_pss, HashId::sha2_256});
    // The same without NULL in the hashes.
    CHECK(parse_algorithm_identifier(from_hex(
              "303d06092a864886f70d01010a3030a00d300b0609608648016503040201a11a301806092a864886f70d01010830"
              "0b0609608648016503040201a203020120")) ==
          SignatureAlgorithm{SignatureScheme::rsa_pss, HashId::sha2_256});
    // RFC 7427 A.4.1 and A.4.2: SHA-1.
    const SignatureAlgorithm by_default{SignatureScheme::rsa_pss, HashId::sha1};
    CHECK(parse_algorithm_identifier(from_hex("300d06092a864886f70d01010a3000")) == by_default);
    CHECK(parse_algorithm_identifier(from_hex(
              "303e06092a864886f70d01010a3031a00b300906052b0e03021a0500a118301606092a864886f70d010108300906"
              "052b0e03021a0500a203020114a303020101")) == by_default);
}

TEST_CASE("other algorithm identifiers are none of ours") {
    CHECK_FALSE(parse_algorithm_identifier({}));
    CHECK_FALSE(parse_algorithm_identifier(from_hex("300906072a8648ce380403")));           // DSA
    CHECK_FALSE(parse_algorithm_identifier(from_hex("300b06092a864886f70d01010b")));       // no NULL
    CHECK_FALSE(parse_algorithm_identifier(from_hex("300d06092a864886f70d01010b050000"))); // trailing octet
    CHECK_FALSE(parse_algorithm_identifier(from_hex("300d06092a864886f70d0101040500")));   // MD5
    // PSS with SHA-256, but a mask of SHA-1, and with a salt of 20 octets.
    CHECK_FALSE(parse_algorithm_identifier(from_hex(
        "303906092a864886f70d01010a302ca00f300d06096086480165030402010500a118301606092a864886f70d010108300906"
        "052b0e03021a0500")));
    CHECK_FALSE(parse_algorithm_identifier(from_hex(
        "304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d06"
        "096086480165030402010500a203020114")));
}

TEST_CASE("keys that are too weak, of other kinds or no keys are refused by a sentence") {
    const auto refusal = [](View octets) {
        const auto key = PublicKey::parse(octets);
        REQUIRE_FALSE(key);
        return key.error();
    };
    CHECK(refusal({}) == "it is empty");
    CHECK(refusal(from_hex("3003020101")) ==
          "it is not a public key (SubjectPublicKeyInfo) that can be read");
    CHECK(refusal(certificate_file("gw-p256.key"))
              .starts_with("it holds a PRIVATE KEY where a PUBLIC KEY is needed"));
    // X25519
    CHECK_FALSE(PublicKey::parse(with_header("302a300506032b656e032100", Bytes(32, 9))));
    // A point that is not on the curve.
    Bytes point = read_vectors("ecdsa_rfc6979.txt").front().hex("public");
    point.back() ^= 1;
    CHECK_FALSE(PublicKey::parse(p256_spki(point)));
}

TEST_CASE("a key tells what it is, and is the same from PEM") {
    const std::map<std::string, std::string> descriptions{{"gw-rsa", "RSA with 2048 bits"},
                                                          {"gw-p256", "ECDSA on P-256"},
                                                          {"gw-p384", "ECDSA on P-384"},
                                                          {"gw-p521", "ECDSA on P-521"},
                                                          {"gw-ed25519", "Ed25519"}};
    for (const Vector& vector : read_vectors("signatures_openssl.txt"))
        CHECK(parsed(vector.hex("spki")).describe() == descriptions.at(vector.text("key")));
    const std::string pem = "-----BEGIN PUBLIC KEY-----\n"
                            "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
                            "-----END PUBLIC KEY-----\n";
    CHECK(parsed(Bytes(pem.begin(), pem.end())) ==
          parsed(ed25519_spki(read_vectors("ed25519_rfc8032.txt").front().hex("public"))));
}

TEST_CASE("no key verifies nothing") {
    CHECK_FALSE(PublicKey().verify({SignatureScheme::ed25519, HashId::identity}, {}, Bytes(64)));
    CHECK(PublicKey().describe() == "no key");
}
