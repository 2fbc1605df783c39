#include "xfrm/route_follower.h"

#include "netlink/gateway_route.h"

#include <linux/rtnetlink.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace sheaf::xfrm {
namespace {

// Beside the routes themselves: an interface that goes down takes routes with it, as an IPv4 address does that
// they prefer as source, and next hops are changed in the place of routes.
constexpr std::array<unsigned, 5> kGroups{RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_LINK,
                                          RTNLGRP_IPV4_IFADDR, RTNLGRP_NEXTHOP};

bool means_none(const netlink::Error& error) {
    return error.code == ENODEV || error.code == ENOENT || error.code == EAFNOSUPPORT ||
           error.code == EOPNOTSUPP;
}

} // namespace

// Of one group's interface.
struct RouteFollower::Listing {
    child::LinkNumber group = 0;
    int interface_index = 0;
    netlink::Socket& requests;
    Instant begun;
    Found found;
    std::size_t unanswered = 0;
    bool failed = false;
    std::array<std::vector<netlink::GatewayRoute>, 2> routes{}; // of either family
    netlink::NextHopObjects objects{};

    void answered(const std::expected<void, netlink::Error>& result) {
        --unanswered;
        failed |= !result && !means_none(result.error());
    }
    [[nodiscard]] bool needs_objects() const {
        return std::ranges::any_of(routes, [](const auto& list) {
            return std::ranges::any_of(list, [](const auto& route) { return route.object != 0; });
        });
    }
    [[nodiscard]] std::vector<FollowedRoute> result() const {
        std::vector<FollowedRoute> out;
        for (const auto& list : routes) {
            for (const netlink::GatewayRoute& route : list) {
                const auto gateway =
                    route.gateway ? route.gateway : gateway_of(route.object, interface_index, objects);
                if (gateway) out.push_back({route.destination, *gateway, route.metric});
            }
        }
        std::ranges::sort(out);
        return out;
    }
};

RouteFollower::RouteFollower(std::unique_ptr<netlink::Socket> events) : events_(std::move(events)) {
    events_->on_event([this](const nlmsghdr& message) { on_event(message); });
    events_->on_overrun([this] { changed([](int) { return true; }); });
}

std::expected<std::unique_ptr<RouteFollower>, netlink::Error> RouteFollower::open(netlink::Os& os) {
    auto socket = netlink::Socket::open(os, NETLINK_ROUTE, {});
    if (!socket) return std::unexpected(socket.error());
    return std::unique_ptr<RouteFollower>(new RouteFollower(std::move(*socket)));
}

void RouteFollower::changed(const std::function<bool(int interface_index)>& concerned) {
    for (auto& [group, watched] : watched_)
        watched.changed |= concerned(watched.interface_index);
}

void RouteFollower::on_event(const nlmsghdr& message) {
    switch (message.nlmsg_type) {
    case RTM_NEWROUTE:
    case RTM_DELROUTE: return changed([&](int index) { return netlink::concerns(message, index); });
    case RTM_NEWLINK: {
        ifinfomsg fixed{};
        if (netlink::read_fixed(message, &fixed, sizeof fixed))
            changed([&](int index) { return index == fixed.ifi_index; });
        return;
    }
    case RTM_DELADDR:
    case RTM_NEWNEXTHOP:
    case RTM_DELNEXTHOP: return changed([](int) { return true; });
    default: return;
    }
}

// A kernel without a group of events has nothing to tell there.
void RouteFollower::join(bool wanted) {
    if (std::exchange(joined_, wanted) == wanted) return;
    for (const unsigned group : kGroups)
        static_cast<void>(wanted ? events_->listen(group) : events_->ignore(group));
}

void RouteFollower::watch(const Interfaces& groups) {
    std::erase_if(watched_, [&](const auto& entry) {
        const auto wanted = groups.find(entry.first);
        return wanted == groups.end() || wanted->second != entry.second.interface_index;
    });
    join(!groups.empty());
    for (const auto& [group, index] : groups)
        watched_.try_emplace(group, Watched{.interface_index = index});
}

std::optional<Instant> RouteFollower::next_timeout() const {
    std::optional<Instant> next;
    for (const auto& [group, watched] : watched_) {
        if (!watched.changed || watched.listing) continue;
        if (!next || watched.not_before < *next) next = watched.not_before;
    }
    return next;
}

void RouteFollower::list(netlink::Socket& requests, Instant now, Found found) {
    for (auto& [group, watched] : watched_) {
        if (!watched.changed || watched.listing || watched.not_before > now) continue;
        watched.changed = false;
        watched.listing = true;
        list_one(group, requests, now, found);
    }
}

void RouteFollower::list_one(child::LinkNumber group, netlink::Socket& requests, Instant now,
                             const Found& found) {
    const int index = watched_.at(group).interface_index;
    auto listing = std::make_shared<Listing>(group, index, requests, now, found, 2);
    for (const Family family : {Family::ipv4, Family::ipv6}) {
        auto& list = listing->routes.at(family == Family::ipv6 ? 1 : 0);
        requests.dump(
            netlink::dump_routes_by(family, index), [&list, listing] { list.clear(); },
            [&list, listing, index](const nlmsghdr& message) {
                auto route = netlink::parse_gateway_route(message, index);
                if (route && list.size() < kMaxGroupRoutes) list.push_back(*route);
            },
            [this, listing](const std::expected<void, netlink::Error>& result) {
                listing->answered(result);
                if (listing->unanswered != 0) return;
                if (!listing->failed && listing->needs_objects()) return list_next_hops(listing);
                end(*listing);
            });
    }
}

void RouteFollower::list_next_hops(const std::shared_ptr<Listing>& listing) {
    listing->unanswered = 1;
    listing->requests.dump(
        netlink::dump_next_hops(), [listing] { listing->objects.clear(); },
        [listing](const nlmsghdr& message) {
            auto object = netlink::parse_next_hop(message);
            if (object && listing->objects.size() < kMaxGroupRoutes)
                listing->objects[object->id] = std::move(*object);
        },
        [this, listing](const std::expected<void, netlink::Error>& result) {
            listing->answered(result);
            end(*listing);
        });
}

void RouteFollower::end(const Listing& listing) {
    const auto found = watched_.find(listing.group);
    if (found == watched_.end() || found->second.interface_index != listing.interface_index) return;
    Watched& watched = found->second;
    watched.listing = false;
    watched.not_before = listing.begun + (listing.failed ? kRetry : kPause);
    watched.changed |= listing.failed;
    if (!listing.failed) listing.found(listing.group, listing.result());
}

} // namespace sheaf::xfrm
