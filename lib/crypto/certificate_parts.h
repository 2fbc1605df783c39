#pragma once

#include "lib/crypto/certificate.h"
#include "lib/crypto/general_names.h"

#include <array>
#include <memory>
#include <optional>
#include <set>
#include <string>

namespace Botan {
class ASN1_Time;
class X509_CRL;
class X509_Certificate;
class X509_Object;
} // namespace Botan

// Only for the sources of lib/crypto.
namespace sheaf::crypto {

inline constexpr std::size_t kMaxCertificateOctets = 65536;

struct Certificate::Parts {
    explicit Parts(View der_of_it); // throws what the library throws
    ~Parts();

    std::unique_ptr<const Botan::X509_Certificate> x509;
    Bytes der;
    std::string subject;
    CertificateNames names;
    GeneralNames all_names;
    std::optional<NameLimits> limits;
    PublicKey key;
    std::array<std::uint8_t, 20> key_hash{};
    WallTime from, until;
};

struct RevocationList::Parts {
    explicit Parts(Bytes der_of_it); // throws what the library throws
    ~Parts();

    std::unique_ptr<const Botan::X509_CRL> x509;
    Bytes der;
    Bytes issuer_dn;
    std::string issuer;
    WallTime from, until;
    std::set<Bytes> serials;
};

[[nodiscard]] WallTime wall_time(const Botan::ASN1_Time& time);
[[nodiscard]] std::string date(WallTime time); // "2026-07-01", in UTC
// Whether the octets are signed by a hash that is strong enough today.
[[nodiscard]] bool strongly_signed(const Botan::X509_Object& object);
// The text of a DN, or a stand-in for one that is empty.
[[nodiscard]] std::string printed(View dn, const GeneralNames* names = nullptr);

// The first rule of RFC 5280 6.1 and RFC 4945 5.1 that a path breaks, as a sentence; none if it keeps them
// all. The path runs from the peer's certificate to the trust anchor, each signed by the next.
[[nodiscard]] std::optional<std::string> broken_rule(std::span<const Certificate* const> path,
                                                     std::span<const RevocationList> revocations,
                                                     const ChainRules& rules);
[[nodiscard]] std::string refused(const Certificate& certificate, const std::string& why);

} // namespace sheaf::crypto
