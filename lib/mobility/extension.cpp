#include "lib/mobility/extension.h"

#include "lib/mobility/message.h"
#include "lib/mobility/options.h"
#include "lib/wire/reader.h"
#include "lib/wire/writer.h"

namespace sheaf::mobility {
namespace {

constexpr std::uint8_t kHomeAddressOption = 201;
constexpr std::uint8_t kLength = 2; // of both headers, beyond the first 8 octets

} // namespace

Bytes encode_home_address_option(std::uint8_t next_header, const IpAddress& home) {
    Bytes out{next_header, kLength};
    pad(out, 8, 6); // the padding of destination options is that of mobility options
    wire::put_u8(out, kHomeAddressOption);
    wire::put_u8(out, 16);
    append(out, home.view());
    return out;
}

std::expected<std::optional<IpAddress>, Rule> parse_home_address_option(View header) {
    constexpr auto kBad = Rule::bad_destination_options;
    wire::Reader in(header);
    in.skip(1);
    const std::size_t length = in.u8();
    if (!in.ok() || header.size() != 8 * (length + 1)) return std::unexpected(kBad);
    std::optional<IpAddress> home;
    for (std::size_t options = 0; !in.at_end();) {
        const std::uint8_t type = in.u8();
        if (type == 0) continue; // Pad1
        const View content = in.bytes(in.u8());
        if (!in.ok() || ++options > kMaxDestinationOptions) return std::unexpected(kBad);
        if (type != kHomeAddressOption) continue;
        const auto address = IpAddress::from_bytes(content);
        if (!address || !address->is_v6() || home) return std::unexpected(kBad);
        home = address;
    }
    // RFC 6275 9.3.1
    if (home && !is_unicast_routable(*home)) return std::unexpected(Rule::bad_home_address);
    return home;
}

Bytes encode_routing_header(std::uint8_t next_header, const IpAddress& home) {
    Bytes out{next_header, kLength, 2, 1, 0, 0, 0, 0};
    append(out, home.view());
    return out;
}

std::expected<IpAddress, Rule> parse_routing_header(View header) {
    wire::Reader in(header);
    in.skip(1);
    const bool fits = in.u8() == kLength && in.u8() == 2 && in.u8() == 1;
    in.skip(4);
    const auto home = IpAddress::from_bytes(in.bytes(16));
    if (!fits || !in.ok() || !in.at_end() || !home) return std::unexpected(Rule::bad_routing_header);
    if (!is_unicast_routable(*home)) return std::unexpected(Rule::bad_home_address);
    return *home;
}

} // namespace sheaf::mobility
