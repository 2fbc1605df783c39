#include "lib/mobility/options.h"

#include "lib/wire/reader.h"
#include "lib/wire/writer.h"

#include <algorithm>
#include <span>

namespace sheaf::mobility {
namespace {

constexpr std::uint8_t kAtHome = 0x80; // RFC 5648 4.3: the H flag; RFC 6089 4.1: the rest is a priority
constexpr std::uint8_t kPriority = 0x7f;
constexpr std::size_t kFidsInSummary = 127; // RFC 6089 5.2.3: what one option can name

using Parsed = std::expected<void, Rule>;

Parsed bad() { return std::unexpected(Rule::bad_mobility_option); }

BindingId parse_binding(View content) {
    wire::Reader in(content);
    BindingId out;
    out.bid = in.u16();
    out.status = Status{in.u8()};
    const std::uint8_t last = in.u8();
    out.at_home = (last & kAtHome) != 0;
    out.priority = last & kPriority;
    // RFC 5648 6.2: a length that none has is answered, so it is not an error of the message.
    out.malformed = !in.ok() || (in.left() != 0 && in.left() != 4 && in.left() != 16);
    if (!out.malformed && in.left() != 0) out.care_of = IpAddress::from_bytes(in.rest());
    return out;
}

Parsed parse_summary(View content, std::vector<std::uint16_t>& to) {
    if (content.empty() || content.size() % 2 != 0) return bad();
    wire::Reader in(content);
    while (!in.at_end()) {
        if (to.size() == kMaxSummary) return std::unexpected(Rule::too_many_mobility_options);
        to.push_back(in.u16());
    }
    return {};
}

Parsed parse_prefix(View content, Options& to) {
    wire::Reader in(content);
    in.skip(1);
    const std::uint8_t length = in.u8();
    const auto address = IpAddress::from_bytes(in.bytes(16));
    if (!in.ok() || !in.at_end() || !address) return bad();
    if (to.prefixes.size() == kMaxPrefixes) return std::unexpected(Rule::too_many_mobility_options);
    if (length > 128)
        to.invalid_prefix = true;
    else
        to.prefixes.emplace_back(*address, length);
    return {};
}

// Options that stand once at most.
Parsed parse_single(OptionType type, View content, Options& to) {
    wire::Reader in(content);
    bool twice = false;
    switch (type) {
    case OptionType::refresh_advice:
        twice = to.refresh_advice.has_value();
        to.refresh_advice = in.u16();
        break;
    case OptionType::alternate_care_of:
        twice = to.alternate_care_of.has_value();
        to.alternate_care_of = IpAddress::from_bytes(in.bytes(16));
        break;
    case OptionType::nonce_indices:
        twice = to.nonce_indices.has_value();
        to.nonce_indices = NonceIndices{in.u16(), 0};
        to.nonce_indices->care_of = in.u16();
        break;
    default: to.authorization = wire::to_bytes(in.rest());
    }
    if (!in.ok() || !in.at_end()) return bad();
    if (twice) return std::unexpected(Rule::misplaced_mobility_option);
    return {};
}

Parsed parse_option(OptionType type, View content, Options& to) {
    switch (type) {
    case OptionType::refresh_advice:
    case OptionType::alternate_care_of:
    case OptionType::nonce_indices:
    case OptionType::authorization: return parse_single(type, content, to);
    case OptionType::mobile_network_prefix: return parse_prefix(content, to);
    case OptionType::flow_summary: return parse_summary(content, to.flow_summary);
    case OptionType::binding_id:
        if (to.bindings.size() == kMaxBindings) return std::unexpected(Rule::too_many_mobility_options);
        to.bindings.push_back(parse_binding(content));
        return {};
    case OptionType::flow_identification:
        if (to.flows.size() == kMaxFlowOptions) return std::unexpected(Rule::too_many_mobility_options);
        to.flows.push_back(parse_flow(content));
        return {};
    case OptionType::pad1:
    case OptionType::pad_n: break;
    }
    return {}; // RFC 6275 6.2.1: what is not known is skipped
}

// Type, length and content, in one place.
void put_option(Bytes& to, OptionType type, View content) {
    wire::put_u8(to, static_cast<std::uint8_t>(type));
    wire::put_u8(to, static_cast<std::uint8_t>(content.size()));
    append(to, content);
}

void encode_binding(const BindingId& binding, Bytes& to) {
    if (binding.care_of)
        pad(to, 8, 2);
    else
        pad(to, 2);
    Bytes content;
    wire::put_u16(content, binding.bid);
    wire::put_u8(content, static_cast<std::uint8_t>(binding.status));
    const auto priority = static_cast<std::uint8_t>(binding.priority & kPriority);
    wire::put_u8(content, binding.at_home ? static_cast<std::uint8_t>(priority | kAtHome) : priority);
    if (binding.care_of) append(content, binding.care_of->view());
    put_option(to, OptionType::binding_id, content);
}

void encode_prefix(const Prefix& prefix, Bytes& to) {
    pad(to, 8, 4);
    Bytes content;
    wire::put_u8(content, 0);
    wire::put_u8(content, static_cast<std::uint8_t>(prefix.length()));
    append(content, prefix.address().view());
    put_option(to, OptionType::mobile_network_prefix, content);
}

void encode_numbers(OptionType type, std::span<const std::uint16_t> numbers, Bytes& to) {
    pad(to, 2);
    Bytes content;
    for (const std::uint16_t number : numbers)
        wire::put_u16(content, number);
    put_option(to, type, content);
}

} // namespace

void pad(Bytes& to, std::size_t unit, std::size_t offset) {
    const std::size_t count = (unit + offset - to.size() % unit) % unit;
    if (count == 0) return;
    if (count == 1) return wire::put_u8(to, static_cast<std::uint8_t>(OptionType::pad1));
    const Bytes zeros(count - 2);
    put_option(to, OptionType::pad_n, zeros);
}

std::expected<Options, Rule> parse_options(View bytes) {
    Options out;
    wire::Reader in(bytes);
    while (!in.at_end()) {
        const OptionType type{in.u8()};
        if (type == OptionType::pad1) continue;
        const View content = in.bytes(in.u8());
        if (!in.ok()) return std::unexpected(Rule::bad_mobility_option);
        if (const auto parsed = parse_option(type, content, out); !parsed)
            return std::unexpected(parsed.error());
        // RFC 6275 6.2.7: it covers all before it, so nothing may follow, not even padding.
        if (type == OptionType::authorization && !in.at_end())
            return std::unexpected(Rule::misplaced_mobility_option);
    }
    return out;
}

void encode_options(const Options& options, Bytes& to) {
    for (const BindingId& binding : options.bindings)
        encode_binding(binding, to);
    if (options.alternate_care_of) {
        pad(to, 8, 6);
        put_option(to, OptionType::alternate_care_of, options.alternate_care_of->view());
    }
    for (const Prefix& prefix : options.prefixes)
        encode_prefix(prefix, to);
    for (const FlowIdentification& flow : options.flows) {
        pad(to, 2);
        encode_flow(flow, to);
    }
    for (std::span rest(options.flow_summary); !rest.empty();) {
        const std::size_t count = std::min(rest.size(), kFidsInSummary);
        encode_numbers(OptionType::flow_summary, rest.first(count), to);
        rest = rest.subspan(count);
    }
    if (options.nonce_indices) {
        const std::uint16_t indices[] = {options.nonce_indices->home, options.nonce_indices->care_of};
        encode_numbers(OptionType::nonce_indices, indices, to);
    }
    if (options.refresh_advice) encode_numbers(OptionType::refresh_advice, {{*options.refresh_advice}}, to);
    if (options.authorization) {
        // Its end is the message's.
        pad(to, 8, (8 - (options.authorization->size() + 2) % 8) % 8);
        put_option(to, OptionType::authorization, *options.authorization);
    }
    pad(to, 8);
}

} // namespace sheaf::mobility
