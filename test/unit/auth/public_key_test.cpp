#include "lib/auth/authenticator.h"
#include "lib/wire/codec.h"
#include "test/unit/auth/session.h"
#include "test/unit/crypto/files.h"

#include <catch2/catch.hpp>

using namespace sheaf;
using namespace sheaf::auth;
using namespace sheaf::test;
using crypto::HashId;

namespace {

using Names = std::vector<std::string>;

const std::vector<HashId> kAllHashes{HashId::sha2_256, HashId::sha2_384, HashId::sha2_512, HashId::identity};
const Names kRoots{"root-rsa3072", "root-p256", "root-ed25519"};

Identity id(std::string_view text) { return *Identity::parse(text); }

std::vector<crypto::Certificate> certificates(const Names& names) {
    std::vector<crypto::Certificate> out;
    for (const std::string& name : names)
        out.push_back(crypto::Certificate::parse_file(certificate_file(name + ".pem"))->front());
    return out;
}

std::shared_ptr<const crypto::PrivateKey> key(const std::string& name) {
    return std::make_shared<const crypto::PrivateKey>(
        *crypto::PrivateKey::parse(certificate_file(name + ".key")));
}

// A key with its certificate, and the certificates that it sends with it.
OwnKey own(const std::string& name, const Names& intermediates = {}) {
    OwnKey out{key(name), certificates({name}), std::nullopt};
    for (auto& certificate : certificates(intermediates))
        out.chain.push_back(certificate);
    return out;
}

Credentials owning(const std::string& name, const Names& intermediates = {}) {
    return {.own_keys = {own(name, intermediates)}};
}

Credentials trusting(const Names& authorities = kRoots) { return {.authorities = certificates(authorities)}; }

// Attempts over which all hashes are known to both.
struct Ends : TwoEnds {
    Ends(const Authority& prover, const Authority& verifier) : TwoEnds(prover, verifier) {
        prover_hears = verifier_hears = kAllHashes;
    }
    Verdict attempt(std::string_view local) { return try_to_prove(true, id(local), id("peer.example.org")); }
};

std::string identity_of(const Verdict& verdict) {
    if (const auto* refusal = std::get_if<Refusal>(&verdict)) return "refused: " + refusal->why;
    return std::get<Verified>(verdict).identity().to_string();
}

template <typename T>
std::vector<T> all(const std::vector<wire::Payload>& payloads) {
    std::vector<T> out;
    for (const auto& payload : payloads)
        if (const auto* found = std::get_if<T>(&payload)) out.push_back(*found);
    return out;
}

wire::Authentication& proof_in(std::vector<wire::Payload>& payloads) {
    return std::get<wire::Authentication>(payloads.back());
}

const std::string kWho = "the certificate of C=CH, O=Example, CN=";

} // namespace

TEST_CASE("the owner of a certificate proves the identity that it names, by every kind of key") {
    const std::string name = GENERATE("gw-rsa", "gw-pss", "gw-p256", "gw-p384", "gw-p521", "gw-ed25519");
    CAPTURE(name);
    const Authority gateway(owning(name)), peer(trusting());
    Ends ends(gateway, peer);
    CHECK(identity_of(ends.attempt("gw.example.org")) == "gw.example.org");
    CHECK(all<wire::Identification>(ends.sent).size() == 1);
    CHECK(all<wire::Certificate>(ends.sent).size() == 1);
    CHECK(proof_in(ends.sent).method == wire::AuthMethod::digital_signature);
    ends.transcript_seen = "another exchange";
    CHECK(refusal_of(ends.attempt("gw.example.org")).rule == Rule::authentication_failed);
}

TEST_CASE("identities of every kind are taken from the certificate that names them") {
    const Authority owner(owning("names")), peer(trusting());
    for (const char* name :
         {"gw.example.org", "Alice@example.org", "192.0.2.1", "2001:db8::1", "C=CH, O=Example, CN=names"})
        CHECK(identity_of(Ends(owner, peer).attempt(name)) == name);
    // A distinguished name is the certificate's, however the configuration writes it.
    CHECK(identity_of(Ends(owner, peer).attempt("c=ch, o=example, cn=NAMES")) == "C=CH, O=Example, CN=names");
    for (const char* name : {"names", "other.example.org", "a.wild.example.org", "alice@example.org",
                             "192.0.2.2", "@#01", "CN=names, O=Example, C=CH"})
        CHECK(refusal_of(Ends(owner, peer).attempt(name)).rule == Rule::no_credential);
}

TEST_CASE("nobody is who its certificate does not name") {
    // The owner of "names" signs for whom it likes and sends its certificate with it.
    const Authority liar({.own_keys = {{key("names"), {}, std::nullopt}}}), peer(trusting());
    Ends ends(liar, peer);
    ends.tamper = [](std::vector<wire::Payload>& payloads) {
        payloads.insert(payloads.begin() + 1, wire::Certificate{wire::CertEncoding::x509_signature,
                                                                certificates({"names"})[0].der()});
    };
    CHECK(identity_of(ends.attempt("gw.example.org")) == "gw.example.org");
    for (const char* name : {"alice.example.org", "names", "a.wild.example.org", "bob@example.org",
                             "192.0.2.2", "2001:db8::2", "@#01", "C=CH, O=Example, CN=other", "CN=names"}) {
        CAPTURE(name);
        CHECK(refusal_of(ends.attempt(name)).rule == Rule::certificate_refused);
    }
    CHECK(refusal_of(ends.attempt("alice.example.org")).why ==
          kWho +
              "names is refused: it does not name alice.example.org but gw.example.org, *.wild.example.org, "
              "Alice@example.org, 192.0.2.1, 2001:db8::1; issue it with this subjectAltName, or let the peer "
              "use an "
              "identity of it");
    const std::string_view pattern = "*.wild.example.org";
    const Identity wildcard{wire::IdType::fqdn, {pattern.begin(), pattern.end()}};
    CHECK(refusal_of(ends.try_to_prove(true, wildcard, std::nullopt)).rule == Rule::certificate_refused);
}

TEST_CASE("a certificate is no proof without its key") {
    const Authority liar(owning("alice", {"middle"})), peer(trusting());
    Ends ends(liar, peer);
    ends.tamper = [](std::vector<wire::Payload>& payloads) {
        std::get<wire::Certificate>(payloads[1]).data = certificates({"names"})[0].der();
        std::get<wire::Identification>(payloads[0]) = id("gw.example.org").payload(true);
    };
    const auto refusal = refusal_of(ends.attempt("alice@example.org"));
    CHECK(refusal.rule == Rule::authentication_failed);
    CHECK(refusal.why ==
          "the signature is not made by C=CH, O=Example, CN=names, whose key is ECDSA on P-256; compare "
          "key and certificate at the peer");
}

TEST_CASE("a chain goes without its authority, and is completed at either end") {
    Credentials completed = owning("alice");
    completed.intermediates = certificates({"constrained", "middle"});
    completed.authorities = certificates({"root-p256"});
    const Authority alice(owning("alice", {"middle", "root-p256"})), bare(owning("alice")),
        knowing(completed);
    const Authority peer(trusting());
    Credentials with_intermediates = trusting();
    with_intermediates.intermediates = certificates({"middle"});
    const Authority knowing_peer(with_intermediates);

    Ends whole(alice, peer);
    CHECK(identity_of(whole.attempt("alice@example.org")) == "alice@example.org");
    CHECK(all<wire::Certificate>(whole.sent).size() == 2);
    Ends found(knowing, peer);
    CHECK(identity_of(found.attempt("alice@example.org")) == "alice@example.org");
    CHECK(all<wire::Certificate>(found.sent).size() == 2);
    CHECK(identity_of(Ends(bare, knowing_peer).attempt("alice@example.org")) == "alice@example.org");
    CHECK(refusal_of(Ends(bare, peer).attempt("alice@example.org"))
              .why.starts_with(kWho + "alice is refused: the authority "));
    const Authority big(owning("big-leaf", {"big-middle-2", "big-middle-1"})),
        big_peer(trusting({"big-root"}));
    CHECK(identity_of(Ends(big, big_peer).attempt("big.example.org")) == "big.example.org");
}

TEST_CASE("why a chain is refused is told in one sentence") {
    const Authority expired(owning("expired")), revoked(owning("revoked")), weak(owning("sha1"));
    Credentials with_list = trusting();
    with_list.revocations.push_back(*crypto::RevocationList::parse(certificate_file("revoked.crl")));
    const Authority peer(with_list);
    const auto old = refusal_of(Ends(expired, peer).attempt("expired.example.org"));
    CHECK(old.rule == Rule::certificate_refused);
    CHECK(old.why == kWho + "expired is refused: it expired on 2024-01-01; renew it");
    CHECK(refusal_of(Ends(revoked, peer).attempt("revoked.example.org")).why ==
          kWho + "revoked is refused: it was revoked by C=CH, O=Example, CN=Root p256; issue a new one");
    CHECK(refusal_of(Ends(weak, peer).attempt("sha1.example.org")).rule == Rule::certificate_refused);
    const Authority stranger{Credentials{}};
    CHECK(refusal_of(Ends(revoked, stranger).attempt("revoked.example.org")).why ==
          kWho + "revoked is refused: no authority is configured for this connection");
}

TEST_CASE("terms narrow the authorities, ask for lists and choose methods") {
    const Authority gateway(owning("gw-p256")), peer(trusting());
    Ends ends(gateway, peer);
    SECTION("the authority that is named") {
        ends.verifier_terms.authorities = {"C=CH, O=Example, CN=root P256"};
        CHECK(identity_of(ends.attempt("gw.example.org")) == "gw.example.org");
    }
    SECTION("another authority") {
        ends.verifier_terms.authorities = {"C=CH, O=Example, CN=Root ed25519"};
        CHECK(refusal_of(ends.attempt("gw.example.org")).rule == Rule::certificate_refused);
    }
    SECTION("a list is required") {
        ends.verifier_terms.require_revocation_list = true;
        CHECK(refusal_of(ends.attempt("gw.example.org")).why.find("there is no revocation list") !=
              std::string::npos);
    }
    SECTION("other methods of the peer") {
        ends.verifier_terms.theirs = {Method::shared_key, Method::raw_public_key};
        CHECK(refusal_of(ends.attempt("gw.example.org")).rule == Rule::unsupported_auth_method);
    }
    SECTION("another method of ours") {
        ends.prover_terms.ours = {Method::shared_key};
        CHECK(refusal_of(ends.attempt("gw.example.org")).rule == Rule::no_credential);
    }
}

TEST_CASE("a certificate goes before a shared key for the same identity, unless the terms say otherwise") {
    Credentials both = owning("gw-p256");
    const Bytes secret{1, 2, 3};
    both.shared_keys.push_back({IdentityPattern(), std::make_shared<const Secret>(Secret::copy_of(secret))});
    Credentials peer_of_both = trusting();
    peer_of_both.shared_keys = both.shared_keys;
    const Authority gateway(both), peer(peer_of_both);
    Ends ends(gateway, peer);
    CHECK(identity_of(ends.attempt("gw.example.org")) == "gw.example.org");
    CHECK(proof_in(ends.sent).method == wire::AuthMethod::digital_signature);
    CHECK(identity_of(ends.attempt("other.example.org")) == "other.example.org");
    CHECK(proof_in(ends.sent).method == wire::AuthMethod::shared_key);
    ends.prover_terms.ours = {Method::shared_key};
    CHECK(identity_of(ends.attempt("gw.example.org")) == "gw.example.org");
    CHECK(proof_in(ends.sent).method == wire::AuthMethod::shared_key);
}

TEST_CASE("CERTREQ names the authorities that are trusted, and chooses among our certificates") {
    crypto::Backend backend;
    const Authority gateway({.own_keys = {own("gw-rsa"), own("gw-p256"), own("gw-ed25519")},
                             .authorities = certificates(kRoots)});
    for (const auto& [authority, kind] :
         std::vector<std::pair<std::string, std::string>>{{"root-rsa3072", "gw-rsa"},
                                                          {"root-p256", "gw-p256"},
                                                          {"root-ed25519", "gw-ed25519"},
                                                          {"big-root", "gw-rsa"}}) {
        CAPTURE(authority);
        const Authority peer(trusting({authority}));
        Ends ends(gateway, peer);
        ends.requests = peer.authenticator({})->requests(backend);
        REQUIRE(ends.requests.size() == 1);
        const auto& request = std::get<wire::CertificateRequest>(ends.requests[0]);
        CHECK(request.encoding == wire::CertEncoding::x509_signature);
        CHECK(equal(request.authorities, certificates({authority})[0].key_hash()));
        ends.attempt("gw.example.org");
        CHECK(all<wire::Certificate>(ends.sent).at(0).data == certificates({kind})[0].der());
    }
    CHECK(Authority(trusting()).authenticator({})->requests(backend).size() == 1);
    CHECK(Authority(trusting()).authenticator({.theirs = {Method::shared_key}})->requests(backend).empty());
    CHECK(Authority(Credentials{}).authenticator({})->requests(backend).empty());
}

TEST_CASE("SHA-2 and the identity hash are announced, never SHA-1") {
    const auto notify = Authority(Credentials{}).authenticator({})->hash_algorithms();
    CHECK(notify.type == wire::NotifyType::signature_hash_algorithms);
    CHECK(notify.data == Bytes{0, 4, 0, 3, 0, 2, 0, 5});
}

TEST_CASE("a key that the peer cannot check gives way to another") {
    const Authority gateway({.own_keys = {own("gw-ed25519"), own("gw-p256")}});
    const Authority peer(trusting());
    Ends ends(gateway, peer);
    ends.prover_hears = {HashId::sha2_256};
    CHECK(identity_of(ends.attempt("gw.example.org")) == "gw.example.org");
    CHECK(all<wire::Certificate>(ends.sent).at(0).data == certificates({"gw-p256"})[0].der());
    const Authority only(owning("gw-ed25519"));
    Ends alone(only, peer);
    alone.prover_hears = {HashId::sha2_256};
    CHECK(refusal_of(alone.attempt("gw.example.org")).why ==
          "the peer does not know Ed25519 signatures (RFC 8420); use a key of RSA or ECDSA");
}

TEST_CASE("a peer that announces no hashes gets the older ECDSA methods") {
    const auto [name, method] = GENERATE(table<std::string, wire::AuthMethod>({
        {"gw-p256", wire::AuthMethod::ecdsa_256},
        {"gw-p384", wire::AuthMethod::ecdsa_384},
        {"gw-p521", wire::AuthMethod::ecdsa_521},
    }));
    const Authority gateway(owning(name)), peer(trusting());
    Ends ends(gateway, peer);
    ends.prover_hears = {};
    CHECK(identity_of(ends.attempt("gw.example.org")) == "gw.example.org");
    CHECK(proof_in(ends.sent).method == method);
    ends.tamper = [](std::vector<wire::Payload>& payloads) {
        auto& proof = proof_in(payloads);
        proof.method = proof.method == wire::AuthMethod::ecdsa_256 ? wire::AuthMethod::ecdsa_384
                                                                   : wire::AuthMethod::ecdsa_256;
    };
    CHECK(refusal_of(ends.attempt("gw.example.org")).rule == Rule::authentication_failed);
}

TEST_CASE("RSA with SHA-1 is neither made nor taken unless both ends' terms ask for it") {
    const Authority gateway(owning("gw-rsa")), peer(trusting());
    Ends ends(gateway, peer);
    ends.prover_hears = {HashId::sha1};
    const auto unmade = refusal_of(ends.attempt("gw.example.org"));
    CHECK(unmade.rule == Rule::no_credential);
    CHECK(unmade.why.find("SHA-1") != std::string::npos);
    ends.prover_terms.allow_sha1 = true;
    const auto untaken = refusal_of(ends.attempt("gw.example.org"));
    CHECK(untaken.rule == Rule::weak_signature);
    CHECK(untaken.why ==
          "C=CH, O=Example, CN=gw.example.org signs by RSA with SHA-1, which can be forged; enable "
          "signature authentication (RFC 7427) at the peer, or allow SHA-1 for it");
    ends.verifier_terms.allow_sha1 = true;
    CHECK(identity_of(ends.attempt("gw.example.org")) == "gw.example.org");
    CHECK(proof_in(ends.sent).method == wire::AuthMethod::rsa_signature);
    ends.transcript_seen = "another exchange";
    CHECK(refusal_of(ends.attempt("gw.example.org")).rule == Rule::authentication_failed);
}

namespace {

// What the owner of gw-rsa would put into AUTH, signed by an algorithm of our choice.
wire::Authentication labelled(const crypto::SignatureAlgorithm& algorithm) {
    SeededRandom random(1);
    const std::string_view transcript = "the exchange";
    Bytes octets(transcript.begin(), transcript.end());
    append(octets, wire::identification_body(id("gw.example.org").payload(true)));
    const Bytes identifier = crypto::algorithm_identifier(algorithm);
    wire::Authentication out{wire::AuthMethod::digital_signature,
                             {static_cast<std::uint8_t>(identifier.size())}};
    append(out.data, identifier);
    append(out.data, *key("gw-rsa")->sign(algorithm, octets, random));
    return out;
}

} // namespace

TEST_CASE("a signature of method 14 says by which algorithm it is made") {
    const Authority gateway(owning("gw-rsa")), peer(trusting());
    Ends ends(gateway, peer);
    wire::Authentication proof;
    ends.tamper = [&](std::vector<wire::Payload>& payloads) { proof_in(payloads) = proof; };
    const auto rule = [&] { return refusal_of(ends.attempt("gw.example.org")).rule; };
    using crypto::SignatureScheme;
    for (const HashId hash : {HashId::sha2_256, HashId::sha2_384, HashId::sha2_512}) {
        for (const auto scheme : {SignatureScheme::rsa_pkcs1, SignatureScheme::rsa_pss}) {
            proof = labelled({scheme, hash});
            CHECK(identity_of(ends.attempt("gw.example.org")) == "gw.example.org");
        }
    }
    // RFC 8247 3.2: not even where the terms allow it for method 1.
    ends.verifier_terms.allow_sha1 = true;
    proof = labelled({SignatureScheme::rsa_pkcs1, HashId::sha1});
    CHECK(rule() == Rule::weak_signature);
    proof = labelled({SignatureScheme::rsa_pss, HashId::sha1});
    CHECK(rule() == Rule::weak_signature);
    // A signature of one scheme that is labelled as the other's.
    proof = labelled({SignatureScheme::rsa_pkcs1, HashId::sha2_256});
    proof.data[13] = 0x0c; // SHA-384
    CHECK(rule() == Rule::authentication_failed);
    proof.data[13] = 0x04; // MD5
    CHECK(rule() == Rule::unsupported_auth_method);
    proof.data = {15, 0x30};
    CHECK(rule() == Rule::bad_authentication_payload);
    proof.data = {};
    CHECK(rule() == Rule::bad_authentication_payload);
    proof.method = wire::AuthMethod::dss_signature;
    CHECK(rule() == Rule::unsupported_auth_method);
    proof.method = wire::AuthMethod::null;
    CHECK(rule() == Rule::unsupported_auth_method);
}

TEST_CASE("RSASSA-PSS answers, but PKCS #1 1.5 to a peer that uses it") {
    const Authority gateway(owning("gw-rsa")), peer(trusting());
    Ends ends(gateway, peer);
    const auto algorithm = [&] {
        ends.attempt("gw.example.org");
        const View data = proof_in(ends.sent).data;
        return crypto::parse_algorithm_identifier(data.subspan(1, data[0]))->scheme;
    };
    CHECK(algorithm() == crypto::SignatureScheme::rsa_pss);
    ends.requests = {labelled({crypto::SignatureScheme::rsa_pkcs1, HashId::sha2_256})};
    CHECK(algorithm() == crypto::SignatureScheme::rsa_pkcs1);
    ends.requests = {labelled({crypto::SignatureScheme::rsa_pss, HashId::sha2_256})};
    CHECK(algorithm() == crypto::SignatureScheme::rsa_pss);
}

TEST_CASE("a peer sends a bounded number of certificates, its own first") {
    const Authority gateway(owning("gw-p256")), peer(trusting());
    Ends ends(gateway, peer);
    const auto adding = [&](std::size_t at, std::size_t count, Bytes data) {
        ends.tamper = [=](std::vector<wire::Payload>& payloads) {
            payloads.insert(payloads.begin() + static_cast<std::ptrdiff_t>(at), count,
                            wire::Certificate{wire::CertEncoding::x509_signature, data});
        };
        return ends.attempt("gw.example.org");
    };
    const Bytes other = certificates({"alice"})[0].der();
    CHECK(identity_of(adding(2, 7, other)) == "gw.example.org");
    CHECK(refusal_of(adding(2, 8, other)).rule == Rule::certificate_refused);
    CHECK(refusal_of(adding(1, 1, other)).rule == Rule::certificate_refused);
    CHECK(identity_of(adding(2, 1, Bytes{1, 2, 3})) == "gw.example.org");
    CHECK(refusal_of(adding(1, 1, Bytes{1, 2, 3})).why == "a certificate is not in DER");
}

TEST_CASE("a peer that sends no certificate is known by the one that is configured") {
    const Authority gateway(owning("gw-p256"));
    Credentials known = trusting();
    known.peer_certificates = certificates({"alice", "gw-p256"});
    const Authority peer(known), stranger(trusting());
    const auto attempt = [&](const Authority& verifier) {
        Ends ends(gateway, verifier);
        ends.tamper = [](std::vector<wire::Payload>& payloads) { payloads.erase(payloads.begin() + 1); };
        return ends.attempt("gw.example.org");
    };
    CHECK(identity_of(attempt(peer)) == "gw.example.org");
    CHECK(refusal_of(attempt(stranger)).rule == Rule::unknown_identity);
    known.authorities.clear(); // configured is not trusted
    CHECK(refusal_of(attempt(Authority(known))).rule == Rule::certificate_refused);
}

TEST_CASE("raw public keys stand for the identities that they are configured with") {
    const std::string name = GENERATE("gw-rsa", "gw-p384", "gw-ed25519");
    const Authority owner({.own_keys = {{key(name), {}, id("gw.example.org")}}});
    const auto knowing = [&](std::string_view pattern, const std::string& of) {
        return Credentials{.raw_keys = {{*IdentityPattern::parse(pattern), key("alice")->public_key()},
                                        {*IdentityPattern::parse(pattern), key(of)->public_key()}}};
    };
    const Authority peer(knowing("gw.example.org", name)), other(knowing("gw.example.org", "names"));
    const Authority elsewhere(knowing("other.example.org", name));
    Ends ends(owner, peer);
    CHECK(identity_of(ends.attempt("gw.example.org")) == "gw.example.org");
    CHECK(all<wire::Certificate>(ends.sent).empty());
    CHECK(refusal_of(ends.attempt("other.example.org")).rule == Rule::no_credential);
    CHECK(refusal_of(Ends(owner, other).attempt("gw.example.org")).rule == Rule::authentication_failed);
    CHECK(refusal_of(Ends(owner, elsewhere).attempt("gw.example.org")).rule == Rule::unknown_identity);
    ends.verifier_terms.theirs = {Method::certificate};
    CHECK(refusal_of(ends.attempt("gw.example.org")).rule == Rule::unknown_identity);
}

TEST_CASE("a raw public key is sent when it is asked for, and must be the one that is configured") {
    const Authority owner({.own_keys = {{key("gw-p256"), {}, std::nullopt}}});
    const Authority peer({.raw_keys = {{*IdentityPattern::parse("@#0a0b"), key("gw-p256")->public_key()}}});
    const Authority other({.raw_keys = {{IdentityPattern(), key("gw-p384")->public_key()}}});
    const auto attempt = [&](const Authority& verifier) {
        Ends ends(owner, verifier);
        ends.requests = {wire::CertificateRequest{wire::CertEncoding::raw_public_key, {}}};
        const auto verdict = ends.attempt("@#0a0b");
        CHECK(all<wire::Certificate>(ends.sent).at(0).encoding == wire::CertEncoding::raw_public_key);
        return verdict;
    };
    CHECK(identity_of(attempt(peer)) == "@#0a0b");
    const auto refusal = refusal_of(attempt(other));
    CHECK(refusal.rule == Rule::certificate_refused);
    CHECK(refusal.why ==
          "the raw public key that @#0a0b sends is not the one that is configured for it; compare both ends");
}

TEST_CASE("an authority knows the peers that certificates and raw keys could vouch for") {
    const Authority trusts(trusting());
    CHECK(trusts.knows({}, id("gw.example.org")));
    CHECK(trusts.knows({}, id("C=CH, CN=gw")));
    CHECK_FALSE(trusts.knows({}, id("@#01")));
    CHECK_FALSE(trusts.knows({.theirs = {Method::shared_key}}, id("gw.example.org")));
    const Authority raw({.raw_keys = {{*IdentityPattern::parse("@#01"), key("alice")->public_key()}}});
    CHECK(raw.knows({}, id("@#01")));
    CHECK_FALSE(raw.knows({}, id("@#02")));
    CHECK_FALSE(raw.knows({.theirs = {Method::certificate}}, id("@#01")));
}
