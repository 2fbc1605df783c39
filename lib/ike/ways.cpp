// The ways into a virtual link: each IKE SA of a family has its own, with a number in the kernel, and what is
// sent into the link is shared out among those that can carry it (PathPlan::use).

#include "lib/ike/core.h"

#include <algorithm>

namespace sheaf::ike {

// Whether a Child SA of the link is there.
bool Engine::Core::carries(const IkeSa& sa) {
    return std::ranges::any_of(sa.children, [&](const ChildSa& child) {
        return sa.way != 0 && child.on_interface && child.id.link == sa.way &&
               child.state == ChildState::live && child.policies;
    });
}

// Those that use a link; `any` is one that does or did.
std::vector<IkeSa*> Engine::Core::users_of(const std::shared_ptr<VirtualLink>& link, const IkeSa& any) {
    std::vector<IkeSa*> out;
    std::vector<wire::Spi> spis = others_of_peer(any);
    spis.push_back(any.our_spi());
    for (const wire::Spi spi : spis) {
        IkeSa* sa = find(spi);
        if (sa && sa->link == link) out.push_back(sa);
    }
    return out;
}

// The first of a family takes the link's own number, the others one each.
child::LinkNumber Engine::Core::way_of(IkeSa& sa) {
    if (sa.way != 0) return sa.way;
    VirtualLink& link = *sa.link;
    if (family_of(sa).size() <= 1) return sa.way = link.link.number;
    sa.way = fresh_number();
    child::LinkWay way{sa.way, {}, 0, 0};
    if (link.link.role == child::LinkRole::client) {
        std::size_t suffix = 1;
        const auto used = [&](const std::string& interface) {
            return std::ranges::find(link.ways, interface, &child::LinkWay::interface) != link.ways.end();
        };
        do
            way.interface = link.link.interface + "-" + std::to_string(++suffix);
        while (used(way.interface));
    }
    link.ways.push_back(std::move(way));
    return sa.way;
}

// What the link is to be, so that a Child SA on this way can be installed.
Opening Engine::Core::opening_for(const IkeSa& sa, const ChildSa& child) {
    if (!child.on_interface || !sa.link) return {};
    if (sa.connection->role == Role::peer) return {sa.link, sa.link->link};
    return sa.link->open ? Opening{sa.link, sa.link->wanted()} : Opening{};
}

// After an IKE SA's first Child SA on its way could not be installed: another one may fare better with another way.
void Engine::Core::forget_way(IkeSa& sa) {
    const bool used = std::ranges::any_of(
        sa.children, [&](const ChildSa& child) { return is_on_link(sa, child) && child.id.link == sa.way; });
    if (used || !sa.link || sa.way == sa.link->link.number) return;
    std::erase_if(sa.link->ways, [&](const child::LinkWay& way) { return way.number == sa.way; });
    numbers_.erase(std::exchange(sa.way, 0));
}

void Engine::Core::settle_ways(const IkeSa& sa, const IkeSa* leaving) {
    if (!sa.link) return;
    VirtualLink& link = *sa.link;
    link.again = Instant::max();
    share_out(sa.link, sa, leaving);
    child::Link next = link.wanted();
    if (!link.open || next == link.link) return;
    Pending pending;
    auto steps = open_link({sa.link, std::move(next)}, pending);
    if (!steps.empty()) submit(std::move(steps), std::move(pending));
}

// The ways of a link, the preferred ones first: a client prefers by its paths, a gateway by age.
std::vector<WayUse> Engine::Core::uses_of(const VirtualLink& link, const IkeSa& any,
                                          const std::vector<IkeSa*>& users) {
    std::vector<WayUse> out;
    const auto use_of = [&](child::LinkNumber number) -> WayUse& {
        const auto found = std::ranges::find(out, number, &WayUse::number);
        return found != out.end() ? *found : out.emplace_back(WayUse{.number = number});
    };
    const bool client = link.link.role == child::LinkRole::client;
    if (const Initiation* initiation = client ? initiation_for(any) : nullptr) {
        for (const ClientPath& path : initiation->paths.all) {
            const auto sa = std::ranges::find(users, path.sa, &IkeSa::our_spi);
            if (sa == users.end() || (*sa)->way == 0) continue;
            const Uplink& uplink = any.connection->paths.uplinks[path.own.front().uplink];
            WayUse& use = use_of((*sa)->way);
            use.weight = uplink.weight;
            // Where an uplink has several paths, its mark leads to the first of them.
            const bool marked = std::ranges::any_of(
                out, [&](const WayUse& other) { return &other != &use && other.mark == uplink.mark; });
            use.mark = marked ? 0 : uplink.mark;
        }
    }
    use_of(link.link.number);
    for (const child::LinkWay& way : link.ways)
        use_of(way.number);
    for (const IkeSa* sa : users) {
        if (carries(*sa)) use_of(sa->way).live = true;
    }
    return out;
}

// What is sent into the link is shared out among the ways that carry it, without `leaving`; a way that nobody
// has any more goes.
void Engine::Core::share_out(const std::shared_ptr<VirtualLink>& shared, const IkeSa& any,
                             const IkeSa* leaving) {
    VirtualLink& link = *shared;
    const PathUse how = any.connection->paths.use;
    if (link.ways.empty() && link.weight == 1 && link.mark == 0 && how != PathUse::mark) return;
    auto users = users_of(shared, any);
    std::erase(users, leaving);
    bool first = true;
    for (const WayUse& use : uses_of(link, any, users)) {
        const auto way = std::ranges::find(link.ways, use.number, &child::LinkWay::number);
        const bool own = use.number == link.link.number;
        if (way == link.ways.end() && !own) continue;
        unsigned& weight = own ? link.weight : way->weight;
        std::uint32_t& mark = own ? link.mark : way->mark;
        const bool balanced = how == PathUse::balance;
        weight = !use.live ? 0 : balanced ? use.weight : first ? 1 : 0;
        mark = use.live && how == PathUse::mark ? use.mark : 0;
        first = first && !use.live;
    }
    if (first) link.weight = 1; // nothing carries it: it is dropped where it always went
    std::erase_if(link.ways, [&](const child::LinkWay& way) {
        const bool used = std::ranges::any_of(users, [&](const IkeSa* sa) { return sa->way == way.number; });
        if (!used) numbers_.erase(way.number);
        return !used;
    });
}

} // namespace sheaf::ike
