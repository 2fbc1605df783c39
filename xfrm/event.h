#pragma once

#include "lib/child/kernel.h"

#include <linux/netlink.h>

#include <cstdint>
#include <optional>

namespace sheaf::xfrm {

// XFRM_MSG_ACQUIRE of a policy of ours: its outer destination.
struct AcquireNotice {
    std::uint32_t reqid = 0;
    IpAddress destination;
};
[[nodiscard]] std::optional<AcquireNotice> parse_acquire(const nlmsghdr& message);

// What a message that the kernel sends by itself means to the engine: XFRM_MSG_EXPIRE, DELSA, ACQUIRE,
// MAPPING and MIGRATE. Nothing for SAs and policies that are not ours.
[[nodiscard]] std::optional<child::KernelEvent> event_of(const nlmsghdr& message);

} // namespace sheaf::xfrm
