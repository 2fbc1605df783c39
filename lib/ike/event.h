#pragma once

#include "lib/address/lease_book.h"
#include "lib/auth/identity.h"
#include "lib/base/ip.h"
#include "lib/base/rule.h"
#include "lib/base/time.h"
#include "lib/child/kernel.h"
#include "lib/wire/header.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

// What the engine tells its operator: each is one log line, and one line of `sheafctl watch`.
namespace sheaf::ike {

// What names an IKE SA in logs: our SPI (unique within an engine), the connection and the peer.
struct SaName {
    wire::Spi spi = 0;
    std::string connection;
    Endpoint peer;
    std::string peer_id; // empty until authenticated
};

// A message went out or came in. Told only while Engine::trace is on.
struct MessageTraced {
    bool sent = false;
    wire::Header header;
    Endpoint local;
    Endpoint peer;
    std::string payloads; // "SA KE No N(NAT_DETECTION_SOURCE_IP)"
};

// A datagram or request was refused. Counted by its rule whether or not it is told.
struct Refused {
    Rule rule{};
    Endpoint peer;
    wire::Spi spi = 0;  // our SPI, 0 where no IKE SA is concerned
    std::string detail; // what exactly, in one clause; may be empty
};

struct IkeUp {
    SaName sa;
    std::string suite; // "aes256gcm16-prfsha256-x25519"
    bool nat = false;
};

// Why an IKE SA ended.
enum class DownReason : std::uint8_t {
    command,
    deleted_by_peer,
    peer_silent,
    replaced,
    failed,
    shutdown,
    kernel,
    expired, // its keys could not be replaced in time
    moved,   // a mobile node has moved, and its home agent does not follow (no K bit): Child SAs stay
};
[[nodiscard]] std::string_view name(DownReason reason);

struct IkeDown {
    SaName sa;
    DownReason reason{};
    std::string detail; // with `failed` and `kernel`: what went wrong
    bool retrying = false;
};

struct ChildUp {
    SaName sa;
    std::string child; // its name
    wire::ChildSpi spi_in = 0;
    wire::ChildSpi spi_out = 0;
    std::string suite; // "aes256gcm16"
    child::Link link;  // gateway and client: prefixes and addresses that the client has been given
    std::vector<std::string> local_selectors;
    std::vector<std::string> remote_selectors;
};

// The IKE SA was rekeyed; all that hung on the old one is the new one's now.
struct IkeRekeyed {
    SaName sa; // the new one
    wire::Spi old_spi = 0;
    std::string suite;
};

// Another IKE SA stands beside the one of `old_spi`, carried by the same authentication (RFC 7791).
struct IkeCloned {
    SaName sa; // the new one
    wire::Spi old_spi = 0;
    std::string suite;
};

// A Child SA replaces another.
struct ChildRekeyed {
    SaName sa;
    std::string child;
    wire::ChildSpi old_spi_in = 0;
    wire::ChildSpi spi_in = 0;
    wire::ChildSpi spi_out = 0;
    std::string suite;
};

// The peer is now where `sa.peer` says: a NAT gave it another address or port.
struct PeerMoved {
    SaName sa;
    Endpoint before;
};

// We are at another address, of our own accord (RFC 4555, RFC 6275).
struct Moved {
    SaName sa;
    IpAddress local;
    IpAddress before;
};

// A path of a client's has changed (ike::PathPlan).
struct PathChanged {
    SaName sa; // where `peer` is what the path runs to now; spi 0: it has no IKE SA
    std::string uplink;
    IpAddress gateway;
    std::string state; // as in PathStatus
    std::string why;   // where it is not "up"
};

struct ChildDown {
    SaName sa;
    std::string child;
    wire::ChildSpi spi_in = 0;
    wire::ChildSpi spi_out = 0;
};

// Blocks of a client's link. `released` ones stay reserved for the client for their pool's time.
struct Leased {
    SaName sa;
    enum class What : std::uint8_t { assigned, renewed, released } what{};
    std::vector<Prefix> blocks;
};

// A multi-point SA, at its gateway or at one of its endpoints.
struct GroupChanged {
    std::string group;
    enum class What : std::uint8_t {
        made,           // gateway: a new SA; `why` it came to be
        settled,        // gateway: nobody sends with the one before any more
        retired,        // gateway: nobody takes the one before any more
        joined,         // gateway: a member
        left,           // gateway: a member; `why` says how
        member_failed,  // gateway: a member has refused the SA, or cannot be told it
        installed,      // endpoint: packets under this SA are taken
        sending,        // endpoint: and sent
        removed,        // endpoint
        refused,        // endpoint: what the gateway told
        kernel_refused, // endpoint: the kernel, something that the group needs; it is tried again
        repaired,       // endpoint: the kernel has what the group needs again
    } what{};
    wire::ChildSpi spi = 0;
    std::uint64_t generation = 0; // gateway
    SaName member{};              // joined, left, member_failed
    std::string why;
};
[[nodiscard]] std::string_view name(GroupChanged::What what);

// A binding of Mobile IPv6, at the home agent or at the mobile node.
struct BindingChanged {
    std::string connection;
    IpAddress home;
    enum class What : std::uint8_t {
        registered,
        refreshed, // until another time, or with another priority
        moved,     // to another care-of address
        ended,
        refused, // `why`; nothing has changed
        prefix_gone, // mobile node: the home agent has no prefix with this home address any more; `why` says which
        at_home, // mobile node: it is, on the interface that `why` names, and the home agent knows
    } what{};
    std::uint16_t bid = 0;              // 0: none, or several are meant
    std::optional<IpAddress> care_of{}; // not of what was refused
    std::optional<IpAddress> before{};  // moved
    std::optional<Duration> lifetime{}; // that is left
    std::string why{};
};
[[nodiscard]] std::string_view name(BindingChanged::What what);

// A pool is nearly or wholly used up. Told by whoever keeps the pools.
using PoolLow = address::PoolNotice;

using Event =
    std::variant<MessageTraced, Refused, IkeUp, IkeDown, ChildUp, ChildDown, IkeRekeyed, ChildRekeyed, Moved,
                 PeerMoved, IkeCloned, PathChanged, GroupChanged, Leased, PoolLow, BindingChanged>;

} // namespace sheaf::ike
