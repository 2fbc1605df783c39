#pragma once

#include "lib/base/ip.h"
#include "lib/child/kernel.h"
#include "netlink/message.h"

#include <cstdint>
#include <optional>
#include <string>

struct xfrm_selector;

namespace sheaf::xfrm {

// Ports whose bits under the mask are these; no mask: any port. In ICMP the source port stands for the
// message's type, the destination port for its code. Ports unseen (a later fragment) are 0.
struct PortMatch {
    std::uint16_t value = 0;
    std::uint16_t mask = 0;

    static constexpr std::uint16_t kWhole = 0xffff;
    [[nodiscard]] std::string to_string() const; // "any", "53", "1024-2047"
    friend auto operator<=>(const PortMatch&, const PortMatch&) = default;
};

// What packets a policy is for. Both prefixes are of one family.
struct Selector {
    Prefix source;
    Prefix destination;
    std::uint8_t protocol = 0; // 0: any
    PortMatch source_port;
    PortMatch destination_port;

    [[nodiscard]] std::string to_string() const; // "10.0.0.0/8 -> 192.0.2.1/32 protocol 17 port any -> 53"
    friend auto operator<=>(const Selector&, const Selector&) = default;
};

// in: to this host; forward: through it; both after decapsulation.
enum class PolicyDirection : std::uint8_t { in = 0, out = 1, forward = 2 }; // as XFRM_POLICY_...

[[nodiscard]] const char* to_string(PolicyDirection direction); // "in", "out", "fwd"

// What Mobile IPv6 does to the addresses of a packet outside of ESP: the care-of address stands in the header instead
// of the home address, which is in a Home Address option (RFC 6275 6.3) or a type 2 routing header (RFC 6275 6.4).
enum class RouteOptimization : std::uint8_t {
    none = 0,
    routing_header = 43,
    home_address = 60
}; // IPv6 next headers

// An SPD entry that wants one ESP transformation, or refuses what matches.
struct Policy {
    PolicyDirection direction{};
    Selector selector;
    std::uint32_t priority = 0; // the least number wins
    std::uint32_t link = 0;     // if_id; 0: of no virtual interface
    std::uint32_t reqid = 0;    // of the SAD entries that serve it
    child::Mode mode = child::Mode::tunnel;
    bool refuse = false; // then the reqid only says whose the entry is
    // Outer addresses that an SA must have. Only out and in tunnel mode are there any; else they are all
    // zero, of the outer family.
    IpAddress source;
    IpAddress destination;
    std::uint32_t spi = 0;  // of the SAD entry that alone serves it; 0: any with the reqid
    std::uint32_t mark = 0; // of the packets that it is for, under kGroupMarkMask; 0: any
    // Outside of ESP: outwards always, from and to the selector's addresses; inwards it may be there or not.
    RouteOptimization optimization = RouteOptimization::none;
    std::uint32_t optimization_reqid = 0; // of the entries that do it; 0: as `reqid`
    bool esp = true;                      // otherwise the above is all that it takes

    [[nodiscard]] std::string to_string() const; // "policy in 10.0.0.0/8 -> 0.0.0.0/0 (link 0x53000001)"
    friend auto operator<=>(const Policy&, const Policy&) = default;
};

[[nodiscard]] netlink::Message install_policy(const Policy& policy); // fails when there is one like it
[[nodiscard]] netlink::Message update_policy(const Policy& policy);  // takes the place of one like it, if any
[[nodiscard]] netlink::Message remove_policy(const Policy& policy);  // by direction, selector and link
// The fixed part of messages that name a policy, without the link, which is an attribute.
void put_identity(netlink::Builder& to, const Policy& policy);
[[nodiscard]] netlink::Message dump_policies();
// XFRM_MSG_NEWPOLICY. Nothing for one that is none of these transformations, is a socket's or a sub-policy.
[[nodiscard]] std::optional<Policy> parse_policy(const nlmsghdr& message);

// How XFRM messages write selectors.
[[nodiscard]] xfrm_selector selector_form(const Selector& selector);
[[nodiscard]] Selector selector_of(const xfrm_selector& selector);

} // namespace sheaf::xfrm
