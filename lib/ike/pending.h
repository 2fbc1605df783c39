#pragma once

#include "lib/child/kernel.h"
#include "lib/ike/virtual_link.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sheaf::ike {

// An intent that the kernel has not answered yet.
struct Pending {
    // A Child SA that it moves, as it is in the kernel before.
    struct Move {
        child::SaPairId before;
        bool udp_encapsulation = false;
    };

    wire::ChildSpi child = 0; // ours, that it installs
    std::vector<Move> moves{};
    std::vector<wire::ChildSpi> outbound{};    // ours, of Child SAs that begin to send by it
    std::weak_ptr<VirtualLink> link;           // that it opens or updates
    std::optional<child::Link> before;         // what that was, if it was open
    child::Link after{};                       // and what it is to be
    std::shared_ptr<VirtualLink> closes;       // that nobody uses any more: when it is known what it is
    std::string traps_of;                      // the connection whose traps it installs
    std::vector<std::string> traps{};          // their names
    std::vector<child::KernelStep> afterwards; // when it has succeeded: what it made is not wanted any more
};

} // namespace sheaf::ike
