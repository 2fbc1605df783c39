#pragma once

#include "lib/base/ip.h"
#include "lib/base/time.h"
#include "lib/mobility/flow_selector.h"
#include "lib/mobility/message.h"

#include <cstdint>
#include <optional>
#include <span>
#include <variant>
#include <vector>

// What is registered for a home address, which way packets take by it, and how two states of it differ. The
// home agent and the mobile node hold the same value, so that they choose alike.
namespace sheaf::mobility {

// RFC 5648 4.1, RFC 6089 4.3
struct Binding {
    std::uint16_t bid = 0; // 0: without an identifier; then it is the only one
    IpAddress care_of;     // the home address for the binding of the home link
    std::uint8_t priority = 0;
    bool at_home = false;
    Instant expires;
    friend bool operator==(const Binding&, const Binding&) = default;
};

// RFC 6089 4.3. The order of the bindings is the order of preference: the first that is registered is used.
struct FlowBinding {
    std::uint16_t fid = 0;
    std::uint16_t priority = 0; // unique for the home address
    FlowSelector selector;
    std::vector<std::uint16_t> bids;
    friend bool operator==(const FlowBinding&, const FlowBinding&) = default;
};

struct Registration {
    IpAddress home;
    std::vector<Binding> bindings;  // by identifier
    std::vector<FlowBinding> flows; // by priority
    bool mobile_router = false;
    std::vector<Prefix> prefixes;          // of the mobile network
    std::optional<IpAddress> key_endpoint; // the mobile node's end of the IKE SA, as far as is known here
    friend bool operator==(const Registration&, const Registration&) = default;
};

[[nodiscard]] const Binding* find(std::span<const Binding> bindings, std::uint16_t bid);
[[nodiscard]] bool has_care_of(const Registration& registration, const IpAddress& care_of);
void put(std::vector<Binding>& bindings, const Binding& binding); // adds, or replaces that of its identifier
void put(std::vector<FlowBinding>& flows, const FlowBinding& flow);

// RFC 6089 5.1.1: where a packet goes that is of no flow: the binding of the lowest priority number, those
// without one last, then the lowest identifier. None if there is no binding.
[[nodiscard]] const Binding* default_path(const Registration& registration);

// RFC 6089 4.3, 5.3.6: the binding that a flow uses now; none makes the flow inactive. RFC 6089 has a copy
// sent over each of a flow's bindings; RFC 5648 3 wants a flow on one path at a time, and so do we.
[[nodiscard]] const Binding* path_of(const FlowBinding& flow, const Registration& registration);

// The way of one packet: by the first active flow that it matches, or the default.
[[nodiscard]] const Binding* path_for(const PacketFacts& packet, const Registration& registration);

// RFC 6275 10.3.1, RFC 5648 9.1: where the mobile node's end of the IKE SA goes by a Binding Update with the
// K bit, when this is what is registered afterwards: the packet's source if that is registered, else the
// first binding of the message that is, else the default way; the home address when nothing is.
[[nodiscard]] IpAddress key_endpoint_after(const Registration& after, const IpAddress& source,
                                           std::span<const BindingId> named);

enum class ChangeKind : std::uint8_t {
    added,
    changed,
    refreshed,
    removed
}; // refreshed: in its lifetime alone

struct BindingChange {
    ChangeKind kind{};
    IpAddress home;
    Binding binding; // as it is now; removed: as it was
    std::optional<Binding> before;
};

struct FlowChange {
    ChangeKind kind{};
    IpAddress home;
    FlowBinding flow;
};

// A flow, or the default for all packets of no flow, takes another way from now on.
struct PathChange {
    IpAddress home;
    std::uint16_t fid = 0;       // 0: the default
    std::optional<Binding> path; // none: the flow is inactive; default: the home address is unreachable
};

// RFC 3963 6.2: a prefix is to be forwarded to the mobile router, or no longer.
struct PrefixChange {
    ChangeKind kind{}; // added or removed
    IpAddress home;
    Prefix prefix;
};

// RFC 6275 10.3.1, 11.7.3: what the K bit asks of IKE.
struct KeyEndpointChange {
    IpAddress home;
    bool move = false; // the IKE SA's end moves to `address`; else IKE SAs to `address` are discarded
    IpAddress address;
};

using Change = std::variant<BindingChange, FlowChange, PathChange, PrefixChange, KeyEndpointChange>;

// What turns one state into the other, in an order in which it can be carried out without a gap: what is new
// comes first, then the ways, then what goes. Key endpoints aside. REQUIRES: both are of one home address.
[[nodiscard]] std::vector<Change> difference(const Registration& before, const Registration& after);

// A message on its way between the mobile node and its home agent. Where both addresses differ, the mobile
// node's packet has a home address option, the home agent's a type 2 routing header.
struct Packet {
    IpAddress home;
    IpAddress care_of; // the mobile node's address on the wire; the home address when it is at home
    Message message;
};

// RFC 6275 9.5.1: whether a sequence number comes after another, modulo 65536.
[[nodiscard]] constexpr bool is_newer(std::uint16_t sequence, std::uint16_t last) {
    const auto ahead = static_cast<std::uint16_t>(sequence - last);
    return ahead != 0 && ahead < 0x8000;
}

} // namespace sheaf::mobility
