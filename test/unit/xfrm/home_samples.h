#pragma once

#include "test/kernel/samples.h"
#include "test/unit/xfrm/bench.h"
#include "xfrm/care_of_state.h"
#include "xfrm/mobility_objects.h"
#include "xfrm/state.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// A home address with two care-of addresses, and what a Bench holds of it.
namespace sheaf::xfrm {

using child::MobilityLink;
using child::MobilityRole;
using kernel_test::ip;
using kernel_test::prefix;
using test::Bench;
using test::only;

inline constexpr child::LinkNumber kNumber = child::kFirstLink + 9, kSignalling = child::kFirstLink + 10;
inline constexpr child::LinkNumber kTest = child::kFirstLink + 11, kPrefixes = child::kFirstLink + 12;
inline constexpr wire::ChildSpi kSignallingSpi = 0x2001, kPayloadSpi = 0x3001;
inline const char* const kHome = "2001:db8:1::100";
inline const char* const kAgent = "2001:db8:13::1";
inline const char* const kFirst = "2001:db8:a::5";
inline const char* const kSecond = "2001:db8:b::5";

inline mobility::FlowSelector from_port(std::uint16_t port) {
    mobility::FlowSelector out;
    out.source_port = {port, port};
    return out;
}

inline MobilityLink picture(MobilityRole role) {
    return {.number = kNumber,
            .role = role,
            .interface = role == MobilityRole::home_agent ? "sheaf0" : "home0",
            .home = ip(kHome),
            .home_agent = ip(kAgent),
            .signalling = kSignalling,
            .networks = {prefix("2001:db8:2:1::/64")},
            .care_of = {{1, ip(kFirst), true}, {2, ip(kSecond), true}},
            .default_bid = 1,
            .flows = {{from_port(5001), 0, {1, 2}}, {from_port(5002), 0, {2, 1}}, {{}, 0x77, {3}}}};
}

// Of signalling, or of the payload over the first care-of address; at the home agent.
inline child::InstallSas sas(child::Mode mode) {
    const bool signalling = mode == child::Mode::transport;
    return {.id = {.link = kNumber,
                   .local = {ip(kAgent), 500},
                   .peer = {ip(signalling ? kHome : kFirst), 500},
                   .spi_in = signalling ? kSignallingSpi : kPayloadSpi,
                   .spi_out = 0x4001},
            .reqid = signalling ? kSignalling : 0,
            .mode = mode,
            .on_interface = !signalling,
            .suite = kernel_test::kGcm,
            .in = kernel_test::keys(kernel_test::kGcm, 1),
            .out = kernel_test::keys(kernel_test::kGcm, 2)};
}

inline std::vector<child::KernelStep> up(MobilityLink link) {
    std::vector<child::KernelStep> out;
    out.emplace_back(child::OpenMobility{std::move(link)});
    out.emplace_back(sas(child::Mode::transport));
    out.emplace_back(sas(child::Mode::tunnel));
    return out;
}

template <typename Parse>
auto parsed(const Bench& bench, const char* kind, Parse parse) {
    std::vector<typename decltype(parse(std::declval<const nlmsghdr&>()))::value_type> out;
    for (const auto& [key, object] : bench.fake.objects) {
        if (!key.starts_with(kind)) continue;
        if (auto found = parse(test::header_of(object))) out.push_back(std::move(*found));
    }
    return out;
}
inline std::vector<CareOfState> care_of_entries(const Bench& bench) {
    return parsed(bench, "sa ", parse_care_of_state);
}

// The outbound policy of payload for packets with that mark.
inline std::optional<Policy> way(const Bench& bench, std::uint32_t mark) {
    for (const Policy& policy : parsed(bench, "policy ", parse_policy)) {
        if (policy.direction == PolicyDirection::out && policy.link == kNumber && policy.mark == mark &&
            policy.selector.protocol == 0)
            return policy;
    }
    return std::nullopt;
}

inline std::size_t count(const Bench& bench, const char* kind) {
    return static_cast<std::size_t>(std::ranges::count_if(
        bench.fake.objects, [&](const auto& entry) { return entry.first.starts_with(kind); }));
}

} // namespace sheaf::xfrm
