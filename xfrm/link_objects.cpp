#include "xfrm/link_objects.h"

#include "xfrm/address_form.h"
#include "xfrm/marks.h"

#include <algorithm>
#include <cerrno>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <set>
#include <utility>

namespace sheaf::xfrm {
namespace {

using netlink::Address;
using netlink::LinkObject;
using netlink::Route;
using netlink::RouteKind;

constexpr std::uint8_t kRedirect = 137;     // ICMPv6 type (RFC 4861 4.5)
constexpr std::uint32_t kQuietPriority = 1; // before all that selectors lead to

// Why an interface could not be made, when the kernel's words do not tell an operator what to do. `found` is
// what stands under the name.
std::string creation_hint(const netlink::Error& error, const child::Link& link, const LinkObject& found) {
    if (error.code == EOPNOTSUPP) return "; the kernel has no xfrm interfaces: modprobe xfrm_interface";
    if (error.code == EPERM) return "; sheafd needs the capability CAP_NET_ADMIN";
    if (error.code == EINVAL && link.role == child::LinkRole::gateway)
        return "; the kernel may lack collect-metadata mode, which came with Linux 6.1";
    if (error.code != EEXIST) return {};
    if (found.index != 0)
        return "; there is an interface " + link.interface +
               " that is not Sheaf's: choose another name with "
               "\"interface\" in the configuration, or remove it: ip link del " +
               link.interface;
    return link.role == child::LinkRole::gateway
               ? "; another `type xfrm external` interface is there, and the kernel allows one: find it with "
                 "ip -d link show type xfrm"
               : "; another xfrm interface has this if_id: find it with ip -d link show type xfrm";
}

// What can be done once the interface's index is known: all that makes it usable.
std::vector<Operation> setup_operations(const child::Link& link, const LinkObject& interface) {
    std::vector<Operation> out;
    const std::string object = interface_text(link);
    out.push_back({.room = Room::route,
                   .message = netlink::configure_link(interface.index, kLinkAlias),
                   .object = object,
                   .verb = "configure"});
    out.push_back({.room = Room::route,
                   .message = netlink::raise_link(interface.index),
                   .object = object,
                   .verb = "bring up"});
    if (link.role != child::LinkRole::client) return out;
    for (const Address& address : addresses_of(link, interface.index))
        out.push_back(address_operation(address, object));
    return out;
}

std::string lan_text(const std::string& interface, child::LinkNumber link) {
    return "interface " + interface + " (the LAN of link " + hex(link) + ")";
}

} // namespace

std::string interface_text(const child::Link& link) {
    std::string out = "interface " + link.interface;
    if (link.role == child::LinkRole::client) out += " (link " + hex(link.number) + ")";
    return out;
}

std::string route_text(const Route& route, child::LinkNumber link) {
    return "route " + route.destination.to_string() + " in table " + std::to_string(route.table) + " (link " +
           hex(link) + ")";
}

std::string address_text(const Address& address, const std::string& interface) {
    return "address " + address.address.to_string() + "/" + std::to_string(address.prefix_length) + " on " +
           interface;
}

std::vector<Address> addresses_of(const child::Link& link, int interface_index) {
    std::vector<Address> out;
    const bool client = link.role == child::LinkRole::client;
    for (const auto& given : link.addresses)
        out.push_back({.interface_index = interface_index,
                       .address = given.address,
                       .prefix_length = given.prefix_length,
                       .prefix_route = client && given.address.is_link_local(),
                       .deprecated = given.deprecated,
                       .protocol = kProtocol,
                       .home = given.home});
    return out;
}

std::vector<Address> lan_addresses_of(const child::Link& link, const LanIndexes& indexes) {
    std::vector<Address> out;
    for (const child::LanAddress& given : link.lan) {
        const auto index = indexes.find(given.interface);
        if (index == indexes.end()) continue;
        out.push_back({.interface_index = index->second,
                       .address = given.address,
                       .prefix_length = given.prefix_length,
                       .prefix_route = !given.home,
                       .ask_first = given.address.is_v6() && !given.home,
                       .deprecated = given.deprecated,
                       .protocol = kProtocol,
                       .home = given.home});
    }
    return out;
}

WayIndexes indexes_of(const Ways& ways) {
    WayIndexes out;
    for (const auto& [number, interface] : ways)
        out[number] = interface->index;
    return out;
}

child::Link as_link(const child::LinkWay& way) {
    return {.number = way.number,
            .role = child::LinkRole::client,
            .interface = way.interface,
            .addresses = {},
            .routes = {}};
}

namespace {

// The link's own way and the others.
std::vector<child::LinkWay> all_ways(const child::Link& link) {
    std::vector<child::LinkWay> out{{link.number, link.interface, link.weight, link.mark}};
    out.insert(out.end(), link.ways.begin(), link.ways.end());
    return out;
}

// Those that traffic takes by default, at most as many as a route can have.
std::vector<child::LinkWay> carriers(const child::Link& link) {
    auto out = all_ways(link);
    std::erase_if(out, [](const child::LinkWay& way) { return way.weight == 0; });
    if (out.empty()) out = {all_ways(link).front()};
    if (out.size() > netlink::kMaxNextHops) out.resize(netlink::kMaxNextHops);
    return out;
}

int index_in(const WayIndexes& indexes, child::LinkNumber number) {
    const auto found = indexes.find(number);
    return found == indexes.end() ? 0 : found->second;
}

void lead_into(Route& route, const child::Link& link, const WayIndexes& indexes) {
    const bool client = link.role == child::LinkRole::client;
    const auto hop = [&](const child::LinkWay& way) {
        netlink::NextHop out{
            .interface_index = index_in(indexes, way.number), .link = std::nullopt, .weight = way.weight};
        if (!client) out.link = way.number;
        return out;
    };
    const auto ways = carriers(link);
    if (ways.size() == 1) {
        route.interface_index = hop(ways.front()).interface_index;
        route.link = hop(ways.front()).link;
        return;
    }
    for (const child::LinkWay& way : ways)
        route.next_hops.push_back(hop(way));
}

// A route of a client's, but for where it leads.
Route client_route(const child::Link& link, const Prefix& destination, std::uint32_t table) {
    Route out{.destination = destination,
              .table = table,
              .protocol = kProtocol,
              .link = std::nullopt,
              .preferred_source = std::nullopt};
    const auto source = std::ranges::find_if(link.addresses, [&](const child::InterfaceAddress& own) {
        return own.address.family() == destination.family() && !own.address.is_link_local() &&
               (own.home || !own.deprecated);
    });
    if (source != link.addresses.end()) out.preferred_source = source->address;
    return out;
}

Route kept_out(const Prefix& destination, std::uint32_t table, RouteKind kind) {
    return {.destination = destination,
            .table = table,
            .protocol = kProtocol,
            .kind = kind,
            .link = std::nullopt,
            .preferred_source = std::nullopt};
}

// What packets with the way's mark look into.
void add_way_routes(const child::Link& link, const child::LinkWay& way, int index, std::vector<Route>& to) {
    for (const Prefix& destination : link.delegated)
        to.push_back(kept_out(destination, way.number, RouteKind::pass));
    for (const Prefix& destination : link.routes) {
        to.push_back(client_route(link, destination, way.number));
        to.back().interface_index = index;
    }
}

std::vector<Route> client_routes(const child::Link& link, const WayIndexes& indexes) {
    std::vector<Route> out;
    for (const Prefix& destination : link.delegated) {
        out.push_back(kept_out(destination, kRouteTable, RouteKind::pass));
        out.push_back(kept_out(destination, kDefaultRouteTable, RouteKind::unreachable));
    }
    for (const Prefix& destination : link.routes) {
        out.push_back(
            client_route(link, destination, destination.length() == 0 ? kDefaultRouteTable : kRouteTable));
        lead_into(out.back(), link, indexes);
    }
    for (const child::LinkWay& way : all_ways(link)) {
        if (way.mark != 0) add_way_routes(link, way, index_in(indexes, way.number), out);
    }
    return out;
}

} // namespace

std::vector<Route> routes_of(const child::Link& link, int interface_index) {
    WayIndexes indexes;
    for (const child::LinkWay& way : all_ways(link))
        indexes[way.number] = interface_index;
    return routes_of(link, indexes);
}

std::vector<Route> routes_of(const child::Link& link, const WayIndexes& indexes) {
    if (link.role == child::LinkRole::client) return client_routes(link, indexes);
    std::vector<Route> out;
    for (const Prefix& destination : link.routes) {
        out.push_back({.destination = destination,
                       .table = kRouteTable,
                       .protocol = kProtocol,
                       .link = std::nullopt,
                       .preferred_source = std::nullopt});
        lead_into(out.back(), link, indexes);
    }
    return out;
}

std::vector<Policy> quiet_policies(const child::Link& link, child::LinkNumber way) {
    std::vector<Policy> out;
    const bool local = std::ranges::any_of(link.addresses, [](const child::InterfaceAddress& own) {
        return own.address.is_v6() && own.address.is_link_local();
    });
    if (link.role != child::LinkRole::client || !local) return out;
    const std::pair<PolicyDirection, std::uint8_t> wanted[] = {{PolicyDirection::out, ND_ROUTER_SOLICIT},
                                                               {PolicyDirection::in, ND_ROUTER_ADVERT},
                                                               {PolicyDirection::in, kRedirect}};
    for (const auto& [direction, type] : wanted)
        out.push_back({.direction = direction,
                       .selector = {.source = Prefix::all(Family::ipv6),
                                    .destination = Prefix::all(Family::ipv6),
                                    .protocol = IPPROTO_ICMPV6,
                                    .source_port = {type, PortMatch::kWhole},
                                    .destination_port = {}},
                       .priority = kQuietPriority,
                       .link = way,
                       .reqid = way,
                       .refuse = true,
                       .source = IpAddress::any(Family::ipv6),
                       .destination = IpAddress::any(Family::ipv6)});
    return out;
}

Operation add_operation(Room room, netlink::Message message, std::string object) {
    return {.room = room, .message = std::move(message), .object = std::move(object), .verb = "install"};
}

Operation address_operation(const Address& address, const std::string& interface) {
    Operation out = add_operation(Room::route, add_address(address), address_text(address, interface));
    out.undo = [address] { return remove_address(address); };
    out.hint = [](const netlink::Error& error) -> std::string {
        return error.code == EEXIST ? "; somebody else has put it there" : "";
    };
    return out;
}

Operation route_operation(const Route& route, child::LinkNumber link) {
    Operation out = add_operation(Room::route, add_route(route), route_text(route, link));
    out.undo = [route] { return remove_route(route); };
    out.hint = [route](const netlink::Error& error) -> std::string {
        if (error.code != EEXIST) return {};
        return "; another connection or another program has a route to it there: ip " +
               std::string(route.destination.family() == Family::ipv6 ? "-6" : "-4") + " route show table " +
               std::to_string(route.table);
    };
    return out;
}

Operation policy_operation(const Policy& policy) {
    Operation out = add_operation(Room::xfrm, install_policy(policy), policy.to_string());
    out.undo = [policy] { return remove_policy(policy); };
    return out;
}

Operation state_operation(const State& state, const Progress& progress) {
    Operation out = add_operation(Room::xfrm, install_state(state, progress), state.to_string());
    out.undo = [id = state.id] { return remove_state(id); };
    out.hint = [](const netlink::Error& error) -> std::string {
        // What kernels answer for a cipher or for ESP itself that is not there.
        if (error.code == ENOSYS || error.code == EPROTONOSUPPORT)
            return "; the kernel lacks ESP or the cipher: sheafd names what at its start";
        return {};
    };
    return out;
}

Operation address_removal(const Address& address, const std::string& interface) {
    return removal(Room::route, remove_address(address), address_text(address, interface));
}

Operation route_removal(const Route& route, child::LinkNumber link) {
    return removal(Room::route, remove_route(route), route_text(route, link));
}

// The interface's index is asked for in the same datagram.
Interface create_interface(const child::Link& link, Plan& plan) {
    const bool client = link.role == child::LinkRole::client;
    auto interface = std::make_shared<OwnInterface>();
    LinkObject wanted{
        .name = link.interface, .kind = kLinkKind, .alias = {}, .mtu = kLinkMtu, .if_id = std::nullopt};
    if (client) wanted.if_id = link.number;
    wanted.collect_metadata = !client;

    Operation creation = add_operation(Room::route, create_link(wanted), interface_text(link));
    creation.verb = "create";
    creation.undo = [interface, name = link.interface] {
        return interface->index != 0 ? netlink::remove_link(interface->index) : netlink::remove_link(name);
    };
    creation.undo_if_unanswered = false; // whose the name is then is not known
    creation.hint = [interface, link](const netlink::Error& error) {
        return creation_hint(error, link, *interface);
    };
    plan.add(std::move(creation));

    Operation query{.room = Room::route,
                    .message = netlink::query_link(link.interface),
                    .object = interface_text(link),
                    .verb = "look up"};
    query.on_object = [interface](const nlmsghdr& message) {
        if (auto found = netlink::parse_link(message))
            static_cast<LinkObject&>(*interface) = std::move(*found);
    };
    plan.add(std::move(query));
    plan.add_later([interface, link] { return setup_operations(link, *interface); });
    return interface;
}

bool look_up(const std::vector<child::LanAddress>& lan, const std::shared_ptr<LanIndexes>& indexes,
             child::LinkNumber link, Plan& plan) {
    std::set<std::string> asked;
    for (const child::LanAddress& wanted : lan) {
        if (!asked.insert(wanted.interface).second) continue;
        Operation query{.room = Room::route,
                        .message = netlink::query_link(wanted.interface),
                        .object = lan_text(wanted.interface, link),
                        .verb = "look up"};
        query.on_object = [indexes, name = wanted.interface](const nlmsghdr& message) {
            if (const auto found = netlink::parse_link(message)) (*indexes)[name] = found->index;
        };
        query.hint = [name = wanted.interface](const netlink::Error& error) -> std::string {
            if (error.code != ENODEV) return {};
            return "; there is no interface " + name +
                   ": create it before the connection begins, or name another one in the configuration";
        };
        plan.add(std::move(query));
    }
    return !asked.empty();
}

} // namespace sheaf::xfrm
