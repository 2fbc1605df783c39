#include "lib/mobility/prefix_message.h"

#include "lib/wire/reader.h"
#include "lib/wire/writer.h"

#include <optional>

namespace sheaf::mobility {
namespace {

// RFC 4861 4.6
constexpr std::uint8_t kPrefixInformation = 3;
constexpr std::size_t kOptionUnit = 8;
constexpr std::uint8_t kPrefixUnits = 4;
constexpr std::size_t kOptionHead = 2;
constexpr std::uint8_t kOnLink = 0x80, kAutonomous = 0x40;
constexpr unsigned kAddressBits = 128;

// Nothing for a prefix that a host has to ignore. The bits behind the prefix may be a router's address.
std::expected<std::optional<PrefixInformation>, Rule> parse_information(wire::Reader in) {
    const std::uint8_t length = in.u8(), flags = in.u8();
    PrefixInformation out;
    out.valid = in.u32();
    out.preferred = in.u32();
    in.skip(4);
    const auto address = IpAddress::from_bytes(in.bytes(16));
    if (!in.ok() || !address || length > kAddressBits) return std::unexpected(Rule::bad_prefix_message);
    if (address->is_link_local() || out.preferred > out.valid) return std::nullopt;
    out.prefix = Prefix(*address, length);
    out.on_link = (flags & kOnLink) != 0;
    out.autonomous = (flags & kAutonomous) != 0;
    return out;
}

// RFC 4861 4.6: an option of no length makes the whole message invalid.
std::expected<std::vector<PrefixInformation>, Rule> parse_prefix_options(wire::Reader in) {
    std::vector<PrefixInformation> out;
    while (!in.at_end()) {
        const std::uint8_t type = in.u8();
        const std::size_t units = in.u8();
        const View content = units == 0 ? View{} : in.bytes(units * kOptionUnit - kOptionHead);
        if (!in.ok() || units == 0) return std::unexpected(Rule::bad_prefix_message);
        if (type != kPrefixInformation) continue;
        if (units != kPrefixUnits) return std::unexpected(Rule::bad_prefix_message);
        const auto prefix = parse_information(wire::Reader(content));
        if (!prefix) return std::unexpected(prefix.error());
        if (!*prefix) continue;
        if (out.size() == kMaxHomePrefixes) return std::unexpected(Rule::too_many_prefixes);
        out.push_back(**prefix);
    }
    return out;
}

void put_prefix(const PrefixInformation& prefix, Bytes& to) {
    wire::put_u8(to, kPrefixInformation);
    wire::put_u8(to, kPrefixUnits);
    wire::put_u8(to, static_cast<std::uint8_t>(prefix.prefix.length()));
    wire::put_u8(to, static_cast<std::uint8_t>((prefix.on_link ? kOnLink : 0) |
                                               (prefix.autonomous ? kAutonomous : 0)));
    wire::put_u32(to, prefix.valid);
    wire::put_u32(to, prefix.preferred);
    wire::put_zeros(to, 4);
    append(to, prefix.prefix.address().view());
}

} // namespace

std::expected<PrefixMessage, Rule> parse_prefix_message(View message) {
    wire::Reader in(message);
    const PrefixMessageType type{in.u8()};
    const std::uint8_t code = in.u8();
    in.skip(2);
    const std::uint16_t identifier = in.u16();
    in.skip(2);
    if (!in.ok() || code != 0) return std::unexpected(Rule::bad_prefix_message);
    const bool asks = type == PrefixMessageType::solicitation;
    if (!asks && type != PrefixMessageType::advertisement) return std::unexpected(Rule::bad_prefix_message);
    auto prefixes = parse_prefix_options(in);
    if (!prefixes) return std::unexpected(prefixes.error());
    if (asks) return PrefixSolicitation{identifier};
    if (prefixes->empty()) return std::unexpected(Rule::bad_prefix_message);
    return PrefixAdvertisement{identifier, *std::move(prefixes)};
}

Bytes encode_prefix_message(const PrefixMessage& message) {
    const auto* advertisement = std::get_if<PrefixAdvertisement>(&message);
    const auto type = advertisement ? PrefixMessageType::advertisement : PrefixMessageType::solicitation;
    Bytes out{static_cast<std::uint8_t>(type), 0, 0, 0};
    wire::put_u16(out, advertisement ? advertisement->identifier
                                     : std::get<PrefixSolicitation>(message).identifier);
    wire::put_zeros(out, 2);
    if (!advertisement) return out;
    for (const PrefixInformation& prefix : advertisement->prefixes)
        put_prefix(prefix, out);
    return out;
}

} // namespace sheaf::mobility
