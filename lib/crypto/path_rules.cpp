// What RFC 5280 6.1 and RFC 4945 5.1 ask of each certificate of a path.

#include "lib/crypto/certificate_parts.h"
#include "lib/crypto/distinguished_name.h"
#include "lib/crypto/public_key_parts.h"

#include <botan/oids.h>
#include <botan/pk_keys.h>
#include <botan/pkix_types.h>
#include <botan/x509_crl.h>
#include <botan/x509_ext.h>
#include <botan/x509cert.h>

#include <algorithm>
#include <array>

namespace sheaf::crypto {
namespace {

using Path = std::span<const Certificate* const>;
using Broken = std::optional<std::string>;

// RFC 5280 4.2: what a critical extension may be. Policies stand here because we ask for none (6.1.1 (c)),
// and distribution points because lists come from files.
const std::array kUnderstood{
    Botan::OID{2, 5, 29, 15}, // key usage
    Botan::OID{2, 5, 29, 17}, // subject alternative name
    Botan::OID{2, 5, 29, 19}, // basic constraints
    Botan::OID{2, 5, 29, 30}, // name constraints
    Botan::OID{2, 5, 29, 31}, // CRL distribution points
    Botan::OID{2, 5, 29, 32}, // certificate policies
    Botan::OID{2, 5, 29, 37}, // extended key usage
};

// RFC 4945 5.1.3.12, RFC 5280 4.2.1.12
const std::array kPurposes{
    Botan::OID{2, 5, 29, 37, 0},            // any
    Botan::OID{1, 3, 6, 1, 5, 5, 7, 3, 17}, // ipsecIKE
    Botan::OID{1, 3, 6, 1, 5, 5, 7, 3, 1},  // serverAuth
    Botan::OID{1, 3, 6, 1, 5, 5, 7, 3, 2},  // clientAuth
    Botan::OID{1, 3, 6, 1, 5, 5, 7, 3, 5},  // ipsecEndSystem
    Botan::OID{1, 3, 6, 1, 5, 5, 7, 3, 6},  // ipsecTunnel
    Botan::OID{1, 3, 6, 1, 5, 5, 7, 3, 7},  // ipsecUser
    Botan::OID{1, 3, 6, 1, 5, 5, 8, 2, 2},  // iKEIntermediate
};

template <typename List>
bool holds(const List& list, const Botan::OID& oid) {
    return std::ranges::find(list, oid) != list.end();
}

Broken validity(const Certificate::Parts& parts, WallTime now) {
    if (now > parts.until) return "it expired on " + date(parts.until) + "; renew it";
    if (now < parts.from)
        return "it is valid only from " + date(parts.from) + "; compare the clocks, or wait until then";
    return std::nullopt;
}

Broken critical_extensions(const Certificate::Parts& parts) {
    const Botan::Extensions& extensions = parts.x509->v3_extensions();
    for (const Botan::OID& oid : extensions.get_extension_oids()) {
        if (extensions.critical_extension_set(oid) && !holds(kUnderstood, oid))
            return "its critical extension " + oid.to_string() + " is not understood here; issue it without";
    }
    return std::nullopt;
}

Broken usage_of_end(const Botan::X509_Certificate& x509) {
    const auto usage = x509.constraints();
    const bool signs = (usage & (Botan::DIGITAL_SIGNATURE | Botan::NON_REPUDIATION)) != 0;
    if (usage != Botan::NO_CONSTRAINTS && !signs)
        return "its key usage does not allow to sign; issue it with digitalSignature";
    const auto& purposes = x509.extended_key_usage();
    const bool fits =
        std::ranges::any_of(purposes, [](const Botan::OID& oid) { return holds(kPurposes, oid); });
    if (!purposes.empty() && !fits)
        return "its extended key usage names no purpose that fits IKE; issue it with ipsecIKE, serverAuth or "
               "clientAuth";
    return std::nullopt;
}

// `below`: how many intermediates stand between this one and the end certificate.
Broken usage_of_authority(const Botan::X509_Certificate& x509, std::size_t below) {
    const auto usage = x509.constraints();
    if (usage != Botan::NO_CONSTRAINTS && (usage & Botan::KEY_CERT_SIGN) == 0)
        return "its key usage does not allow to issue certificates; issue it with keyCertSign";
    if (!x509.is_CA_cert())
        return "it issues certificates and is no authority; issue it with basicConstraints CA:true";
    const bool limited = x509.v3_extensions().extension_set(Botan::OID{2, 5, 29, 19});
    if (limited && below > x509.path_limit())
        return "it allows " + std::to_string(x509.path_limit()) + " intermediates below it and there are " +
               std::to_string(below) + "; issue the chain with fewer, or with a longer path length";
    return std::nullopt;
}

Broken names_below(Path path, std::size_t index) {
    const auto& limits = path[index]->parts().limits;
    if (!limits) return std::nullopt;
    for (std::size_t i = 0; i < index; ++i) {
        const Certificate::Parts& below = path[i]->parts();
        if (const auto name = name_beyond(*limits, below.all_names, below.names.subject))
            return refused(*path[i], "its name " + *name + " is beyond the name constraints of " +
                                         path[index]->subject() + "; issue it within them");
    }
    return std::nullopt;
}

bool may_sign_lists(const Botan::X509_Certificate& issuer) {
    const auto usage = issuer.constraints();
    return usage == Botan::NO_CONSTRAINTS || (usage & Botan::CRL_SIGN) != 0;
}

// A list that is the issuer's and signed by it.
bool speaks_for(const RevocationList::Parts& list, const Certificate& issuer) {
    if (!same_name(list.issuer_dn, issuer.names().subject)) return false;
    if (!may_sign_lists(*issuer.parts().x509) || !strongly_signed(*list.x509)) return false;
    return list.x509->check_signature(*issuer.public_key().parts().key);
}

// An old list still tells who was revoked; it does not tell that others are not.
Broken revocation(const Certificate& certificate, const Certificate& issuer,
                  std::span<const RevocationList> revocations, const ChainRules& rules) {
    bool current = false;
    std::optional<WallTime> ended;
    for (const RevocationList& revocation : revocations) {
        const RevocationList::Parts& list = revocation.parts();
        if (!speaks_for(list, issuer)) continue;
        if (list.serials.contains(certificate.parts().x509->serial_number()))
            return "it was revoked by " + issuer.subject() + "; issue a new one";
        if (list.from <= rules.now && rules.now <= list.until) current = true;
        if (rules.now > list.until) ended = std::max(ended.value_or(list.until), list.until);
    }
    if (current || !rules.require_revocation_list) return std::nullopt;
    if (ended)
        return "the revocation list of " + issuer.subject() + " ended on " + date(*ended) +
               "; fetch a new one";
    return "there is no revocation list of " + issuer.subject() + "; configure one, or do not require it";
}

Broken broken_by(Path path, std::size_t index, std::span<const RevocationList> revocations,
                 const ChainRules& rules) {
    const Certificate& certificate = *path[index];
    const Certificate::Parts& parts = certificate.parts();
    const bool is_anchor = index + 1 == path.size();
    if (auto broken = validity(parts, rules.now)) return broken;
    if (auto broken = critical_extensions(parts)) return broken;
    if (auto broken = index == 0 ? usage_of_end(*parts.x509) : usage_of_authority(*parts.x509, index - 1))
        return broken;
    if (is_anchor) return std::nullopt; // trusted for itself, whatever signed it
    if (!strongly_signed(*parts.x509))
        return "it is signed with a hash that can be forged (" +
               parts.x509->signature_algorithm().get_oid().to_formatted_string() +
               "); issue it with SHA-256 or better";
    return revocation(certificate, *path[index + 1], revocations, rules);
}

} // namespace

bool strongly_signed(const Botan::X509_Object& object) {
    const std::string algorithm = object.signature_algorithm().get_oid().to_formatted_string();
    if (algorithm == "Ed25519") return true;
    try {
        const std::string hash = object.hash_used_for_signature();
        return hash == "SHA-256" || hash == "SHA-384" || hash == "SHA-512";
    } catch (const std::exception&) {
        return false;
    }
}

std::string refused(const Certificate& certificate, const std::string& why) {
    return "the certificate of " + certificate.subject() + " is refused: " + why;
}

std::optional<std::string> broken_rule(Path path, std::span<const RevocationList> revocations,
                                       const ChainRules& rules) {
    for (std::size_t i = 0; i < path.size(); ++i)
        if (const auto broken = broken_by(path, i, revocations, rules)) return refused(*path[i], *broken);
    for (std::size_t i = 1; i < path.size(); ++i)
        if (auto broken = names_below(path, i)) return broken;
    return std::nullopt;
}

} // namespace sheaf::crypto
