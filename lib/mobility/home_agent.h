#pragma once

#include "lib/base/ip.h"
#include "lib/base/rule.h"
#include "lib/base/time.h"
#include "lib/mobility/registration.h"

#include <chrono>
#include <optional>
#include <vector>

// What a home agent's operator allows, what one mobile node may have, and the decision about one Binding
// Update by them.
namespace sheaf::mobility {

// RFC 6275 10.3.1: a prefix whose home addresses the home agent serves. Bindings do not outlive it.
struct HomePrefix {
    Prefix prefix;
    std::optional<Instant> valid_until; // none: for ever
    std::optional<Instant> preferred_until;
    friend bool operator==(const HomePrefix&, const HomePrefix&) = default;
};

struct HomeAgentPolicy {
    bool enabled = true; // else no Binding Update is for us
    IpAddress address;   // the home agent's own
    std::vector<HomePrefix> home_prefixes;
    Duration max_lifetime = std::chrono::minutes(30); // granted at most
    std::optional<Duration> refresh_advice;           // asked for, where it is less than what is granted
    std::size_t max_bindings = kMaxBindings;          // of a home address
    std::size_t max_homes = 10000;
    bool multiple_care_of = true;
    bool bulk = true;
    bool home_and_foreign = false;           // bindings while at home; needs care on the home link
    bool neighbour_discovery_at_home = true; // the mobile node may answer for its home address there
    bool mobile_routers = true;
    bool flows = true;
    bool key_mobility = true;      // the IKE SA can follow the care-of address
    bool check_duplicates = false; // another node may be using the home address on a home link
};

// What the peer of the IKE SA, under whose SAs a message came, may speak for (RFC 4877 4.2).
struct Authority {
    std::vector<Prefix> homes;    // home addresses
    std::vector<Prefix> networks; // mobile network prefixes, which may be stated in parts
    bool dynamic_keys = true;     // the SAs come from IKE
    // Where its end of the IKE SA is; none: where earlier messages have left it.
    std::optional<IpAddress> keys_at{};
};

// How a message came in: the packet's facts, IPsec undone.
struct Arrival {
    IpAddress home;            // of the home address option; without one, the source
    IpAddress care_of;         // the source
    bool is_protected = false; // it came by an SA pair of `Authority`'s peer
};

// Where a Binding Update leads.
struct Verdict {
    std::optional<Rule> discarded; // no answer is due, and nothing changes
    bool is_registration = false;  // accepted, and bindings are set rather than removed
    Registration after;            // as before unless accepted
    BindingAck ack;
    std::optional<KeyEndpointChange> key_endpoint;
};

// Judges a Binding Update with which nothing is wrong so far but what is in it. `before` is what is registered
// for its home address: none; or nothing any more, with the sequence number of the end.
//
// RFC 6275 9.5.1, 10.3; RFC 5648 6.2; RFC 3963 6.2; RFC 6089 5.3.
struct Known {
    Registration registration;
    std::optional<std::uint16_t> sequence{}; // of the mobile node's last message; none: it has sent none
    bool by_node = false; // the mobile node has a part in it: it is not somebody else's decision alone
};
[[nodiscard]] Verdict judge(const HomeAgentPolicy& policy, const Authority& authority, const Arrival& arrival,
                            const BindingUpdate& update, const Known* before, Instant now);

// RFC 6089 5.3: flows that are not named go, others are set or kept; what was asked for is answered.
[[nodiscard]] std::vector<FlowIdentification> apply_flows(const Options& asked, bool allowed,
                                                          Registration& registration);

} // namespace sheaf::mobility
