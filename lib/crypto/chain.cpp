// Finds the way from a peer's certificate to a trust anchor (RFC 5280 6, RFC 4158).

#include "lib/crypto/certificate_parts.h"
#include "lib/crypto/distinguished_name.h"
#include "lib/crypto/public_key_parts.h"

#include <botan/pk_keys.h>
#include <botan/x509cert.h>

#include <algorithm>

namespace sheaf::crypto {
namespace {

// A peer's certificates may be linked in many ways; more signatures than these are not tried for one chain.
constexpr std::size_t kMaxSignatures = 64;

class Search {
  public:
    Search(std::span<const Certificate> chain, std::span<const Certificate> authorities,
           std::span<const RevocationList> revocations, const ChainRules& rules)
        : chain_(chain), authorities_(authorities), revocations_(revocations), rules_(rules) {}

    std::expected<Certificate, std::string> run();

  private:
    bool extend();
    bool is_issuer(const Certificate& candidate, const Certificate& of);
    bool accept();
    void note(std::size_t weight, std::string why);

    std::span<const Certificate> chain_, authorities_;
    std::span<const RevocationList> revocations_;
    const ChainRules& rules_;
    std::vector<const Certificate*> path_;
    std::size_t signatures_ = 0;
    // Of all ways that fail, the one that got farthest is told.
    std::string failure_;
    std::size_t weight_ = 0;
};

constexpr std::size_t kComplete = 3 * kMaxChain, kForged = 2 * kMaxChain;

void Search::note(std::size_t weight, std::string why) {
    if (weight <= weight_) return;
    weight_ = weight;
    failure_ = std::move(why);
}

bool Search::is_issuer(const Certificate& candidate, const Certificate& of) {
    const Botan::X509_Certificate& issuer = *candidate.parts().x509;
    const Botan::X509_Certificate& issued = *of.parts().x509;
    if (!same_name(issuer.raw_subject_dn(), issued.raw_issuer_dn())) return false;
    if (signatures_ == kMaxSignatures) {
        note(kForged + 1, refused(of, "its chain can be built in too many ways; send one chain only"));
        return false;
    }
    ++signatures_;
    if (issued.check_signature(*candidate.public_key().parts().key)) return true;
    note(kForged, refused(of, "it is not signed by the " + candidate.subject() +
                                  " that is known here; compare the authority's certificates at both ends"));
    return false;
}

bool Search::accept() {
    const auto broken = broken_rule(path_, revocations_, rules_);
    if (broken) note(kComplete, *broken);
    return !broken;
}

bool Search::extend() {
    const Certificate& last = *path_.back();
    if (std::ranges::find(authorities_, last) != authorities_.end()) return accept();
    if (path_.size() == kMaxChain) {
        note(kForged, refused(*path_.front(), "its chain is longer than " + std::to_string(kMaxChain) +
                                                  " certificates; issue it closer to the authority"));
        return false;
    }
    for (const auto& candidates : {authorities_, chain_}) {
        for (const Certificate& candidate : candidates) {
            const bool used =
                std::ranges::any_of(path_, [&](const Certificate* c) { return *c == candidate; });
            if (used || !is_issuer(candidate, last)) continue;
            path_.push_back(&candidate);
            if (extend()) return true;
            path_.pop_back();
        }
    }
    note(path_.size(),
         refused(*path_.front(), "the authority " + printed(last.parts().x509->raw_issuer_dn()) +
                                     " that issued " + (path_.size() == 1 ? "it" : last.subject()) +
                                     " is not known here; configure it, or let the peer send it if it "
                                     "is an intermediate"));
    return false;
}

std::expected<Certificate, std::string> Search::run() {
    path_ = {&chain_.front()};
    try {
        if (extend()) return *path_.back();
    } catch (const std::exception&) {
        note(kComplete + 1,
             refused(chain_.front(), "its chain cannot be checked; look at it with 'openssl x509 -text'"));
    }
    return std::unexpected(failure_);
}

} // namespace

bool issued_by(const Certificate& certificate, const Certificate& issuer) {
    const Botan::X509_Certificate& issued = *certificate.parts().x509;
    try {
        return same_name(issuer.names().subject, issued.raw_issuer_dn()) &&
               issued.check_signature(*issuer.public_key().parts().key);
    } catch (const std::exception&) {
        return false;
    }
}

std::expected<Certificate, std::string> verify_chain(std::span<const Certificate> chain,
                                                     std::span<const Certificate> authorities,
                                                     std::span<const RevocationList> revocations,
                                                     const ChainRules& rules) {
    if (chain.empty()) return std::unexpected("there is no certificate");
    return Search(chain, authorities, revocations, rules).run();
}

} // namespace sheaf::crypto
