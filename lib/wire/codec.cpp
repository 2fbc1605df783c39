#include "lib/wire/codec.h"

#include "lib/wire/body.h"
#include "lib/wire/reader.h"
#include "lib/wire/writer.h"

namespace sheaf::wire {
namespace {

constexpr std::size_t kGenericHeader = 4;
constexpr std::size_t kFragmentNumbers = 4;
constexpr std::uint8_t kCriticalBit = 0x80;

// One payload of a chain, its body not yet looked at.
struct Link {
    PayloadType type{};
    PayloadType next{};
    bool critical = false;
    View body;
};

std::unexpected<ParseError> broken(Rule rule, PayloadType payload = PayloadType::none) {
    return std::unexpected(ParseError{rule, payload});
}

bool is_encrypted(PayloadType type) { return type == PayloadType::sk || type == PayloadType::skf; }

// RFC 7296 3.2. The reserved bits are ignored.
std::expected<Link, ParseError> take_link(PayloadType type, Reader& in) {
    Link link;
    link.type = type;
    link.next = PayloadType{in.u8()};
    link.critical = (in.u8() & kCriticalBit) != 0;
    const std::uint16_t length = in.u16();
    if (!in.ok()) return broken(Rule::truncated, type);
    if (length < kGenericHeader) return broken(Rule::payload_too_short, type);
    link.body = in.bytes(length - kGenericHeader);
    if (!in.ok()) return broken(Rule::truncated, type);
    return link;
}

std::expected<Payload, ParseError> parse_link(const Link& link) {
    auto payload = parse_payload(link.type, link.body);
    if (!payload) return broken(payload.error(), link.type);
    // RFC 7296 2.5: the critical bit counts only where we do not know the type.
    if (link.critical && std::holds_alternative<UnknownPayload>(*payload))
        return broken(Rule::unknown_critical_payload, link.type);
    return std::move(*payload);
}

// RFC 7383 2.5: numbers run from 1 to the total, and only the first fragment names an inner payload. The
// total is bounded by us.
bool fragment_fits(const Encrypted& encrypted) {
    if (encrypted.fragment == 0 || encrypted.fragment > encrypted.fragments) return false;
    if (encrypted.fragments > kMaxFragments) return false;
    return encrypted.fragment == 1 || encrypted.first_inner == PayloadType::none;
}

std::expected<Encrypted, ParseError> parse_encrypted(const Link& link, View datagram) {
    Encrypted encrypted;
    encrypted.first_inner = link.next;
    encrypted.is_fragment = link.type == PayloadType::skf;
    Reader in(link.body);
    if (encrypted.is_fragment) {
        encrypted.fragment = in.u16();
        encrypted.fragments = in.u16();
        if (!in.ok() || !fragment_fits(encrypted)) return broken(Rule::bad_fragment, link.type);
    }
    encrypted.associated = datagram.first(datagram.size() - in.left());
    encrypted.protected_data = in.rest();
    return encrypted;
}

// A generic payload header whose body of `size` octets the caller appends.
void put_generic_header(PayloadType next, std::size_t size, Bytes& to) {
    put_u8(to, static_cast<std::uint8_t>(next));
    put_u8(to, 0);
    put_u16(to, static_cast<std::uint16_t>(kGenericHeader + size));
}

} // namespace

std::expected<OuterMessage, ParseError> parse_message(View datagram) {
    const auto header = parse_header(datagram);
    if (!header) return broken(header.error());

    OuterMessage message;
    message.header = *header;
    Reader in(datagram.subspan(kHeaderSize));
    PayloadType type = header->next;
    for (std::size_t count = 0; type != PayloadType::none; ++count) {
        if (count == kMaxPayloads) return broken(Rule::too_many_payloads);
        const auto link = take_link(type, in);
        if (!link) return std::unexpected(link.error());
        if (is_encrypted(type)) {
            // RFC 7296 3.14: nothing follows. Its next field names what is inside.
            if (!in.at_end()) return broken(Rule::misplaced_encrypted_payload, type);
            const auto encrypted = parse_encrypted(*link, datagram);
            if (!encrypted) return std::unexpected(encrypted.error());
            message.encrypted = *encrypted;
            return message;
        }
        auto payload = parse_link(*link);
        if (!payload) return std::unexpected(payload.error());
        message.payloads.push_back(std::move(*payload));
        type = link->next;
    }
    if (!in.at_end()) return broken(Rule::trailing_bytes);
    return message;
}

std::expected<std::vector<Payload>, ParseError> parse_payloads(PayloadType first, View chain) {
    std::vector<Payload> payloads;
    Reader in(chain);
    for (PayloadType type = first; type != PayloadType::none;) {
        if (payloads.size() == kMaxPayloads) return broken(Rule::too_many_payloads);
        const auto link = take_link(type, in);
        if (!link) return std::unexpected(link.error());
        auto payload = parse_link(*link);
        if (!payload) return std::unexpected(payload.error());
        payloads.push_back(std::move(*payload));
        type = link->next;
    }
    if (!in.at_end()) return broken(Rule::trailing_bytes);
    return payloads;
}

std::expected<Payload, Rule> parse_payload(PayloadType type, View body) {
    switch (type) {
    case PayloadType::sa: return parse_sa(body);
    case PayloadType::ke: return parse_key_exchange(body);
    case PayloadType::id_i: return parse_identification(body, true);
    case PayloadType::id_r: return parse_identification(body, false);
    case PayloadType::cert: return parse_certificate(body);
    case PayloadType::certreq: return parse_certificate_request(body);
    case PayloadType::auth: return parse_authentication(body);
    case PayloadType::nonce: return parse_nonce(body);
    case PayloadType::notify: return parse_notify(body);
    case PayloadType::del: return parse_delete(body);
    case PayloadType::vendor_id: return VendorId{to_bytes(body)};
    case PayloadType::ts_i: return parse_traffic_selectors(body, true);
    case PayloadType::ts_r: return parse_traffic_selectors(body, false);
    case PayloadType::cp: return parse_configuration(body);
    case PayloadType::eap: return parse_eap(body);
    case PayloadType::sk:
    case PayloadType::skf: return std::unexpected(Rule::nested_encrypted_payload);
    case PayloadType::none: break;
    }
    return UnknownPayload{type, to_bytes(body)};
}

PayloadType encode_payloads(std::span<const Payload> payloads, Bytes& to) {
    for (std::size_t i = 0; i < payloads.size(); ++i) {
        const bool last = i + 1 == payloads.size();
        const std::size_t start = to.size();
        put_u8(to, static_cast<std::uint8_t>(last ? PayloadType::none : type_of(payloads[i + 1])));
        put_u8(to, 0);
        LengthField length(to, start);
        std::visit([&to](const auto& payload) { encode_body(payload, to); }, payloads[i]);
        length.close();
    }
    return payloads.empty() ? PayloadType::none : type_of(payloads.front());
}

Bytes encode_message(Header header, std::span<const Payload> payloads) {
    Bytes chain;
    header.next = encode_payloads(payloads, chain);
    header.length = static_cast<std::uint32_t>(kHeaderSize + chain.size());
    Bytes message;
    message.reserve(header.length);
    encode(header, message);
    append(message, chain);
    return message;
}

Bytes encode_encrypted_prefix(Header header, PayloadType first_inner, std::size_t protected_size) {
    header.next = PayloadType::sk;
    header.length = static_cast<std::uint32_t>(kHeaderSize + kGenericHeader + protected_size);
    Bytes message;
    message.reserve(header.length);
    encode(header, message);
    put_generic_header(first_inner, protected_size, message);
    return message;
}

Bytes encode_fragment_prefix(Header header, PayloadType first_inner, std::uint16_t number,
                             std::uint16_t total, std::size_t protected_size) {
    const std::size_t body_size = kFragmentNumbers + protected_size;
    header.next = PayloadType::skf;
    header.length = static_cast<std::uint32_t>(kHeaderSize + kGenericHeader + body_size);
    Bytes message;
    message.reserve(header.length);
    encode(header, message);
    put_generic_header(first_inner, body_size, message);
    put_u16(message, number);
    put_u16(message, total);
    return message;
}

} // namespace sheaf::wire
