#pragma once

#include "lib/address/demand.h"
#include "lib/base/bytes.h"
#include "lib/base/time.h"
#include "lib/child/kernel.h"
#include "lib/ike/name_servers.h"
#include "lib/wire/cfg.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace sheaf::ike {

// What one IKE SA has brought to a virtual link. While a peer authenticates anew there are two, and the link
// has what either has (make before break).
struct LinkShare {
    child::Link part;                           // the link as it were with this one alone
    std::vector<wire::TrafficSelector> clients; // all that the client's end may be
    Bytes link_id;                              // RFC 5739 4.2; empty: the link has no name
    std::vector<address::Grant> grants;         // gateway
    std::vector<IpAddress> dns;                 // client
    std::vector<std::string> domains;           // client
};

// A virtual link and what came with it.
//
// Ownership: shared by the IKE SAs that use it (an old and a new one while a peer authenticates anew) and,
// where it must stay without any, by the connection's Initiation. Whoever lets go of it last closes it.
struct VirtualLink {
    child::Link link; // as the kernel has it, or was asked to make it
    bool open = false;
    Instant since;
    unsigned updates = 0;                               // that the kernel has not answered yet
    bool unsettled = false;                             // and then it is to be changed once more
    Instant again = Instant::max();                     // when to look whether it is as it is to be
    std::vector<std::weak_ptr<const LinkShare>> shares; // gateway, client: oldest first
    wire::InterfaceId interface_id{};                   // ours, for as long as the link lives (RFC 5739 4.2)
    Bytes seed;                                         // client: what RandomId identifiers come from
    NameServers told;                                   // client: what the host was last told
    // Where its own way and the further ones stand, as in child::Link.
    unsigned weight = 1;
    std::uint32_t mark = 0;
    std::vector<child::LinkWay> ways;

    // The newest share first.
    [[nodiscard]] std::vector<std::shared_ptr<const LinkShare>> living() const;
    // What the kernel is to have: the newest share, and what only older ones have, which a client does not
    // begin anything with any more. As it is where there is no share.
    [[nodiscard]] child::Link wanted() const;
    [[nodiscard]] bool is_named(View link_id) const;
};

// What a way into a link is used for.
struct WayUse {
    child::LinkNumber number = 0;
    unsigned weight = 1;
    std::uint32_t mark = 0;
    bool live = false; // a Child SA is there
};

// What a link is to be before something is installed on it.
struct Opening {
    std::shared_ptr<VirtualLink> link; // null: nothing is to be done
    child::Link next;
};

} // namespace sheaf::ike
