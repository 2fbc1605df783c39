#include "xfrm/links.h"

#include "netlink/address.h"
#include "xfrm/address_form.h"
#include "xfrm/marks.h"

#include <linux/rtnetlink.h>

#include <algorithm>
#include <cerrno>
#include <net/if.h>
#include <utility>

namespace sheaf::xfrm {
namespace {

using netlink::Address;
using netlink::LinkObject;
using netlink::Route;
using netlink::Rule;

std::string interface_text(const child::Link& link) {
    std::string out = "interface " + link.interface;
    if (link.role == child::LinkRole::client) out += " (link " + hex(link.number) + ")";
    return out;
}

std::string route_text(const Route& route, const child::Link& link) {
    return "route " + route.destination.to_string() + " in table " + std::to_string(route.table) + " (link " +
           hex(link.number) + ")";
}

Operation add_operation(Room room, netlink::Message message, std::string object) {
    return {.room = room, .message = std::move(message), .object = std::move(object), .verb = "install"};
}

Operation rule_operation(const Rule& rule) {
    Operation out = add_operation(Room::route, add_rule(rule), rule.to_string());
    out.tolerated = {EAFNOSUPPORT}; // a machine without this family needs no rule for it
    out.undo = [rule] { return remove_rule(rule); };
    out.hint = [rule](const netlink::Error& error) -> std::string {
        if (error.code != EEXIST) return {};
        return "; a rule like it is there and is not Sheaf's: ip " +
               std::string(rule.family == Family::ipv6 ? "-6" : "-4") + " rule del priority " +
               std::to_string(rule.priority);
    };
    return out;
}

Operation route_operation(const Route& route, const child::Link& link) {
    Operation out = add_operation(Room::route, add_route(route), route_text(route, link));
    out.undo = [route] { return remove_route(route); };
    return out;
}

std::string address_text(const Address& address, const child::Link& link) {
    return "address " + address.address.to_string() + "/" + std::to_string(address.prefix_length) + " on " +
           interface_text(link);
}

Operation address_operation(const Address& address, const child::Link& link) {
    Operation out = add_operation(Room::route, add_address(address), address_text(address, link));
    out.undo = [address] { return remove_address(address); };
    return out;
}

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

std::vector<Address> addresses_of(const child::Link& link, int interface_index) {
    std::vector<Address> out;
    if (link.role != child::LinkRole::client) return out;
    for (const auto& given : link.addresses)
        out.push_back({.interface_index = interface_index,
                       .address = given.address,
                       .prefix_length = given.prefix_length,
                       .prefix_route = given.address.is_link_local()});
    return out;
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
    for (const Address& address : addresses_of(link, interface.index))
        out.push_back(address_operation(address, link));
    return out;
}

std::vector<Operation> route_operations(const child::Link& link, int interface_index) {
    std::vector<Operation> out;
    for (const Route& route : routes_of(link, interface_index))
        out.push_back(route_operation(route, link));
    return out;
}

std::vector<Operation> route_removals(const child::Link& link, int index) {
    std::vector<Operation> out;
    for (const Route& route : routes_of(link, index))
        out.push_back(removal(Room::route, remove_route(route), route_text(route, link)));
    return out;
}

// What of `all` is not among `others`.
template <typename T>
std::vector<T> without(std::vector<T> all, const std::vector<T>& others) {
    std::erase_if(all, [&](const T& one) { return std::ranges::find(others, one) != others.end(); });
    return all;
}

// By what the kernel finds a route.
bool same_place(const Route& a, const Route& b) {
    return a.destination == b.destination && a.table == b.table;
}

struct Update {
    std::vector<Operation> additions;
    std::vector<Operation> removals;
};

void update_addresses(Update& to, const child::Link& before, const child::Link& after, int index) {
    const auto had = addresses_of(before, index), wanted = addresses_of(after, index);
    for (const Address& address : without(wanted, had)) {
        // IPv6 has an address once, whatever the prefix: then the old one has to go first.
        const auto other = std::ranges::find(had, address.address, &Address::address);
        if (other != had.end()) {
            Operation operation = removal(Room::route, remove_address(*other), address_text(*other, before));
            operation.undo = [was = *other] { return add_address(was); };
            to.additions.push_back(std::move(operation));
        }
        to.additions.push_back(address_operation(address, after));
    }
    for (const Address& address : without(had, wanted)) {
        if (std::ranges::find(wanted, address.address, &Address::address) == wanted.end())
            to.removals.push_back(
                removal(Room::route, remove_address(address), address_text(address, before)));
    }
}

void update_routes(Update& to, const child::Link& before, const child::Link& after, int index) {
    const auto had = routes_of(before, index), wanted = routes_of(after, index);
    const auto place_in = [](const std::vector<Route>& routes, const Route& route) {
        return std::ranges::find_if(routes, [&](const Route& other) { return same_place(other, route); });
    };
    for (const Route& route : without(wanted, had)) {
        Operation operation = route_operation(route, after);
        if (const auto other = place_in(had, route); other != had.end()) { // from another source than before
            operation.message = replace_route(route);
            operation.verb = "replace";
            operation.undo = [was = *other] { return replace_route(was); };
        }
        to.additions.push_back(std::move(operation));
    }
    for (const Route& route : without(had, wanted)) {
        if (place_in(wanted, route) == wanted.end())
            to.removals.push_back(removal(Room::route, remove_route(route), route_text(route, before)));
    }
}

// Routes are added after the addresses that are their sources, and removed before them: an IPv4 address that
// goes takes along the routes that have it as their source.
Update update_of(const child::Link& before, const child::Link& after, int index) {
    Update out, addresses;
    update_addresses(addresses, before, after, index);
    out.additions = std::move(addresses.additions);
    update_routes(out, before, after, index);
    std::ranges::move(addresses.removals, std::back_inserter(out.removals));
    return out;
}

} // namespace

std::vector<Rule> common_rules() {
    std::vector<Rule> out;
    for (const Family family : {Family::ipv6, Family::ipv4})
        out.push_back({.family = family,
                       .priority = kRoutePriority,
                       .table = kRouteTable,
                       .protocol = kProtocol,
                       .mark = kMark,
                       .mark_mask = kMarkMask,
                       .unless = true,
                       .suppress_prefix_length = std::nullopt});
    return out;
}

std::vector<Rule> client_rules() {
    std::vector<Rule> out;
    for (const Family family : {Family::ipv6, Family::ipv4}) {
        out.push_back({.family = family,
                       .priority = kMainPriority,
                       .table = RT_TABLE_MAIN,
                       .protocol = kProtocol,
                       .suppress_prefix_length = 0});
        out.push_back({.family = family,
                       .priority = kDefaultRoutePriority,
                       .table = kDefaultRouteTable,
                       .protocol = kProtocol,
                       .mark = kMark,
                       .mark_mask = kMarkMask,
                       .unless = true,
                       .suppress_prefix_length = std::nullopt});
    }
    return out;
}

std::vector<Route> routes_of(const child::Link& link, int interface_index) {
    const bool client = link.role == child::LinkRole::client;
    std::vector<Route> out;
    for (const Prefix& destination : link.routes) {
        Route route{.destination = destination,
                    .table = client && destination.length() == 0 ? kDefaultRouteTable : kRouteTable,
                    .protocol = kProtocol,
                    .interface_index = interface_index,
                    .link = std::nullopt,
                    .preferred_source = std::nullopt};
        if (client) {
            const auto source = std::ranges::find_if(link.addresses, [&](const child::InterfaceAddress& own) {
                return own.address.family() == destination.family() && !own.address.is_link_local();
            });
            if (source != link.addresses.end()) route.preferred_source = source->address;
        } else {
            route.link = link.number;
        }
        out.push_back(route);
    }
    return out;
}

std::size_t Links::count(child::LinkRole role) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(open_, [&](const auto& entry) { return entry.second.role == role; }));
}

bool Links::changes_shared(const child::KernelIntent& intent) const {
    const std::size_t gateways = count(child::LinkRole::gateway);
    std::size_t closed = 0;
    for (const child::KernelStep& step : intent.steps) {
        const auto* open = std::get_if<child::OpenLink>(&step);
        const auto* close = std::get_if<child::CloseLink>(&step);
        if (open == nullptr && close == nullptr) continue;
        // A client's link is rare, and has an interface and perhaps rules of its own.
        if ((open != nullptr ? open->link : close->link).role == child::LinkRole::client) return true;
        if (open != nullptr && gateways == 0) return true;
        if (close != nullptr && ++closed >= gateways) return true;
    }
    return false;
}

// The interface itself. Its index is asked for in the same datagram.
Links::Interface Links::create(const child::Link& link, Plan& plan) const {
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

void Links::add_rules(child::LinkRole role, Plan& plan) {
    for (const Rule& rule : common_rules())
        add_rule(rule, plan);
    if (role != child::LinkRole::client) return;
    for (const Rule& rule : client_rules())
        add_rule(rule, plan);
}

void Links::add_rule(const Rule& rule, Plan& plan) {
    if (std::ranges::find(rules_, rule) != rules_.end()) return;
    plan.add(rule_operation(rule));
    rules_.push_back(rule);
    plan.on_failure([this, rule] { std::erase(rules_, rule); });
}

void Links::remove_rules(Plan& plan) {
    std::vector<Rule> needed;
    if (!open_.empty()) needed = common_rules();
    if (count(child::LinkRole::client) > 0) std::ranges::copy(client_rules(), std::back_inserter(needed));
    const auto superfluous = [&](const Rule& rule) {
        return std::ranges::find(needed, rule) == needed.end();
    };
    for (const Rule& rule : rules_) {
        if (!superfluous(rule)) continue;
        auto gone = std::make_shared<bool>(false);
        Operation operation = removal(Room::route, remove_rule(rule), rule.to_string());
        operation.on_success = [gone] { *gone = true; };
        plan.add_removal(std::move(operation));
        plan.on_failure([this, rule, gone] {
            if (!*gone) rules_.push_back(rule);
        });
    }
    std::erase_if(rules_, superfluous);
}

std::expected<void, std::string> Links::open(const child::Link& link, Plan& plan) {
    const std::string object = interface_text(link);
    if (link.interface.empty() || link.interface.size() >= IFNAMSIZ)
        return std::unexpected(object + ": the name must have 1 to " + std::to_string(IFNAMSIZ - 1) +
                               " octets");
    if (open_.contains(link.number))
        return std::unexpected(object + ": link " + hex(link.number) + " is open already");
    Interface interface;
    if (link.role == child::LinkRole::gateway) {
        const auto other = std::ranges::find_if(
            open_, [](const auto& entry) { return entry.second.role == child::LinkRole::gateway; });
        if (other != open_.end()) {
            interface = other->second.interface;
            if (interface->index != 0 && interface->name != link.interface)
                return std::unexpected(object + ": the gateway's links share one interface, which is " +
                                       interface->name + "; give all connections the same \"interface\"");
        }
    }
    if (interface == nullptr) interface = create(link, plan);
    if (interface->index == 0) {
        plan.add_later([interface, link] { return route_operations(link, interface->index); });
    } else {
        for (Operation& operation : route_operations(link, interface->index))
            plan.add(std::move(operation));
    }
    add_rules(link.role, plan);
    open_.emplace(link.number, Open{link.role, interface});
    plan.on_failure([this, number = link.number] { open_.erase(number); });
    return {};
}

void Links::close(const child::Link& link, Plan& plan) {
    const auto found = open_.find(link.number);
    if (found == open_.end()) return;
    const Open was = found->second;
    open_.erase(found);
    plan.on_failure([this, number = link.number, was] {
        if (!was.interface->removed) open_.emplace(number, was);
    });

    remove_rules(plan);
    const bool last = was.role == child::LinkRole::client || count(child::LinkRole::gateway) == 0;
    auto operations = [last, link, interface = was.interface] {
        if (!last) return route_removals(link, interface->index);
        // Routes and addresses go with their interface.
        std::vector<Operation> out;
        out.push_back(removal(Room::route, netlink::remove_link(interface->index), interface_text(link)));
        out.back().on_success = [interface] { interface->removed = true; };
        return out;
    };
    if (was.interface->index == 0) { // opened by the same intent
        plan.add_later(std::move(operations));
    } else {
        for (Operation& operation : operations())
            plan.add_removal(std::move(operation));
    }
}

std::expected<void, std::string> Links::update(const child::Link& before, const child::Link& after,
                                               Plan& plan) {
    const auto found = open_.find(after.number);
    if (found == open_.end())
        return std::unexpected(interface_text(after) + ": link " + hex(after.number) +
                               " is not open and cannot be updated");
    if (before.number != after.number || before.role != after.role || before.interface != after.interface)
        return std::unexpected(interface_text(after) +
                               ": an update cannot change number, role or interface of link " +
                               hex(before.number));
    const Interface interface = found->second.interface;
    if (interface->index == 0) { // opened by the same intent
        plan.add_later([=] { return update_of(before, after, interface->index).additions; });
        plan.add_later([=] { return update_of(before, after, interface->index).removals; });
        return {};
    }
    Update update = update_of(before, after, interface->index);
    for (Operation& operation : update.additions)
        plan.add(std::move(operation));
    for (Operation& operation : update.removals)
        plan.add_removal(std::move(operation));
    return {};
}

void Links::forget_all() {
    open_.clear();
    rules_.clear();
}

} // namespace sheaf::xfrm
