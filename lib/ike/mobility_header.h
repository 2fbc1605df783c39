#pragma once

#include "lib/base/bytes.h"
#include "lib/base/ip.h"
#include "lib/mobility/numbers.h"

#include <chrono>
#include <cstdint>
#include <optional>

namespace sheaf::ike {

// A message of Mobile IPv6 between a mobile node and its home agent, IPsec aside: its Mobility Header (RFC 6275 6.1.1),
// or ICMPv6 message of prefix discovery (RFC 6275 6.7, 6.8), with a checksum of zero where it goes out, and the
// addresses that it travels with. Where the care-of address is not the home address, the mobile node's packet has a
// home address option, the home agent's a type 2 routing header.
struct MobilityHeader {
    IpAddress home;    // unspecified: a Binding Error to who has none
    IpAddress care_of; // of the mobile node on the wire
    IpAddress agent;
    bool to_agent = false; // which way it goes
    // What came in: by the SAs of this home address. ICMPv6: if the kernel has policies for it, which the engine knows.
    bool is_protected = false;
    std::uint16_t bid = 0; // to the home agent: of the care-of address (child::path_mark); 0: from home
    std::uint8_t protocol = mobility::kMobilityProtocol; // or kIcmp6Protocol
    Bytes octets;
};

// Somebody else's decision about a binding: an operator's, or another mobility stack's. Home agent only.
struct SetBinding {
    IpAddress home;
    std::uint16_t bid = 0; // 0: the only one
    IpAddress care_of;
    std::uint8_t priority = 0; // 1 to 127, lower is preferred; 0: after all others
    std::chrono::seconds lifetime{0};
};
struct RemoveBinding {
    IpAddress home;
    std::optional<std::uint16_t> bid; // none: all
};

} // namespace sheaf::ike
