#include "lib/mobility/codec.h"

#include "lib/mobility/options.h"
#include "lib/wire/reader.h"
#include "lib/wire/writer.h"

namespace sheaf::mobility {
namespace {

constexpr std::size_t kFixed = 6; // up to and including the checksum
constexpr std::size_t kChecksumAt = 4;
constexpr std::uint16_t kUpdateFlags = kAcknowledge | kHomeRegistration | kLinkLocal | kKeyMobility |
                                       kMapRegistration | kMobileRouter | kProxyRegistration | kForceUdp |
                                       kTlvHeader | kOverwrite;
constexpr std::uint8_t kAckFlags = kAckKeyMobility | kAckMobileRouter | kAckProxy;

// RFC 6275 9.2: what the length octet must be at least.
std::uint8_t least_length(MessageType type) {
    switch (type) {
    case MessageType::refresh_request: return 0;
    case MessageType::home_test_init:
    case MessageType::care_of_test_init:
    case MessageType::binding_update:
    case MessageType::binding_ack: return 1;
    case MessageType::home_test:
    case MessageType::care_of_test:
    case MessageType::binding_error: return 2;
    }
    return 0;
}

std::expected<Message, Rule> parse_update(wire::Reader in) {
    BindingUpdate update;
    update.sequence = in.u16();
    update.flags = in.u16() & kUpdateFlags;
    update.lifetime = in.u16();
    auto options = parse_options(in.rest());
    if (!options) return std::unexpected(options.error());
    update.options = std::move(*options);
    return update;
}

std::expected<Message, Rule> parse_ack(wire::Reader in) {
    BindingAck ack;
    ack.status = Status{in.u8()};
    ack.flags = in.u8() & kAckFlags;
    ack.sequence = in.u16();
    ack.lifetime = in.u16();
    auto options = parse_options(in.rest());
    if (!options) return std::unexpected(options.error());
    ack.options = std::move(*options);
    return ack;
}

std::expected<Message, Rule> parse_error(wire::Reader in) {
    BindingError error;
    error.status = ErrorStatus{in.u8()};
    in.skip(1);
    error.home_address = IpAddress::from_bytes(in.bytes(16)).value_or(IpAddress{});
    if (const auto options = parse_options(in.rest()); !options) return std::unexpected(options.error());
    return error;
}

std::expected<Message, Rule> parse_refresh(wire::Reader in) {
    in.skip(2);
    auto options = parse_options(in.rest());
    if (!options) return std::unexpected(options.error());
    return RefreshRequest{std::move(*options)};
}

struct BodyWriter {
    Bytes& to;

    void operator()(const RefreshRequest& request) const {
        wire::put_zeros(to, 2);
        encode_options(request.options, to);
    }
    void operator()(const RoutabilityTest& test) const {
        append(to, test.data);
        pad(to, 8);
    }
    void operator()(const BindingUpdate& update) const {
        wire::put_u16(to, update.sequence);
        wire::put_u16(to, update.flags & kUpdateFlags);
        wire::put_u16(to, update.lifetime);
        encode_options(update.options, to);
    }
    void operator()(const BindingAck& ack) const {
        wire::put_u8(to, static_cast<std::uint8_t>(ack.status));
        wire::put_u8(to, ack.flags & kAckFlags);
        wire::put_u16(to, ack.sequence);
        wire::put_u16(to, ack.lifetime);
        encode_options(ack.options, to);
    }
    void operator()(const BindingError& error) const {
        wire::put_u8(to, static_cast<std::uint8_t>(error.status));
        wire::put_u8(to, 0);
        append(to, error.home_address.view());
    }
};

// Adds the octets as 16-bit numbers, an odd one at the end as if a zero followed.
void add(std::uint32_t& sum, View octets) {
    for (std::size_t i = 0; i < octets.size(); ++i)
        sum += i % 2 == 0 ? static_cast<std::uint32_t>(octets[i]) << 8 : octets[i];
}

} // namespace

std::expected<Message, Rule> parse_message(View header) {
    wire::Reader in(header);
    const std::uint8_t next = in.u8();
    const std::uint8_t length = in.u8();
    const MessageType type{in.u8()};
    in.skip(3);
    if (!in.ok()) return std::unexpected(Rule::bad_mobility_header);
    if (type > MessageType::binding_error) return std::unexpected(Rule::unknown_mobility_message);
    if (next != kNoNextHeader) return std::unexpected(Rule::header_after_mobility);
    if (length < least_length(type) || header.size() != 8U * (length + 1U))
        return std::unexpected(Rule::bad_mobility_header);
    switch (type) {
    case MessageType::refresh_request: return parse_refresh(in);
    case MessageType::binding_update: return parse_update(in);
    case MessageType::binding_ack: return parse_ack(in);
    case MessageType::binding_error: return parse_error(in);
    default: return RoutabilityTest{type, wire::to_bytes(in.rest())};
    }
}

std::expected<Bytes, Rule> encode_message(const Message& message) {
    Bytes out{kNoNextHeader, 0, static_cast<std::uint8_t>(type_of(message)), 0, 0, 0};
    std::visit(BodyWriter{out}, message);
    if (out.size() > kMaxMessage) return std::unexpected(Rule::mobility_message_too_long);
    out[1] = static_cast<std::uint8_t>(out.size() / 8 - 1);
    return out;
}

std::uint16_t checksum(View header, const IpAddress& source, const IpAddress& destination) {
    Bytes pseudo;
    append(pseudo, source.view());
    append(pseudo, destination.view());
    wire::put_u32(pseudo, static_cast<std::uint32_t>(header.size()));
    wire::put_u32(pseudo, kMobilityProtocol);
    std::uint32_t sum = 0;
    add(sum, pseudo);
    add(sum, header.first(kChecksumAt));
    add(sum, header.subspan(kFixed));
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(~sum);
}

void set_checksum(Bytes& header, const IpAddress& source, const IpAddress& destination) {
    const std::uint16_t value = checksum(header, source, destination);
    header[kChecksumAt] = static_cast<std::uint8_t>(value >> 8);
    header[kChecksumAt + 1] = static_cast<std::uint8_t>(value);
}

std::expected<void, Rule> verify_checksum(View header, const IpAddress& source,
                                          const IpAddress& destination) {
    if (header.size() < kFixed) return std::unexpected(Rule::bad_mobility_header);
    const auto stated = static_cast<std::uint16_t>(header[kChecksumAt] << 8 | header[kChecksumAt + 1]);
    if (stated != checksum(header, source, destination)) return std::unexpected(Rule::bad_mobility_checksum);
    return {};
}

} // namespace sheaf::mobility
