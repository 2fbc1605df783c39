#pragma once

#include "lib/base/ip.h"
#include "lib/base/secret.h"
#include "lib/base/time.h"
#include "lib/child/link.h"
#include "lib/crypto/suite.h"
#include "lib/wire/header.h"

#include <cstdint>
#include <string>
#include <vector>

// An endpoint's part of a group (draft-yamaya-ipsecme-mpsa-00 3.3.2), as the engine wants the kernel to have
// it: one virtual interface, and the group SAs beneath it.
namespace sheaf::child {

// What is behind another endpoint.
struct GroupSite {
    IpAddress endpoint; // outer
    std::vector<Prefix> networks;
    friend bool operator==(const GroupSite&, const GroupSite&) = default;
};

// The virtual interface of a group, which xfrm/ creates under the name `interface` with the number as if_id.
//
// A packet into it goes, in ESP under the group's SA, to the endpoint that its inner destination is behind:
// as `sites` say, whose networks are routed into the interface; and as the kernel's routes into the interface
// say that have a gateway, which is then the endpoint. Where both, or several routes, name one prefix, sites
// come first and then the route of the lowest metric.
// A packet out of it has an inner source that is behind the endpoint which sent it. Whatever else comes, or
// comes again, is dropped. What has no SA is dropped, too, in either direction.
struct GroupLink {
    LinkNumber number = 0;
    std::string interface;
    std::vector<IpAddress>
        local; // our outer addresses, one of a family; endpoints of the other are not reached
    std::vector<GroupSite> sites{};
    friend bool operator==(const GroupLink&, const GroupLink&) = default;
};

struct OpenGroup {
    GroupLink link;
};
// REQUIRES: the same number. SAs stay; what is not told again goes.
struct UpdateGroup {
    GroupLink link;
};
// With all its SAs.
struct CloseGroup {
    LinkNumber number = 0;
};

// Inbound at once and from every endpoint that is known or will be, each with a replay window of its own. One key
// set for both directions and everybody; the cipher is AES-CBC.
struct InstallGroupSa {
    LinkNumber group = 0;
    wire::ChildSpi spi = 0;
    crypto::EspSuite suite;
    Secret encryption;
    Secret integrity;
    Instant expires; // the kernel drops it then, in case nobody removes it
    // Sequence numbers of what is sent under it: an instance that is made at `now` begins at
    // group::first_sequence(expires - now).
};
// Outbound packets use this one from now on. The one before stays for what is under way, until it is removed.
struct SendWithGroupSa {
    LinkNumber group = 0;
    wire::ChildSpi spi = 0;
};
// It ends at another time.
struct RefreshGroupSa {
    LinkNumber group = 0;
    wire::ChildSpi spi = 0;
    Instant expires;
};
// In both directions.
struct RemoveGroupSa {
    LinkNumber group = 0;
    wire::ChildSpi spi = 0;
};

} // namespace sheaf::child
