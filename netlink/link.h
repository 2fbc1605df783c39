#pragma once

#include "netlink/message.h"

#include <cstdint>
#include <optional>
#include <string>

namespace sheaf::netlink {

// A network interface, as far as Sheaf makes and recognises them.
struct LinkObject {
    int index = 0; // 0: not known yet
    std::string name;
    std::string kind;  // "xfrm"; empty for hardware
    std::string alias; // free text of an administrator; ours says whose the interface is
    std::uint32_t mtu = 0;
    bool up = false;
    bool running = false; // up, and something can be sent: there is carrier

    // Of kind xfrm: the link's number, or collect-metadata mode, in which each packet brings its own.
    std::optional<std::uint32_t> if_id;
    bool collect_metadata = false;

    friend bool operator==(const LinkObject&, const LinkObject&) = default;
};

// Makes an interface of kind xfrm, down, without alias (the kernel takes an alias only afterwards). Fails
// when the name exists. An index other than 0 is asked for.
[[nodiscard]] Message create_link(const LinkObject& link);
// Gives it the alias, and lets the kernel add no IPv6 address by itself. Before it goes up.
[[nodiscard]] Message configure_link(int index, const std::string& alias);
[[nodiscard]] Message raise_link(int index);
[[nodiscard]] Message remove_link(int index);
[[nodiscard]] Message remove_link(const std::string& name);

[[nodiscard]] Message query_link(const std::string& name);
[[nodiscard]] Message dump_links(const std::string& kind);

[[nodiscard]] std::optional<LinkObject> parse_link(const nlmsghdr& message); // RTM_NEWLINK

} // namespace sheaf::netlink
