#include "lib/auth/authenticator.h"
#include "lib/auth/shared_key.h"
#include "lib/wire/codec.h"

#include <algorithm>
#include <array>
#include <utility>

namespace sheaf::auth {
namespace {

// RFC 7427 4, RFC 8420 2: what we verify, strongest first.
constexpr std::array kHashes{crypto::HashId::sha2_512, crypto::HashId::sha2_384, crypto::HashId::sha2_256,
                             crypto::HashId::identity};

// An empty list of methods leaves the choice to the credentials.
bool allows(const std::vector<Method>& methods, Method method) {
    return methods.empty() || std::ranges::find(methods, method) != methods.end();
}

// RFC 7296 2.16: an initiator that sends no AUTH payload wants to be authenticated by EAP.
std::expected<const wire::Authentication*, Refusal> single_proof(std::span<const wire::Payload> payloads,
                                                                 bool we_initiate) {
    const wire::Authentication* found = nullptr;
    for (const wire::Payload& payload : payloads) {
        const auto* proof = std::get_if<wire::Authentication>(&payload);
        if (!proof) continue;
        if (found)
            return std::unexpected(Refusal{Rule::duplicate_payload, "the peer sends two AUTH payloads"});
        found = proof;
    }
    if (found) return found;
    if (we_initiate) return std::unexpected(Refusal{Rule::missing_payload, "the peer sends no AUTH payload"});
    return std::unexpected(
        Refusal{Rule::unsupported_auth_method,
                "the peer sends no AUTH payload, which asks for EAP; configure a shared key, a "
                "certificate or a raw public key at the peer"});
}

} // namespace

struct Authority::Parts {
    explicit Parts(Credentials given) : credentials(std::move(given)), shared_keys(credentials.shared_keys) {}

    Credentials credentials;
    KeyRing shared_keys;
};

namespace {

class ByTerms final : public Authenticator {
  public:
    ByTerms(const Credentials& credentials, const KeyRing& shared_keys, Terms terms)
        : credentials_(credentials), shared_keys_(shared_keys), terms_(std::move(terms)) {}

    std::vector<wire::Payload> requests(crypto::Backend& backend) const override;
    wire::Notify hash_algorithms() const override;
    std::expected<std::vector<wire::Payload>, Refusal>
    prove(const Session& session, const Identity& local, const std::optional<Identity>& peer,
          std::span<const wire::Payload> received) override;
    Verdict verify(const Session& session, const wire::Identification& claimed,
                   std::span<const wire::Payload> received) override;

  private:
    std::expected<wire::Authentication, Refusal>
    prove_by_shared_key(const Session& session, View octets, const Identity& local,
                        const std::optional<Identity>& peer) const;
    Verdict verify_by_shared_key(const Session& session, View octets, Identity peer,
                                 const wire::Authentication& proof) const;

    const Credentials& credentials_;
    const KeyRing& shared_keys_;
    Terms terms_;
};

std::vector<wire::Payload> ByTerms::requests(crypto::Backend&) const { return {}; }

wire::Notify ByTerms::hash_algorithms() const {
    wire::Notify out{.type = wire::NotifyType::signature_hash_algorithms};
    for (const crypto::HashId hash : kHashes) {
        out.data.push_back(0);
        out.data.push_back(static_cast<std::uint8_t>(hash));
    }
    return out;
}

std::expected<wire::Authentication, Refusal>
ByTerms::prove_by_shared_key(const Session& session, View octets, const Identity& local,
                             const std::optional<Identity>& peer) const {
    if (!allows(terms_.ours, Method::shared_key)) {
        return std::unexpected(
            Refusal{Rule::no_credential, "there is no certificate or raw public key for our identity " +
                                             local.to_string() + "; configure one, or allow a shared key"});
    }
    if (!peer) {
        return std::unexpected(Refusal{
            Rule::no_credential, "no shared key can be chosen for a peer whose identity is not known; name "
                                 "the one identity that the peer has"});
    }
    const Secret* key = shared_keys_.find(*peer);
    if (!key) {
        return std::unexpected(
            Refusal{Rule::no_credential, "there is no credential for our identity " + local.to_string() +
                                             ", nor a shared key with " + peer->to_string() +
                                             "; configure one of them"});
    }
    return prove_shared_key(session.backend, session.prf, key->view(), octets);
}

std::expected<std::vector<wire::Payload>, Refusal> ByTerms::prove(const Session& session,
                                                                  const Identity& local,
                                                                  const std::optional<Identity>& peer,
                                                                  std::span<const wire::Payload>) {
    const wire::Identification id = local.payload(session.initiator);
    const Bytes octets = session.our_octets(wire::identification_body(id));
    auto proof = prove_by_shared_key(session, octets, local, peer);
    if (!proof) return std::unexpected(std::move(proof).error());
    return std::vector<wire::Payload>{id, *std::move(proof)};
}

Verdict ByTerms::verify_by_shared_key(const Session& session, View octets, Identity peer,
                                      const wire::Authentication& proof) const {
    if (!allows(terms_.theirs, Method::shared_key)) {
        return Refusal{Rule::unsupported_auth_method,
                       peer.to_string() +
                           " proves itself by a shared key, which this connection does not allow"};
    }
    const Secret* key = shared_keys_.find(peer);
    if (!key) {
        return Refusal{Rule::unknown_identity, "there is no shared key for " + peer.to_string() +
                                                   "; configure one for this identity"};
    }
    auto verified = verify_shared_key(session.backend, session.prf, key->view(), octets, peer, proof);
    if (verified) return *std::move(verified);
    return Refusal{verified.error(),
                   "the shared key of " + peer.to_string() + " is not ours; compare the secret at both ends"};
}

Verdict ByTerms::verify(const Session& session, const wire::Identification& claimed,
                        std::span<const wire::Payload> received) {
    const auto proof = single_proof(received, session.initiator);
    if (!proof) return proof.error();
    const Bytes octets = session.peer_octets(wire::identification_body(claimed));
    Identity peer = Identity::from(claimed);
    if ((*proof)->method == wire::AuthMethod::shared_key)
        return verify_by_shared_key(session, octets, std::move(peer), **proof);
    return Refusal{Rule::unsupported_auth_method,
                   peer.to_string() + " authenticates by method " +
                       std::to_string(static_cast<unsigned>((*proof)->method)) + ", which is not supported"};
}

} // namespace

Authority::Authority(Credentials credentials) : parts_(std::make_unique<Parts>(std::move(credentials))) {}
Authority::~Authority() = default;

std::unique_ptr<Authenticator> Authority::authenticator(const Terms& terms) const {
    return std::make_unique<ByTerms>(parts_->credentials, parts_->shared_keys, terms);
}

bool Authority::knows(const Terms& terms, const Identity& peer) const {
    return allows(terms.theirs, Method::shared_key) && parts_->shared_keys.find(peer) != nullptr;
}

} // namespace sheaf::auth
