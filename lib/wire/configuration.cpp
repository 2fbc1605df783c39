#include "lib/wire/body.h"
#include "lib/wire/reader.h"
#include "lib/wire/writer.h"

// RFC 7296 3.15: the list of attributes; what is in them is cfg.cpp's.
namespace sheaf::wire {
namespace {

constexpr std::uint16_t kReservedBit = 0x8000;

} // namespace

std::expected<Configuration, Rule> parse_configuration(View body) {
    Reader in(body);
    Configuration configuration;
    configuration.type = CfgType{in.u8()};
    in.skip(3);
    if (!in.ok()) return std::unexpected(Rule::truncated);
    while (!in.at_end()) {
        if (configuration.attributes.size() == kMaxCfgAttributes)
            return std::unexpected(Rule::too_many_attributes);
        const std::uint16_t type = in.u16() & static_cast<std::uint16_t>(~kReservedBit);
        const std::uint16_t length = in.u16();
        const View value = in.bytes(length);
        if (!in.ok()) return std::unexpected(Rule::bad_configuration);
        configuration.attributes.push_back({CfgAttributeType{type}, to_bytes(value)});
    }
    return configuration;
}

void encode_body(const Configuration& configuration, Bytes& to) {
    put_u8(to, static_cast<std::uint8_t>(configuration.type));
    put_zeros(to, 3);
    for (const CfgAttribute& attribute : configuration.attributes) {
        put_u16(to, static_cast<std::uint16_t>(attribute.type));
        put_u16(to, static_cast<std::uint16_t>(attribute.value.size()));
        append(to, attribute.value);
    }
}

} // namespace sheaf::wire
