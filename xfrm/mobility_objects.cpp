#include "xfrm/mobility_objects.h"

#include "lib/mobility/numbers.h"
#include "xfrm/address_form.h"
#include "xfrm/marks.h"

#include <algorithm>
#include <net/if.h>
#include <netinet/in.h>
#include <utility>

namespace sheaf::xfrm {
namespace {

using child::MobilityLink;
using child::MobilityRole;

// The least wins. What is off the interface stands beside policies of others.
constexpr std::uint32_t kSignallingPriority = 10;
constexpr std::uint32_t kAtHomePriority = 20;
constexpr std::uint32_t kClearPriority = 1000;
constexpr std::uint32_t kNotInsidePriority =
    5; // before Home Test, whose messages are Mobility Headers as well
constexpr std::uint32_t kHomeTestPriority = 10;
constexpr std::uint32_t kPathPriority = 50;
constexpr std::uint32_t kDefaultPathPriority = 100;

bool at_home_agent(const MobilityLink& link) { return link.role == MobilityRole::home_agent; }
const IpAddress& own(const MobilityLink& link) { return at_home_agent(link) ? link.home_agent : link.home; }
const IpAddress& others(const MobilityLink& link) {
    return at_home_agent(link) ? link.home : link.home_agent;
}

// The home address and what is behind it, without what another prefix of these has already.
std::vector<Prefix> inner_prefixes(const MobilityLink& link) {
    std::vector<Prefix> out;
    std::vector<Prefix> all = link.networks;
    all.push_back(Prefix::host(link.home));
    std::ranges::sort(all, {}, &Prefix::length);
    for (const Prefix& prefix : all) {
        const bool covered =
            std::ranges::any_of(out, [&](const Prefix& wider) { return wider.contains(prefix); });
        if (!covered) out.push_back(prefix);
    }
    return out;
}

RouteOptimization optimization_inwards(const MobilityLink& link) {
    return at_home_agent(link) ? RouteOptimization::home_address : RouteOptimization::routing_header;
}

Policy transport_policy(const MobilityLink& link, std::uint32_t reqid, PolicyDirection direction) {
    const IpAddress any = IpAddress::any(Family::ipv6);
    return {.direction = direction,
            .selector = transport_selector(link, reqid, direction == PolicyDirection::out),
            .priority = kSignallingPriority,
            .reqid = reqid,
            .mode = child::Mode::transport,
            .source = any,
            .destination = any};
}

// Outwards by each care-of address, at the mobile node.
void add_care_of_ways(const MobilityLink& link, Policy out, std::vector<Policy>& to) {
    out.optimization = RouteOptimization::home_address;
    for (const child::CareOf& care_of : link.care_of) {
        out.mark = child::path_mark(care_of.bid);
        to.push_back(out);
    }
}

// Outwards the kernel does not ask whether a packet is of this host: one that somebody sends through it in its name
// would be protected as its own signalling.
Policy not_through(const MobilityLink& link) {
    Policy out = transport_policy(link, link.signalling, PolicyDirection::forward);
    out.selector = transport_selector(link, link.signalling, true);
    out.mode = child::Mode::tunnel; // says nothing then
    out.refuse = true;
    return out;
}

// Linux matches no message types of Mobility Headers on input, so all types go by the same policies and the daemon
// looks at the type.
void add_signalling(const MobilityLink& link, std::vector<Policy>& to) {
    Policy in = transport_policy(link, link.signalling, PolicyDirection::in);
    in.optimization = optimization_inwards(link);
    to.push_back(in);
    // With interfaces of kind xfrm there is a look into the SPD as soon as the care-of address was taken, before ESP
    // is undone.
    Policy before_esp = in;
    before_esp.selector.protocol = IPPROTO_ESP;
    before_esp.esp = false;
    before_esp.mode = child::Mode::tunnel; // says nothing then
    to.push_back(before_esp);

    Policy out = transport_policy(link, link.signalling, PolicyDirection::out);
    if (at_home_agent(link)) {
        to.push_back(out);
        return;
    }
    add_care_of_ways(link, out, to);
    out.priority = kAtHomePriority;
    to.push_back(out);
}

// The entries that write and take care-of addresses are those of signalling: the kernel knows them by their addresses
// alone. ICMPv6 that the kernel itself sends has no mark, and takes the ways of payload as without any of this.
void add_prefix_discovery(const MobilityLink& link, std::vector<Policy>& to) {
    if (link.prefix_discovery == 0) return;
    Policy in = transport_policy(link, link.prefix_discovery, PolicyDirection::in);
    in.optimization = optimization_inwards(link);
    in.optimization_reqid = link.signalling;
    to.push_back(in);
    Policy out = transport_policy(link, link.prefix_discovery, PolicyDirection::out);
    if (at_home_agent(link)) {
        out.mark = kMark;
        to.push_back(out);
        return;
    }
    out.optimization_reqid = link.signalling;
    add_care_of_ways(link, out, to);
}

Policy refusal(const Prefix& source, const IpAddress& destination) {
    const IpAddress any = IpAddress::any(Family::ipv6);
    return {.direction = PolicyDirection::in,
            .selector = {.source = source,
                         .destination = Prefix::host(destination),
                         .protocol = mobility::kMobilityProtocol,
                         .source_port = {},
                         .destination_port = {}},
            .refuse = true,
            .source = any,
            .destination = any};
}

// The same for all home addresses: no Mobility Header of anybody else's reaches the home agent.
Policy clear_signalling(const MobilityLink& link) {
    Policy out = refusal(Prefix::all(Family::ipv6), link.home_agent);
    out.priority = kClearPriority;
    out.reqid = child::kFirstLink;
    return out;
}

// Signalling is not payload: out of the tunnel none comes to the home agent, whatever its inner source, nor to the
// mobile node in the home agent's name, which anybody could have sent into it.
Policy not_inside(const MobilityLink& link) {
    Policy out = at_home_agent(link) ? refusal(Prefix::all(Family::ipv6), link.home_agent)
                                     : refusal(Prefix::host(link.home_agent), link.home);
    out.priority = kNotInsidePriority;
    out.link = link.number;
    out.reqid = link.number;
    return out;
}

// Both ends of the tunnel of one inner prefix and what it talks to.
struct Tunnelled {
    const MobilityLink& link;
    Prefix inner;
    Prefix correspondents;
    std::uint8_t protocol = 0;

    [[nodiscard]] Policy policy(PolicyDirection direction, std::uint32_t reqid,
                                std::uint32_t priority) const {
        const bool inner_first = (direction == PolicyDirection::out) != at_home_agent(link);
        const IpAddress any = IpAddress::any(Family::ipv6);
        return {.direction = direction,
                .selector = {.source = inner_first ? inner : correspondents,
                             .destination = inner_first ? correspondents : inner,
                             .protocol = protocol,
                             .source_port = {},
                             .destination_port = {}},
                .priority = priority,
                .link = link.number,
                .reqid = reqid,
                .source = any,
                .destination = any};
    }
    // Inwards from any care-of address: what may come is the gate's affair.
    void add_inwards(std::uint32_t reqid, std::uint32_t priority, std::vector<Policy>& to) const {
        to.push_back(policy(PolicyDirection::in, reqid, priority));
        to.push_back(policy(PolicyDirection::forward, reqid, priority));
    }
    [[nodiscard]] Policy outwards(const IpAddress& care_of, std::uint32_t reqid,
                                  std::uint32_t priority) const {
        Policy out = policy(PolicyDirection::out, reqid, priority);
        out.source = at_home_agent(link) ? link.home_agent : care_of;
        out.destination = at_home_agent(link) ? care_of : link.home_agent;
        return out;
    }
};

void add_payload(const MobilityLink& link, const Tunnelled& tunnelled, std::vector<Policy>& to) {
    tunnelled.add_inwards(link.number, kDefaultPathPriority, to);
    for (const child::CareOf& care_of : link.care_of) {
        if (!care_of.registered) continue;
        Policy one = tunnelled.outwards(care_of.address, link.number, kPathPriority);
        one.mark = child::path_mark(care_of.bid);
        to.push_back(one);
    }
    const child::CareOf* usual = link.default_bid ? find(link, *link.default_bid) : nullptr;
    if (usual != nullptr) to.push_back(tunnelled.outwards(usual->address, link.number, kDefaultPathPriority));
}

bool is_tunnelled(const MobilityLink& link) { return !link.at_home && is_registered(link); }

std::string unfit_care_of(const MobilityLink& link) {
    std::set<std::uint16_t> bids;
    for (const child::CareOf& care_of : link.care_of) {
        if (!care_of.address.is_v6() || care_of.address.is_any() || care_of.address == link.home)
            return care_of.address.to_string() + " cannot be a care-of address of it";
        if (!bids.insert(care_of.bid).second)
            return "two care-of addresses have the binding identifier " + std::to_string(care_of.bid);
    }
    return {};
}

} // namespace

std::string text_of(const MobilityLink& link) {
    return "home address " + link.home.to_string() + " (link " + hex(link.number) + ")";
}

std::string unfit(const MobilityLink& link) {
    if (!link.home.is_v6() || !link.home_agent.is_v6() || link.home.is_any() || link.home_agent.is_any())
        return text_of(link) + ": home address and home agent have to be IPv6 addresses";
    if (link.signalling == 0 || link.signalling == link.number)
        return text_of(link) + ": signalling needs a reqid of its own";
    if (link.prefix_discovery != 0 &&
        (link.prefix_discovery == link.number || link.prefix_discovery == link.signalling))
        return text_of(link) + ": prefix discovery needs a reqid of its own";
    const auto not_v6 = [](const Prefix& prefix) { return prefix.family() != Family::ipv6; };
    if (std::ranges::any_of(link.networks, not_v6) || std::ranges::any_of(link.correspondents, not_v6))
        return text_of(link) + ": only IPv6 is carried";
    if (link.flows.size() > kMaxMobilityFlows)
        return text_of(link) + ": no more than " + std::to_string(kMaxMobilityFlows) + " flows are possible";
    if (const std::string why = unfit_care_of(link); !why.empty()) return text_of(link) + ": " + why;
    if (link.home_interface.size() >= IFNAMSIZ)
        return text_of(link) + ": the home link's interface has no name of up to " +
               std::to_string(IFNAMSIZ - 1) + " octets";
    return {};
}

const child::CareOf* find(const MobilityLink& link, std::uint16_t bid) {
    const auto found = std::ranges::find(link.care_of, bid, &child::CareOf::bid);
    return found == link.care_of.end() || !found->registered ? nullptr : &*found;
}

bool is_registered(const MobilityLink& link) {
    return std::ranges::any_of(link.care_of, &child::CareOf::registered);
}

child::Link link_of(const MobilityLink& link) {
    child::Link out{.number = link.number,
                    .role = at_home_agent(link) ? child::LinkRole::gateway : child::LinkRole::client,
                    .interface = link.interface,
                    .addresses = {},
                    .routes = {}};
    if (!at_home_agent(link)) {
        // Deprecated: the kernel prefers a home address to others whatever the way, and what is not tunnelled has
        // to leave from a care-of address. Routes into the tunnel name it.
        out.addresses = {
            {.address = link.home, .prefix_length = 128, .deprecated = !link.at_home, .home = true}};
        if (!link.home_interface.empty())
            out.lan = {{.interface = link.home_interface,
                        .address = link.home,
                        .prefix_length = 128,
                        .home = true,
                        .deprecated = !link.at_home}};
        if (!link.at_home) out.routes = link.correspondents;
        out.delegated = link.networks;
    } else if (is_registered(link)) {
        out.routes = link.networks;
        const Prefix home = Prefix::host(link.home);
        if (std::ranges::find(out.routes, home) == out.routes.end()) out.routes.push_back(home);
    }
    return out;
}

std::vector<CareOfState> care_of_states(const MobilityLink& link) {
    const IpAddress any = IpAddress::any(Family::ipv6);
    std::vector<CareOfState> out;
    out.push_back(
        {.kind = at_home_agent(link) ? RouteOptimization::home_address : RouteOptimization::routing_header,
         .source = others(link),
         .destination = own(link),
         .reqid = link.signalling,
         .care_of = any});
    if (at_home_agent(link)) return out;
    for (const child::CareOf& care_of : link.care_of)
        out.push_back({.kind = RouteOptimization::home_address,
                       .source = link.home,
                       .destination = link.home_agent,
                       .mark = child::path_mark(care_of.bid),
                       .reqid = link.signalling,
                       .care_of = care_of.address,
                       .outbound = true});
    return out;
}

std::vector<Policy> policies_of(const MobilityLink& link) {
    std::vector<Policy> out;
    add_signalling(link, out);
    add_prefix_discovery(link, out);
    out.push_back(not_through(link));
    if (at_home_agent(link)) out.push_back(clear_signalling(link));
    if (!is_tunnelled(link)) return out;
    out.push_back(not_inside(link));
    for (const Prefix& correspondents : link.correspondents) {
        for (const Prefix& inner : inner_prefixes(link))
            add_payload(link, {link, inner, correspondents}, out);
        if (!link.home_test || correspondents == Prefix::host(link.home_agent)) continue;
        const Tunnelled test{link, Prefix::host(link.home), correspondents, mobility::kMobilityProtocol};
        test.add_inwards(link.home_test->reqid, kHomeTestPriority, out);
        out.push_back(test.outwards(link.home_test->care_of, link.home_test->reqid, kHomeTestPriority));
    }
    return out;
}

namespace {

std::vector<PathRule> rules_of(const MobilityLink& link) {
    std::vector<PathRule> out;
    if (!is_tunnelled(link)) return out;
    for (const child::MobilityFlow& flow : link.flows) {
        const auto bid = std::ranges::find_if(
            flow.bids, [&](std::uint16_t candidate) { return find(link, candidate) != nullptr; });
        if (bid != flow.bids.end()) out.push_back({flow.selector, flow.mark, child::path_mark(*bid)});
    }
    return out;
}

} // namespace

HomeMarks marks_of(const Home& home) {
    const MobilityLink& link = home.link;
    const IpAddress any = IpAddress::any(Family::ipv6);
    HomeMarks out;
    out.chain = "home-" + hex(link.number).substr(2);
    out.from_there = !at_home_agent(link);
    if (at_home_agent(link)) {
        for (const wire::ChildSpi spi : home.transport)
            out.admitted.push_back({any, link.home_agent, spi});
        std::set<IpAddress> sources;
        for (const child::CareOf& care_of : link.care_of) {
            if (care_of.registered) sources.insert(care_of.address);
        }
        for (const wire::ChildSpi spi : home.payload) {
            out.guarded.push_back({any, link.home_agent, spi});
            for (const IpAddress& source : sources)
                out.admitted.push_back({source, link.home_agent, spi});
        }
    }
    out.rules = rules_of(link);
    if (!out.rules.empty()) out.prefixes = inner_prefixes(link);
    if (out.admitted.empty() && out.guarded.empty() && out.rules.empty()) return {};
    return out;
}

Selector transport_selector(const MobilityLink& link, std::uint32_t reqid, bool outbound) {
    return {.source = Prefix::host(outbound ? own(link) : others(link)),
            .destination = Prefix::host(outbound ? others(link) : own(link)),
            .protocol = reqid == link.signalling ? mobility::kMobilityProtocol : mobility::kIcmp6Protocol,
            .source_port = {},
            .destination_port = {}};
}

} // namespace sheaf::xfrm
