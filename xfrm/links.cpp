#include "xfrm/links.h"

#include "xfrm/address_form.h"
#include "xfrm/hash_thresholds.h"
#include "xfrm/link_rules.h"

#include <algorithm>
#include <iterator>
#include <net/if.h>
#include <set>
#include <utility>

namespace sheaf::xfrm {
namespace {

using netlink::Address;
using netlink::Route;
using netlink::Rule;

// By what the kernel finds a route.
bool same_place(const Route& a, const Route& b) {
    return a.destination == b.destination && a.table == b.table;
}

struct Update {
    std::vector<Operation> additions;
    std::vector<Operation> removals;
};

// By what the kernel finds an address.
const Address* at_place_of(const Address& address, const std::vector<Address>& list) {
    const auto found = std::ranges::find_if(list, [&](const Address& other) {
        return other.interface_index == address.interface_index && other.address == address.address;
    });
    return found == list.end() ? nullptr : &*found;
}

// IPv6 has an address once on an interface, whatever the prefix; what else is said of it can be changed in place.
void update_addresses(Update& to, const std::vector<Address>& had, const std::vector<Address>& wanted,
                      const std::string& interface) {
    std::vector<Operation> changes;
    for (const Address& address : without(wanted, had)) {
        const Address* other = at_place_of(address, had);
        Operation addition = address_operation(address, interface);
        if (other != nullptr && other->prefix_length == address.prefix_length) {
            addition.message = change_address(address);
            addition.verb = "change";
            addition.undo = [was = *other] { return change_address(was); };
            changes.push_back(std::move(addition));
            continue;
        }
        if (other != nullptr) { // of another prefix: the old one has to go first
            Operation operation = address_removal(*other, interface);
            operation.undo = [was = *other] { return add_address(was); };
            to.additions.push_back(std::move(operation));
        }
        to.additions.push_back(std::move(addition));
    }
    std::ranges::move(changes, std::back_inserter(to.additions));
    for (const Address& address : without(had, wanted)) {
        if (at_place_of(address, wanted) == nullptr)
            to.removals.push_back(address_removal(address, interface));
    }
}

void update_routes(Update& to, const child::Link& before, const child::Link& after,
                   const WayIndexes& indexes) {
    const auto had = routes_of(before, indexes), wanted = routes_of(after, indexes);
    const auto place_in = [](const std::vector<Route>& routes, const Route& route) {
        return std::ranges::find_if(routes, [&](const Route& other) { return same_place(other, route); });
    };
    for (const Route& route : without(wanted, had)) {
        Operation operation = route_operation(route, after.number);
        if (const auto other = place_in(had, route);
            other != had.end()) { // another way, or from another source
            operation.message = replace_route(route);
            operation.verb = "replace";
            operation.undo = [was = *other] { return replace_route(was); };
        }
        to.additions.push_back(std::move(operation));
    }
    for (const Route& route : without(had, wanted)) {
        if (place_in(wanted, route) == wanted.end())
            to.removals.push_back(route_removal(route, before.number));
    }
}

std::string lan_interface_text(const child::Link& link) { return "the LAN of " + interface_text(link); }

// Routes are added after the addresses that are their sources, and removed before them: an IPv4 address that
// goes takes along the routes that have it as their source.
Update update_of(const child::Link& before, const child::Link& after, const WayIndexes& indexes,
                 const LanIndexes& lan_before, const LanIndexes& lan) {
    Update out, addresses;
    const int index = indexes.at(after.number);
    update_addresses(addresses, addresses_of(before, index), addresses_of(after, index),
                     interface_text(after));
    const auto had = lan_addresses_of(before, lan_before), wanted = lan_addresses_of(after, lan);
    update_addresses(addresses, had, wanted, lan_interface_text(after));
    out.additions = std::move(addresses.additions);
    update_routes(out, before, after, indexes);
    std::ranges::move(addresses.removals, std::back_inserter(out.removals));
    return out;
}

// What `link` has of addresses and routes that `other` has not.
child::Link difference(const child::Link& link, const child::Link& other) {
    child::Link out = link;
    std::erase_if(out.addresses, [&](const child::InterfaceAddress& own) {
        return std::ranges::find(other.addresses, own.address, &child::InterfaceAddress::address) !=
               other.addresses.end();
    });
    out.routes = without(out.routes, other.routes);
    return out;
}

// Numbers of ways that `link` has and `other` has not.
std::vector<child::LinkWay> ways_without(const child::Link& link, const child::Link& other) {
    std::vector<child::LinkWay> out = link.ways;
    std::erase_if(out, [&](const child::LinkWay& way) {
        return std::ranges::find(other.ways, way.number, &child::LinkWay::number) != other.ways.end();
    });
    return out;
}

void add_quiet_policies(const child::Link& link, child::LinkNumber way, Plan& plan) {
    for (const Policy& policy : quiet_policies(link, way))
        plan.add(policy_operation(policy));
}

Operation policy_removal(const Policy& policy) {
    return removal(Room::xfrm, remove_policy(policy), policy.to_string());
}

Operation rule_removal(const Rule& rule) { return removal(Room::route, remove_rule(rule), rule.to_string()); }

Operation interface_removal(const Interface& interface, const std::string& object) {
    Operation out = removal(Room::route, netlink::remove_link(interface->index), object);
    out.on_success = [interface] { interface->removed = true; };
    return out;
}

// Why the link cannot have these ways; empty when it can.
std::string unfit_ways(const child::Link& link) {
    std::set<std::string> names{link.interface};
    std::set<child::LinkNumber> numbers{link.number};
    if (link.ways.size() >= netlink::kMaxNextHops)
        return interface_text(link) + ": no more than " + std::to_string(netlink::kMaxNextHops) +
               " ways are possible";
    for (const child::LinkWay& way : link.ways) {
        const bool named =
            link.role == child::LinkRole::gateway ||
            (!way.interface.empty() && way.interface.size() < IFNAMSIZ && names.insert(way.interface).second);
        if (!named || !numbers.insert(way.number).second)
            return interface_text(as_link(way)) +
                   ": each way of a link needs an interface of its own, with a name of 1 to " +
                   std::to_string(IFNAMSIZ - 1) + " octets";
    }
    return {};
}

std::vector<Operation> client_operations(const child::Link& link, const WayIndexes& indexes,
                                         const LanIndexes& lan) {
    std::vector<Operation> out;
    for (const Address& address : lan_addresses_of(link, lan))
        out.push_back(address_operation(address, lan_interface_text(link)));
    for (const Route& route : routes_of(link, indexes))
        out.push_back(route_operation(route, link.number));
    for (const Rule& rule : way_rules(link))
        out.push_back(rule_operation(rule));
    return out;
}

// Addresses and most routes go with the interfaces.
std::vector<Operation> client_removals(const child::Link& link, const Ways& ways, const LanIndexes& lan) {
    std::vector<Operation> out;
    for (const Rule& rule : way_rules(link))
        out.push_back(rule_removal(rule));
    for (const Address& address : lan_addresses_of(link, lan))
        out.push_back(address_removal(address, lan_interface_text(link)));
    for (const child::LinkWay& way : link.ways) {
        if (const auto found = ways.find(way.number); found != ways.end())
            out.push_back(interface_removal(found->second, interface_text(as_link(way))));
    }
    out.push_back(interface_removal(ways.at(link.number), interface_text(link)));
    for (const Route& route : routes_of(link, 0)) {
        if (route.kind != netlink::RouteKind::interface) out.push_back(route_removal(route, link.number));
    }
    return out;
}

// While the SPD is empty, or nearly so: the kernel sorts it anew.
Operation spd_operation() {
    Operation out = add_operation(Room::xfrm, set_thresholds(kForClients), "hash thresholds of the SPD");
    out.undo = [] { return set_thresholds(kUntouched); };
    return out;
}

} // namespace

void Links::enter(child::LinkNumber number, const Open& link) {
    if (!open_.emplace(number, link).second) return;
    ++(link.role == child::LinkRole::client ? clients_ : gateways_);
    if (link.role == child::LinkRole::gateway) gateway_ = link.interface;
}

void Links::strike(child::LinkNumber number) {
    const auto found = open_.find(number);
    if (found == open_.end()) return;
    --(found->second.role == child::LinkRole::client ? clients_ : gateways_);
    if (gateways_ == 0) gateway_.reset();
    open_.erase(found);
}

int Links::interface_index(child::LinkNumber number) const {
    const auto found = open_.find(number);
    return found == open_.end() ? 0 : found->second.interface->index;
}

bool Links::changes_shared(const child::KernelIntent& intent) const {
    std::size_t closed = 0;
    for (const child::KernelStep& step : intent.steps) {
        // As a client's link.
        if (std::holds_alternative<child::OpenGroup>(step) || std::holds_alternative<child::CloseGroup>(step))
            return true;
        // It may open or close either kind.
        if (std::holds_alternative<child::OpenMobility>(step) ||
            std::holds_alternative<child::UpdateMobility>(step) ||
            std::holds_alternative<child::CloseMobility>(step))
            return true;
        const auto* open = std::get_if<child::OpenLink>(&step);
        const auto* close = std::get_if<child::CloseLink>(&step);
        if (open == nullptr && close == nullptr) continue;
        // A client's link is rare, and has an interface and perhaps rules of its own.
        if ((open != nullptr ? open->link : close->link).role == child::LinkRole::client) return true;
        if (open != nullptr && gateways_ == 0) return true;
        if (close != nullptr && ++closed >= gateways_) return true;
    }
    return false;
}

SharedBook::Use Links::use_of(const child::KernelIntent& intent) const {
    SharedBook::Use out;
    for (const child::KernelStep& step : intent.steps)
        shared_.use(step, out);
    return out;
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
    if (clients_ > 0) std::ranges::copy(client_rules(), std::back_inserter(needed));
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
    const bool client = link.role == child::LinkRole::client;
    if (link.interface.empty() || link.interface.size() >= IFNAMSIZ)
        return std::unexpected(object + ": the name must have 1 to " + std::to_string(IFNAMSIZ - 1) +
                               " octets");
    if (const std::string unfit = unfit_ways(link); !unfit.empty()) return std::unexpected(unfit);
    if (open_.contains(link.number))
        return std::unexpected(object + ": link " + hex(link.number) + " is open already");
    if (!client && gateway_ != nullptr && gateway_->index != 0 && gateway_->name != link.interface)
        return std::unexpected(object + ": the gateway's links share one interface, which is " +
                               gateway_->name + "; give all connections the same \"interface\"");
    if (client &&
        std::ranges::find(link.lan, link.interface, &child::LanAddress::interface) != link.lan.end())
        return std::unexpected(object + ": it cannot be the LAN behind itself; name another interface there");
    Open books{link.role, client ? nullptr : gateway_, std::make_shared<LanIndexes>(), {}};
    if (client) {
        open_client(link, books, plan);
    } else {
        if (books.interface == nullptr) {
            if (sets_up_spd_) plan.add(spd_operation());
            books.interface = create_interface(link, plan);
        }
        if (auto held = shared_.hold(link, books.interface, plan); !held) return held;
    }
    add_rules(link.role, plan);
    enter(link.number, books);
    plan.on_failure([this, number = link.number] { strike(number); });
    return {};
}

// The policies that keep an interface quiet are there before it goes up.
void Links::open_client(const child::Link& link, Open& books, Plan& plan) {
    look_up(link.lan, books.lan, link.number, plan);
    add_quiet_policies(link, link.number, plan);
    for (const child::LinkWay& way : link.ways)
        add_quiet_policies(link, way.number, plan);
    books.interface = create_interface(link, plan);
    books.ways[link.number] = books.interface;
    for (const child::LinkWay& way : link.ways)
        books.ways[way.number] = create_interface(as_link(way), plan);
    plan.add_later([ways = books.ways, lan = books.lan, link] {
        return client_operations(link, indexes_of(ways), *lan);
    });
}

void Links::close(const child::Link& link, Plan& plan) {
    const auto found = open_.find(link.number);
    if (found == open_.end()) return;
    const Open was = found->second;
    strike(link.number);
    plan.on_failure([this, number = link.number, was] {
        if (!was.interface->removed) enter(number, was);
    });
    remove_rules(plan);
    if (was.role == child::LinkRole::client) {
        close_client(link, was, plan);
    } else {
        close_gateway(link, was, plan);
    }
}

void Links::close_client(const child::Link& link, const Open& was, Plan& plan) {
    const bool known = std::ranges::all_of(was.ways, [](const auto& way) { return way.second->index != 0; });
    if (!known) { // opened by the same intent
        plan.add_later([link, was] { return client_removals(link, was.ways, *was.lan); });
    } else {
        for (Operation& operation : client_removals(link, was.ways, *was.lan))
            plan.add_removal(std::move(operation));
    }
    for (const auto& [number, interface] : was.ways) {
        for (const Policy& policy : quiet_policies(link, number))
            plan.add_removal(policy_removal(policy));
    }
}

void Links::close_gateway(const child::Link& link, const Open& was, Plan& plan) {
    const bool last = gateways_ == 0;
    shared_.release(link, was.interface, last, plan);
    if (!last) return;
    if (sets_up_spd_)
        plan.add_removal(removal(Room::xfrm, set_thresholds(kUntouched), "hash thresholds of the SPD"));
    const auto operations = [interface = was.interface, object = interface_text(link)] {
        std::vector<Operation> out;
        out.push_back(removal(Room::route, netlink::remove_link(interface->index), object));
        out.back().on_success = [interface] { interface->removed = true; };
        return out;
    };
    if (was.interface->index == 0) { // opened by the same intent
        plan.add_later(operations);
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
    if (const std::string unfit = unfit_ways(after); !unfit.empty()) return std::unexpected(unfit);
    Open& books = found->second;
    if (after.role == child::LinkRole::client) {
        update_client(before, after, books, plan);
        return {};
    }
    if (auto held = shared_.hold(difference(after, before), books.interface, plan); !held) return held;
    shared_.change_ways(before, after, books.interface, plan);
    shared_.release(difference(before, after), books.interface, false, plan);
    return {};
}

void Links::change_ways(const child::Link& before, const child::Link& after, Open& books, Plan& plan) {
    for (const child::LinkWay& way : ways_without(after, before)) {
        add_quiet_policies(after, way.number, plan);
        books.ways[way.number] = create_interface(as_link(way), plan);
        plan.on_failure([this, link = after.number, number = way.number] {
            if (const auto found = open_.find(link); found != open_.end()) found->second.ways.erase(number);
        });
    }
    for (const child::LinkWay& way : ways_without(before, after)) {
        const auto found = books.ways.find(way.number);
        if (found == books.ways.end()) continue;
        plan.on_failure([this, link = after.number, number = way.number, interface = found->second] {
            const auto open = open_.find(link);
            if (open != open_.end() && !interface->removed) open->second.ways[number] = interface;
        });
        books.ways.erase(found);
    }
}

void Links::update_client(const child::Link& before, const child::Link& after, Open& books, Plan& plan) {
    const auto found = std::make_shared<LanIndexes>(); // asked for anew: interfaces may have come and gone
    bool later = look_up(without(after.lan, before.lan), found, after.number, plan);
    const auto indexes = [found, lan = books.lan] {
        LanIndexes out = *lan;
        for (const auto& [name, index] : *found)
            out[name] = index;
        return out;
    };
    Ways ways = books.ways;
    change_ways(before, after, books, plan);
    ways.insert(books.ways.begin(), books.ways.end());
    const auto compute = [=, lan = books.lan] {
        Update out = update_of(before, after, indexes_of(ways), *lan, indexes());
        for (const Rule& rule : without(way_rules(after), way_rules(before)))
            out.additions.push_back(rule_operation(rule));
        std::vector<Operation> removals;
        for (const Rule& rule : without(way_rules(before), way_rules(after)))
            removals.push_back(rule_removal(rule));
        std::ranges::move(out.removals, std::back_inserter(removals));
        for (const child::LinkWay& way : ways_without(before, after)) {
            if (const auto gone = ways.find(way.number); gone != ways.end())
                removals.push_back(interface_removal(gone->second, interface_text(as_link(way))));
            for (const Policy& policy : quiet_policies(before, way.number))
                removals.push_back(policy_removal(policy));
        }
        out.removals = std::move(removals);
        return out;
    };
    // Or opened by the same intent.
    later |= std::ranges::any_of(ways, [](const auto& way) { return way.second->index == 0; });
    if (later) {
        plan.add_later([compute] { return compute().additions; });
        plan.add_later([compute, indexes, lan = books.lan] {
            std::vector<Operation> removals = compute().removals;
            *lan = indexes();
            return removals;
        });
        return;
    }
    Update update = compute();
    for (Operation& operation : update.additions)
        plan.add(std::move(operation));
    for (Operation& operation : update.removals)
        plan.add_removal(std::move(operation));
}

void Links::forget_all() {
    open_.clear();
    clients_ = gateways_ = 0;
    gateway_.reset();
    shared_.forget_all();
    rules_.clear();
}

} // namespace sheaf::xfrm
