#include "lib/auth/authenticator.h"
#include "lib/auth/own_key.h"
#include "lib/auth/peer_key.h"
#include "lib/auth/shared_key.h"
#include "lib/auth/signature.h"
#include "lib/auth/stock.h"
#include "lib/auth/verifier.h"
#include "lib/wire/codec.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace sheaf::auth {
namespace {

// Authorities that a CERTREQ names; more would take a datagram of their own.
constexpr std::size_t kMaxRequested = 48;

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
    Stock stock;
};

namespace {

class ByTerms final : public Authenticator {
  public:
    ByTerms(const Stock& stock, Terms terms) : stock_(stock), terms_(std::move(terms)) {}

    std::vector<wire::Payload> requests(crypto::Backend& backend) const override;
    wire::Notify hash_algorithms() const override;
    std::expected<std::vector<wire::Payload>, Refusal>
    prove(const Session& session, const Identity& local, const std::optional<Identity>& peer,
          std::span<const wire::Payload> received) override;
    Verdict verify(const Session& session, const wire::Identification& claimed,
                   std::span<const wire::Payload> received) override;

  private:
    using Payloads = std::expected<std::vector<wire::Payload>, Refusal>;
    Payloads prove_by_key(const Session& session, const ReadyKey& key, const Identity& local,
                          std::span<const wire::Payload> received) const;
    Payloads prove_by_shared_key(const Session& session, const Identity& local,
                                 const std::optional<Identity>& peer) const;
    Verdict verify_by_key(const Session& session, View octets, const Identity& peer,
                          const wire::Authentication& proof, std::span<const wire::Payload> received) const;
    Verdict verify_by_shared_key(const Session& session, View octets, Identity peer,
                                 const wire::Authentication& proof) const;

    const Stock& stock_;
    Terms terms_;
};

std::vector<wire::Payload> ByTerms::requests(crypto::Backend&) const {
    if (!allows(terms_.theirs, Method::certificate)) return {};
    wire::CertificateRequest request{.encoding = wire::CertEncoding::x509_signature};
    for (const crypto::Certificate& authority : authorities(stock_, terms_)) {
        if (request.authorities.size() == kMaxRequested * std::tuple_size_v<KeyHash>) break;
        append(request.authorities, authority.key_hash());
    }
    if (request.authorities.empty()) return {};
    return {std::move(request)};
}

wire::Notify ByTerms::hash_algorithms() const {
    wire::Notify out{.type = wire::NotifyType::signature_hash_algorithms};
    for (const crypto::HashId hash : signature_hashes()) {
        out.data.push_back(0);
        out.data.push_back(static_cast<std::uint8_t>(hash));
    }
    return out;
}

ByTerms::Payloads ByTerms::prove_by_key(const Session& session, const ReadyKey& key, const Identity& local,
                                        std::span<const wire::Payload> received) const {
    const wire::Identification id = own_identification(key, local, session.initiator);
    const Bytes octets = session.our_octets(wire::identification_body(id));
    auto proof = sign(session, terms_, *key.own->key, octets, received);
    if (!proof) return std::unexpected(std::move(proof).error());
    std::vector<wire::Payload> out{id};
    std::ranges::move(own_certificates(key, received), std::back_inserter(out));
    out.emplace_back(*std::move(proof));
    return out;
}

ByTerms::Payloads ByTerms::prove_by_shared_key(const Session& session, const Identity& local,
                                               const std::optional<Identity>& peer) const {
    const auto refuse = [](std::string why) {
        return std::unexpected(Refusal{Rule::no_credential, std::move(why)});
    };
    if (!allows(terms_.ours, Method::shared_key))
        return refuse("there is no certificate or raw public key for our identity " + local.to_string() +
                      "; configure one, or allow a shared key");
    if (!peer)
        return refuse(
            "no shared key can be chosen for a peer whose identity is not known; name the one identity "
            "that the peer has");
    const Secret* key = stock_.shared_keys().find(*peer);
    if (!key)
        return refuse("there is no credential for our identity " + local.to_string() +
                      ", nor a shared key with " + peer->to_string() + "; configure one of them");
    const wire::Identification id = local.payload(session.initiator);
    const Bytes octets = session.our_octets(wire::identification_body(id));
    return std::vector<wire::Payload>{id,
                                      prove_shared_key(session.backend, session.prf, key->view(), octets)};
}

ByTerms::Payloads ByTerms::prove(const Session& session, const Identity& local,
                                 const std::optional<Identity>& peer,
                                 std::span<const wire::Payload> received) {
    std::optional<Refusal> first;
    for (const ReadyKey* key : keys_for(stock_, terms_, local, received)) {
        auto payloads = prove_by_key(session, *key, local, received);
        if (payloads) return payloads;
        if (!first) first = payloads.error();
    }
    auto payloads = prove_by_shared_key(session, local, peer);
    if (!payloads && first) return std::unexpected(*first); // says more than that there is no shared key
    return payloads;
}

Verdict ByTerms::verify_by_key(const Session& session, View octets, const Identity& peer,
                               const wire::Authentication& proof,
                               std::span<const wire::Payload> received) const {
    auto known = peer_keys(stock_, terms_, session.now, peer, received);
    if (!known) return known.error();
    std::optional<Refusal> refusal;
    for (const crypto::PublicKey& key : known->keys) {
        refusal = check_signature(terms_, key, octets, proof, known->owner);
        if (!refusal) return Verifier::vouch(std::move(known->identity));
    }
    return *refusal;
}

Verdict ByTerms::verify_by_shared_key(const Session& session, View octets, Identity peer,
                                      const wire::Authentication& proof) const {
    if (!allows(terms_.theirs, Method::shared_key)) {
        return Refusal{Rule::unsupported_auth_method,
                       peer.to_string() +
                           " proves itself by a shared key, which this connection does not allow"};
    }
    const Secret* key = stock_.shared_keys().find(peer);
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
    return verify_by_key(session, octets, peer, **proof, received);
}

} // namespace

Authority::Authority(Credentials credentials) : parts_(new Parts{Stock(std::move(credentials))}) {}
Authority::~Authority() = default;

std::unique_ptr<Authenticator> Authority::authenticator(const Terms& terms) const {
    return std::make_unique<ByTerms>(parts_->stock, terms);
}

bool Authority::knows(const Terms& terms, const Identity& peer) const {
    if (allows(terms.theirs, Method::shared_key) && parts_->stock.shared_keys().find(peer)) return true;
    return has_peer_keys(parts_->stock, terms, peer);
}

} // namespace sheaf::auth
