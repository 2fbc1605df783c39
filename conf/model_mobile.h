#pragma once

#include "conf/model_words.h"
#include "lib/mobility/numbers.h"

// The tables of Mobile IPv6, in the configuration: what a home agent gives, and what a mobile node registers.
namespace sheaf::conf::mobile {

using namespace words;

inline constexpr Type kBid{.kind = Kind::integer, .least = 1, .most = 65535};
inline constexpr Type kBids{.kind = Kind::array, .item = &kBid};
inline constexpr Type kBindingPriority{.kind = Kind::integer, .least = 1, .most = 127}; // RFC 6089 4.1
inline constexpr Type kBindingCount{
    .kind = Kind::integer, .least = 1, .most = std::int64_t{mobility::kMaxBindings}};
inline constexpr Format kBindingLifetimeFormat{
    .noun = "a duration such as \"7m\"", .pattern = "^[0-9]+(ms|s|m|h|d)$", .check = check_binding_lifetime};
inline constexpr Type kBindingLifetime{.format = &kBindingLifetimeFormat};
inline constexpr Type kHomeCount{.kind = Kind::integer, .least = 1, .most = 1'000'000};

inline constexpr std::array kNodeFields = {
    Field{.key = "homes",
          .type = &kAddresses,
          .doc = "Home addresses that it may register; the first is given to who asks for one."},
    Field{.key = "networks", .type = &kPrefixes, .doc = "The mobile networks behind it (RFC 3963)."},
};
inline constexpr Object kNode{.fields = kNodeFields};
inline constexpr Type kNodeObject{.kind = Kind::object, .object = &kNode};
inline constexpr Format kNodeFormat{
    .noun = "an identity such as \"bus.example.org\"", .pattern = "^[^*]+$", .check = check_mobile_node};
inline constexpr Type kNodes{.kind = Kind::object, .item = &kNodeObject, .names = &kNodeFormat};

inline constexpr std::array kAgentFields = {
    Field{.key = "prefixes", .type = &kPrefixes, .doc = "Home addresses are of these.", .required = true},
    Field{
        .key = "nodes",
        .type = &kNodes,
        .doc =
            "What mobile nodes may register, by identity; it is theirs alone. One whose identity is an IPv6 "
            "address may register that. Others are given one of the \"pools\"."},
    Field{.key = "home_link",
          .type = &kInterface,
          .doc = "The interface of the home link, on which we answer for home addresses that are away; its "
                 "proxy_ndp must be on. If missing, they are routed to us."},
    Field{.key = "lifetime",
          .type = &kBindingLifetime,
          .doc = "How long a binding lasts at most, unless it is refreshed; 1m at least.",
          .standard = "\"30m\""},
    Field{.key = "most_bindings",
          .type = &kBindingCount,
          .doc = "How many care-of addresses a home address may have.",
          .standard = "16"},
    Field{.key = "most_homes",
          .type = &kHomeCount,
          .doc = "How many home addresses may be registered.",
          .standard = "10000"},
    Field{.key = "multiple",
          .type = &kBoolean,
          .doc = "Whether several care-of addresses are accepted (RFC 5648).",
          .standard = "true"},
    Field{.key = "bulk",
          .type = &kBoolean,
          .doc = "Whether one message may register several.",
          .standard = "true"},
    Field{.key = "routers",
          .type = &kBoolean,
          .doc = "Whether mobile networks are accepted (RFC 3963).",
          .standard = "true"},
    Field{.key = "flows",
          .type = &kBoolean,
          .doc = "Whether mobile nodes may say which flow takes which way (RFC 6089).",
          .standard = "true"},
    Field{.key = "move_ike",
          .type = &kBoolean,
          .doc = "Whether the IKE SA follows the care-of address (the K bit).",
          .standard = "true"},
    Field{.key = "home_test",
          .type = &kBoolean,
          .doc = "Whether the messages HoTI and HoT may have SAs of their own.",
          .standard = "true"},
    Field{.key = "prefix_discovery",
          .type = &kBoolean,
          .doc = "Whether mobile nodes may ask for the \"prefixes\", by SAs of their own (RFC 6275 6.7).",
          .standard = "true"},
};
inline constexpr Object kAgent{.fields = kAgentFields};
inline constexpr Type kAgentObject{.kind = Kind::object, .object = &kAgent};

inline constexpr std::array kCareOfFields = {
    Field{.key = "interface",
          .type = &kInterface,
          .doc = "The interface whose address is the care-of address.",
          .required = true},
    Field{.key = "bid", .type = &kBid, .doc = "Its binding identifier.", .required = true},
    Field{.key = "priority",
          .type = &kBindingPriority,
          .doc = "The lowest is the default way; if missing, the place in the list."},
};
inline constexpr Object kCareOf{.fields = kCareOfFields};
inline constexpr Type kCareOfObject{.kind = Kind::object, .object = &kCareOf};
inline constexpr Type kCareOfs{.kind = Kind::array, .item = &kCareOfObject};

inline constexpr std::array kFlowFields = {
    Field{.key = "remote",
          .type = &kSelector,
          .doc = "The correspondent's side of the flow: addresses, protocol and port."},
    Field{.key = "local", .type = &kSelector, .doc = "Our side of the flow."},
    Field{.key = "mark",
          .type = &kFirewallMark,
          .doc = "Instead: what we send with this firewall mark. The home agent is not told."},
    Field{.key = "bids",
          .type = &kBids,
          .doc = "Binding identifiers; the first whose care-of address is registered is the flow's way.",
          .required = true},
};
inline constexpr Object kFlow{.fields = kFlowFields};
inline constexpr Type kFlowObject{.kind = Kind::object, .object = &kFlow};
inline constexpr Type kFlows{.kind = Kind::array, .item = &kFlowObject};

inline constexpr std::array kMobileFields = {
    Field{.key = "home", .type = &kAddress, .doc = "Our home address; if missing, the home agent gives one."},
    Field{.key = "care_of",
          .type = &kCareOfs,
          .doc = "Our interfaces to the outside, in the order in which IKE prefers them.",
          .required = true},
    Field{.key = "networks",
          .type = &kPrefixes,
          .doc = "The mobile networks behind us (RFC 3963), told to the home agent."},
    Field{.key = "router",
          .type = &kBoolean,
          .doc =
              "Whether we have mobile networks; true if \"networks\" names some. Without names, those that "
              "the home agent gives."},
    Field{.key = "flows",
          .type = &kFlows,
          .doc = "Which flow takes which way; those by mark come before the others, and the first that fits "
                 "counts."},
    Field{.key = "lifetime",
          .type = &kBindingLifetime,
          .doc = "How long a registration is to last; it is refreshed in time. 1m at least.",
          .standard = "\"7m\""},
    Field{.key = "multiple",
          .type = &kBoolean,
          .doc = "Whether all care-of addresses are registered, or the preferred one alone.",
          .standard = "true"},
    Field{.key = "bulk",
          .type = &kBoolean,
          .doc = "Whether one message registers several.",
          .standard = "true"},
    Field{.key = "move_ike",
          .type = &kBoolean,
          .doc = "Whether the IKE SA is to follow the care-of address (the K bit).",
          .standard = "true"},
    Field{.key = "home_test",
          .type = &kBoolean,
          .doc = "Whether the messages HoTI and HoT have SAs of their own.",
          .standard = "false"},
    Field{.key = "prefix_discovery",
          .type = &kBoolean,
          .doc = "Whether we ask the home agent for its \"prefixes\", by SAs of their own (RFC 6275 6.7).",
          .standard = "false"},
};
inline constexpr Object kMobile{.fields = kMobileFields};
inline constexpr Type kMobileObject{.kind = Kind::object, .object = &kMobile};

} // namespace sheaf::conf::mobile
