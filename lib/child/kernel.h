#pragma once

#include "lib/base/bytes.h"
#include "lib/base/ip.h"
#include "lib/base/secret.h"
#include "lib/child/group_link.h"
#include "lib/child/link.h"
#include "lib/child/mobility_link.h"
#include "lib/crypto/suite.h"
#include "lib/wire/payload.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

// What the engine wants of the kernel, and what the kernel tells it: values only. xfrm/ turns them into
// netlink.
namespace sheaf::child {

enum class Mode : std::uint8_t { tunnel, transport };
// Which of the two SAD entries of a Child SA.
enum class Directions : std::uint8_t { both, in, out };

// Keys of one direction of an ESP SA. `encryption` carries the salt of an AEAD at its end, as KEYMAT delivers
// it.
struct EspKeys {
    Secret encryption;
    Secret integrity; // empty with an AEAD
};

// Which two SAD entries make up a Child SA; enough to remove them.
// SAD entries are found by (destination, SPI, protocol): inbound ones live at `local`, outbound ones at
// `peer`.
struct SaPairId {
    LinkNumber link = 0;
    Endpoint local;
    Endpoint peer;
    wire::ChildSpi spi_in = 0;
    wire::ChildSpi spi_out = 0;
    friend bool operator==(const SaPairId&, const SaPairId&) = default;
};

// When the kernel ends an SAD entry, or tells that its end is near (RFC 4301 4.4.2.1). Zero: never. Octets
// and packets are counted for each entry.
struct SaLimits {
    std::chrono::seconds hard_time{0};
    std::uint64_t soft_bytes = 0;
    std::uint64_t hard_bytes = 0;
    std::uint64_t soft_packets = 0;
    std::uint64_t hard_packets = 0;
    friend bool operator==(const SaLimits&, const SaLimits&) = default;
};

// How the outer header of tunnel mode follows from the inner one, and back (RFC 4301 5.1.2).
struct OuterHeader {
    bool ecn = true;      // RFC 7296 2.24: congestion marks are carried over, by RFC 6040
    bool dscp_out = true; // the inner DSCP is copied outwards
    bool dscp_in = false; // the outer DSCP is copied inwards
    bool path_mtu = true; // the outer DF bit follows the inner one; false: it is never set
    friend bool operator==(const OuterHeader&, const OuterHeader&) = default;
};

// SAD entries of a Child SA. A responder of a rekeying installs the inbound one first and the outbound one
// when the initiator is known to have its counterpart (RFC 7296 2.8).
struct InstallSas {
    SaPairId id;
    LinkNumber reqid =
        0; // by which policies find their SAs, out of the range of link numbers; 0: the link's number
    Mode mode = Mode::tunnel;
    Directions directions = Directions::both;
    bool on_interface = true;       // packets enter and leave by the link's virtual interface (if_id)
    bool udp_encapsulation = false; // RFC 3948, between the ports of local and peer
    LinkRole role =
        LinkRole::gateway; // a client marks its outer packets so that they do not enter the tunnel again
    crypto::EspSuite suite;
    EspKeys in; // empty where that direction is not installed
    EspKeys out;
    std::uint32_t replay_window = 64; // packets; 0 turns replay protection off
    SaLimits limits{};
    OuterHeader outer{};
};

struct RemoveSas {
    SaPairId id;
    Directions directions = Directions::both;
};

// SPD entries that let exactly these selectors through the link, in all directions that the selectors ask
// for.
struct PolicySet {
    LinkNumber link = 0;
    LinkNumber reqid = 0; // as in InstallSas
    Mode mode = Mode::tunnel;
    bool on_interface = true; // as in InstallSas
    IpAddress local;          // outer addresses, for the templates
    IpAddress peer;
    std::vector<wire::TrafficSelector> local_selectors;
    std::vector<wire::TrafficSelector> remote_selectors;
    friend bool operator==(const PolicySet&, const PolicySet&) = default;
};

// Several sets may hold the same policy (an old and a new Child SA, a trap): it is installed with the first
// and removed with the last of them, and its outer addresses are those of the latest set that still holds it.
//
// A set without SAs is a trap: what matches is dropped, and outbound packets raise Acquire.
struct InstallPolicies {
    PolicySet policies;
};
struct RemovePolicies {
    PolicySet policies;
};

// The peer's (or our) outer endpoint has changed. The SAD entries keep keys, SPIs and sequence numbers; the
// policies of the set follow. Then the pair is known by the new endpoints, the set by the new addresses. There
// is no moment without the SAs; where our own address has changed, what still comes to the old one is taken
// for a while.
struct MoveSas {
    SaPairId id; // as it was
    PolicySet policies;
    Endpoint local;
    Endpoint peer;
    bool udp_encapsulation = false; // from now on
};

struct OpenLink {
    Link link;
};
struct CloseLink {
    Link link;
};
// Addresses, routes and ways become those of `after` without a moment in which those that stay are gone.
// REQUIRES: the same number, role and interface; a way that stays keeps its interface.
struct UpdateLink {
    Link before;
    Link after;
};

using KernelStep =
    std::variant<OpenLink, CloseLink, InstallSas, RemoveSas, InstallPolicies, RemovePolicies, UpdateLink,
                 MoveSas, OpenGroup, UpdateGroup, CloseGroup, InstallGroupSa, SendWithGroupSa, RefreshGroupSa,
                 RemoveGroupSa, OpenMobility, UpdateMobility, CloseMobility>;

using IntentId = std::uint64_t;

// Steps that are carried out in order and as a whole: when one fails, what earlier steps of the intent
// installed is undone and the intent has failed. Removing what is already gone is no failure, and removals
// are not undone.
struct KernelIntent {
    IntentId id = 0;
    std::vector<KernelStep> steps;
};

// Kernel to engine.

// The end of an intent. `error` names the object, the operation and the kernel's own words.
struct IntentDone {
    IntentId id = 0;
    std::optional<std::string> error;
};

// A limit of an SA of ours was reached (hard: the kernel removed it; soft: it is time to rekey), or someone
// else deleted it. Told for either direction, by what the SAD finds the entry by.
struct SaGone {
    IpAddress destination;
    wire::ChildSpi spi = 0;
    bool hard = true;
};

// All SAs of ours that the kernel holds, asked for after events were lost: whatever is not listed is gone.
struct SasPresent {
    struct Sa {
        IpAddress destination;
        wire::ChildSpi spi = 0;
        friend auto operator<=>(const Sa&, const Sa&) = default;
    };
    std::vector<Sa> sas;
};

// A packet matched an outbound policy that no SA serves (XFRM_MSG_ACQUIRE). The packet itself was dropped.
struct Acquire {
    LinkNumber reqid = 0;        // of the policy
    wire::TrafficSelector local; // of the packet
    wire::TrafficSelector remote;
    // Outer addresses of the policy in tunnel mode, else those of the packet: which care-of address lacks its SA.
    IpAddress outer_local{};
    IpAddress outer_peer{};
};

// Authentic ESP in UDP came from another endpoint than the SA has (XFRM_MSG_MAPPING): a NAT's doing.
struct PeerMoved {
    IpAddress destination; // of the inbound SA
    wire::ChildSpi spi = 0;
    Endpoint peer;
};

// Somebody else, such as a daemon of Mobile IPv6, has moved SAs of ours in the kernel, and says where the ends of the
// IKE SA are from now on (XFRM_MSG_MIGRATE with XFRMA_KMADDRESS; RFC 4877 7.4). Ours are not told.
struct EndpointsMigrated {
    wire::TrafficSelector source; // of the policy
    wire::TrafficSelector destination;
    std::uint32_t reqid = 0; // 0: any
    Mode mode = Mode::tunnel;
    IpAddress old_local; // outer addresses
    IpAddress old_peer;
    IpAddress new_local;
    IpAddress new_peer;
    IpAddress ike_local;
    IpAddress ike_peer;
};

// What a group needs without an intent, for somebody else has removed it or another endpoint is needed, was made: or the
// kernel has refused it, then `error` is a sentence, and it is tried again.
struct GroupRepaired {
    LinkNumber group = 0;
    std::optional<std::string> error;
};

using KernelEvent =
    std::variant<IntentDone, SaGone, SasPresent, Acquire, PeerMoved, EndpointsMigrated, GroupRepaired>;

} // namespace sheaf::child
