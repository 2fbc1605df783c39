#pragma once

#include "netlink/message.h"
#include "xfrm/policy.h"
#include "xfrm/state.h"

namespace sheaf::xfrm {

// Another source, and other ports, for an entry that keeps its destination and its SPI: XFRM_MSG_MIGRATE.
//
// The kernel clones the entry, puts the clone beside it and then removes it, all within one message, so that
// there is always one. It wants a policy whose template has the old addresses, and gives it the new ones; and
// it takes the latest entry with these addresses, this reqid and this if_id, of which there can be several.
// So each migration brings a policy of its own, the carrier, which matches nothing.
struct Migration {
    std::uint32_t link = 0; // if_id
    std::uint32_t reqid = 0;
    IpAddress destination;
    IpAddress source; // before
    IpAddress new_source;
    std::optional<State::Encapsulation> encapsulation; // from now on; none: what the entry has

    // With the addresses that it has before, or after.
    [[nodiscard]] Policy carrier(bool after) const;
    [[nodiscard]] netlink::Message message() const;
};

} // namespace sheaf::xfrm
