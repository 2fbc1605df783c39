#include "lib/auth/peer_key.h"

#include <algorithm>
#include <utility>

namespace sheaf::auth {
namespace {

using crypto::Certificate;
using crypto::PublicKey;

// What the peer sent.
struct Sent {
    std::vector<Certificate> chain; // the peer's own first
    std::vector<PublicKey> raw;
};

Refusal untrusted(std::string why) { return {Rule::certificate_refused, std::move(why)}; }

std::expected<Sent, Refusal> read(std::span<const wire::Payload> received) {
    Sent out;
    std::size_t count = 0;
    for (const wire::Payload& payload : received) {
        const auto* sent = std::get_if<wire::Certificate>(&payload);
        if (!sent) continue;
        if (++count > kMaxPeerCertificates)
            return std::unexpected(
                untrusted("the peer sends more than " + std::to_string(kMaxPeerCertificates) +
                          " certificates; let it send its own and the intermediates alone"));
        if (sent->encoding == wire::CertEncoding::x509_signature) {
            auto certificate = Certificate::parse(sent->data);
            if (certificate) {
                out.chain.push_back(*std::move(certificate));
            } else if (
                out.chain.empty()) { // RFC 7296 3.6: the first is the one that signs; others may be of no use
                return std::unexpected(untrusted(certificate.error()));
            }
        } else if (sent->encoding == wire::CertEncoding::raw_public_key) {
            auto key = PublicKey::parse(sent->data);
            if (!key)
                return std::unexpected(untrusted("the peer's raw public key is refused: " + key.error()));
            out.raw.push_back(*std::move(key));
        }
    }
    return out;
}

std::vector<PublicKey> configured_keys(const Stock& stock, const Identity& peer) {
    std::vector<PublicKey> out;
    for (const RawKey& raw : stock.credentials().raw_keys)
        if (raw.peer.matches(peer) && out.size() < kMaxPeerKeys) out.push_back(raw.key);
    return out;
}

// RFC 7670 4: a raw key is worth what is known of it beforehand.
std::expected<PeerKeys, Refusal> by_raw_key(const Identity& peer, std::vector<PublicKey> configured,
                                            const std::vector<PublicKey>& sent) {
    if (!sent.empty()) {
        if (std::ranges::find(configured, sent.front()) == configured.end())
            return std::unexpected(
                untrusted("the raw public key that " + peer.to_string() +
                          " sends is not the one that is configured for it; compare both ends"));
        configured = {sent.front()};
    }
    return PeerKeys{peer, std::move(configured), peer.to_string()};
}

std::string names_of(const Certificate& certificate) {
    std::string out;
    const auto add = [&](const std::string& name) { out += (out.empty() ? "" : ", ") + name; };
    for (const std::string& name : certificate.names().dns)
        add(name);
    for (const std::string& name : certificate.names().mail)
        add(name);
    for (const IpAddress& address : certificate.names().addresses)
        add(address.to_string());
    constexpr std::size_t kEnough = 200; // of a text that the peer may have made long
    if (out.size() > kEnough) out = out.substr(0, kEnough) + "...";
    for (char& c : out)
        if (c < ' ' || c > '~') c = '?';
    return out.empty() ? "nothing but its subject" : out;
}

std::expected<PeerKeys, Refusal> by_certificate(const Stock& stock, const Terms& terms, WallTime now,
                                                const Identity& peer, std::vector<Certificate> chain) {
    const Certificate own = chain.front();
    if (!names_identity(own, peer))
        return std::unexpected(
            untrusted("the certificate of " + own.subject() + " is refused: it does not name " +
                      peer.to_string() + " but " + names_of(own) +
                      "; issue it with this subjectAltName, or let the peer use an identity of it"));
    const auto anchors = authorities(stock, terms);
    if (anchors.empty())
        return std::unexpected(untrusted("the certificate of " + own.subject() +
                                         " is refused: no authority is configured for this connection"));
    for (const Certificate& intermediate : stock.credentials().intermediates)
        chain.push_back(intermediate);
    const auto anchor = verify_chain(chain, anchors, stock.credentials().revocations,
                                     {.now = now, .require_revocation_list = terms.require_revocation_list});
    if (!anchor) return std::unexpected(untrusted(anchor.error()));
    Identity identity = peer;
    if (peer.type == wire::IdType::der_asn1_dn) identity.data = own.names().subject; // one name, one encoding
    return PeerKeys{std::move(identity), {own.public_key()}, own.subject()};
}

const Certificate* configured_certificate(const Stock& stock, const Identity& peer) {
    const auto& known = stock.credentials().peer_certificates;
    const auto found = std::ranges::find_if(
        known, [&](const Certificate& certificate) { return names_identity(certificate, peer); });
    return found == known.end() ? nullptr : &*found;
}

} // namespace

std::expected<PeerKeys, Refusal> peer_keys(const Stock& stock, const Terms& terms, WallTime now,
                                           const Identity& peer, std::span<const wire::Payload> received) {
    const bool certificates = allows(terms.theirs, Method::certificate);
    auto sent = read(received);
    if (!sent) return std::unexpected(sent.error());
    auto configured = allows(terms.theirs, Method::raw_public_key) ? configured_keys(stock, peer)
                                                                   : std::vector<PublicKey>();
    const bool trusts = !stock.credentials().authorities.empty() || configured.empty();
    if (certificates && trusts && !sent->chain.empty())
        return by_certificate(stock, terms, now, peer, std::move(sent->chain));
    if (!configured.empty()) return by_raw_key(peer, std::move(configured), sent->raw);
    if (const auto* known = configured_certificate(stock, peer); certificates && known)
        return by_certificate(stock, terms, now, peer, {*known});
    if (!certificates && !sent->chain.empty())
        return std::unexpected(Refusal{Rule::unsupported_auth_method,
                                       peer.to_string() +
                                           " proves itself by a certificate, which this connection does "
                                           "not allow"});
    return std::unexpected(
        Refusal{Rule::unknown_identity, peer.to_string() +
                                            " sends no certificate and none is configured for it, nor a raw "
                                            "public key; let the peer send one, or configure it"});
}

bool has_peer_keys(const Stock& stock, const Terms& terms, const Identity& peer) {
    if (allows(terms.theirs, Method::raw_public_key) && !configured_keys(stock, peer).empty()) return true;
    const bool nameable = peer.type != wire::IdType::key_id && peer.type != wire::IdType::null &&
                          peer.type != wire::IdType::der_asn1_gn;
    return nameable && allows(terms.theirs, Method::certificate) && !authorities(stock, terms).empty();
}

} // namespace sheaf::auth
