#include "lib/wire/body.h"
#include "lib/wire/reader.h"
#include "lib/wire/writer.h"

// RFC 7296 3.6 and 3.7.
namespace sheaf::wire {

std::expected<Certificate, Rule> parse_certificate(View body) {
    Reader in(body);
    const CertEncoding encoding{in.u8()};
    const View data = in.rest();
    if (!in.ok()) return std::unexpected(Rule::truncated);
    if (data.empty() || data.size() > kMaxCertificate) return std::unexpected(Rule::bad_certificate_payload);
    return Certificate{encoding, to_bytes(data)};
}

void encode_body(const Certificate& certificate, Bytes& to) {
    put_u8(to, static_cast<std::uint8_t>(certificate.encoding));
    append(to, certificate.data);
}

// A request is a hint, so its hashes are not counted here; an empty one names no authority.
std::expected<CertificateRequest, Rule> parse_certificate_request(View body) {
    Reader in(body);
    const CertEncoding encoding{in.u8()};
    const View authorities = in.rest();
    if (!in.ok()) return std::unexpected(Rule::truncated);
    return CertificateRequest{encoding, to_bytes(authorities)};
}

void encode_body(const CertificateRequest& request, Bytes& to) {
    put_u8(to, static_cast<std::uint8_t>(request.encoding));
    append(to, request.authorities);
}

} // namespace sheaf::wire
