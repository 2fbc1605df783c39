#pragma once

#include "lib/address/pool_spec.h"
#include "lib/auth/identity.h"
#include "lib/auth/key_ring.h"
#include "lib/base/ip.h"
#include "lib/base/secret.h"
#include "lib/base/time.h"
#include "lib/child/proposal.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

// What the engine is told by its operator. conf/ makes these values from a file; the engine never sees the
// file.
namespace sheaf::ike {

enum class Role : std::uint8_t { gateway, client };

// Each further transmission waits twice as long as the one before.
struct RetransmitPolicy {
    Duration first = std::chrono::milliseconds(500);
    unsigned tries = 6; // transmissions in all
    friend bool operator==(const RetransmitPolicy&, const RetransmitPolicy&) = default;
};

// What a client asks for in its configuration request.
struct AddressRequest {
    bool prefix = true; // INTERNAL_IP6_LINK and INTERNAL_IP6_PREFIX, RFC 5739
    bool ipv6 = false;  // INTERNAL_IP6_ADDRESS
    bool ipv4 = true;   // INTERNAL_IP4_ADDRESS
    friend bool operator==(const AddressRequest&, const AddressRequest&) = default;
};

struct Connection {
    std::string name;
    Role role = Role::gateway;
    auth::Identity local_id;
    auth::IdentityPattern remote_id;
    std::optional<IpAddress> local_address;
    std::optional<Endpoint> remote; // client: where the gateway listens
    std::vector<Prefix> networks;   // behind the gateway, seen from either role
    std::vector<child::IkeProposal> ike;
    std::vector<child::EspProposal> esp;
    Duration liveness = std::chrono::seconds(30); // silence before an empty INFORMATIONAL; zero: never
    RetransmitPolicy retransmit;

    std::vector<std::string> pools; // gateway: names, in the order of preference
    std::vector<IpAddress> dns;     // gateway: told to clients

    AddressRequest request; // client
    std::string interface;  // client: the virtual interface's name
    bool start = false;     // client: initiate at start, and again after a loss

    friend bool operator==(const Connection&, const Connection&) = default;
};

using auth::SharedKey;

// Bounds on what unauthenticated senders can make us keep.
struct Limits {
    std::size_t half_open_for_cookies = 64; // from this many half-open IKE SAs on, cookies are asked for
    std::size_t half_open = 4096;
    std::size_t ike_sas = 100'000;
    Duration half_open_timeout = std::chrono::seconds(30);
};

struct Config {
    std::vector<Connection> connections;
    std::vector<SharedKey> secrets;
    std::vector<address::PoolSpec> pools;
    std::string gateway_interface = "sheaf0";
    std::uint16_t port = 500;
    std::uint16_t nat_port = 4500;
    Limits limits;
};

} // namespace sheaf::ike
