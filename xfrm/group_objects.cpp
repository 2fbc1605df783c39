#include "xfrm/group_objects.h"

#include "lib/group/endpoint_sas.h"
#include "lib/group/shared_sa.h"
#include "xfrm/address_form.h"
#include "xfrm/expansion.h"
#include "xfrm/marks.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <ranges>
#include <set>
#include <tuple>

namespace sheaf::xfrm {
namespace {

constexpr std::uint32_t kWidestSitePriority = 1000; // less the prefix's length: the longest wins

bool may_be_endpoint(const child::GroupLink& link, const IpAddress& address) {
    return !address.is_any() && !address.is_link_local() && local_of(link, address.family()) &&
           std::ranges::find(link.local, address) == link.local.end();
}

std::set<IpAddress> endpoints_of(const GroupTable& table) {
    std::set<IpAddress> out;
    for (const auto& [prefix, route] : table)
        out.insert(route.endpoint);
    return out;
}

Policy policy_of(const child::GroupLink& link, const GroupRoute& route, PolicyDirection direction) {
    const bool out = direction == PolicyDirection::out;
    const Prefix any = Prefix::all(route.prefix.family());
    const IpAddress local = local_of(link, route.endpoint.family()).value_or(IpAddress{});
    return {.direction = direction,
            .selector = {.source = out ? any : route.prefix, .destination = out ? route.prefix : any},
            .priority = kWidestSitePriority - route.prefix.length(),
            .link = link.number,
            .reqid = link.number,
            .source = out ? local : route.endpoint,
            .destination = out ? route.endpoint : local};
}

} // namespace

const GroupSa* find_sa(const std::vector<GroupSa>& sas, wire::ChildSpi spi) {
    const auto found = std::ranges::find(sas, spi, &GroupSa::spi);
    return found == sas.end() ? nullptr : &*found;
}

std::optional<IpAddress> local_of(const child::GroupLink& link, Family family) {
    const auto found = std::ranges::find(link.local, family, &IpAddress::family);
    if (found == link.local.end()) return std::nullopt;
    return *found;
}

GroupTable table_of(const child::GroupLink& link, const std::vector<FollowedRoute>& routes) {
    GroupTable out;
    for (const child::GroupSite& site : link.sites) {
        if (!may_be_endpoint(link, site.endpoint)) continue;
        for (const Prefix& network : site.networks)
            out.try_emplace(network, GroupRoute{network, site.endpoint, true});
    }
    std::vector<FollowedRoute> by_metric = routes;
    std::ranges::sort(by_metric, {}, [](const FollowedRoute& route) {
        return std::tie(route.metric, route.prefix, route.gateway);
    });
    for (const FollowedRoute& route : by_metric) {
        if (out.size() >= kMaxGroupRoutes) break;
        if (may_be_endpoint(link, route.gateway))
            out.try_emplace(route.prefix, GroupRoute{route.prefix, route.gateway, false});
    }
    return out;
}

child::Link link_of(const child::GroupLink& link) {
    child::Link out{.number = link.number,
                    .role = child::LinkRole::client,
                    .interface = link.interface,
                    .addresses = {},
                    .routes = {}};
    // Also what cannot be reached: it must not go elsewhere in the clear.
    std::set<Prefix> networks;
    for (const child::GroupSite& site : link.sites) {
        if (std::ranges::find(link.local, site.endpoint) == link.local.end())
            networks.insert(site.networks.begin(), site.networks.end());
    }
    out.routes.assign(networks.begin(), networks.end());
    return out;
}

std::vector<Policy> policies_of(const child::GroupLink& link, const GroupTable& table,
                                wire::ChildSpi sending) {
    std::vector<Policy> out;
    out.reserve(3 * table.size());
    for (const auto& [prefix, route] : table) {
        for (const auto direction : {PolicyDirection::in, PolicyDirection::forward, PolicyDirection::out}) {
            out.push_back(policy_of(link, route, direction));
            if (direction == PolicyDirection::out) out.back().spi = sending;
        }
    }
    return out;
}

std::string unfit(const child::InstallGroupSa& step) {
    const std::string object = "group SA SPI " + hex(step.spi) + " (link " + hex(step.group) + "): ";
    if (step.suite.encr != crypto::EncrId::aes_cbc)
        return object + "each sender would count from the same number under one key, so counter modes are "
                        "out of the question; configure the group for AES-CBC with HMAC";
    if (!crypto::supported(step.suite) || step.suite.esn)
        return object + "the algorithms are none that can be installed";
    if (step.encryption.size() != crypto::encr_key_length({step.suite.encr, step.suite.key_bits}) ||
        step.integrity.size() != crypto::integ_key_length(step.suite.integ))
        return object + "the keys do not have the algorithms' lengths";
    if (step.spi < group::kFirstGroupSpi)
        return object + "the SPI is not in the range of groups, from " + hex(group::kFirstGroupSpi) + " on";
    return {};
}

State state_of(child::LinkNumber group, const GroupSa& sa, const GroupEntry& entry, std::uint32_t mark,
               bool with_direction) {
    State out;
    out.id = {entry.out ? entry.endpoint : entry.local, sa.spi, entry.out ? 0 : mark};
    out.source = entry.out ? entry.local : entry.endpoint;
    out.link = out.reqid = group;
    put_algorithms(out, sa.suite, sa.keys->encryption.view(), sa.keys->integrity.view());
    if (entry.out) {
        out.output_mark = kMark; // it must not enter a client's tunnel
        out.output_mark_mask = kMarkMask;
    } else {
        out.replay_window = kGroupReplayWindow;
        out.output_mark_mask = kGroupMarkMask; // the packet inside has none
    }
    if (with_direction) out.direction = entry.out ? SaDirection::out : SaDirection::in;
    return out;
}

GroupEntry place_of(GroupEntry entry) {
    if (entry.out) entry.local = {};
    return entry;
}

bool is_placed(const child::GroupLink& link, const GroupEntry& entry) {
    return local_of(link, entry.endpoint.family()) == entry.local;
}

GroupDifference difference_of(const child::GroupLink& link, const std::vector<GroupSa>& sas,
                              wire::ChildSpi sending, const GroupTable& table, const GroupEntries& entries) {
    GroupDifference out;
    std::map<GroupEntry, GroupEntry> outbound; // by their places
    const std::set<IpAddress> endpoints = endpoints_of(table);
    for (const IpAddress& endpoint : endpoints) {
        const auto local = local_of(link, endpoint.family());
        if (!local) continue;
        for (const GroupSa& sa : sas) {
            const GroupEntry in{*local, endpoint, sa.spi, false}, sent{*local, endpoint, sa.spi, true};
            if (!entries.contains(in)) out.added.push_back(in);
            if (sa.spi == sending && !entries.contains(sent)) outbound.emplace(place_of(sent), sent);
        }
    }
    std::ranges::copy(outbound | std::views::values, std::back_inserter(out.added));

    std::set<IpAddress> departed;
    const auto stays = [&](const GroupEntry& entry) {
        if (find_sa(sas, entry.spi) == nullptr || !is_placed(link, entry)) return false;
        if (endpoints.contains(entry.endpoint) || departed.contains(entry.endpoint)) return true;
        return departed.size() < kMaxDeparted && departed.insert(entry.endpoint).second;
    };
    // By their addresses the last first, so that the first ones go.
    for (const GroupEntry& entry : entries | std::views::keys | std::views::reverse) {
        if (stays(entry)) continue;
        const auto mover = entry.out ? outbound.find(place_of(entry)) : outbound.end();
        if (mover == outbound.end())
            out.removed.push_back(entry);
        else
            out.moved.emplace(mover->second, entry);
    }
    std::ranges::stable_partition(out.removed, &GroupEntry::out);
    return out;
}

std::chrono::seconds life_of(Instant made, Instant expires) {
    return std::max(std::chrono::ceil<std::chrono::seconds>(expires - made), std::chrono::seconds(1));
}

std::uint32_t first_sequence(const GroupSa& sa, Instant now) {
    const auto left = std::chrono::floor<std::chrono::seconds>(sa.counted_to - now);
    return group::first_sequence(std::max(left, std::chrono::seconds(0)));
}

std::uint32_t next_sequence(const GroupSa& sa, std::uint32_t begun, Instant now) {
    constexpr std::uint32_t kLast = std::numeric_limits<std::uint32_t>::max();
    const std::uint32_t beyond =
        begun > kLast - group::kSequencesPerSecond ? kLast : begun + group::kSequencesPerSecond;
    return std::max(first_sequence(sa, now), beyond);
}

} // namespace sheaf::xfrm
