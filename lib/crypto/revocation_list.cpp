#include "lib/crypto/certificate_parts.h"
#include "lib/crypto/der.h"

#include <botan/data_src.h>
#include <botan/pem.h>
#include <botan/pkix_types.h>
#include <botan/x509_crl.h>
#include <botan/x509_ext.h>

#include <algorithm>
#include <utility>

namespace sheaf::crypto {
namespace {

constexpr std::size_t kMaxList = 1U << 25; // octets; about a million entries

// RFC 5280 5.2: lists in parts and lists of differences mark themselves by critical extensions. Such a list
// alone says too little.
bool is_whole(const Botan::Extensions& extensions) {
    return std::ranges::none_of(extensions.get_extension_oids(), [&](const Botan::OID& oid) {
        return extensions.critical_extension_set(oid);
    });
}

} // namespace

RevocationList::Parts::Parts(Bytes der_of_it)
    : x509(std::make_unique<Botan::X509_CRL>(der_of_it)), der(std::move(der_of_it)) {}
RevocationList::Parts::~Parts() = default;

std::expected<RevocationList, std::string> RevocationList::parse(View der_or_pem) {
    if (der_or_pem.empty()) return std::unexpected("it is empty");
    if (der_or_pem.size() > kMaxList)
        return std::unexpected("it is longer than " + std::to_string(kMaxList) + " octets");
    try {
        Botan::DataSource_Memory source(der_or_pem.data(), der_or_pem.size());
        const auto parts = std::make_shared<Parts>(
            der_or_pem[0] == kSequence
                ? Bytes(der_or_pem.begin(), der_or_pem.end())
                : Botan::unlock(Botan::PEM_Code::decode_check_label(source, "X509 CRL")));
        parts->issuer_dn = parts->x509->issuer_dn().BER_encode();
        parts->issuer = printed(parts->issuer_dn);
        if (!is_whole(parts->x509->extensions()))
            return std::unexpected("the revocation list of " + parts->issuer +
                                   " is a part or a difference of one; use the whole list");
        for (const Botan::CRL_Entry& entry : parts->x509->get_revoked()) {
            if (entry.reason_code() == Botan::REMOVE_FROM_CRL) continue;
            if (!is_whole(entry.extensions()))
                return std::unexpected("the revocation list of " + parts->issuer +
                                       " speaks for other authorities too; use one of each authority");
            parts->serials.insert(entry.serial_number());
        }
        parts->from = wall_time(parts->x509->this_update());
        parts->until = wall_time(parts->x509->next_update());
        RevocationList out;
        out.parts_ = parts;
        return out;
    } catch (const std::exception&) {
        return std::unexpected("it is not a revocation list (X.509 CRL) that can be read");
    }
}

std::string RevocationList::issuer() const { return parts_->issuer; }

bool operator==(const RevocationList& a, const RevocationList& b) { return a.parts_->der == b.parts_->der; }

} // namespace sheaf::crypto
