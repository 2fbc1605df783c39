#pragma once

#include "lib/base/ip.h"

#include <cstdint>
#include <string>
#include <vector>

// Virtual links, as the engine wants the kernel to have them.
namespace sheaf::child {

// A virtual link's number: the kernel's if_id and reqid of all that belongs to the link. Drawn from our own
// range, so that what Sheaf put into the kernel can be told from what others did.
using LinkNumber = std::uint32_t;
inline constexpr LinkNumber kFirstLink = 0x53000000;
inline constexpr LinkNumber kLastLink = 0x53ffffff;

enum class LinkRole : std::uint8_t { gateway, client };

// An address on a virtual interface.
struct InterfaceAddress {
    IpAddress address;
    unsigned prefix_length = 128;
    bool deprecated = false; // RFC 4862 5.5.4: what uses it goes on, and nothing new begins with it
    bool home = false;       // RFC 6275: a home address
    friend bool operator==(const InterfaceAddress&, const InterfaceAddress&) = default;
};

// A part of a client's prefix that it hands to a network behind it, by an address of its own there; or its home address
// on the home link.
struct LanAddress {
    std::string interface; // exists, and is not ours
    IpAddress address;
    unsigned prefix_length = 64;
    bool home = false; // RFC 6275 11.5.5: nothing is routed there by it, and duplicates are not looked for
    bool deprecated = false; // as in InterfaceAddress
    friend bool operator==(const LanAddress&, const LanAddress&) = default;
};

// A further way into a link: SAs and policies of a number of its own.
//
// client: the way has an interface of its own as well, named `interface`, without addresses: those of the link
//   are reached over every way. A packet that carries the firewall mark `mark` takes this way.
// gateway: all is as on the link's own way; `interface` and `mark` mean nothing.
struct LinkWay {
    LinkNumber number = 0;
    std::string interface;
    unsigned weight = 1;    // share of what is sent into the link, 1 to 256; 0: none of it
    std::uint32_t mark = 0; // 0: none
    friend bool operator==(const LinkWay&, const LinkWay&) = default;
};

// A point-to-point virtual link.
//
// gateway: all links share the one interface (collect-metadata mode) named `interface`, which xfrm/ creates
//   with the first link; `routes` are the client's prefixes and addresses, each routed with the link's
//   number. `addresses` are ours, link-local; links may have the same. Two clients may have chosen the same
//   link-local address: then the route stays with whose link came first, until that closes.
// client: the link has the interface for itself; `addresses` are put onto it and `routes` lead into it. The
//   first global address of a route's family that is not deprecated, or is a home address, is its preferred source. What of
//   `delegated` has no more specific route is unreachable, so that nothing goes back into the tunnel.
struct Link {
    LinkNumber number = 0;
    LinkRole role = LinkRole::gateway;
    std::string interface;
    std::vector<InterfaceAddress> addresses;
    std::vector<Prefix> routes;
    std::vector<Prefix> delegated{}; // client
    std::vector<LanAddress> lan{};   // client
    // Where there is more than one way: `weight` and `mark` are those of the link's own, as in LinkWay. With one
    // weight above zero all of `routes` lead there; with several they are multipath routes; with none they lead
    // into the link's own way, where what no SA serves is dropped.
    unsigned weight = 1;
    std::uint32_t mark = 0;
    std::vector<LinkWay> ways{};
    friend bool operator==(const Link&, const Link&) = default;
};

} // namespace sheaf::child
