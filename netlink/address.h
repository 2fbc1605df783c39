#pragma once

#include "lib/base/ip.h"
#include "netlink/message.h"

#include <cstdint>
#include <optional>

namespace sheaf::netlink {

// An address on an interface, for ever valid.
struct Address {
    int interface_index = 0;
    IpAddress address;
    unsigned prefix_length = 0;
    bool prefix_route =
        false; // whether the kernel routes the whole prefix to the interface, in the main table
    // Whether others may have the address, so that the kernel asks before it is used (RFC 4862 5.4). A
    // point-to-point link has nobody to ask.
    bool ask_first = false;
    bool deprecated = false;   // no longer preferred (RFC 4862 5.5.4): new connections choose another
    std::uint8_t protocol = 0; // who installed it, as with routes; 0: unsaid. Kept since Linux 5.18
    bool home =
        false; // a home address of Mobile IPv6: taken from type 2 routing headers, preferred as source

    friend bool operator==(const Address&, const Address&) = default;
};

[[nodiscard]] Message add_address(const Address& address); // fails when it is there
// Changes what is said of one that is there, without a moment in which it is gone. REQUIRES: the same
// interface and prefix length.
[[nodiscard]] Message change_address(const Address& address);
[[nodiscard]] Message remove_address(const Address& address);
[[nodiscard]] Message dump_addresses(Family family);
// Of RTM_NEWADDR: whether something may be sent from it. Not before the kernel has asked whether others have
// it, and not if they have (RFC 4862 5.4); nor is anything to begin with one that is deprecated.
[[nodiscard]] bool is_usable_address(const nlmsghdr& message);
[[nodiscard]] std::optional<Address> parse_address(const nlmsghdr& message); // RTM_NEWADDR

} // namespace sheaf::netlink
