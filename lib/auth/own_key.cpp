#include "lib/auth/own_key.h"

#include <algorithm>

namespace sheaf::auth {
namespace {

bool is_asked_for(const ReadyKey& key, std::span<const wire::Payload> received) {
    for (const wire::Payload& payload : received) {
        const auto* request = std::get_if<wire::CertificateRequest>(&payload);
        if (!request) continue;
        if (key.own->chain.empty()) {
            if (request->encoding == wire::CertEncoding::raw_public_key) return true;
            continue;
        }
        if (request->encoding != wire::CertEncoding::x509_signature) continue;
        View hashes = request->authorities;
        for (; hashes.size() >= std::tuple_size_v<KeyHash>;
             hashes = hashes.subspan(std::tuple_size_v<KeyHash>)) {
            const View hash = hashes.first(std::tuple_size_v<KeyHash>);
            if (std::ranges::any_of(key.authorities, [&](const KeyHash& ours) { return equal(ours, hash); }))
                return true;
        }
    }
    return false;
}

bool stands_for(const ReadyKey& key, const Identity& local) {
    if (!key.own->chain.empty()) return names_identity(key.own->chain.front(), local);
    return !key.own->identity || same_identity(*key.own->identity, local);
}

} // namespace

std::vector<const ReadyKey*> keys_for(const Stock& stock, const Terms& terms, const Identity& local,
                                      std::span<const wire::Payload> received) {
    std::vector<const ReadyKey*> out;
    for (const ReadyKey& key : stock.own_keys()) {
        const Method method = key.own->chain.empty() ? Method::raw_public_key : Method::certificate;
        if (allows(terms.ours, method) && stands_for(key, local)) out.push_back(&key);
    }
    std::ranges::stable_partition(out, [&](const ReadyKey* key) { return is_asked_for(*key, received); });
    return out;
}

wire::Identification own_identification(const ReadyKey& key, const Identity& local, bool initiator) {
    wire::Identification out = local.payload(initiator);
    if (local.type == wire::IdType::der_asn1_dn && !key.own->chain.empty())
        out.data = key.own->chain.front().names().subject;
    return out;
}

std::vector<wire::Payload> own_certificates(const ReadyKey& key, std::span<const wire::Payload> received) {
    std::vector<wire::Payload> out;
    for (const crypto::Certificate& certificate : key.sent)
        out.emplace_back(wire::Certificate{wire::CertEncoding::x509_signature, certificate.der()});
    if (key.own->chain.empty() && is_asked_for(key, received))
        out.emplace_back(
            wire::Certificate{wire::CertEncoding::raw_public_key, key.own->key->public_key().spki()});
    return out;
}

} // namespace sheaf::auth
