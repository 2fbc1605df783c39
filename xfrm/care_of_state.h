#pragma once

#include "lib/base/ip.h"
#include "netlink/message.h"
#include "xfrm/policy.h"

#include <compare>
#include <cstdint>
#include <optional>
#include <string>

namespace sheaf::xfrm {

// An SAD entry without keys, by which the kernel writes or takes a care-of address in the header of a packet between
// home address and home agent, in place of the home address (RFC 6275 6.3, 6.4). Such entries are found by their
// addresses and mark.
struct CareOfState {
    RouteOptimization kind = RouteOptimization::home_address;
    IpAddress source;
    IpAddress destination;
    std::uint32_t mark = 0; // of the packets that it is for, under kGroupMarkMask; 0: any
    std::uint32_t reqid = 0;
    IpAddress care_of;     // inbound: unspecified takes any
    bool outbound = false; // the packets that it has written must not enter a tunnel

    [[nodiscard]] std::string
    to_string() const; // "home address option 2001:db8::5 -> 2001:db8::1 (link 0x53000001)"
    friend auto operator<=>(const CareOfState&, const CareOfState&) = default;
};

[[nodiscard]] bool same_place(const CareOfState& a, const CareOfState& b); // by what the kernel finds it
[[nodiscard]] netlink::Message install_state(const CareOfState& state);
[[nodiscard]] netlink::Message update_state(const CareOfState& state); // another care-of address, in place
[[nodiscard]] netlink::Message remove_state(const CareOfState& state);
[[nodiscard]] netlink::Message dump_states(RouteOptimization kind);
// XFRM_MSG_NEWSA. Nothing for other kinds of entries.
[[nodiscard]] std::optional<CareOfState> parse_care_of_state(const nlmsghdr& message);
// XFRM_MSG_DELSA of such an entry: its reqid.
[[nodiscard]] std::optional<std::uint32_t> parse_care_of_removal(const nlmsghdr& message);

} // namespace sheaf::xfrm
