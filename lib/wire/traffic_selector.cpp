#include "lib/wire/body.h"
#include "lib/wire/reader.h"
#include "lib/wire/writer.h"

#include <algorithm>
#include <optional>

// RFC 7296 3.13: which packets an SA is for.
namespace sheaf::wire {
namespace {

constexpr std::size_t kSelectorHeader = 4;
constexpr std::size_t kShortestSelector = 8; // a header and the type's own four octets

// RFC 7296 3.13.1: 65535 to 0 is the form of "OPAQUE"; every other range grows.
bool ports_fit(std::uint16_t start, std::uint16_t end) {
    return start <= end || (start == 65535 && end == 0);
}

std::expected<TrafficSelector, Rule> parse_range(TsType type, std::uint8_t ip_protocol, Reader in) {
    const std::size_t address_size = type == TsType::ipv6_range ? 16 : 4;
    TrafficSelector selector;
    selector.ip_protocol = ip_protocol;
    selector.start_port = in.u16();
    selector.end_port = in.u16();
    const auto start = IpAddress::from_bytes(in.bytes(address_size));
    const auto end = IpAddress::from_bytes(in.bytes(address_size));
    if (!in.ok() || !in.at_end() || !start || !end) return std::unexpected(Rule::bad_traffic_selector);
    selector.start = *start;
    selector.end = *end;
    if (selector.end < selector.start || !ports_fit(selector.start_port, selector.end_port))
        return std::unexpected(Rule::bad_traffic_selector);
    return selector;
}

// None for a selector of a type that we do not know: it is left out, so that narrowing drops it
// (RFC 7296 2.9).
std::expected<std::optional<TrafficSelector>, Rule> parse_selector(Reader& in) {
    const TsType type{in.u8()};
    const std::uint8_t ip_protocol = in.u8();
    const std::uint16_t length = in.u16();
    if (!in.ok() || length < kSelectorHeader) return std::unexpected(Rule::bad_traffic_selector);
    const View content = in.bytes(length - kSelectorHeader);
    if (!in.ok()) return std::unexpected(Rule::bad_traffic_selector);
    if (type != TsType::ipv4_range && type != TsType::ipv6_range) return std::nullopt;
    const auto selector = parse_range(type, ip_protocol, Reader(content));
    if (!selector) return std::unexpected(selector.error());
    return *selector;
}

void encode_selector(const TrafficSelector& selector, Bytes& to) {
    const std::size_t start = to.size();
    put_u8(to, static_cast<std::uint8_t>(selector.start.is_v6() ? TsType::ipv6_range : TsType::ipv4_range));
    put_u8(to, selector.ip_protocol);
    LengthField length(to, start);
    put_u16(to, selector.start_port);
    put_u16(to, selector.end_port);
    append(to, selector.start.view());
    append(to, selector.end.view());
    length.close();
}

} // namespace

std::expected<TrafficSelectors, Rule> parse_traffic_selectors(View body, bool initiator) {
    Reader in(body);
    const std::size_t count = in.u8();
    in.skip(3);
    if (!in.ok()) return std::unexpected(Rule::truncated);
    if (count == 0) return std::unexpected(Rule::bad_traffic_selector);
    if (count > kMaxSelectors) return std::unexpected(Rule::too_many_selectors);

    TrafficSelectors ts{initiator, {}};
    ts.selectors.reserve(std::min(count, in.left() / kShortestSelector));
    for (std::size_t i = 0; i < count; ++i) {
        const auto selector = parse_selector(in);
        if (!selector) return std::unexpected(selector.error());
        if (*selector) ts.selectors.push_back(**selector);
    }
    if (!in.at_end()) return std::unexpected(Rule::bad_traffic_selector);
    return ts;
}

void encode_body(const TrafficSelectors& ts, Bytes& to) {
    put_u8(to, static_cast<std::uint8_t>(ts.selectors.size()));
    put_zeros(to, 3);
    for (const TrafficSelector& selector : ts.selectors)
        encode_selector(selector, to);
}

} // namespace sheaf::wire
