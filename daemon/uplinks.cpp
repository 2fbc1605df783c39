#include "daemon/uplinks.h"

#include "netlink/address.h"
#include "xfrm/marks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <ranges>

namespace sheaf::daemon {
namespace {

static_assert(xfrm::kFirstUplinkTable + Uplinks::kMaxUplinks - 1 <= xfrm::kLastUplinkTable);

std::uint32_t table_of(std::size_t uplink) {
    return xfrm::kFirstUplinkTable + static_cast<std::uint32_t>(uplink);
}

bool is_ours(const netlink::Rule& rule) {
    return rule.protocol == xfrm::kProtocol && rule.priority == xfrm::kUplinkPriority;
}

template <typename T>
bool has(const std::vector<T>& list, const T& one) {
    return std::ranges::find(list, one) != list.end();
}

std::string described(const netlink::Route& route) {
    return fmt::format("the route to {} in table {}", route.destination.to_string(), route.table);
}

} // namespace

Uplinks::Uplinks(std::unique_ptr<netlink::Caller> caller, std::uint32_t mark)
    : caller_(std::move(caller)), mark_(mark) {}

void Uplinks::configure(Plan plan) {
    plan_ = std::move(plan);
    if (plan_.gateways.size() > kMaxGateways) plan_.gateways.resize(kMaxGateways);
    if (plan_.homes.size() > kMaxHomes) plan_.homes.resize(kMaxHomes);
}

bool Uplinks::refresh() {
    if (plan_.interfaces.empty() && tables_ == 0) return false;
    const auto before = std::exchange(sources_, {});
    const auto on_link_before = std::exchange(on_link_, {});
    Wanted wanted;
    look(wanted);
    tables_ = std::max(tables_, std::min(plan_.interfaces.size(), kMaxUplinks));
    const bool applied = apply(wanted);
    tables_ = std::min(plan_.interfaces.size(), kMaxUplinks);
    return applied || before != sources_ || on_link_before != on_link_;
}

bool Uplinks::is_on_link(const std::string& uplink, const IpAddress& home) {
    if (!has(plan_.homes, home)) {
        if (plan_.homes.size() >= kMaxHomes) return false;
        plan_.homes.push_back(home);
        refresh();
    }
    return on_link_.contains({uplink, home});
}

std::expected<IpAddress, std::string> Uplinks::source_over(const std::string& uplink,
                                                           const IpAddress& gateway) {
    if (!has(plan_.interfaces, uplink)) return std::unexpected(uplink + " is not configured as an uplink");
    if (!has(plan_.gateways, gateway)) {
        if (plan_.gateways.size() >= kMaxGateways)
            return std::unexpected(fmt::format("there are more than {} gateway addresses", kMaxGateways));
        plan_.gateways.push_back(gateway);
        refresh();
    }
    const auto found = sources_.find({uplink, gateway});
    if (found == sources_.end())
        return std::unexpected(fmt::format("there are more than {} uplinks", kMaxUplinks));
    return found->second;
}

// By the name, which another interface may have the next time.
std::expected<netlink::LinkObject, std::string> Uplinks::link(const std::string& name) {
    std::optional<netlink::LinkObject> found;
    const auto asked = caller_->request(
        netlink::query_link(name), [&](const nlmsghdr& message) { found = netlink::parse_link(message); });
    if (!asked && asked.error().code != ENODEV)
        return std::unexpected(fmt::format("{} cannot be asked for: {}", name, asked.error().to_string()));
    if (!found) return std::unexpected(fmt::format("there is no interface {}", name));
    if (!found->up) return std::unexpected(name + " is down");
    if (!found->running) return std::unexpected(name + " has no carrier");
    return *found;
}

std::vector<Uplinks::Own> Uplinks::addresses() {
    std::vector<Own> out;
    for (const Family family : {Family::ipv6, Family::ipv4}) {
        std::vector<Own> some;
        const auto asked = caller_->dump(
            netlink::dump_addresses(family), [&] { some.clear(); },
            [&](const nlmsghdr& message) {
                const auto address = netlink::parse_address(message);
                // The home address, which xfrm/ puts onto the home link, is none of the network's.
                if (!address || address->home || !netlink::is_usable_address(message)) return;
                some.push_back({address->interface_index, address->address, address->prefix_length});
            });
        if (asked) std::ranges::move(some, std::back_inserter(out));
    }
    return out;
}

std::expected<netlink::Route, netlink::Error> Uplinks::query(const netlink::RouteQuery& query) {
    std::optional<netlink::Route> found;
    const auto asked = caller_->request(
        netlink::query_route(query), [&](const nlmsghdr& message) { found = netlink::parse_route(message); });
    if (!asked) return std::unexpected(asked.error());
    if (!found) return std::unexpected(netlink::Error{.code = ENETUNREACH});
    return *found;
}

// What the kernel would send from is the source, if the interface has it; else the first address that fits.
std::expected<Uplinks::Found, std::string> Uplinks::reach(const netlink::LinkObject& link,
                                                          const IpAddress& gateway, std::uint32_t table,
                                                          const std::vector<Own>& own) {
    netlink::RouteQuery asked{
        .destination = gateway, .interface_index = link.index, .mark = mark_, .entry = true};
    const auto no_route = [&] {
        return std::unexpected(fmt::format("{} has no route to {}", link.name, gateway.to_string()));
    };
    if (!query(asked)) return no_route();
    asked.entry = false;
    const auto answer = query(asked);
    if (!answer || answer->kind != netlink::RouteKind::interface || answer->interface_index != link.index)
        return no_route();
    const auto usable = [&](const Own& one) {
        return one.interface_index == link.index && one.address.family() == gateway.family() &&
               one.address.is_link_local() == gateway.is_link_local();
    };
    const auto chosen = std::ranges::find_if(
        own, [&](const Own& one) { return usable(one) && one.address == answer->preferred_source; });
    const auto first = chosen != own.end() ? chosen : std::ranges::find_if(own, usable);
    if (first == own.end())
        return std::unexpected(fmt::format("{} has no {} address that can be used", link.name,
                                           gateway.is_v6() ? "IPv6" : "IPv4"));
    return Found{first->address,
                 {.destination = Prefix::host(gateway),
                  .table = table,
                  .protocol = xfrm::kProtocol,
                  .interface_index = link.index,
                  .link = std::nullopt,
                  .preferred_source = first->address,
                  .gateway = answer->gateway}};
}

void Uplinks::look(Wanted& wanted) {
    std::map<IpAddress, std::string> owners;
    const auto own = addresses();
    for (std::size_t i = 0; i < std::min(plan_.interfaces.size(), kMaxUplinks); ++i) {
        const std::string& name = plan_.interfaces[i];
        const auto interface = link(name);
        if (interface) look_for_homes(i, interface->index, own, wanted);
        for (const IpAddress& gateway : plan_.gateways) {
            Source& source = sources_.try_emplace({name, gateway}, IpAddress{}).first->second;
            if (!interface) {
                source = std::unexpected(interface.error());
                continue;
            }
            const auto found = reach(*interface, gateway, table_of(i), own);
            if (!found) {
                source = std::unexpected(found.error());
                continue;
            }
            const auto owner = owners.emplace(found->source, name).first;
            if (owner->second != name) {
                source = std::unexpected(fmt::format("{} has the same address as {}, {}", name, owner->second,
                                                     found->source.to_string()));
                continue;
            }
            source = found->source;
            wanted.routes.push_back(found->route);
            const netlink::Rule rule{.family = found->source.family(),
                                     .priority = xfrm::kUplinkPriority,
                                     .table = table_of(i),
                                     .protocol = xfrm::kProtocol,
                                     .suppress_prefix_length = std::nullopt,
                                     .source = found->source};
            if (!has(wanted.rules, rule)) wanted.rules.push_back(rule);
        }
    }
}

void Uplinks::look_for_homes(std::size_t uplink, int interface_index, const std::vector<Own>& own,
                             Wanted& wanted) {
    for (const IpAddress& home : plan_.homes) {
        const bool here = std::ranges::any_of(own, [&](const Own& one) {
            return one.interface_index == interface_index && one.address != home &&
                   one.prefix_length < one.address.bits() &&
                   Prefix(one.address, one.prefix_length).contains(home);
        });
        if (!here) continue;
        on_link_.insert({plan_.interfaces[uplink], home});
        const bool routed =
            std::ranges::any_of(wanted.rules, [&](const auto& r) { return r.source == home; });
        if (!routed)
            wanted.rules.push_back({.family = home.family(),
                                    .priority = xfrm::kUplinkPriority,
                                    .table = table_of(uplink),
                                    .protocol = xfrm::kProtocol,
                                    .suppress_prefix_length = std::nullopt,
                                    .source = home});
    }
}

// A rule comes when the routes are there, and goes before them.
bool Uplinks::apply(const Wanted& wanted) {
    const bool routes = apply_routes(wanted.routes);
    const bool rules = apply_rules(wanted.rules);
    return routes || rules;
}

bool Uplinks::apply_routes(const std::vector<netlink::Route>& wanted) {
    std::vector<netlink::Route> present;
    for (const Family family : {Family::ipv6, Family::ipv4}) {
        for (std::size_t i = 0; i < tables_; ++i) {
            std::vector<netlink::Route> some;
            const auto asked = caller_->dump(
                netlink::dump_routes(family, table_of(i), xfrm::kProtocol), [&] { some.clear(); },
                [&, i](const nlmsghdr& message) {
                    auto route = netlink::parse_route(message);
                    if (route && route->protocol == xfrm::kProtocol && route->table == table_of(i))
                        some.push_back(std::move(*route));
                });
            if (asked) std::ranges::move(some, std::back_inserter(present)); // ENOENT: no such table yet
        }
    }
    bool changed = false;
    for (const netlink::Route& route : wanted) {
        if (has(present, route)) continue;
        changed |= carry_out(netlink::replace_route(route), described(route),
                             route.preferred_source ? &*route.preferred_source : nullptr);
    }
    for (const netlink::Route& route : present) {
        const bool replaced = std::ranges::any_of(wanted, [&](const netlink::Route& other) {
            return other.table == route.table && other.destination == route.destination;
        });
        if (!replaced) changed |= carry_out(netlink::remove_route(route), described(route), nullptr);
    }
    return changed;
}

bool Uplinks::apply_rules(const std::vector<netlink::Rule>& wanted) {
    std::vector<netlink::Rule> present;
    for (const Family family : {Family::ipv6, Family::ipv4}) {
        std::vector<netlink::Rule> some;
        const auto asked = caller_->dump(
            netlink::dump_rules(family), [&] { some.clear(); },
            [&](const nlmsghdr& message) {
                const auto rule = netlink::parse_rule(message);
                if (rule && is_ours(*rule)) some.push_back(*rule);
            });
        if (asked) std::ranges::move(some, std::back_inserter(present));
    }
    bool changed = false;
    for (const netlink::Rule& rule : wanted) {
        if (!has(present, rule))
            changed |= carry_out(netlink::add_rule(rule), "the " + rule.to_string(), &*rule.source);
    }
    for (const netlink::Rule& rule : present) {
        if (!has(wanted, rule)) changed |= carry_out(netlink::remove_rule(rule), rule.to_string(), nullptr);
    }
    return changed;
}

// What cannot be removed stays until the next time; without what cannot be installed its source is not usable.
bool Uplinks::carry_out(netlink::Message message, const std::string& what, const IpAddress* source) {
    const auto done = caller_->request(std::move(message));
    if (!done && source != nullptr)
        fail(*source, fmt::format("{} cannot be installed: {}", what, done.error().to_string()));
    return done.has_value();
}

void Uplinks::fail(const IpAddress& source, const std::string& why) {
    for (auto& [pair, answer] : sources_) {
        if (answer && *answer == source) answer = std::unexpected(why);
    }
}

} // namespace sheaf::daemon
