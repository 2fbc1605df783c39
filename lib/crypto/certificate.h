#pragma once

#include "lib/base/bytes.h"
#include "lib/base/ip.h"
#include "lib/base/time.h"
#include "lib/crypto/public_key.h"

#include <array>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace sheaf::crypto {

// The names that a certificate vouches for.
struct CertificateNames {
    Bytes subject;                 // the DN, DER
    std::vector<std::string> dns;  // lower case
    std::vector<std::string> mail; // the domain in lower case
    std::vector<IpAddress> addresses;
};

// An X.509 certificate (RFC 5280), parsed and not yet trusted. Its key is of a kind that PublicKey takes.
class Certificate {
  public:
    // One certificate in DER. Error: a sentence.
    [[nodiscard]] static std::expected<Certificate, std::string> parse(View der);
    // All certificates of a PEM file (or the one of a DER file), in its order.
    [[nodiscard]] static std::expected<std::vector<Certificate>, std::string> parse_file(View bytes);

    [[nodiscard]] const Bytes& der() const;
    [[nodiscard]] std::string subject() const; // as people write it: "CN=gw.example.org, O=Example"
    [[nodiscard]] const CertificateNames& names() const;
    [[nodiscard]] const PublicKey& public_key() const;
    [[nodiscard]] bool is_authority() const; // basic constraints say so
    [[nodiscard]] WallTime not_before() const;
    [[nodiscard]] WallTime not_after() const;
    // RFC 7296 3.7: SHA-1 of the SubjectPublicKeyInfo, by which CERTREQ names an authority.
    [[nodiscard]] const std::array<std::uint8_t, 20>& key_hash() const;

    friend bool operator==(const Certificate& a, const Certificate& b) { return a.der() == b.der(); }

    struct Parts;
    [[nodiscard]] const Parts& parts() const { return *parts_; } // for the sources of lib/crypto

  private:
    std::shared_ptr<const Parts> parts_;
};

// A certificate revocation list (RFC 5280 5), parsed and not yet trusted.
class RevocationList {
  public:
    [[nodiscard]] static std::expected<RevocationList, std::string> parse(View der_or_pem);
    [[nodiscard]] std::string issuer() const;

    friend bool operator==(const RevocationList& a, const RevocationList& b);

    struct Parts;
    [[nodiscard]] const Parts& parts() const { return *parts_; }

  private:
    std::shared_ptr<const Parts> parts_;
};

// Whether the names and the signature say so; nothing else is checked.
[[nodiscard]] bool issued_by(const Certificate& certificate, const Certificate& issuer);

// The longest chain that is built, the peer's certificate and the trust anchor included.
inline constexpr std::size_t kMaxChain = 8;

struct ChainRules {
    WallTime now;
    bool require_revocation_list = false; // a certificate whose issuer's list we do not have is refused
};

// Whether `chain` (the peer's certificate first, the rest in any order) leads to one of `authorities`, with
// signatures, validity, basic constraints, key usage, names constraints and revocation as RFC 5280 6 and
// RFC 4945 5.1 ask for IKE. Answers the trust anchor. Error: a sentence with the certificate and its fault.
[[nodiscard]] std::expected<Certificate, std::string>
verify_chain(std::span<const Certificate> chain, std::span<const Certificate> authorities,
             std::span<const RevocationList> revocations, const ChainRules& rules);

} // namespace sheaf::crypto
