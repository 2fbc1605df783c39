#pragma once

#include "lib/address/demand.h"
#include "lib/base/ip.h"
#include "lib/base/rule.h"
#include "lib/base/time.h"
#include "lib/child/kernel.h"
#include "lib/group/group.h"
#include "lib/ike/config.h"
#include "lib/ike/event.h"
#include "lib/ike/mobile_use.h"
#include "lib/mobility/home_agent.h"
#include "lib/mobility/registration.h"
#include "lib/wire/header.h"

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

// A snapshot for people and their tools. Holds no secret.
namespace sheaf::ike {

struct ChildStatus {
    std::string name;
    std::string state; // "installing", "live", "rekeying", "deleting"
    std::optional<Instant> since;
    std::optional<Instant> rekey_at; // by time; octets and packets are the kernel's to count
    wire::ChildSpi spi_in = 0;
    wire::ChildSpi spi_out = 0;
    std::string suite;
    child::Mode mode{};
    bool udp_encapsulation = false;
    bool installed = false; // the kernel holds it
    std::vector<std::string> local_selectors;
    std::vector<std::string> remote_selectors;
};

struct IkeSaStatus {
    wire::Spi spi_i = 0;
    wire::Spi spi_r = 0;
    wire::Spi family = 0; // our SPI of the first IKE SA of its authentication, where that may be cloned
    bool initiator = false;
    std::string connection;
    Role role{};
    std::string state; // "connecting", "authenticating", "installing", "established", "deleting"
    std::string local_id;
    std::string peer_id;
    Endpoint local;
    Endpoint peer;
    bool nat_here = false;  // a NAT before us
    bool nat_there = false; // a NAT before the peer
    std::string suite;
    std::optional<Instant> established; // since its peer was authenticated
    std::optional<Instant> rekey_at;
    std::optional<Instant> reauth_at;
    Instant last_heard;
    std::optional<child::Link> link;    // gateway: what the client was given; client: what we were given
    std::vector<address::Grant> leases; // gateway: the client's blocks
    std::optional<Instant> linked;      // since when the link has been up, whatever IKE SA carried it
    std::vector<IpAddress> dns;         // client: told by the gateway
    std::vector<std::string> dns_domains;
    std::vector<ChildStatus> children;
};

struct ConnectionStatus {
    std::string name;
    Role role{};
    std::string state; // client: "up", "connecting", "waiting", "down"; gateway: "serving"
    std::size_t ike_sas = 0;
    std::optional<Instant> next_attempt; // client, "waiting"
    std::string last_error;              // of the last attempt; empty after success
};

// A client's path (ike::PathPlan); at a gateway one of the IKE SAs of a family, with what is known there.
struct PathStatus {
    std::string connection;
    std::string peer_id;
    std::string uplink; // client
    IpAddress gateway;  // client: the one that the path is for
    // "up"; "away": over another uplink than its own; "opening"; "down": its uplink does not reach the gateway;
    // "refused": the gateway makes no further IKE SA or Child SA
    std::string state;
    std::string why;              // where it is not "up"
    wire::Spi spi = 0;            // our SPI of its IKE SA; 0: none
    child::LinkNumber number = 0; // of its Child SA in the kernel; 0: none
    Endpoint local;               // where it runs now
    Endpoint peer;
    bool nat_here = false;
    bool nat_there = false;
    bool carries = false;               // traffic is sent here by default
    std::optional<Duration> round_trip; // smoothed over its probes
    std::uint64_t probes = 0;           // that were sent
    std::uint64_t unanswered = 0;       // of those, in time
    std::optional<Instant> since;       // of the state
};

// A multi-point SA as an endpoint holds it.
struct GroupSaStatus {
    wire::ChildSpi spi = 0;
    std::string suite; // "aes256-sha256-prfsha256"
    Instant received;
    Instant expires;
    bool sending = false;
};

struct GroupMemberStatus {
    SaName sa;
    std::uint64_t generation = 0; // that it has acknowledged; 0: none
    bool refused = false;         // the newest
    bool asked = false;           // a message is under way
};

// A group that we serve, or one that we are in. No keys.
struct GroupStatus {
    std::string name;
    bool serves = false;
    // of a gateway
    group::Standing standing{};
    std::string suite;
    std::vector<GroupMemberStatus> members;
    // of an endpoint
    std::string interface;
    child::LinkNumber number = 0; // in the kernel
    std::string connection;
    bool connected = false; // there is an IKE SA to the gateway
    std::vector<GroupSaStatus> sas;
};

// An SA pair of a home address that can be sent with.
struct HomePairStatus {
    MobileUse use;
    wire::ChildSpi spi_in = 0;
    wire::ChildSpi spi_out = 0;
    IpAddress local; // as in SaPairId
    IpAddress peer;
};

// A home address of Mobile IPv6, at either end.
struct HomeStatus {
    std::string connection;
    bool is_agent = false;
    child::LinkNumber number = 0; // in the kernel
    IpAddress agent;
    std::vector<Prefix> networks;        // RFC 3963
    mobility::Registration registration; // as it can be used
    std::vector<HomePairStatus> pairs;
    std::optional<SaName> sa; // the IKE SA; none: there is none now
    // mobile node
    std::map<std::uint16_t, IpAddress> places{};       // what addresses its links have, by binding identifier
    std::string home_link{};                           // the interface on the home link; empty: away
    bool at_home = false;                              // and the home agent has said so
    bool settled = false;                              // the home agent has all that it is to have
    std::vector<mobility::HomePrefix> home_prefixes{}; // that it has told; some may be over
};

struct Counters {
    std::uint64_t datagrams_in = 0;
    std::uint64_t datagrams_out = 0;
    std::uint64_t retransmits = 0;
    std::uint64_t handshakes = 0;                    // IKE SAs that were established
    std::array<std::uint64_t, kRuleCount> refused{}; // by Rule
};

struct Status {
    std::size_t half_open = 0;
    std::vector<IkeSaStatus> ike_sas;
    std::vector<ConnectionStatus> connections;
    std::vector<GroupStatus> groups;
    std::vector<HomeStatus> homes;
    std::vector<PathStatus> paths; // of clients with uplinks, in their order; at gateways of families
    Counters counters;
};

} // namespace sheaf::ike
