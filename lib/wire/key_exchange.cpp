#include "lib/wire/body.h"
#include "lib/wire/reader.h"
#include "lib/wire/writer.h"

// RFC 7296 3.4 and 3.9: what both sides put into the keys.
namespace sheaf::wire {

std::expected<KeyExchange, Rule> parse_key_exchange(View body) {
    Reader in(body);
    KeyExchange ke;
    ke.group = in.u16();
    in.skip(2);
    ke.data = to_bytes(in.rest());
    if (!in.ok()) return std::unexpected(Rule::truncated);
    // The size that the group asks for is checked where the group is known.
    if (ke.data.empty()) return std::unexpected(Rule::bad_key_exchange_size);
    return ke;
}

void encode_body(const KeyExchange& ke, Bytes& to) {
    put_u16(to, ke.group);
    put_zeros(to, 2);
    append(to, ke.data);
}

std::expected<Nonce, Rule> parse_nonce(View body) {
    if (body.size() < kMinNonce || body.size() > kMaxNonce) return std::unexpected(Rule::bad_nonce_size);
    return Nonce{to_bytes(body)};
}

void encode_body(const Nonce& nonce, Bytes& to) { append(to, nonce.data); }

} // namespace sheaf::wire
