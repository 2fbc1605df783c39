#pragma once

#include "lib/address/pools.h"
#include "lib/base/bytes.h"
#include "lib/child/kernel.h"
#include "lib/wire/cfg.h"

#include <memory>
#include <vector>

namespace sheaf::ike {

// A virtual link and what came with it.
//
// Ownership: shared by the IKE SAs that use it (an old and a new one while a peer authenticates anew) and,
// where it must stay without any, by the connection's Initiation. Whoever lets go of it last closes it.
struct VirtualLink {
    child::Link link; // as the kernel has it, or was asked to make it
    bool open = false;
    std::vector<address::Lease> leases; // gateway
    Bytes link_id;                      // RFC 5739
    std::vector<IpAddress> dns;         // client
    wire::InterfaceId interface_id{};   // client: the same for as long as the link lives
};

// What a link is to be before something is installed on it.
struct Opening {
    std::shared_ptr<VirtualLink> link; // null: nothing is to be done
    child::Link next;
};

} // namespace sheaf::ike
