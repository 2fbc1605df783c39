#pragma once

#include "lib/base/ip.h"
#include "lib/wire/payload.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

// What the Child SAs between a mobile node and its home agent are for (RFC 4877 4.1, 4.2; RFC 5648 9).
namespace sheaf::ike {

enum class MobileTraffic : std::uint8_t {
    signalling, // Binding Updates and their answers: transport mode, between home address and home agent
    prefix_discovery, // likewise for Mobile Prefix Solicitations and Advertisements
    home_test,        // HoTI and HoT: tunnel mode
    payload,          // all else: tunnel mode, a pair of SAs for each binding
};

struct MobileUse {
    MobileTraffic traffic{};
    std::uint16_t bid = 0; // payload: its binding; 0: whichever is the default
    [[nodiscard]] bool is_tunnel() const { return traffic >= MobileTraffic::home_test; }
    friend auto operator<=>(const MobileUse&, const MobileUse&) = default;
};
// "signalling", "prefix-discovery", "home-test", "payload", "payload-2": the name of its Child SA.
[[nodiscard]] std::string name(const MobileUse& use);
[[nodiscard]] std::optional<MobileUse> mobile_use(const std::string& name);

// What an IKE SA between the two speaks for. The home agent has checked that it is the identity's.
struct HomeClaim {
    IpAddress home; // unspecified: the mobile node does not know it yet
    IpAddress agent;
    std::vector<Prefix> networks; // RFC 3963
    friend bool operator==(const HomeClaim&, const HomeClaim&) = default;
};

struct MobileSelectors {
    std::vector<wire::TrafficSelector> node;  // the mobile node's side
    std::vector<wire::TrafficSelector> agent; // the home agent's
};
// RFC 4877 7: any type of message, for kernels cannot tell them apart where they come in.
[[nodiscard]] MobileSelectors selectors_for(const MobileUse& use, const HomeClaim& claim);

// Which use a request means, by its mode and selectors; BID aside. None if it is none of these.
[[nodiscard]] std::optional<MobileTraffic> traffic_of(bool transport,
                                                      std::span<const wire::TrafficSelector> node,
                                                      std::span<const wire::TrafficSelector> agent);

// Which binding a payload pair is for, as the mobile node says with its request. The number is one for private use:
// whoever does not know it ignores it, and the pair then serves the default care-of address. It is read only
// between a mobile node and its home agent. Data: the binding identifier, 2 octets.
inline constexpr wire::NotifyType kBindingIdentifier{40961};
[[nodiscard]] wire::Notify write_binding_identifier(std::uint16_t bid);
[[nodiscard]] std::optional<std::uint16_t> read_binding_identifier(std::span<const wire::Payload> payloads);

} // namespace sheaf::ike
