#pragma once

#include "lib/child/kernel.h"

#include <linux/netlink.h>

#include <optional>

namespace sheaf::xfrm {

// What a message that the kernel sends by itself means to the engine: XFRM_MSG_EXPIRE, DELSA, ACQUIRE and
// MAPPING. Nothing for SAs and policies that are not ours.
[[nodiscard]] std::optional<child::KernelEvent> event_of(const nlmsghdr& message);

} // namespace sheaf::xfrm
