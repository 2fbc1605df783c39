#pragma once

#include "lib/child/kernel.h"

#include <cstdint>

// By what Sheaf's state in the kernel is known, so that it can be told from what others installed.
namespace sheaf::xfrm {

[[nodiscard]] constexpr bool is_ours(std::uint32_t number) {
    return number >= child::kFirstLink && number <= child::kLastLink;
}
// SAD and SPD entries carry a number of ours as reqid, and the link's as if_id where they belong to a
// virtual interface.
[[nodiscard]] constexpr bool is_ours(std::uint32_t reqid, std::uint32_t if_id) {
    return is_ours(reqid) && (if_id == 0 || is_ours(if_id));
}

inline constexpr std::uint8_t kProtocol = 83; // of routes, rules and addresses, as in /etc/iproute2/rt_protos
inline constexpr std::uint32_t kRouteTable = 5300;
inline constexpr std::uint32_t kDefaultRouteTable = 5301; // default routes, looked into after the main table
// Each way of a client that has a firewall mark has a table with its number: the link's routes, and what is
// kept out of them. Its default route is looked into after the main table, as is the tunnel's.
[[nodiscard]] constexpr bool is_way_table(std::uint32_t table) { return is_ours(table); }
// What is sent from an uplink's address to a gateway: one table for each uplink, of daemon/uplinks.h.
inline constexpr std::uint32_t kFirstUplinkTable = 5310;
inline constexpr std::uint32_t kLastUplinkTable = 5389;
inline constexpr std::uint32_t kUplinkPriority = 5290; // "from an uplink's address: look into its table"
inline constexpr std::uint32_t kWayPriority = 5299;    // "with a way's mark: look into its table", but for
                                                       // its default route
inline constexpr std::uint32_t kRoutePriority = 5300;  // "not marked: look into kRouteTable"
inline constexpr std::uint32_t kMainPriority = 5301;   // "look into main, but for its default route"
inline constexpr std::uint32_t kDefaultWayPriority = 5302;   // "with a way's mark: look into its table"
inline constexpr std::uint32_t kDefaultRoutePriority = 5303; // "not marked: look into kDefaultRouteTable"

// Packets of IKE, and ESP that a client's SAD entries made: they must not enter a tunnel again.
inline constexpr std::uint32_t kMark = 0x53000000;
inline constexpr std::uint32_t kMarkMask = 0xff000000;

// Of ESP that comes in under a group SA: which endpoint has sent it, so that each has an SAD entry of its own.
// An index, from 1, stands between the two; the low octet is left to others.
inline constexpr std::uint32_t kGroupMark = 0x54000000;
inline constexpr std::uint32_t kGroupMarkMask = 0xffffff00;
inline constexpr unsigned kGroupMarkShift = 8;
inline constexpr std::uint32_t kMaxGroupMarks = 0xffff;

// Of ESP that comes in for a home agent from where it may come: without it no inbound SAD entry of Mobile IPv6 is found.
inline constexpr std::uint32_t kGateMark = 0x55000000; // under kGroupMarkMask
static_assert(child::kPathMarkMask == kGroupMarkMask);

inline constexpr const char* kLinkKind = "xfrm";
inline constexpr const char* kLinkAlias = "sheaf";
// 1500 less what ESP in UDP in IPv6 adds with any cipher, rounded down; a path with less is found by the
// kernel.
inline constexpr std::uint32_t kLinkMtu = 1400;

} // namespace sheaf::xfrm
