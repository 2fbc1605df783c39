#pragma once

#include "lib/base/ip.h"
#include "netlink/message.h"

#include <optional>

namespace sheaf::netlink {

// An address on an interface. Usable at once: duplicates are not looked for, since a point-to-point link has
// nobody else to ask.
struct Address {
    int interface_index = 0;
    IpAddress address;
    unsigned prefix_length = 0;
    bool prefix_route =
        false; // whether the kernel routes the whole prefix to the interface, in the main table

    friend bool operator==(const Address&, const Address&) = default;
};

[[nodiscard]] Message add_address(const Address& address); // fails when it is there
[[nodiscard]] Message remove_address(const Address& address);
[[nodiscard]] Message dump_addresses(Family family);
[[nodiscard]] std::optional<Address> parse_address(const nlmsghdr& message); // RTM_NEWADDR

} // namespace sheaf::netlink
