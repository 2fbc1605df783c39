#pragma once

#include "lib/base/ip.h"
#include "netlink/message.h"

#include <cstdint>
#include <optional>
#include <string>

namespace sheaf::netlink {

// An address that this host answers for on an interface though another host has it (proxy neighbour discovery,
// RFC 4389 4). The interface's setting proxy_ndp decides whether it does.
struct ProxyNeighbour {
    int interface_index = 0;
    IpAddress address;
    std::uint8_t protocol = 0; // who installed it, as with routes

    [[nodiscard]] std::string to_string() const; // "proxy neighbour 2001:db8::1"
    friend bool operator==(const ProxyNeighbour&, const ProxyNeighbour&) = default;
};

[[nodiscard]] Message add_proxy(const ProxyNeighbour& proxy); // replaces one that is there
[[nodiscard]] Message remove_proxy(const ProxyNeighbour& proxy);
[[nodiscard]] Message
query_proxy(const ProxyNeighbour& proxy); // answered like a part of a dump, or with ENOENT
[[nodiscard]] Message dump_proxies();
[[nodiscard]] std::optional<ProxyNeighbour> parse_proxy(const nlmsghdr& message); // RTM_NEWNEIGH

} // namespace sheaf::netlink
