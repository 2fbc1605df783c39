#pragma once

#include "lib/child/kernel.h"
#include "xfrm/leftovers.h"
#include "xfrm/plan.h"
#include "xfrm/policy.h"

#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <vector>

namespace sheaf::xfrm {

// Gives the SAs of a pair other outer endpoints. Keys, SPIs, limits and counters go along.
//
// The kernel changes nothing but ports and limits of an entry in place (XFRM_MSG_UPDSA). What has other
// addresses is read (XFRM_MSG_GETSA) and made anew, or cloned by the kernel (XFRM_MSG_MIGRATE):
//
// - Another destination: the new entry stands beside the old one. Outbound, the policies follow and the old
//   one goes: nothing is lost. Inbound, the old one stays a while longer for what is on its way to the
//   address that we have left (Leftovers). Each of the two has a replay window of its own from there on, both
//   with what came before. So of what comes meanwhile a recording can be played back once, to the other
//   address; afterwards never.
// - Inbound, the same destination and another source: cloned, with its replay window. What comes between the
//   clone and the end of the old entry, some microseconds, is in the window of the old one only and could be
//   played back once. The kernel cannot take encapsulation away that way, nor move SAs of transport mode.
// - Outbound, the same destination and another source: removed and made anew by two messages of one
//   datagram. Those are apart by what the kernel takes to set up a cipher; what is sent meanwhile is dropped.
//   A clone would be wrong here: on all kernels up to 6.12 at least it starts with the counters that the old
//   entry had before it was removed, so that what other processors send meanwhile and what the clone sends
//   have the same sequence numbers, and with AES-GCM the same nonces.
//   The same goes for inbound entries that cannot be cloned.
//
// No sequence number is used twice (RFC 4303 3.3.3): before an outbound entry is made anew the old one gets a
// limit of packets (XFRM_MSG_UPDSA), and the new one begins behind the number that this leaves to it.
//
// `follow` adds to the plan what leads packets to the outbound entry, when that is at its new place and before the old
// one goes.
enum class MovedInbound : std::uint8_t { follows, stays };
[[nodiscard]] std::expected<void, std::string>
plan_move(const child::MoveSas& step, MovedInbound inbound_entry,
          const std::function<std::expected<void, std::string>()>& follow, Leftovers& leftovers, Plan& plan);

// The policies of the set that moves along, as they were and as they will be.
struct MovedPolicies {
    std::vector<Policy> before;
    std::vector<Policy> after;
};
[[nodiscard]] std::expected<MovedPolicies, std::string> moved_policies(const child::MoveSas& step);

// Packets that an outbound entry may send from when its numbers were read until it is gone; so many sequence
// numbers are left out. Few, for a peer's replay window drops what is still on its way if they are many; an
// entry that sends so fast that they would not do gets kRoundTrips times what it has sent between two
// readings beside.
inline constexpr std::uint64_t kSequenceGap = 32;
inline constexpr std::uint64_t kRoundTrips = 16;
// Numbers that are left out where a move fails half-way and the old entry is put back, which has no limit.
inline constexpr std::uint64_t kUndoGap = 1 << 16;

} // namespace sheaf::xfrm
