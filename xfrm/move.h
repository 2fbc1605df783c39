#pragma once

#include "lib/child/kernel.h"
#include "xfrm/plan.h"
#include "xfrm/policy_book.h"

#include <expected>
#include <string>

namespace sheaf::xfrm {

// Gives the SAs of a pair other outer endpoints. Keys, SPIs, limits and counters go along.
//
// The kernel changes nothing but the ports of an entry in place (XFRM_MSG_UPDSA), so what has other addresses
// is read (XFRM_MSG_GETSA) and made anew. XFRM_MSG_MIGRATE would do that in the kernel, but it picks the SA
// by reqid and addresses, which both SAs of a rekeying have, and only with a policy.
//
// An entry that another destination makes another one stands beside the old one until the policies have
// followed, so nothing is lost. One that keeps its destination and SPI, and has another source, is away for
// the moment between two messages of a datagram: inbound when the peer has moved, outbound when we have.
[[nodiscard]] std::expected<void, std::string> plan_move(const child::MoveSas& step, PolicyBook& policies,
                                                         PolicyBook::Changes& changes, Plan& plan);

// Sequence numbers that are left out when an outbound entry is made anew: the old one sends on while the
// kernel has told how far it is and the new one is not yet there, and none may be used twice
// (RFC 4303 3.3.3). At a million packets a second this is 65 ms.
inline constexpr std::uint64_t kSequenceGap = 1 << 16;

} // namespace sheaf::xfrm
