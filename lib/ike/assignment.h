#pragma once

#include "lib/address/pools.h"
#include "lib/auth/shared_key.h"
#include "lib/base/random.h"
#include "lib/base/rule.h"
#include "lib/child/kernel.h"
#include "lib/ike/config.h"
#include "lib/wire/cfg.h"
#include "lib/wire/payload.h"

#include <expected>
#include <optional>
#include <span>
#include <vector>

// Configuration payloads (RFC 7296 2.19, RFC 5739): what a client asks for, what a gateway gives, and what
// the client makes of it.
namespace sheaf::ike {

// What a gateway has given to one client.
struct Assignment {
    child::Link link; // number and interface are the caller's to fill in
    std::vector<address::Lease> leases;
    Bytes link_id; // RFC 5739 4.2: the IKEv2 Link ID; empty without INTERNAL_IP6_LINK
    wire::Configuration reply;
    std::vector<wire::TrafficSelector> selectors; // all that the client may use as source
};

// The gateway's answer to a request of a client whose identity is proved.
// RFC 5739 4.1: with INTERNAL_IP6_LINK the client gets a link and a prefix, and INTERNAL_IP6_ADDRESS is not
// looked at. RFC 7296 3.15.4: asked for both families, it is enough to grant one. Errors:
// configuration_required (no request), address_failure. `offered` are the client's selectors: a family that
// has none gets no address, for it could not be used.
[[nodiscard]] std::expected<Assignment, Rule> assign(const Connection& connection,
                                                     const wire::Configuration* request,
                                                     std::span<const wire::TrafficSelector> offered,
                                                     const auth::Verified& client, address::Pools& pools,
                                                     Random& random);

// A client's request. `interface_id` is that of its end of the link.
[[nodiscard]] wire::Configuration address_request(const AddressRequest& wanted,
                                                  const wire::InterfaceId& interface_id);
[[nodiscard]] std::vector<wire::TrafficSelector> requested_selectors(const AddressRequest& wanted);

// What the gateway's reply means for the client.
struct Received {
    std::vector<child::InterfaceAddress> addresses; // to be put onto the virtual interface
    std::vector<Prefix> prefixes;                   // RFC 5739: all of each is ours
    std::vector<IpAddress> dns;
    Bytes link_id;
};

// Errors: address_failure (nothing usable was given).
[[nodiscard]] std::expected<Received, Rule> read_reply(const AddressRequest& wanted,
                                                       const wire::InterfaceId& interface_id,
                                                       const wire::Configuration* reply);

// RFC 5739 4.1 asks a gateway to take any identifier that does not stand for something else: not all zero
// (the subnet-router anycast address, RFC 4291 2.6.1) and not in the range of reserved anycast identifiers.
[[nodiscard]] bool acceptable(const wire::InterfaceId& interface_id);
[[nodiscard]] wire::InterfaceId random_interface_id(Random& random);

} // namespace sheaf::ike
