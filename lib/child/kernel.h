#pragma once

#include "lib/base/bytes.h"
#include "lib/base/ip.h"
#include "lib/base/secret.h"
#include "lib/crypto/suite.h"
#include "lib/wire/payload.h"

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

// What the engine wants of the kernel, and what the kernel tells it: values only. xfrm/ turns them into
// netlink.
namespace sheaf::child {

// A virtual link's number: the kernel's if_id and reqid of all that belongs to the link. Drawn from our own
// range, so that what Sheaf put into the kernel can be told from what others did.
using LinkNumber = std::uint32_t;
inline constexpr LinkNumber kFirstLink = 0x53000000;
inline constexpr LinkNumber kLastLink = 0x53ffffff;

enum class Mode : std::uint8_t { tunnel, transport };
enum class LinkRole : std::uint8_t { gateway, client };

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

// Two SAD entries, one per direction.
struct InstallSas {
    SaPairId id;
    Mode mode = Mode::tunnel;
    bool udp_encapsulation = false; // RFC 3948, between the ports of local and peer
    LinkRole role =
        LinkRole::gateway; // a client marks its outer packets so that they do not enter the tunnel again
    crypto::EspSuite suite;
    EspKeys in;
    EspKeys out;
    std::uint32_t replay_window = 64; // packets; 0 turns replay protection off
};

struct RemoveSas {
    SaPairId id;
};

// SPD entries that let exactly these selectors through the link, in all directions that the selectors ask
// for.
struct PolicySet {
    LinkNumber link = 0;
    Mode mode = Mode::tunnel;
    IpAddress local; // outer addresses, for the templates
    IpAddress peer;
    std::vector<wire::TrafficSelector> local_selectors;
    std::vector<wire::TrafficSelector> remote_selectors;
    friend bool operator==(const PolicySet&, const PolicySet&) = default;
};

struct InstallPolicies {
    PolicySet policies;
};
struct RemovePolicies {
    PolicySet policies;
};

// An address on a client's virtual interface.
struct InterfaceAddress {
    IpAddress address;
    unsigned prefix_length = 128;
    friend bool operator==(const InterfaceAddress&, const InterfaceAddress&) = default;
};

// A point-to-point virtual link.
//
// gateway: all links share the one interface (collect-metadata mode) named `interface`, which xfrm/ creates
// with the
//   first link; `routes` are the client's prefixes and addresses, each routed with the link's number.
// client: the link has the interface for itself; `addresses` are put onto it and `routes` lead into it. The
// first
//   global address of a route's family is its preferred source.
struct Link {
    LinkNumber number = 0;
    LinkRole role = LinkRole::gateway;
    std::string interface;
    std::vector<InterfaceAddress> addresses;
    std::vector<Prefix> routes;
    friend bool operator==(const Link&, const Link&) = default;
};

struct OpenLink {
    Link link;
};
struct CloseLink {
    Link link;
};

using KernelStep = std::variant<OpenLink, CloseLink, InstallSas, RemoveSas, InstallPolicies, RemovePolicies>;

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

// A lifetime of an SA of ours has ended (hard: the kernel removed it), or someone else deleted it.
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

using KernelEvent = std::variant<IntentDone, SaGone, SasPresent>;

} // namespace sheaf::child
