#include "lib/crypto/certificate.h"

#include "lib/crypto/certificate_parts.h"
#include "lib/crypto/der.h"
#include "lib/crypto/distinguished_name.h"
#include "lib/crypto/public_key_parts.h"

#include <botan/data_src.h>
#include <botan/hash.h>
#include <botan/pem.h>
#include <botan/x509_ext.h>
#include <botan/x509cert.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

namespace sheaf::crypto {
namespace {

constexpr std::size_t kMaxFile = 1U << 24; // octets
constexpr std::size_t kMaxPerFile = 1024;  // certificates; a system's whole trust store has about 150
constexpr std::string_view kPemBegin = "-----BEGIN ";

const Botan::OID kSubjectAltName{2, 5, 29, 17};
const Botan::OID kNameConstraints{2, 5, 29, 30};

// Extensions whose content we rely on. What the library cannot read it takes for unknown, and so for absent;
// here that is an error.
const std::array kReadExtensions{Botan::OID{2, 5, 29, 15}, Botan::OID{2, 5, 29, 19}, Botan::OID{2, 5, 29, 37},
                                 Botan::OID{2, 5, 29, 14}, Botan::OID{2, 5, 29, 35}};

bool extensions_are_sound(const Botan::Extensions& extensions) {
    auto oids = extensions.get_extension_oids();
    std::sort(oids.begin(), oids.end());
    if (std::ranges::adjacent_find(oids) != oids.end()) return false; // RFC 5280 4.2: none twice
    return std::ranges::none_of(kReadExtensions, [&](const Botan::OID& oid) {
        const auto* extension = extensions.get_extension_object(oid);
        return extension && extension->oid_name().empty();
    });
}

bool read_names(Certificate::Parts& to) {
    const Botan::Extensions& extensions = to.x509->v3_extensions();
    if (extensions.extension_set(kSubjectAltName)) {
        auto names = parse_general_names(extensions.get_extension_bits(kSubjectAltName));
        if (!names) return false;
        to.all_names = *std::move(names);
    }
    if (extensions.extension_set(kNameConstraints)) {
        to.limits = parse_name_limits(extensions.get_extension_bits(kNameConstraints));
        if (!to.limits) return false;
    }
    to.names = {to.x509->raw_subject_dn(), to.all_names.dns, to.all_names.mail, to.all_names.addresses};
    to.subject = printed(to.names.subject, &to.all_names);
    return true;
}

std::array<std::uint8_t, 20> sha1_of(const Bytes& octets) {
    const auto hash = Botan::HashFunction::create_or_throw("SHA-1");
    hash->update(octets);
    std::array<std::uint8_t, 20> out{};
    hash->final(out.data());
    return out;
}

std::expected<std::shared_ptr<Certificate::Parts>, std::string> read(View der) {
    auto parts = std::make_shared<Certificate::Parts>(der);
    if (!equal(parts->der, der)) return std::unexpected("a certificate is not in DER");
    if (!extensions_are_sound(parts->x509->v3_extensions()) || !read_names(*parts))
        return std::unexpected("the certificate of " + printed(parts->x509->raw_subject_dn()) +
                               " is refused: an extension of it cannot be read");
    auto key = PublicKey::parse(parts->x509->subject_public_key_info());
    if (!key) return std::unexpected("the certificate of " + parts->subject + " is refused: " + key.error());
    parts->key = *std::move(key);
    parts->key_hash = sha1_of(parts->x509->subject_public_key_info());
    parts->from = wall_time(parts->x509->not_before());
    parts->until = wall_time(parts->x509->not_after());
    return parts;
}

} // namespace

Certificate::Parts::Parts(View der_of_it)
    : x509(std::make_unique<Botan::X509_Certificate>(der_of_it.data(), der_of_it.size())),
      der(x509->BER_encode()) {}
Certificate::Parts::~Parts() = default;

std::string printed(View dn, const GeneralNames* names) {
    const auto text = name_to_text(dn);
    if (!text) return "an unreadable name";
    if (!text->empty()) return *text;
    if (names && !names->dns.empty()) return names->dns.front();
    if (names && !names->mail.empty()) return names->mail.front();
    return "an empty name";
}

std::expected<Certificate, std::string> Certificate::parse(View der) {
    if (der.size() > kMaxCertificateOctets)
        return std::unexpected("a certificate is longer than " + std::to_string(kMaxCertificateOctets) +
                               " octets");
    if (der.empty() || der[0] != kSequence) return std::unexpected("a certificate is not in DER");
    try {
        auto parts = read(der);
        if (!parts) return std::unexpected(parts.error());
        Certificate out;
        out.parts_ = *std::move(parts);
        return out;
    } catch (const std::exception&) {
        return std::unexpected("a certificate cannot be read as X.509");
    }
}

std::expected<std::vector<Certificate>, std::string> Certificate::parse_file(View bytes) {
    if (bytes.empty()) return std::unexpected("it is empty");
    if (bytes.size() > kMaxFile)
        return std::unexpected("it is longer than " + std::to_string(kMaxFile) + " octets");
    std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    std::vector<Certificate> out;
    if (bytes[0] == kSequence) {
        auto one = parse(bytes);
        if (!one) return std::unexpected(one.error());
        return std::vector{*std::move(one)};
    }
    try {
        Botan::DataSource_Memory source(bytes.data(), bytes.size());
        for (auto at = text.find(kPemBegin); at != text.npos; at = text.find(kPemBegin, at + 1)) {
            std::string label;
            const auto der = Botan::PEM_Code::decode(source, label);
            if (label != "CERTIFICATE" && label != "X509 CERTIFICATE") continue;
            auto one = parse(der);
            if (!one) return std::unexpected(one.error());
            out.push_back(*std::move(one));
            if (out.size() > kMaxPerFile)
                return std::unexpected("it holds more than " + std::to_string(kMaxPerFile) + " certificates");
        }
    } catch (const std::exception&) {
        return std::unexpected("its PEM cannot be read");
    }
    if (out.empty()) return std::unexpected("it holds no certificate");
    return out;
}

const Bytes& Certificate::der() const { return parts_->der; }
std::string Certificate::subject() const { return parts_->subject; }
const CertificateNames& Certificate::names() const { return parts_->names; }
const PublicKey& Certificate::public_key() const { return parts_->key; }
WallTime Certificate::not_before() const { return parts_->from; }
WallTime Certificate::not_after() const { return parts_->until; }
bool Certificate::is_authority() const { return parts_->x509->is_CA_cert(); }
const std::array<std::uint8_t, 20>& Certificate::key_hash() const { return parts_->key_hash; }

// By way of text such as "2026/07/01 12:00:00 UTC": the library's own conversion overflows beyond 2262.
WallTime wall_time(const Botan::ASN1_Time& time) {
    const std::string text = time.readable_string();
    std::array<int, 6> fields{};
    const char* at = text.data();
    for (int& field : fields) {
        const auto [end, error] = std::from_chars(at, text.data() + text.size(), field);
        if (error != std::errc()) return WallTime::min(); // expired
        at = end + 1;
    }
    const std::chrono::year_month_day day{std::chrono::year(fields[0]),
                                          std::chrono::month(static_cast<unsigned>(fields[1])),
                                          std::chrono::day(static_cast<unsigned>(fields[2]))};
    return std::chrono::sys_days(day) + std::chrono::hours(fields[3]) + std::chrono::minutes(fields[4]) +
           std::chrono::seconds(fields[5]);
}

std::string date(WallTime time) {
    const std::chrono::year_month_day day(std::chrono::floor<std::chrono::days>(time));
    const auto two = [](unsigned n) { return (n < 10 ? "-0" : "-") + std::to_string(n); };
    return std::to_string(static_cast<int>(day.year())) + two(static_cast<unsigned>(day.month())) +
           two(static_cast<unsigned>(day.day()));
}

} // namespace sheaf::crypto
