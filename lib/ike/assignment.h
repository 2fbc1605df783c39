#pragma once

#include "lib/address/demand.h"
#include "lib/address/pool_spec.h"
#include "lib/auth/identity.h"
#include "lib/base/rule.h"
#include "lib/ike/config.h"
#include "lib/ike/interface_id.h"
#include "lib/ike/virtual_link.h"
#include "lib/wire/cfg.h"
#include "lib/wire/payload.h"

#include <cstddef>
#include <expected>
#include <functional>
#include <optional>
#include <span>
#include <vector>

// Configuration payloads (RFC 7296 2.19, RFC 5739, RFC 8598): what a client asks for, what a gateway gives,
// and what the client makes of it.
namespace sheaf::ike {

// What a gateway wants to give a client, before anybody was asked for it.
struct AddressPlan {
    std::optional<wire::Ip6Link> link;    // RFC 5739: as asked for
    bool ip6_address = false;             // one address, the old way
    std::vector<address::Want> wants;     // first those of IPv6
    std::size_t ip6 = 0;                  // how many those are
    std::vector<wire::CfgAttribute> told; // name servers and domains, as far as they were asked for
};

// Reads a client's request. RFC 5739 4.1: with INTERNAL_IP6_LINK the client gets a link and prefixes, and
// INTERNAL_IP6_ADDRESS is not looked at. `offered` are the client's selectors: a family that has none there, or
// none in the connection's networks, gets no address, for it could not be used. Errors: configuration_required (no request), address_failure (nothing of
// what it asks for is ours to give).
[[nodiscard]] std::expected<AddressPlan, Rule> plan_addresses(const Connection& connection,
                                                              std::span<const address::PoolSpec> pools,
                                                              const wire::Configuration* request,
                                                              std::span<const wire::TrafficSelector> offered);

// What a gateway has given to one client.
struct Assignment {
    LinkShare share; // number and interface of its part are the caller's to fill in
    wire::Configuration reply;
};

// `ours` is our end of the link: identifier and Link ID. RFC 7296 3.15.4: asked for both families, it is
// enough to grant one. Error: address_failure.
[[nodiscard]] std::expected<Assignment, Rule> assign(const Connection& connection, const AddressPlan& plan,
                                                     const address::Assigned& granted,
                                                     const wire::Ip6Link& ours);

// A client's request. `link` is its end of the link: its identifier, and the Link ID if there is one to be
// kept (RFC 5739 4.2).
[[nodiscard]] wire::Configuration address_request(const AddressRequest& wanted, const wire::Ip6Link& link);
[[nodiscard]] std::vector<wire::TrafficSelector> requested_selectors(const AddressRequest& wanted);

// The identifier of an address in a prefix.
using MakeId = std::function<InterfaceId(const Prefix&, const InterfaceIdChoice&)>;

// Whether a gateway or home agent may give it. All of a prefix is the client's from then on, so one that is no host's to
// have, or as large as whole regions of the Internet, is not taken. Single addresses are prefixes, too.
[[nodiscard]] bool may_be_taken(const Prefix& prefix);

// What the gateway's reply means for the client. The routes of the part are the caller's to fill in, as
// number and interface are. `own` is the identifier that was asked with, `admitted` the agreed selectors
// of our side. Error: address_failure (nothing usable was given).
[[nodiscard]] std::expected<LinkShare, Rule> read_reply(const AddressRequest& wanted, const InterfaceId& own,
                                                        const wire::Configuration* reply,
                                                        std::span<const wire::TrafficSelector> admitted,
                                                        const MakeId& make_id);

[[nodiscard]] address::Holder holder_of(const auth::Identity& identity);
// Whether a block still is one that the connection gives.
[[nodiscard]] bool is_given(const address::Grant& grant, const Connection& connection,
                            std::span<const address::PoolSpec> pools);

} // namespace sheaf::ike
