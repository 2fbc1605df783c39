#pragma once

#include "lib/base/ip.h"
#include "lib/child/link.h"
#include "lib/mobility/flow_selector.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// One home address of Mobile IPv6 (RFC 6275, RFC 4877), as the engine wants the kernel to have it, at either end.
namespace sheaf::child {

enum class MobilityRole : std::uint8_t { home_agent, mobile_node };

// A care-of address. Signalling goes over each of them, so that a mobile node can register it; payload over those
// that are registered.
struct CareOf {
    std::uint16_t bid = 0; // RFC 5648 4.1; 0: without an identifier, then it is the only one
    IpAddress address;
    bool registered = false;
    friend bool operator==(const CareOf&, const CareOf&) = default;
};

// Packets whose way is chosen. The first of `bids` that is registered is taken; with none of them, the flow is not
// there. What carries the firewall mark `mark` is meant, or else what the selector matches.
//
// RFC 6088 3.2: the selector speaks of packets to the mobile node. Its own packets are matched the other way round.
struct MobilityFlow {
    mobility::FlowSelector selector{};
    std::uint32_t mark = 0;
    std::vector<std::uint16_t> bids; // in order of preference
    friend bool operator==(const MobilityFlow&, const MobilityFlow&) = default;
};

// RFC 4877 7.2.2: the tunnel of Home Test Init and Home Test, with an SA pair of its own.
struct ReturnRoutability {
    LinkNumber reqid = 0; // of InstallSas
    IpAddress care_of;    // the outer address at the mobile node's end
    friend bool operator==(const ReturnRoutability&, const ReturnRoutability&) = default;
};

// A virtual link between a mobile node and its home agent, in which packets of the home address and of the mobile
// network go over several care-of addresses at once.
//
// Its SAs are installed by InstallSas and removed by RemoveSas, before or after the picture says what they are for,
// but while the link is open; with the link's number in SaPairId. xfrm/ gives them what else they need:
//   signalling  mode transport, reqid `signalling`, not on the interface, between home address and home agent
//   prefix discovery (RFC 4877 6.3): as signalling, with another reqid, that of `prefix_discovery`
//   payload     mode tunnel, reqid 0, on the interface; a pair for each care-of address, between that and the home
//               agent. Found by its addresses, so it may be rekeyed like any other.
//   Home Test   as payload, with the reqid of `home_test`
// Policies are of xfrm/'s making: no InstallPolicies for such a link. MoveSas moves a payload pair to another
// care-of address (with a PolicySet without selectors); what the picture says of it is told before, in the same intent.
//
// home agent: `interface` is the gateway's shared one (LinkRole::gateway). While a care-of address is registered,
//   packets to `home` and to `networks` go into the tunnel; ESP of the payload is taken from registered care-of
//   addresses alone (RFC 5648 6.5), Binding Updates from anywhere.
// mobile node: `interface` is one of its own (LinkRole::client), has the home address, and `correspondents` are
//   routed into it unless the node is at home. What no SA serves is dropped there.
//   A Binding Update sent from the home address with SO_MARK path_mark(bid) goes out from that care-of address with a
//   Home Address option; without a mark, as at home.
//
// Mobility Headers between home address and home agent pass in ESP alone, in either direction; a home agent drops
// those of everybody else as well. While `prefix_discovery` is set, ICMPv6 between the two comes in by its SAs alone, or
// in the tunnel of the payload. What goes out by them is what the mobile node sends with a path_mark, and what the home
// agent sends with the mark of the daemon's sockets; all other ICMPv6 takes the ways of payload.
struct MobilityLink {
    LinkNumber number = 0; // of the payload; if_id and reqid
    MobilityRole role = MobilityRole::home_agent;
    std::string interface;
    IpAddress home;
    IpAddress home_agent;
    LinkNumber signalling = 0;       // the reqid of the signalling pair
    LinkNumber prefix_discovery = 0; // the reqid of its pair; 0: no policy speaks of it
    std::vector<Prefix> networks{};  // RFC 3963: mobile network prefixes
    std::vector<Prefix> correspondents{Prefix::all(Family::ipv6)};
    std::vector<CareOf> care_of{};
    std::optional<std::uint16_t>
        default_bid;                   // of packets of no flow; a registered one. None: they are dropped
    std::vector<MobilityFlow> flows{}; // the first that matches and is there decides
    std::optional<ReturnRoutability> home_test{}; // none: like payload
    // mobile node: payload goes its own ways, without the tunnel; what is registered beside carries signalling alone.
    bool at_home = false;
    // The interface on the home link; empty: none.
    // home agent: there it answers for `home` while that is registered (proxy neighbour discovery, RFC 6275 10.4.1), if
    //   the interface has proxy_ndp.
    // mobile node: it has `home` as well (RFC 6275 11.5.5), without a look for duplicates, for the home agent still
    //   answers for it. Nothing begins with it until `at_home`.
    std::string home_interface{};
    friend bool operator==(const MobilityLink&, const MobilityLink&) = default;
};

// The firewall mark, under kPathMarkMask, of packets that take the way of a care-of address.
inline constexpr std::uint32_t kPathMark = 0x57000000;
inline constexpr std::uint32_t kPathMarkMask = 0xffffff00;
[[nodiscard]] constexpr std::uint32_t path_mark(std::uint16_t bid) {
    return kPathMark | std::uint32_t{bid} << 8U;
}

struct OpenMobility {
    MobilityLink link;
};
// The kernel comes to hold the new picture, without a moment in which a way that stays is gone: first what is new,
// then all flows at once, then what goes.
// REQUIRES: the same number, role, interface, home address and home agent.
struct UpdateMobility {
    MobilityLink link;
};
// With all that belongs to it but its SAs, which RemoveSas removes in the same intent or before.
struct CloseMobility {
    LinkNumber number = 0;
};

} // namespace sheaf::child
