#include "lib/auth/stock.h"

#include "lib/base/ip.h"
#include "lib/crypto/distinguished_name.h"

#include <string_view>
#include <utility>

namespace sheaf::auth {
namespace {

const crypto::Certificate* issuer_of(const crypto::Certificate& certificate,
                                     const std::vector<crypto::Certificate>& among) {
    const auto issuer = std::ranges::find_if(among, [&](const crypto::Certificate& c) {
        return !(c == certificate) && issued_by(certificate, c);
    });
    return issuer == among.end() ? nullptr : &*issuer;
}

bool contains(const std::vector<crypto::Certificate>& list, const crypto::Certificate& certificate) {
    return std::ranges::find(list, certificate) != list.end();
}

// RFC 7296 3.6: the peer needs what it cannot know; the authority itself it must have.
ReadyKey ready(const OwnKey& own, const Credentials& credentials) {
    ReadyKey out{.own = &own};
    for (const crypto::Certificate& certificate : own.chain) {
        const bool self_signed = issued_by(certificate, certificate);
        if (out.sent.empty() || !self_signed) out.sent.push_back(certificate);
        out.authorities.push_back(certificate.key_hash());
    }
    while (!out.sent.empty() && out.sent.size() < crypto::kMaxChain) {
        const crypto::Certificate& last = out.sent.back();
        if (const auto* authority = issuer_of(last, credentials.authorities)) {
            out.authorities.push_back(authority->key_hash());
            break;
        }
        const auto* next = issuer_of(last, credentials.intermediates);
        if (!next || contains(out.sent, *next)) break;
        out.authorities.push_back(next->key_hash());
        out.sent.push_back(*next);
    }
    return out;
}

// A wildcard in a certificate is not a name of anyone, so nobody may claim it word by word either.
bool holds(const std::vector<std::string>& names, const Bytes& name) {
    const std::string_view text(reinterpret_cast<const char*>(name.data()), name.size());
    return text.find('*') == text.npos && std::ranges::find(names, text) != names.end();
}

bool named(const crypto::Certificate& authority, const std::vector<std::string>& subjects) {
    return std::ranges::any_of(subjects, [&](const std::string& subject) {
        const auto name = crypto::name_from_text(subject);
        return name && crypto::same_name(*name, authority.names().subject);
    });
}

} // namespace

Stock::Stock(Credentials credentials)
    : credentials_(std::move(credentials)), shared_keys_(credentials_.shared_keys) {
    for (const OwnKey& own : credentials_.own_keys)
        own_keys_.push_back(ready(own, credentials_));
}

bool names_identity(const crypto::Certificate& certificate, const Identity& identity) {
    const crypto::CertificateNames& names = certificate.names();
    switch (identity.type) {
    case wire::IdType::ipv4_addr:
    case wire::IdType::ipv6_addr: {
        const auto address = IpAddress::from_bytes(identity.data);
        return address && std::ranges::find(names.addresses, *address) != names.addresses.end();
    }
    case wire::IdType::fqdn: return holds(names.dns, identity.data);
    case wire::IdType::rfc822_addr: return holds(names.mail, identity.data);
    case wire::IdType::der_asn1_dn: return crypto::same_name(names.subject, identity.data);
    case wire::IdType::der_asn1_gn:
    case wire::IdType::key_id:
    case wire::IdType::null: break;
    }
    return false;
}

std::vector<crypto::Certificate> authorities(const Stock& stock, const Terms& terms) {
    std::vector<crypto::Certificate> out;
    for (const crypto::Certificate& authority : stock.credentials().authorities)
        if (terms.authorities.empty() || named(authority, terms.authorities)) out.push_back(authority);
    return out;
}

} // namespace sheaf::auth
