#include "lib/crypto/certificate.h"
#include "test/unit/crypto/files.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::crypto;
using namespace sheaf::test;

namespace {

using Names = std::vector<std::string>;

std::vector<Certificate> certificates(const Names& names) {
    std::vector<Certificate> out;
    for (const std::string& name : names)
        out.push_back(Certificate::parse_file(certificate_file(name + ".pem"))->front());
    return out;
}

std::vector<RevocationList> lists(const Names& names) {
    std::vector<RevocationList> out;
    for (const std::string& name : names)
        out.push_back(*RevocationList::parse(certificate_file(name + ".crl")));
    return out;
}

WallTime at(int year) { return std::chrono::sys_days(std::chrono::year(year) / 7 / 1); }

struct Case {
    Names chain;
    Names authorities{"root-p256"};
    Names revocations{};
    bool require_list = false;
    int year = 2026;
};

// The subject of the trust anchor, or the refusal.
std::string outcome(const Case& c) {
    const auto anchor = verify_chain(certificates(c.chain), certificates(c.authorities), lists(c.revocations),
                                     {at(c.year), c.require_list});
    return anchor ? anchor->subject() : anchor.error();
}

std::string refused(const std::string& name, const std::string& why) {
    return "the certificate of C=CH, O=Example, CN=" + name + " is refused: " + why;
}

const std::string kRoot = "C=CH, O=Example, CN=Root p256";

} // namespace

TEST_CASE("a certificate of any kind of key leads to its authority") {
    const Names all{"root-rsa3072", "root-p256", "root-ed25519"};
    CHECK(outcome({{"gw-rsa"}, all}) == "C=CH, O=Example, CN=Root rsa3072");
    CHECK(outcome({{"gw-pss"}, all}) == "C=CH, O=Example, CN=Root rsa3072");
    CHECK(outcome({{"gw-p256"}, all}) == kRoot);
    CHECK(outcome({{"gw-p384"}, all}) == kRoot);
    CHECK(outcome({{"gw-p521"}, all}) == kRoot);
    CHECK(outcome({{"gw-ed25519"}, all}) == "C=CH, O=Example, CN=Root ed25519");
}

TEST_CASE("intermediates are found in any order, among others, and may be the trust anchor") {
    CHECK(outcome({{"alice", "middle"}}) == kRoot);
    CHECK(outcome({{"alice", "gw-rsa", "constrained", "middle", "root-p256"}}) == kRoot);
    CHECK(outcome({{"alice"}, {"middle"}}) == "C=CH, O=Example, CN=middle");
    CHECK(outcome({{"big-leaf", "big-middle-2", "big-middle-1"}, {"root-p256", "big-root"}}) ==
          "C=CH, O=Example, CN=Big root");
    CHECK(outcome({{"big-leaf", "big-middle-1", "big-middle-2"}, {"big-root"}}) ==
          "C=CH, O=Example, CN=Big root");
}

TEST_CASE("a peer's own certificate may be the trust anchor") {
    CHECK(outcome({{"alice"}, {"alice"}}) == "C=CH, O=Example, CN=alice");
    CHECK(outcome({{"expired"}, {"expired"}}) == refused("expired", "it expired on 2024-01-01; renew it"));
}

TEST_CASE("a chain without an intermediate or with an unknown authority is refused") {
    CHECK(outcome({{"alice"}}) ==
          refused("alice",
                  "the authority C=CH, O=Example, CN=middle that issued it is not known here; configure it, "
                  "or let the peer send it if it is an intermediate"));
    CHECK(outcome({{"alice", "middle"}, {"root-ed25519"}}) ==
          refused("alice",
                  "the authority " + kRoot +
                      " that issued C=CH, O=Example, CN=middle is not known here; configure it, or let the "
                      "peer send it if it is an intermediate"));
    CHECK(outcome({{"gw-p256"}, {}}).find("is not known here") != std::string::npos);
    CHECK(verify_chain({}, {}, {}, {at(2026)}).error() == "there is no certificate");
    // A root that the peer sends is no authority for that.
    CHECK(outcome({{"gw-p256", "root-p256"}, {"root-ed25519"}}).find("is not known here") !=
          std::string::npos);
}

TEST_CASE("an authority of the same name with another key is no issuer, nor in the way of the real one") {
    CHECK(outcome({{"gw-p256"}, {"root-namesake"}}) ==
          refused("gw.example.org",
                  "it is not signed by the " + kRoot +
                      " that is known here; compare the authority's certificates at both ends"));
    CHECK(outcome({{"gw-p256"}, {"root-namesake", "root-p256"}}) == kRoot);
    CHECK(outcome({{"gw-p256", "root-namesake"}}) == kRoot);
}

TEST_CASE("validity is that of every certificate of the chain at the given time") {
    CHECK(outcome({{"expired"}}) == refused("expired", "it expired on 2024-01-01; renew it"));
    CHECK(outcome({.chain = {"expired"}, .year = 2023}) == kRoot);
    CHECK(outcome({{"future"}}) ==
          refused("future", "it is valid only from 2090-01-01; compare the clocks, or wait until then"));
    CHECK(outcome({.chain = {"future"}, .year = 2095}) == kRoot);
    CHECK(outcome({{"below-expired", "expired-middle"}}) ==
          refused("expired-middle", "it expired on 2024-01-01; renew it"));
    CHECK(outcome({{"below-root-expired"}, {"root-expired"}}) ==
          refused("Old root", "it expired on 2024-01-01; renew it"));
}

TEST_CASE("key usage and extended key usage must allow to sign for IKE") {
    CHECK(outcome({{"encipher"}}) ==
          refused("encipher", "its key usage does not allow to sign; issue it with digitalSignature"));
    CHECK(outcome({{"repudiate"}}) == kRoot);
    CHECK(outcome({{"bare"}}) == kRoot);
    CHECK(outcome({{"code-signing"}}) ==
          refused("code-signing",
                  "its extended key usage names no purpose that fits IKE; issue it with ipsecIKE, "
                  "serverAuth or clientAuth"));
    CHECK(outcome({{"ipsec-ike"}}) == kRoot);
    CHECK(outcome({{"tls-client"}}) == kRoot);
}

TEST_CASE("only an authority may issue, as deep as it is allowed to") {
    CHECK(outcome({{"below-no-authority", "no-authority"}}) ==
          refused("no-authority",
                  "it issues certificates and is no authority; issue it with basicConstraints "
                  "CA:true"));
    CHECK(outcome({{"below-no-cert-sign", "no-cert-sign"}}) ==
          refused("no-cert-sign",
                  "its key usage does not allow to issue certificates; issue it with keyCertSign"));
    CHECK(outcome({{"below-too-deep", "too-deep", "middle"}}) ==
          refused("middle",
                  "it allows 0 intermediates below it and there are 1; issue the chain with fewer, or with "
                  "a longer path length"));
}

TEST_CASE("a critical extension that is not understood refuses the certificate") {
    CHECK(outcome({{"unknown-critical"}}) ==
          refused("unknown-critical",
                  "its critical extension 1.2.3.4 is not understood here; issue it without"));
}

TEST_CASE("a signature with SHA-1 refuses the certificate") {
    CHECK(outcome({{"sha1"}}).starts_with(refused("sha1", "it is signed with a hash that can be forged")));
}

TEST_CASE("names are kept within the constraints of every authority above") {
    CHECK(outcome({{"inside", "constrained"}}) == kRoot);
    const auto beyond = [](const std::string& who, const std::string& name) {
        return refused(
            who, "its name " + name +
                     " is beyond the name constraints of C=CH, O=Example, CN=constrained; issue it within "
                     "them");
    };
    CHECK(outcome({{"outside", "constrained"}}) == beyond("outside", "notexample.org"));
    CHECK(outcome({{"excluded", "constrained"}}) == beyond("excluded", "a.secret.example.org"));
    CHECK(outcome({{"outside-ip", "constrained"}}) == beyond("outside-ip", "198.51.100.1"));
}

TEST_CASE("a revoked certificate is refused, whatever the age of the list") {
    const std::string revoked = refused("revoked", "it was revoked by " + kRoot + "; issue a new one");
    CHECK(outcome({.chain = {"revoked"}}) == kRoot);
    CHECK(outcome({.chain = {"revoked"}, .revocations = {"empty"}}) == kRoot);
    CHECK(outcome({.chain = {"revoked"}, .revocations = {"revoked"}}) == revoked);
    CHECK(outcome({.chain = {"revoked"}, .revocations = {"empty", "stale"}}) == revoked);
    CHECK(outcome({.chain = {"gw-p256"}, .revocations = {"revoked"}}) == kRoot);
}

TEST_CASE("a list that must be there is current, of the issuer and signed by it") {
    const auto required = [](const Names& chain, const Names& revocations) {
        return outcome({.chain = chain, .revocations = revocations, .require_list = true});
    };
    const std::string none = refused("gw.example.org", "there is no revocation list of " + kRoot +
                                                           "; configure one, or do not require it");
    CHECK(required({"gw-p256"}, {}) == none);
    CHECK(required({"gw-p256"}, {"namesake"}) == none); // signed by another key
    CHECK(required({"gw-p256"}, {"stale"}) ==
          refused("gw.example.org",
                  "the revocation list of " + kRoot + " ended on 2024-01-01; fetch a new one"));
    CHECK(required({"gw-p256"}, {"stale", "empty"}) == kRoot);
    CHECK(required({"alice", "middle"}, {"empty"}) ==
          refused("alice",
                  "there is no revocation list of C=CH, O=Example, CN=middle; configure one, or do not "
                  "require it"));
    CHECK(required({"below-no-crl-sign", "no-crl-sign"}, {"empty", "no-crl-sign"}) ==
          refused("below-no-crl-sign",
                  "there is no revocation list of C=CH, O=Example, CN=no-crl-sign; configure "
                  "one, or do not require it"));
}
