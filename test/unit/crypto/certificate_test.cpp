#include "lib/crypto/certificate.h"
#include "lib/crypto/distinguished_name.h"
#include "test/support/hex.h"
#include "test/unit/crypto/files.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::crypto;
using namespace sheaf::test;

namespace {

Certificate one(const std::string& name) {
    auto certificates = Certificate::parse_file(certificate_file(name + ".pem"));
    if (!certificates) FAIL(name << ": " << certificates.error());
    REQUIRE(certificates->size() == 1);
    return certificates->front();
}

Bytes together(std::initializer_list<std::string> files) {
    Bytes out;
    for (const std::string& file : files)
        append(out, certificate_file(file));
    return out;
}

} // namespace

TEST_CASE("a certificate tells its names, its key and what it is") {
    const Certificate certificate = one("names");
    CHECK(certificate.subject() == "C=CH, O=Example, CN=names");
    const CertificateNames& names = certificate.names();
    CHECK(name_to_text(names.subject) == "C=CH, O=Example, CN=names");
    CHECK(names.dns == std::vector<std::string>{"gw.example.org", "*.wild.example.org"});
    CHECK(names.mail == std::vector<std::string>{"Alice@example.org"});
    CHECK(names.addresses == std::vector{*IpAddress::parse("192.0.2.1"), *IpAddress::parse("2001:db8::1")});
    CHECK(certificate.public_key().kind() == KeyKind::ecdsa_p256);
    CHECK_FALSE(certificate.is_authority());
    CHECK(one("root-p256").is_authority());
    CHECK_FALSE(one("no-authority").is_authority());
    CHECK(one("expired").not_before() == std::chrono::sys_days(std::chrono::year(2020) / 1 / 1));
    CHECK(one("expired").not_after() == std::chrono::sys_days(std::chrono::year(2024) / 1 / 1));
    CHECK(certificate.not_after() ==
          std::chrono::sys_days(std::chrono::year(2100) / 1 / 1) - std::chrono::seconds(1));
}

TEST_CASE("keys of every kind are found in certificates") {
    CHECK(one("gw-rsa").public_key().describe() == "RSA with 2048 bits");
    CHECK(one("gw-p384").public_key().describe() == "ECDSA on P-384");
    CHECK(one("gw-p521").public_key().describe() == "ECDSA on P-521");
    CHECK(one("gw-ed25519").public_key().describe() == "Ed25519");
    CHECK(one("root-rsa3072").public_key().describe() == "RSA with 3072 bits");
}

TEST_CASE("CERTREQ names an authority by the SHA-1 of its SubjectPublicKeyInfo") {
    const Certificate root = one("root-p256");
    // The subject key identifier in this certificate is the SHA-1 of the key alone: another value.
    CHECK(root.key_hash() != std::array<std::uint8_t, 20>{});
    CHECK(to_hex(root.key_hash()) == "6d63ac9c4c4e27e98ae61d8d121334ffc2946049");
}

TEST_CASE("a file holds one certificate in DER or several in PEM") {
    const auto several = Certificate::parse_file(together({"alice.pem", "middle.pem", "root-p256.pem"}));
    REQUIRE(several);
    REQUIRE(several->size() == 3);
    CHECK((*several)[0] == one("alice"));
    CHECK((*several)[2] == one("root-p256"));
    const auto der = Certificate::parse_file(one("alice").der());
    REQUIRE(der);
    CHECK(der->front() == one("alice"));
    CHECK(Certificate::parse_file(together({"alice.key", "alice.pem"}))->size() == 1);
}

TEST_CASE("what is no certificate is refused by a sentence") {
    const auto refusal = [](View octets) {
        const auto parsed = Certificate::parse_file(octets);
        REQUIRE_FALSE(parsed);
        return parsed.error();
    };
    CHECK(refusal({}) == "it is empty");
    CHECK(refusal(certificate_file("alice.key")) == "it holds no certificate");
    CHECK(refusal(from_hex("3003020101")) == "a certificate cannot be read as X.509");
    CHECK(refusal(certificate_file("weak.pem")) ==
          "the certificate of CN=weak is refused: the RSA key has 1024 bits; use one of 2048 to 8192");
    Bytes trailing = one("alice").der();
    trailing.push_back(0);
    CHECK(refusal(trailing) == "a certificate is not in DER");
    CHECK_FALSE(Certificate::parse(certificate_file("alice.pem")));
}

TEST_CASE("a certificate cut anywhere is refused") {
    const Bytes der = one("names").der();
    for (std::size_t length = 0; length < der.size(); ++length)
        if (Certificate::parse(View(der).first(length))) FAIL("taken at " << length);
}

TEST_CASE("a certificate with any bit of it changed is refused or another certificate") {
    const Certificate original = one("names");
    Bytes der = original.der();
    for (std::size_t i = 0; i < der.size(); ++i) {
        der[i] ^= 0x04;
        const auto changed = Certificate::parse(der);
        if (changed && *changed == original) FAIL("the same after a change at " << i);
        der[i] ^= 0x04;
    }
}

TEST_CASE("a revocation list tells its issuer; what is none is refused") {
    const auto list = RevocationList::parse(certificate_file("revoked.crl"));
    REQUIRE(list);
    CHECK(list->issuer() == "C=CH, O=Example, CN=Root p256");
    CHECK(*list == *RevocationList::parse(certificate_file("revoked.crl")));
    CHECK_FALSE(*list == *RevocationList::parse(certificate_file("empty.crl")));
    CHECK_FALSE(RevocationList::parse({}));
    CHECK_FALSE(RevocationList::parse(certificate_file("alice.pem")));
    CHECK_FALSE(RevocationList::parse(from_hex("3003020101")));
}
