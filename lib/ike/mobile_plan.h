#pragma once

#include "lib/auth/identity.h"
#include "lib/base/ip.h"
#include "lib/base/time.h"
#include "lib/mobility/numbers.h"
#include "lib/mobility/registration.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// Mobile IPv6 under IPsec (RFC 4877, RFC 5648): what a connection between a mobile node and its home agent is for.
namespace sheaf::ike {

// RFC 4877 4.2: what an identity may register. One that is an IPv6 address has that as its home address, too.
struct HomeEntry {
    auth::IdentityPattern who;
    std::vector<IpAddress> homes; // the first is the one that is given to who asks for one
    std::vector<Prefix> networks; // RFC 3963: mobile networks
    friend bool operator==(const HomeEntry&, const HomeEntry&) = default;
};

// Home agent.
struct HomeService {
    IpAddress address;              // ours: Binding Updates are sent to it
    std::vector<Prefix> prefixes;   // home addresses are of these
    std::vector<HomeEntry> entries; // the first that fits counts; for others there are the connection's pools
    Duration max_lifetime = std::chrono::minutes(30);
    std::size_t max_bindings = mobility::kMaxBindings; // of a home address
    std::size_t max_homes = 10000;
    bool multiple_care_of = true;
    bool bulk = true;
    bool mobile_routers = true;
    bool flows = true;
    bool key_mobility = true;     // the K bit
    bool home_test = true;        // HoTI and HoT in a tunnel of their own
    bool prefix_discovery = true; // mobile nodes may ask for the prefixes
    // RFC 6275 10.4.1: the interface of the home link on which we answer for home addresses; empty: there is none.
    std::string home_link;
    friend bool operator==(const HomeService&, const HomeService&) = default;
};

// One of a mobile node's ways to the outside; its address is the care-of address.
struct AccessLink {
    std::string interface;
    std::uint16_t bid = 0;     // 1 to 65535
    std::uint8_t priority = 1; // 1 to 127; lower is preferred
    friend bool operator==(const AccessLink&, const AccessLink&) = default;
};

// What carries a firewall mark takes the first of these bindings that is there. It is a rule of our own for what we
// send: the home agent has no marks of ours.
struct MarkedFlow {
    std::uint32_t mark = 0;
    std::vector<std::uint16_t> bids;
    friend bool operator==(const MarkedFlow&, const MarkedFlow&) = default;
};

// Mobile node. Where the home agent is, the connection says (Connection::remote).
struct MobilePlan {
    std::optional<IpAddress> home; // none: by configuration payload
    bool router = false;           // RFC 3963
    std::vector<Prefix> networks;  // router: ours, named to the home agent; none: it knows them, or gives one
    std::vector<AccessLink> access;           // in the order in which IKE prefers them
    std::vector<mobility::FlowBinding> flows; // as they are registered
    std::vector<MarkedFlow> marked;
    Duration lifetime = std::chrono::minutes(7); // asked for
    bool multiple_care_of = true;
    bool bulk = true;
    bool key_mobility = true;      // the K bit
    bool home_test = false;        // HoTI and HoT in a tunnel of their own, not in that of the payload
    bool prefix_discovery = false; // the home agent is asked for its prefixes
    friend bool operator==(const MobilePlan&, const MobilePlan&) = default;
};

} // namespace sheaf::ike
