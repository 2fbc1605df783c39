#include "lib/ike/mobile_use.h"

#include "lib/child/selector.h"
#include "lib/ike/payload_query.h"
#include "lib/mobility/numbers.h"

#include <algorithm>
#include <charconv>

namespace sheaf::ike {
namespace {

constexpr std::string_view kPayload = "payload";

wire::TrafficSelector of_protocol(const Prefix& prefix, std::uint8_t protocol) {
    wire::TrafficSelector out = child::selector(prefix);
    out.ip_protocol = protocol;
    return out;
}

MobileSelectors of_protocol(const Prefix& node, const Prefix& agent, std::uint8_t protocol) {
    return {{of_protocol(node, protocol)}, {of_protocol(agent, protocol)}};
}

} // namespace

std::string name(const MobileUse& use) {
    switch (use.traffic) {
    case MobileTraffic::signalling: return "signalling";
    case MobileTraffic::prefix_discovery: return "prefix-discovery";
    case MobileTraffic::home_test: return "home-test";
    case MobileTraffic::payload: break;
    }
    return std::string(kPayload) + (use.bid == 0 ? "" : "-" + std::to_string(use.bid));
}

std::optional<MobileUse> mobile_use(const std::string& text) {
    for (const auto traffic : {MobileTraffic::signalling, MobileTraffic::prefix_discovery,
                               MobileTraffic::home_test, MobileTraffic::payload}) {
        if (name({traffic, 0}) == text) return MobileUse{traffic, 0};
    }
    const std::string start = std::string(kPayload) + "-";
    if (!text.starts_with(start)) return std::nullopt;
    MobileUse out{MobileTraffic::payload, 0};
    const auto [end, error] = std::from_chars(text.data() + start.size(), text.data() + text.size(), out.bid);
    if (error != std::errc() || end != text.data() + text.size() || out.bid == 0) return std::nullopt;
    return out;
}

MobileSelectors selectors_for(const MobileUse& use, const HomeClaim& claim) {
    const Prefix everywhere = Prefix::all(Family::ipv6);
    const Prefix home = claim.home.is_any() ? everywhere : Prefix::host(claim.home);
    const Prefix agent = Prefix::host(claim.agent);
    switch (use.traffic) {
    case MobileTraffic::signalling: return of_protocol(home, agent, mobility::kMobilityProtocol);
    case MobileTraffic::prefix_discovery: return of_protocol(home, agent, mobility::kIcmp6Protocol);
    case MobileTraffic::home_test: return of_protocol(home, everywhere, mobility::kMobilityProtocol);
    case MobileTraffic::payload: break;
    }
    MobileSelectors out{{child::selector(home)}, {child::selector(everywhere)}};
    for (const Prefix& network : claim.networks)
        out.node.push_back(child::selector(network));
    return out;
}

std::optional<MobileTraffic> traffic_of(bool transport, std::span<const wire::TrafficSelector> node,
                                        std::span<const wire::TrafficSelector> agent) {
    const auto are_of = [&](std::uint8_t protocol) {
        const auto is_of = [protocol](std::span<const wire::TrafficSelector> side) {
            return !side.empty() &&
                   std::ranges::all_of(side, [protocol](const auto& s) { return s.ip_protocol == protocol; });
        };
        return is_of(node) && is_of(agent);
    };
    const bool mobility = are_of(mobility::kMobilityProtocol);
    if (!transport) return mobility ? MobileTraffic::home_test : MobileTraffic::payload;
    if (mobility) return MobileTraffic::signalling;
    return are_of(mobility::kIcmp6Protocol) ? std::optional(MobileTraffic::prefix_discovery) : std::nullopt;
}

wire::Notify write_binding_identifier(std::uint16_t bid) {
    return notify(kBindingIdentifier, {static_cast<std::uint8_t>(bid >> 8), static_cast<std::uint8_t>(bid)});
}

std::optional<std::uint16_t> read_binding_identifier(std::span<const wire::Payload> payloads) {
    const wire::Notify* told = find_notify(payloads, kBindingIdentifier);
    if (!told || told->data.size() != 2) return std::nullopt;
    const auto bid = static_cast<std::uint16_t>(told->data[0] << 8 | told->data[1]);
    return bid == 0 ? std::nullopt : std::optional(bid);
}

} // namespace sheaf::ike
