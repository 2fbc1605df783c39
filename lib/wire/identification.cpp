#include "lib/wire/body.h"
#include "lib/wire/codec.h"
#include "lib/wire/reader.h"
#include "lib/wire/writer.h"

#include <algorithm>

// RFC 7296 3.5: who a peer says it is.
namespace sheaf::wire {
namespace {

// A name that goes to logs and comparisons must not hold a terminator (RFC 7296 3.5) nor other controls.
bool has_control(View text) {
    return std::ranges::any_of(text, [](std::uint8_t octet) { return octet < 0x20 || octet == 0x7f; });
}

bool is_ascii(View text) {
    return std::ranges::all_of(text, [](std::uint8_t octet) { return octet < 0x80; });
}

bool fits(IdType type, View data) {
    switch (type) {
    case IdType::ipv4_addr: return data.size() == 4;
    case IdType::ipv6_addr: return data.size() == 16;
    case IdType::fqdn: return !data.empty() && is_ascii(data) && !has_control(data);
    case IdType::rfc822_addr: return !data.empty() && !has_control(data); // may be UTF-8
    case IdType::null: return data.empty();                               // RFC 7619 2.2
    default: return !data.empty();
    }
}

} // namespace

std::expected<Identification, Rule> parse_identification(View body, bool initiator) {
    Reader in(body);
    const IdType type{in.u8()};
    in.skip(3);
    const View data = in.rest();
    if (!in.ok()) return std::unexpected(Rule::truncated);
    if (data.size() > kMaxIdentity || !fits(type, data)) return std::unexpected(Rule::bad_identity);
    return Identification{initiator, type, to_bytes(data)};
}

void encode_body(const Identification& id, Bytes& to) {
    put_u8(to, static_cast<std::uint8_t>(id.type));
    put_zeros(to, 3);
    append(to, id.data);
}

Bytes identification_body(const Identification& id) {
    Bytes body;
    encode_body(id, body);
    return body;
}

} // namespace sheaf::wire
