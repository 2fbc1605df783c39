#include "lib/wire/body.h"
#include "lib/wire/reader.h"
#include "lib/wire/writer.h"

// RFC 7296 3.8 and 3.16: the proof of an identity, and the messages of a method that leads to it.
namespace sheaf::wire {
namespace {

// RFC 7296 3.16: requests and responses have a type, success and failure nothing.
bool eap_size_fits(std::uint8_t code, std::size_t size) {
    switch (code) {
    case 1:
    case 2: return size >= 5;
    case 3:
    case 4: return size == 4;
    default: return false;
    }
}

} // namespace

std::expected<Authentication, Rule> parse_authentication(View body) {
    Reader in(body);
    const AuthMethod method{in.u8()};
    in.skip(3);
    const View data = in.rest();
    if (!in.ok()) return std::unexpected(Rule::truncated);
    if (data.empty()) return std::unexpected(Rule::bad_authentication_payload);
    return Authentication{method, to_bytes(data)};
}

void encode_body(const Authentication& auth, Bytes& to) {
    put_u8(to, static_cast<std::uint8_t>(auth.method));
    put_zeros(to, 3);
    append(to, auth.data);
}

std::expected<Eap, Rule> parse_eap(View body) {
    Reader in(body);
    const std::uint8_t code = in.u8();
    in.skip(1);
    const std::uint16_t length = in.u16();
    if (!in.ok()) return std::unexpected(Rule::truncated);
    if (length != body.size() || !eap_size_fits(code, length)) return std::unexpected(Rule::bad_eap);
    return Eap{to_bytes(body)};
}

void encode_body(const Eap& eap, Bytes& to) { append(to, eap.message); }

} // namespace sheaf::wire
