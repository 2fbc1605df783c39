#include "xfrm/shared_book.h"

#include "xfrm/address_form.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

namespace sheaf::xfrm {
namespace {

bool may_clash(const Prefix& destination) {
    return destination.family() == Family::ipv6 && destination.address().is_link_local();
}

// The one address or route of a link that has no other.
netlink::Address address_object(const child::Link& link, const child::InterfaceAddress& address, int index) {
    return addresses_of({.number = link.number,
                         .role = link.role,
                         .interface = link.interface,
                         .addresses = {address},
                         .routes = {}},
                        index)
        .front();
}

// What the book keeps of a link that has a route.
child::Link ways_of(const child::Link& link) {
    return {.number = link.number,
            .role = child::LinkRole::gateway,
            .interface = {},
            .addresses = {},
            .routes = {},
            .weight = link.weight,
            .ways = link.ways};
}

netlink::Route route_object(const child::Link& ways, const Prefix& destination, int index) {
    child::Link one = ways;
    one.routes = {destination};
    return routes_of(one, index).front();
}

using Makers = std::vector<std::function<Operation(int)>>;

std::vector<Operation> made(const Makers& makers, int index) {
    std::vector<Operation> out;
    out.reserve(makers.size());
    for (const auto& make : makers)
        out.push_back(make(index));
    return out;
}

// `add` is Plan::add or Plan::add_removal.
void plan_all(Makers makers, const Interface& interface, void (Plan::*add)(Operation), Plan& plan) {
    if (makers.empty()) return;
    if (interface->index == 0) {
        plan.add_later([makers = std::move(makers), interface] { return made(makers, interface->index); });
        return;
    }
    for (Operation& operation : made(makers, interface->index))
        (plan.*add)(std::move(operation));
}

} // namespace

bool SharedBook::clash(const Use& one, const Use& other) {
    return std::ranges::any_of(one, [&](const auto& entry) {
        const auto found = other.find(entry.first);
        return found != other.end() && (entry.second || found->second);
    });
}

void SharedBook::use(const child::KernelStep& step, Use& to) const {
    const auto add = [&](const child::Link& link, bool goes) {
        if (link.role != child::LinkRole::gateway) return;
        for (const auto& address : link.addresses) {
            const auto held = addresses_.find(address.address);
            const std::size_t holders = held == addresses_.end() ? 0 : held->second.size();
            to[Prefix::host(address.address)] |= goes ? holders <= 1 : holders == 0;
        }
        for (const Prefix& route : link.routes) {
            const auto held = routes_.find(route);
            const bool none = held == routes_.end() || held->second.empty();
            to[route] |= none || !may_clash(route) || (goes && held->second.front().number == link.number);
        }
    };
    if (const auto* open = std::get_if<child::OpenLink>(&step)) add(open->link, false);
    if (const auto* close = std::get_if<child::CloseLink>(&step)) add(close->link, true);
    if (const auto* update = std::get_if<child::UpdateLink>(&step)) {
        add(update->before, true);
        add(update->after, false);
    }
}

std::expected<void, std::string> SharedBook::hold(const child::Link& link, const Interface& interface,
                                                  Plan& plan) {
    std::vector<Maker> makers;
    for (const auto& address : link.addresses)
        hold_address(link, address, makers, plan);
    for (const Prefix& route : link.routes) {
        if (auto held = hold_route(link, route, makers, plan); !held) return held;
    }
    plan_all(std::move(makers), interface, &Plan::add, plan);
    return {};
}

void SharedBook::hold_address(const child::Link& link, const child::InterfaceAddress& address,
                              std::vector<Maker>& makers, Plan& plan) {
    auto& holders = addresses_[address.address];
    const bool first = holders.empty();
    if (!holders.insert(link.number).second) return;
    plan.on_failure([this, held = address.address, number = link.number] { drop(held, number); });
    if (!first) return;
    makers.emplace_back([link, address](int index) {
        Operation out =
            address_operation(address_object(link, address, index), "interface " + link.interface);
        out.tolerated = {EEXIST}; // left by an intent that failed after another one relied on it
        return out;
    });
}

std::expected<void, std::string> SharedBook::hold_route(const child::Link& link, const Prefix& destination,
                                                        std::vector<Maker>& makers, Plan& plan) {
    auto& holders = routes_[destination];
    const bool first = holders.empty();
    if (std::ranges::find(holders, link.number, &child::Link::number) != holders.end()) return {};
    if (!first && !may_clash(destination))
        return std::unexpected(
            route_text(route_object(ways_of(link), destination, 0), link.number) + ": it leads to link " +
            hex(holders.front().number) +
            " already; a prefix can be with one client, so that link has to be closed first");
    holders.push_back(ways_of(link));
    plan.on_failure([this, destination, number = link.number] { drop(destination, number); });
    if (!first) return {};
    makers.emplace_back([ways = ways_of(link), destination](int index) {
        return route_operation(route_object(ways, destination, index), ways.number);
    });
    return {};
}

void SharedBook::change_ways(const child::Link& before, const child::Link& after, const Interface& interface,
                             Plan& plan) {
    const child::Link was = ways_of(before), wanted = ways_of(after);
    if (was == wanted) return;
    std::vector<Maker> makers;
    for (const Prefix& destination : after.routes) {
        const auto held = routes_.find(destination);
        if (held == routes_.end() || held->second.empty()) continue;
        const bool has = held->second.front().number == after.number;
        if (std::ranges::find(held->second, was) == held->second.end()) continue;
        set_ways(destination, wanted);
        plan.on_failure([this, destination, was] { set_ways(destination, was); });
        if (!has || route_object(was, destination, 1) == route_object(wanted, destination, 1)) continue;
        makers.emplace_back([destination, was, wanted](int index) {
            Operation out = route_operation(route_object(wanted, destination, index), wanted.number);
            out.message = replace_route(route_object(wanted, destination, index));
            out.verb = "replace";
            out.undo = [back = route_object(was, destination, index)] { return replace_route(back); };
            return out;
        });
    }
    plan_all(std::move(makers), interface, &Plan::add, plan);
}

void SharedBook::set_ways(const Prefix& destination, const child::Link& ways) {
    const auto found = routes_.find(destination);
    if (found == routes_.end()) return;
    for (child::Link& holder : found->second) {
        if (holder.number == ways.number) holder = ways;
    }
}

void SharedBook::release(const child::Link& link, const Interface& interface, bool interface_goes,
                         Plan& plan) {
    std::vector<Maker> makers;
    for (const Prefix& route : link.routes)
        release_route(link, route, makers, interface, plan);
    for (const auto& address : link.addresses)
        release_address(link, address, makers, interface, plan);
    if (!interface_goes) plan_all(std::move(makers), interface, &Plan::add_removal, plan);
}

void SharedBook::release_route(const child::Link& link, const Prefix& destination, std::vector<Maker>& makers,
                               const Interface& interface, Plan& plan) {
    const auto found = routes_.find(destination);
    if (found == routes_.end()) return;
    auto& holders = found->second;
    const auto held = std::ranges::find(holders, link.number, &child::Link::number);
    if (held == holders.end()) return;
    child::Link was = std::move(*held);
    const bool had = held == holders.begin();
    holders.erase(held);
    const auto done = std::make_shared<bool>(false);
    plan.on_failure([this, destination, was, interface, done, had] {
        if (*done || interface->removed) return;
        auto& all = routes_[destination];
        all.insert(had ? all.begin() : all.end(), was);
    });
    if (had) {
        const auto next = holders.empty() ? was : holders.front();
        makers.emplace_back([was, destination, next, done](int index) {
            Operation out = route_removal(route_object(was, destination, index), was.number);
            if (next.number != was.number) { // in its place, without a moment in between
                out.message = replace_route(route_object(next, destination, index));
                out.verb = "hand over";
            }
            out.on_success = [done] { *done = true; };
            return out;
        });
    }
    if (holders.empty()) routes_.erase(found);
}

void SharedBook::release_address(const child::Link& link, const child::InterfaceAddress& address,
                                 std::vector<Maker>& makers, const Interface& interface, Plan& plan) {
    const auto found = addresses_.find(address.address);
    if (found == addresses_.end() || found->second.erase(link.number) == 0) return;
    const bool last = found->second.empty();
    const auto done = std::make_shared<bool>(false);
    plan.on_failure([this, held = address.address, number = link.number, interface, done] {
        if (!*done && !interface->removed) addresses_[held].insert(number);
    });
    if (!last) return;
    addresses_.erase(found);
    makers.emplace_back([link, address, done](int index) {
        Operation out = address_removal(address_object(link, address, index), "interface " + link.interface);
        out.on_success = [done] { *done = true; };
        return out;
    });
}

void SharedBook::drop(const Prefix& destination, child::LinkNumber link) {
    const auto found = routes_.find(destination);
    if (found == routes_.end()) return;
    std::erase_if(found->second, [&](const child::Link& holder) { return holder.number == link; });
    if (found->second.empty()) routes_.erase(found);
}

void SharedBook::drop(const IpAddress& address, child::LinkNumber link) {
    const auto found = addresses_.find(address);
    if (found == addresses_.end()) return;
    found->second.erase(link);
    if (found->second.empty()) addresses_.erase(found);
}

void SharedBook::forget_all() {
    addresses_.clear();
    routes_.clear();
}

} // namespace sheaf::xfrm
