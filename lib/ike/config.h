#pragma once

#include "lib/address/demand.h"
#include "lib/address/pool_spec.h"
#include "lib/auth/credentials.h"
#include "lib/auth/identity.h"
#include "lib/auth/terms.h"
#include "lib/base/ip.h"
#include "lib/base/time.h"
#include "lib/child/kernel.h"
#include "lib/child/proposal.h"
#include "lib/group/terms.h"
#include "lib/ike/mobile_plan.h"
#include "lib/wire/cfg.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

// What the engine is told by its operator. conf/ makes these values from a file; the engine never sees the
// file.
namespace sheaf::ike {

// gateway: gives addresses to clients. client: takes them. peer: neither; two networks or two hosts, and
// either side may begin. home_agent, mobile_node: Mobile IPv6 (mobile_plan.h).
enum class Role : std::uint8_t { gateway, client, peer, home_agent, mobile_node };

// Each further transmission waits twice as long as the one before.
struct RetransmitPolicy {
    Duration first = std::chrono::milliseconds(500);
    unsigned tries = 6; // transmissions in all
    friend bool operator==(const RetransmitPolicy&, const RetransmitPolicy&) = default;
};

// The interface identifier of an address that a client makes in its prefix.
struct StableId { // RFC 7217: the same for the same prefix, and telling nothing elsewhere
    friend bool operator==(const StableId&, const StableId&) = default;
};
struct RandomId { // another one with each virtual link
    friend bool operator==(const RandomId&, const RandomId&) = default;
};
using InterfaceIdChoice = std::variant<StableId, RandomId, wire::InterfaceId>;

// A network behind a client that gets the subnet-th /64 of each prefix that is longer than that.
struct LanNetwork {
    std::string interface;
    std::uint32_t subnet = 1; // 0 has the client's own addresses
    friend bool operator==(const LanNetwork&, const LanNetwork&) = default;
};

// What a client asks for in its configuration request, and what it makes of the answer.
struct AddressRequest {
    bool prefix = true; // INTERNAL_IP6_LINK and INTERNAL_IP6_PREFIX, RFC 5739
    bool ipv6 = false;  // INTERNAL_IP6_ADDRESS
    bool ipv4 = true;   // INTERNAL_IP4_ADDRESS
    bool dns = true;    // servers and domains, for the resolver of the host
    std::vector<InterfaceIdChoice> interface_ids{StableId{}}; // an address for each, in each prefix
    std::vector<LanNetwork> lan{};
    friend bool operator==(const AddressRequest&, const AddressRequest&) = default;
};

// When keys are replaced. Each time a random part of the last tenth is taken off, so that many SAs do not
// rekey at once. Zero: never for this reason. An SA that could not be rekeyed ends when a quarter more is
// used up.
struct Lifetime {
    Duration time{};
    std::uint64_t bytes = 0; // Child SAs only, as packets
    std::uint64_t packets = 0;
    friend bool operator==(const Lifetime&, const Lifetime&) = default;
};

// What holds for a Child SA besides its selectors.
struct ChildTerms {
    std::vector<child::EspProposal> esp;
    Lifetime lifetime{std::chrono::hours(1), 0, 0};
    std::uint32_t replay_window = 64; // packets
    child::OuterHeader outer;
    friend bool operator==(const ChildTerms&, const ChildTerms&) = default;
};

// How a Child SA of a peer connection comes to be.
enum class Start : std::uint8_t {
    manual, // when the peer or the operator wants it
    trap,   // with the first packet that needs it
    now,    // at start, and again after a loss
};

// A Child SA of a peer connection.
struct ChildConfig {
    std::string name; // unique within its connection
    child::Mode mode = child::Mode::tunnel;
    std::vector<wire::TrafficSelector> local; // transport mode: empty stands for the outer address
    std::vector<wire::TrafficSelector> remote;
    Start start = Start::manual;
    bool clear_without_sa = false; // false: with trap and now, what matches is dropped while there is no SA
    ChildTerms terms;
    friend bool operator==(const ChildConfig&, const ChildConfig&) = default;
};

// What happens to an IKE SA when its peer authenticates another one.
enum class Uniqueness : std::uint8_t {
    replace, // the new one takes over, with the addresses; also how a peer reauthenticates without a gap
    keep,    // the new one is refused
    many,    // both stay, with addresses of their own
    share,   // both stay, with the same addresses: what is sent to them takes the link's latest Child SA
};

// One of a client's ways to the outside.
struct Uplink {
    std::string interface;
    unsigned weight = 1;    // with PathUse::balance: 1 to 256
    std::uint32_t mark = 0; // with PathUse::mark: of the packets that take its paths; 0: none do
    friend bool operator==(const Uplink&, const Uplink&) = default;
};

// Which pairs of an uplink and an address of the gateway are to be paths.
enum class PathSet : std::uint8_t {
    uplinks,  // one for each uplink, to the first address that it reaches
    gateways, // one for each address, over the first uplink that reaches it
    pairs,    // all
};

// Which of its paths a link's traffic takes.
enum class PathUse : std::uint8_t {
    primary, // the first; the others stand by
    balance, // all, by weight
    mark,    // by firewall mark; what has none of the marks takes the first
};

// The paths of a client to its gateway: one IKE SA for each, cloned from the first (RFC 7791), with a Child SA
// and a number in the kernel of its own. A path whose uplink is gone or silent goes over another one until its
// own is back (RFC 4555).
struct PathPlan {
    std::vector<Uplink> uplinks; // client, in order of preference; empty: one path, as the host's routes go
    PathSet set = PathSet::uplinks;
    PathUse use = PathUse::primary; // gateway: primary or balance, of what is sent to clients
    // client: what has not answered for this long is silent; zero: the connection's liveness decides
    Duration probe{};
    friend bool operator==(const PathPlan&, const PathPlan&) = default;
};

struct Connection {
    std::string name;
    Role role = Role::gateway;
    auth::Identity local_id;
    auth::IdentityPattern remote_id;
    auth::Terms auth; // how each side proves its identity
    std::optional<IpAddress> local_address;
    std::optional<Endpoint> remote; // client, and a peer that may be begun with: where it listens
    std::vector<Prefix> networks;   // gateway, client: behind the gateway, seen from either role
    std::vector<child::IkeProposal> ike;
    ChildTerms child; // gateway, client
    // peer: all there are. gateway, client: those beside the virtual link, between the interfaces that IKE
    // itself runs over (RFC 5739 4.3).
    std::vector<ChildConfig> children;
    Duration liveness = std::chrono::seconds(30); // silence before an empty INFORMATIONAL; zero: never
    RetransmitPolicy retransmit;
    Duration rekey = std::chrono::hours(4); // of the IKE SA, as in Lifetime
    // A new IKE SA with authentication instead; zero: never. A gateway asks its clients for it (RFC 4478).
    Duration reauth{};
    Duration nat_keepalive = std::chrono::seconds(20); // RFC 3948 4; zero: none
    bool force_encapsulation = false;                  // ESP in UDP although there is no NAT
    // RFC 4555: the IKE SA and all that hangs on it may move to other addresses. Then the client speaks from
    // port 4500 from IKE_AUTH on.
    bool mobike = false;
    std::vector<IpAddress> addresses; // RFC 4555: further ones of ours (gateway), or of the gateway (client)
    bool route_proof = true;  // gateway, RFC 4555 3.7: a client shows that answers reach it before ESP does
    bool nats_allowed = true; // client, RFC 4555 3.9
    // RFC 7791: how many IKE SAs one authentication may carry, the first among them; 1: none is cloned.
    unsigned ike_sas_per_login = 1;
    PathPlan paths;         // gateway, client
    bool childless = false; // begins without a Child SA where the peer knows RFC 6023
    Uniqueness uniqueness = Uniqueness::replace;

    // gateway: a client gets a block for each, out of the first of its pools that has one. Of IPv4 it gets
    // one, and of IPv6 all only with RFC 5739.
    std::vector<address::Want> pools;
    // gateway: who asks for one IPv6 address and not for a link may use the block that it is of.
    bool block_with_address = true;
    std::vector<IpAddress> dns;           // gateway: told to clients
    std::vector<std::string> dns_domains; // gateway: for which clients are to ask these (RFC 8598); none: all

    AddressRequest request; // client
    std::string interface;  // the virtual interface's name; gateway: Config's; peer: empty for none
    // client, and peer for its group: initiate at start, and again after a loss
    bool start = false;

    // The multi-point SA that peers of this connection are told (a name of Config::group_services), or that we are
    // told by its peer (one of Config::group_memberships); empty: none. Only who began the IKE SA is told.
    std::string group;

    std::optional<HomeService> home_service; // home_agent
    std::optional<MobilePlan> mobile;        // mobile_node

    friend bool operator==(const Connection&, const Connection&) = default;
};

// Gateway: a group whose SA we make and tell (draft-yamaya-ipsecme-mpsa-00). In it is whoever authenticates on a
// connection that names it.
struct GroupService {
    std::string name; // for us; peers are not told
    group::Terms terms;
    friend bool operator==(const GroupService&, const GroupService&) = default;
};

// Endpoint: a group that we are in, by the one connection that names it.
struct GroupMembership {
    std::string name;
    std::string interface;
    group::Acceptance acceptance;
    // Ours that other endpoints send to, one of a family; empty: the one that IKE uses.
    std::vector<IpAddress> addresses;
    std::vector<child::GroupSite> sites; // besides what routes into the interface say
    friend bool operator==(const GroupMembership&, const GroupMembership&) = default;
};

// Bounds on what unauthenticated senders can make us keep.
struct Limits {
    std::size_t half_open_for_cookies = 64; // from this many half-open IKE SAs on, cookies are asked for
    std::size_t half_open_per_source =
        16; // likewise, from one IPv4 address or IPv6 /64; twice as many are the most
    std::size_t half_open = 4096;
    std::size_t ike_sas = 100'000;
    // Those that are being replaced or deleted among them; clones are not, which Connection::ike_sas_per_login limits.
    std::size_t ike_sas_per_identity = 32;
    std::size_t children_per_ike_sa = 64;
    Duration half_open_timeout = std::chrono::seconds(30);
};

struct Config {
    std::vector<Connection> connections;
    auth::Credentials credentials;
    std::vector<address::PoolSpec> pools;
    std::vector<GroupService> group_services;
    std::vector<GroupMembership> group_memberships;
    std::string gateway_interface = "sheaf0";
    std::uint16_t port = 500;
    std::uint16_t nat_port = 4500;
    Limits limits;
};

} // namespace sheaf::ike
