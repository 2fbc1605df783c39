#pragma once

#include "netlink/message.h"

#include <cstdint>
#include <optional>

namespace sheaf::xfrm {

// From which prefix lengths on, of both sides, a policy is found by the SPD's hash table. All others are in
// one list for each direction, which a kernel before Linux 6.12 walks from end to end for each policy that it
// takes. In the table policies share a chain whose addresses agree in so many bits.
struct HashThresholds {
    std::uint8_t local4 = 32, remote4 = 32;
    std::uint8_t local6 = 128, remote6 = 128;
    friend bool operator==(const HashThresholds&, const HashThresholds&) = default;
};

inline constexpr HashThresholds kUntouched{}; // as the kernel begins
// For a gateway's clients: anything on our side, and on theirs an IPv4 address or a /64.
inline constexpr HashThresholds kForClients{.local4 = 0, .remote4 = 32, .local6 = 0, .remote6 = 64};

[[nodiscard]] netlink::Message set_thresholds(const HashThresholds& thresholds); // of the network namespace
[[nodiscard]] netlink::Message query_thresholds();
[[nodiscard]] std::optional<HashThresholds> parse_thresholds(const nlmsghdr& message); // XFRM_MSG_NEWSPDINFO

} // namespace sheaf::xfrm
