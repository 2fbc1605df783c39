#include "lib/auth/signature.h"

#include <algorithm>
#include <array>
#include <utility>

namespace sheaf::auth {
namespace {

using crypto::EcdsaForm;
using crypto::HashId;
using crypto::KeyKind;
using crypto::SignatureAlgorithm;
using crypto::SignatureScheme;
using wire::AuthMethod;

constexpr std::array kHashes{HashId::sha2_512, HashId::sha2_384, HashId::sha2_256, HashId::identity};

// A signature of method 14 taken apart (RFC 7427 3).
struct Labelled {
    View algorithm;
    View signature;
};

std::optional<Labelled> labelled(View data) {
    if (data.empty() || data.size() < 1U + data[0]) return std::nullopt;
    return Labelled{data.subspan(1, data[0]), data.subspan(1U + data[0])};
}

// RFC 4754 7: each old ECDSA method is one curve and one hash.
struct OldEcdsa {
    AuthMethod method;
    KeyKind kind;
    HashId hash;
};
constexpr std::array kOldEcdsa{OldEcdsa{AuthMethod::ecdsa_256, KeyKind::ecdsa_p256, HashId::sha2_256},
                               OldEcdsa{AuthMethod::ecdsa_384, KeyKind::ecdsa_p384, HashId::sha2_384},
                               OldEcdsa{AuthMethod::ecdsa_521, KeyKind::ecdsa_p521, HashId::sha2_512}};

bool announced(const Session& session, HashId hash) {
    return std::ranges::find(session.peer_hashes, hash) != session.peer_hashes.end();
}

// The hash that is as strong as the curve, if the peer takes it, else the strongest that it takes.
std::optional<HashId> hash_for(const Session& session, KeyKind kind) {
    if (kind == KeyKind::ed25519)
        return announced(session, HashId::identity) ? std::optional(HashId::identity) : std::nullopt;
    const auto old = std::ranges::find(kOldEcdsa, kind, &OldEcdsa::kind);
    if (old != kOldEcdsa.end() && announced(session, old->hash)) return old->hash;
    for (const HashId hash : kHashes)
        if (hash != HashId::identity && announced(session, hash)) return hash;
    return std::nullopt;
}

// Whether the peer itself signs by PKCS #1 1.5 in method 14; then it may know nothing else.
bool prefers_pkcs1(std::span<const wire::Payload> received) {
    for (const wire::Payload& payload : received) {
        const auto* proof = std::get_if<wire::Authentication>(&payload);
        if (!proof || proof->method != AuthMethod::digital_signature) continue;
        const auto parts = labelled(proof->data);
        const auto algorithm = parts ? crypto::parse_algorithm_identifier(parts->algorithm) : std::nullopt;
        return algorithm && algorithm->scheme == SignatureScheme::rsa_pkcs1;
    }
    return false;
}

// RFC 8247 3.2: with method 14 RSASSA-PSS is what everyone must know.
SignatureScheme scheme_for(KeyKind kind, std::span<const wire::Payload> received) {
    if (kind == KeyKind::ed25519) return SignatureScheme::ed25519;
    if (kind != KeyKind::rsa) return SignatureScheme::ecdsa;
    return prefers_pkcs1(received) ? SignatureScheme::rsa_pkcs1 : SignatureScheme::rsa_pss;
}

Refusal no_way(std::string why) { return {Rule::no_credential, std::move(why)}; }

std::expected<wire::Authentication, Refusal> sign_labelled(const Session& session,
                                                           const crypto::PrivateKey& key, View octets,
                                                           const SignatureAlgorithm& algorithm) {
    auto signature = key.sign(algorithm, octets, session.random);
    if (!signature) return std::unexpected(Refusal{Rule::internal, signature.error()});
    const Bytes identifier = crypto::algorithm_identifier(algorithm);
    wire::Authentication out{AuthMethod::digital_signature, {static_cast<std::uint8_t>(identifier.size())}};
    append(out.data, identifier);
    append(out.data, *signature);
    return out;
}

std::expected<wire::Authentication, Refusal> sign_old(const Session& session, const Terms& terms,
                                                      const crypto::PrivateKey& key, View octets) {
    const KeyKind kind = key.public_key().kind();
    if (kind == KeyKind::ed25519)
        return std::unexpected(
            no_way("the peer does not know Ed25519 signatures (RFC 8420); use a key of RSA or ECDSA"));
    if (kind == KeyKind::rsa && !terms.allow_sha1)
        return std::unexpected(
            no_way("the peer announces no hash for signatures (RFC 7427), and without one an RSA key "
                   "signs with SHA-1, which can be forged; use ECDSA, or allow SHA-1 for this peer"));
    const auto old = std::ranges::find(kOldEcdsa, kind, &OldEcdsa::kind);
    const auto algorithm = kind == KeyKind::rsa ? SignatureAlgorithm{SignatureScheme::rsa_pkcs1, HashId::sha1}
                                                : SignatureAlgorithm{SignatureScheme::ecdsa, old->hash};
    auto signature = key.sign(algorithm, octets, session.random, EcdsaForm::concatenated);
    if (!signature) return std::unexpected(Refusal{Rule::internal, signature.error()});
    return wire::Authentication{kind == KeyKind::rsa ? AuthMethod::rsa_signature : old->method,
                                *std::move(signature)};
}

Refusal mismatch(const std::string& owner, const crypto::PublicKey& key) {
    return {Rule::authentication_failed, "the signature is not made by " + owner + ", whose key is " +
                                             key.describe() + "; compare key and certificate at the peer"};
}

std::optional<Refusal> check_labelled(const crypto::PublicKey& key, View octets, View data,
                                      const std::string& owner) {
    const auto parts = labelled(data);
    if (!parts)
        return Refusal{Rule::bad_authentication_payload,
                       "the AUTH payload ends within its algorithm identifier"};
    const auto algorithm = crypto::parse_algorithm_identifier(parts->algorithm);
    if (!algorithm)
        return Refusal{
            Rule::unsupported_auth_method,
            owner + " signs by an algorithm that is not supported; use RSA, ECDSA or Ed25519 with SHA-2"};
    if (algorithm->hash == HashId::sha1)
        return Refusal{Rule::weak_signature, owner + " signs by " + describe(*algorithm) +
                                                 ", which can be forged; use SHA-2 at the peer"};
    if (key.verify(*algorithm, octets, parts->signature)) return std::nullopt;
    return mismatch(owner, key);
}

// RFC 7296 3.8 leaves the hash of method 1 open and names SHA-1 as the one to expect.
std::optional<Refusal> check_old_rsa(const Terms& terms, const crypto::PublicKey& key, View octets,
                                     View signature, const std::string& owner) {
    for (const HashId hash : {HashId::sha2_256, HashId::sha2_384, HashId::sha2_512})
        if (key.verify({SignatureScheme::rsa_pkcs1, hash}, octets, signature)) return std::nullopt;
    if (!key.verify({SignatureScheme::rsa_pkcs1, HashId::sha1}, octets, signature))
        return mismatch(owner, key);
    if (terms.allow_sha1) return std::nullopt;
    return Refusal{
        Rule::weak_signature,
        owner + " signs by RSA with SHA-1, which can be forged; enable signature authentication (RFC 7427) "
                "at the peer, or allow SHA-1 for it"};
}

} // namespace

std::span<const HashId> signature_hashes() { return kHashes; }

std::expected<wire::Authentication, Refusal> sign(const Session& session, const Terms& terms,
                                                  const crypto::PrivateKey& key, View octets,
                                                  std::span<const wire::Payload> received) {
    const KeyKind kind = key.public_key().kind();
    if (const auto hash = hash_for(session, kind))
        return sign_labelled(session, key, octets, {scheme_for(kind, received), *hash});
    return sign_old(session, terms, key, octets);
}

std::optional<Refusal> check_signature(const Terms& terms, const crypto::PublicKey& key, View octets,
                                       const wire::Authentication& proof, const std::string& owner) {
    if (proof.method == AuthMethod::digital_signature) return check_labelled(key, octets, proof.data, owner);
    if (proof.method == AuthMethod::rsa_signature)
        return check_old_rsa(terms, key, octets, proof.data, owner);
    const auto old = std::ranges::find(kOldEcdsa, proof.method, &OldEcdsa::method);
    if (old == kOldEcdsa.end())
        return Refusal{Rule::unsupported_auth_method,
                       owner + " authenticates by method " +
                           std::to_string(static_cast<unsigned>(proof.method)) +
                           ", which is not supported; use a signature or a shared key"};
    const bool genuine = key.kind() == old->kind && key.verify({SignatureScheme::ecdsa, old->hash}, octets,
                                                               proof.data, EcdsaForm::concatenated);
    if (genuine) return std::nullopt;
    return mismatch(owner, key);
}

} // namespace sheaf::auth
