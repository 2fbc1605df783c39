// What must hold in a MobileWorld: at every moment, and when there is peace.
#include "test/simulation/mobile_world.h"

#include <algorithm>
#include <chrono>
#include <map>

namespace sheaf::test {

using namespace std::chrono_literals;

namespace {

// Whether ESP of the payload can go out: to this address of the mobile node's, or from it.
bool has_pair(const Host& host, const IpAddress& node) {
    const bool agent = MobileNet::picture(host)->role == child::MobilityRole::home_agent;
    return std::ranges::any_of(host.kernel.sas, [&](const auto& entry) {
        const auto& pair = entry.second;
        return pair.mode == child::Mode::tunnel && pair.outbound &&
               (agent ? pair.id.peer : pair.id.local).address == node;
    });
}

// What is wrong with the ways that a picture gives to packets, whichever end it is of.
std::string check_ways(const Host& host, const child::MobilityLink& picture) {
    const auto is_way = [&](std::uint16_t bid) {
        return std::ranges::any_of(picture.care_of, [bid](const child::CareOf& care_of) {
            return care_of.bid == bid && care_of.registered;
        });
    };
    bool any = false;
    for (const auto& care_of : picture.care_of) {
        any = any || care_of.registered;
        if (care_of.registered && !has_pair(host, care_of.address))
            return care_of.address.to_string() + " has no SA pair and is to be sent to";
    }
    if (picture.default_bid && !is_way(*picture.default_bid))
        return "the default is binding " + std::to_string(*picture.default_bid) + ", which is no way";
    if (any && !picture.default_bid) return "there is a way and no default";
    return {};
}

// Which care-of address this flow takes; none: it is not there.
std::optional<IpAddress> way_of(const child::MobilityLink& picture, const mobility::FlowSelector& selector) {
    for (const auto& flow : picture.flows) {
        if (flow.mark != 0 || flow.selector != selector) continue;
        for (const std::uint16_t bid : flow.bids) {
            for (const auto& care_of : picture.care_of)
                if (care_of.bid == bid && care_of.registered) return care_of.address;
        }
    }
    return std::nullopt;
}

std::string text_of(const mobility::Registration& registration) {
    std::string out;
    for (const auto& binding : registration.bindings)
        out += " " + std::to_string(binding.bid) + "@" + binding.care_of.to_string();
    for (const auto& flow : registration.flows) {
        out += " flow " + std::to_string(flow.fid) + ":";
        for (const auto bid : flow.bids)
            out += " " + std::to_string(bid);
    }
    return out.empty() ? " nothing" : out;
}

} // namespace

std::string MobileWorld::check() const {
    for (const Host* host : {&net_.agent, &net_.node}) {
        const std::string who = host == &net_.agent ? "home agent: " : "mobile node: ";
        const auto& kernel = host->kernel;
        if (!kernel.breaches.empty()) return who + kernel.breaches.front();
        if (kernel.homes.size() > 1) return who + std::to_string(kernel.homes.size()) + " home addresses";
        if (!kernel.policies.empty() || !kernel.links.empty()) return who + "policies or links of its own";
        for (const auto& [spi, pair] : kernel.sas) {
            if (!kernel.homes.contains(pair.id.link)) return who + "SAs of no home address";
        }
        const auto* picture = MobileNet::picture(*host);
        if (!picture) continue;
        auto wrong = check_ways(*host, *picture);
        if (wrong.empty()) wrong = host == &net_.agent ? check_agent(*picture) : check_node(*picture);
        if (!wrong.empty()) return who + wrong;
    }
    return {};
}

// Nothing is sent to an address that was withdrawn, has expired or was removed.
std::string MobileWorld::check_agent(const child::MobilityLink& picture) const {
    bool any = false;
    for (const auto& care_of : picture.care_of) {
        if (!care_of.registered) continue;
        any = true;
        if (!granted_.holds(net_.net.now, care_of.bid, care_of.address))
            return "it sends to " + care_of.address.to_string() + ", which is not registered as " +
                   std::to_string(care_of.bid);
    }
    if (any && picture.home_test && !granted_.holds(net_.net.now, picture.home_test->care_of))
        return "it sends HoT to " + picture.home_test->care_of.to_string() + ", which is not registered";
    return {};
}

// Nothing is sent from an address that is gone.
std::string MobileWorld::check_node(const child::MobilityLink& picture) const {
    bool any = false;
    const Access* home = home_access();
    if (picture.home_interface != (home ? home->name : ""))
        return "the home link is \"" + picture.home_interface + "\" to the kernel";
    if (picture.at_home && !home) return "payload goes without the tunnel";
    for (const auto& care_of : picture.care_of) {
        any = any || care_of.registered;
        if (home && care_of.registered) return "it sends through the tunnel at home";
        const Access* access = access_with(care_of.address);
        if (!access || access->bid != care_of.bid)
            return care_of.address.to_string() + " is no address of access network " +
                   std::to_string(care_of.bid);
    }
    if (any && picture.home_test && !access_with(picture.home_test->care_of))
        return "it sends HoTI from " + picture.home_test->care_of.to_string() + ", which it has not";
    return {};
}

std::string MobileWorld::check_at_peace() const {
    const auto agent = net_.agent.engine.status(), node = net_.node.engine.status();
    if (auto wrong = check_keys(agent, node); !wrong.empty()) return wrong;
    if (agent.homes.size() != 1 || node.homes.size() != 1) return "a home address is not at both ends";
    if (home_access()) {
        if (auto wrong = check_at_home(agent.homes[0], node.homes[0]); !wrong.empty())
            return "at home: " + wrong + "; home agent:" + text_of(agent.homes[0].registration);
        return check_pairs(agent);
    }
    if (node.homes[0].at_home) return "the mobile node takes itself for at home";
    if (auto wrong = check_bindings(agent.homes[0], node.homes[0]); !wrong.empty())
        return wrong + "; home agent:" + text_of(agent.homes[0].registration) +
               "; mobile node:" + text_of(node.homes[0].registration);
    if (auto wrong = check_flows(agent.homes[0], node.homes[0]); !wrong.empty())
        return wrong + "; home agent:" + text_of(agent.homes[0].registration) +
               "; mobile node:" + text_of(node.homes[0].registration);
    if (auto wrong = check_reach(agent.homes[0]); !wrong.empty()) return wrong;
    return check_pairs(agent);
}

// Nothing is registered, and both ends know it.
std::string MobileWorld::check_at_home(const ike::HomeStatus& agent, const ike::HomeStatus& node) const {
    if (!agent.registration.bindings.empty() || granted_.ways(net_.net.now) != 0)
        return "something is registered";
    if (!node.registration.bindings.empty()) return "the mobile node has something registered";
    if (!node.at_home) return "the mobile node does not know it from the home agent";
    if (!node.settled) return "the mobile node still has something to say";
    const auto* there = MobileNet::picture(net_.agent);
    const auto* here = MobileNet::picture(net_.node);
    if (!there || !here) return "no picture";
    if (!here->at_home) return "payload still goes into the tunnel";
    if (here->default_bid || there->default_bid) return "there is a way through the tunnel";
    return {};
}

// Cache and list.
std::string MobileWorld::check_bindings(const ike::HomeStatus& agent, const ike::HomeStatus& node) const {
    const auto& cache = agent.registration;
    const auto& list = node.registration;
    if (!node.settled) return "the mobile node still has something to say";
    if (cache.bindings.size() != list.bindings.size() || cache.bindings.size() != granted_.ways(net_.net.now))
        return "there are " + std::to_string(cache.bindings.size()) + " bindings, the mobile node knows of " +
               std::to_string(list.bindings.size()) + ", the messages of " +
               std::to_string(granted_.ways(net_.net.now));
    for (std::size_t i = 0; i < cache.bindings.size(); ++i) {
        mobility::Binding theirs = cache.bindings[i];
        const auto& ours = list.bindings[i];
        // The mobile node counts from when it asked, which was just before.
        if (theirs.expires < ours.expires || theirs.expires > ours.expires + 1s)
            return "binding " + std::to_string(ours.bid) + " does not end at the same time";
        theirs.expires = ours.expires;
        if (theirs != ours) return "binding " + std::to_string(ours.bid) + " is another one";
        if (!granted_.holds(net_.net.now, ours.bid, ours.care_of)) return "a binding that no message made";
    }
    std::size_t links = 0;
    for (const Access& access : access_) {
        if (!access.address) continue;
        ++links;
        const auto* binding = mobility::find(list.bindings, access.bid);
        if (!is_plain() && (!binding || binding->care_of != *access.address))
            return access.name + " is not registered";
    }
    const std::size_t wanted = is_plain() ? std::min<std::size_t>(links, 1) : links;
    if (list.bindings.size() != wanted) return "there are bindings of no access network";
    const bool router = plan().router;
    if (cache.prefixes != list.prefixes || cache.prefixes.empty() == router)
        return "the mobile networks are not the same";
    return {};
}

std::string MobileWorld::check_flows(const ike::HomeStatus& agent, const ike::HomeStatus& node) const {
    const auto& flows = agent.registration.flows;
    if (flows != node.registration.flows) return "the flows are not the same";
    if (is_plain() || !service().flows)
        return flows.empty() ? "" : "there are flows that nobody has asked for";
    for (const auto& wish : plan().flows) {
        const bool possible = std::ranges::any_of(wish.bids, [&](std::uint16_t bid) {
            return mobility::find(agent.registration.bindings, bid) != nullptr;
        });
        const auto there = way_of(*MobileNet::picture(net_.agent), wish.selector);
        const auto here = way_of(*MobileNet::picture(net_.node), wish.selector);
        const std::string name = "flow " + std::to_string(wish.fid);
        if (possible != there.has_value()) return name + (possible ? " is not there" : " has no way");
        if (there != here) return name + " takes different ways";
    }
    return {};
}

std::string MobileWorld::check_reach(const ike::HomeStatus& agent) const {
    for (const auto& binding : agent.registration.bindings) {
        const auto why = is_plain() ? net_.unreachable(binding.care_of) : net_.unreachable(binding.bid);
        if (!why.empty()) return binding.care_of.to_string() + " is not reached: " + why;
    }
    const auto& there = *MobileNet::picture(net_.agent);
    const auto& here = *MobileNet::picture(net_.node);
    if (there.home_test.has_value() != plan().home_test || here.home_test != there.home_test) {
        const bool same =
            here.home_test && there.home_test && here.home_test->care_of == there.home_test->care_of;
        if (!same) return "HoTI and HoT do not go the same way";
    }
    return {};
}

// The IKE SA is one, and where the mobile node is.
std::string MobileWorld::check_keys(const ike::Status& agent, const ike::Status& node) const {
    for (const auto* status : {&agent, &node}) {
        const std::string who = status == &agent ? "the home agent" : "the mobile node";
        if (status->ike_sas.size() != 1 || status->ike_sas[0].state != "established")
            return who + " has " + std::to_string(status->ike_sas.size()) + " IKE SAs";
    }
    const IpAddress& here = node.ike_sas[0].local.address;
    if (!net_.node.has(here))
        return "the IKE SA is at " + here.to_string() + ", which the mobile node has not";
    const IpAddress& there = agent.ike_sas[0].peer.address;
    // At home both of its addresses are on the same link, and what says to which one IKE goes may have been lost.
    const bool same = here == there || (home_access() && net_.node.has(there));
    if (!same) return "the IKE SA is at " + here.to_string() + " and at " + there.to_string();
    return {};
}

// No SA is at one end alone, and there is one for each use.
std::string MobileWorld::check_pairs(const ike::Status& agent) const {
    const auto& ours = net_.node.kernel.sas;
    const auto& theirs = net_.agent.kernel.sas;
    if (ours.size() != theirs.size() || net_.node.kernel.pairs() != ours.size() ||
        net_.agent.kernel.pairs() != theirs.size())
        return std::to_string(theirs.size()) + " SA pairs at the home agent, " + std::to_string(ours.size()) +
               " at the mobile node";
    for (const auto& [spi, pair] : ours) {
        const auto other = theirs.find(pair.id.spi_out);
        if (other == theirs.end() || other->second.id.spi_out != spi) return "an SA pair is at one end only";
        if (!equal(other->second.in.encryption.view(), pair.out.encryption.view())) return "keys differ";
    }
    const auto& children = agent.ike_sas[0].children;
    if (children.size() != theirs.size())
        return std::to_string(children.size()) + " Child SAs have " + std::to_string(theirs.size()) +
               " SA pairs";
    std::set<std::string> names;
    for (const auto& child : children) {
        if (child.state != "live") return "a Child SA is " + child.state;
        if (!names.insert(child.name).second) return "there are two Child SAs " + child.name;
    }
    return {};
}

} // namespace sheaf::test
