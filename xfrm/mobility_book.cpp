#include "xfrm/mobility_book.h"

#include "netlink/link.h"
#include "netlink/neighbour.h"
#include "xfrm/link_objects.h"
#include "xfrm/marks.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <vector>

namespace sheaf::xfrm {
namespace {

using child::MobilityLink;
using child::MobilityRole;

Operation state_operation(const CareOfState& state) {
    Operation out = add_operation(Room::xfrm, install_state(state), state.to_string());
    out.undo = [state] { return remove_state(state); };
    out.hint = [](const netlink::Error& error) -> std::string {
        if (error.code == EEXIST)
            return "; another mobility stack has one for these addresses, end that: ip xfrm state list proto "
                   "hao; "
                   "ip xfrm state list proto route2";
        if (error.code != EPROTONOSUPPORT && error.code != EINVAL) return {};
        return "; the kernel may lack Mobile IPv6 (CONFIG_IPV6_MIP6)";
    };
    return out;
}

Operation state_update(const CareOfState& was, const CareOfState& state) {
    Operation out{.room = Room::xfrm,
                  .message = update_state(state),
                  .object = state.to_string(),
                  .verb = "give another care-of address to"};
    out.undo = [was] { return update_state(was); };
    return out;
}

const CareOfState* at_place_of(const CareOfState& state, const std::vector<CareOfState>& list) {
    const auto found =
        std::ranges::find_if(list, [&](const CareOfState& other) { return same_place(state, other); });
    return found == list.end() ? nullptr : &*found;
}

std::vector<Policy> sorted_policies(const Home* home) {
    std::vector<Policy> out;
    if (home != nullptr) out = policies_of(home->link);
    std::ranges::sort(out);
    return out;
}

std::string proxy_interface(const Home* home) {
    if (home == nullptr || home->link.role != MobilityRole::home_agent || !is_registered(home->link))
        return {};
    return home->link.home_interface;
}

template <typename Key, typename Value>
const Value* find_in(const std::map<Key, Value>& map, const Key& key) {
    const auto found = map.find(key);
    return found == map.end() ? nullptr : &found->second;
}

} // namespace

const MobilityLink* MobilityBook::find(child::LinkNumber number) const {
    const Home* home = find_in(wanted_, number);
    return home == nullptr ? nullptr : &home->link;
}

void MobilityBook::restore_on_failure(child::LinkNumber number, Plan& plan) {
    std::optional<Home> before;
    if (const Home* home = find_in(wanted_, number)) before = *home;
    plan.on_failure([this, number, before = std::move(before)] {
        wanted_.erase(number);
        if (before) wanted_.emplace(number, *before);
    });
}

std::expected<void, std::string> MobilityBook::open(const MobilityLink& link, Plan& plan) {
    if (const std::string why = unfit(link); !why.empty()) return std::unexpected(why);
    if (wanted_.contains(link.number)) return std::unexpected(text_of(link) + ": it is open already");
    restore_on_failure(link.number, plan);
    wanted_.emplace(link.number, Home{link, {}, {}});
    return {};
}

std::expected<void, std::string> MobilityBook::update(const MobilityLink& link, Plan& plan) {
    if (const std::string why = unfit(link); !why.empty()) return std::unexpected(why);
    const auto found = wanted_.find(link.number);
    if (found == wanted_.end()) return std::unexpected(text_of(link) + ": update: it is not open");
    const MobilityLink& was = found->second.link;
    if (was.role != link.role || was.home != link.home || was.home_agent != link.home_agent ||
        was.signalling != link.signalling)
        return std::unexpected(text_of(link) + ": an update cannot change role, ends or signalling");
    restore_on_failure(link.number, plan);
    found->second.link = link;
    return {};
}

void MobilityBook::close(child::LinkNumber number, Plan& plan) {
    if (!wanted_.contains(number)) return;
    restore_on_failure(number, plan);
    wanted_.erase(number);
}

StateId MobilityBook::inbound_id(const child::SaPairId& id) const {
    StateId out = xfrm::inbound_id(id);
    if (gated_.contains(out)) out.mark = kGateMark;
    return out;
}

void MobilityBook::adapt(const child::InstallSas& step, StatePair& pair, Plan& plan) {
    const auto found = wanted_.find(step.id.link);
    if (found == wanted_.end()) return;
    Home& home = found->second;
    const bool transport = step.mode == child::Mode::transport;
    if (transport) {
        pair.in.selector = transport_selector(home.link, step.reqid, false);
        pair.out.selector = transport_selector(home.link, step.reqid, true);
    }
    if (home.link.role == MobilityRole::mobile_node) {
        pair.out.output_mark = kMark; // not into the tunnel again
        pair.out.output_mark_mask = kMarkMask;
        return;
    }
    if (!installs_in(step.directions)) return;
    restore_on_failure(step.id.link, plan);
    (transport ? home.transport : home.payload).insert(step.id.spi_in);
    if (gated_.insert(pair.in.id).second) plan.on_failure([this, id = pair.in.id] { gated_.erase(id); });
    pair.in.id.mark = kGateMark;
    pair.in.output_mark_mask = kGroupMarkMask; // the packet inside has none
}

void MobilityBook::remove(const child::RemoveSas& step, Plan& plan) {
    if (!installs_in(step.directions)) return;
    const StateId id = xfrm::inbound_id(step.id);
    if (gated_.erase(id) != 0) plan.on_failure([this, id] { gated_.insert(id); });
    const auto found = wanted_.find(step.id.link);
    if (found == wanted_.end()) return;
    restore_on_failure(step.id.link, plan);
    found->second.payload.erase(step.id.spi_in);
    found->second.transport.erase(step.id.spi_in);
}

std::expected<void, std::string> MobilityBook::plan(child::LinkNumber number, Means means) {
    std::optional<Home> was;
    if (const Home* planned = find_in(planned_, number)) was = *planned;
    const Home* before = was ? &*was : nullptr;
    const Home* after = find_in(wanted_, number);
    if (before == nullptr && after == nullptr) return {};
    const HomeMarks marks = after == nullptr ? HomeMarks{} : marks_of(*after);
    const bool same = before != nullptr && after != nullptr && *before == *after;
    if (same && marks_->held(number) == marks) return {};
    means.plan.on_failure([this, number, was] {
        planned_.erase(number);
        if (was) planned_.emplace(number, *was);
    });
    if (after != nullptr) {
        planned_.insert_or_assign(number, *after);
    } else {
        planned_.erase(number);
    }
    const std::vector<Policy> had = sorted_policies(before), wanted = sorted_policies(after);
    std::vector<Policy> added, removed;
    std::ranges::set_difference(wanted, had, std::back_inserter(added));
    std::ranges::set_difference(had, wanted, std::back_inserter(removed));
    plan_states(before, after, means.plan);
    means.policies.install(added, means.changes, means.plan);
    plan_proxy(number, before, after, means.plan);
    plan_marks(number, marks, means.plan);
    if (auto planned = plan_link(before, after, means); !planned) return planned;
    means.policies.remove(removed, means.changes, means.plan);
    if (before != nullptr) {
        const auto stays = after == nullptr ? std::vector<CareOfState>{} : xfrm::care_of_states(after->link);
        for (const CareOfState& state : xfrm::care_of_states(before->link)) {
            if (at_place_of(state, stays) == nullptr)
                means.plan.add_removal(removal(Room::xfrm, remove_state(state), state.to_string()));
        }
    }
    if (after == nullptr) means.links.close(link_of(before->link), means.plan);
    return {};
}

std::expected<void, std::string> MobilityBook::plan_link(const Home* before, const Home* after, Means means) {
    if (after == nullptr) return {}; // it goes last
    const child::Link wanted = link_of(after->link);
    if (before == nullptr) return means.links.open(wanted, means.plan);
    const child::Link had = link_of(before->link);
    if (had == wanted) return {};
    return means.links.update(had, wanted, means.plan);
}

void MobilityBook::plan_states(const Home* before, const Home* after, Plan& plan) {
    if (after == nullptr) return;
    const auto had = before == nullptr ? std::vector<CareOfState>{} : xfrm::care_of_states(before->link);
    for (const CareOfState& state : xfrm::care_of_states(after->link)) {
        const CareOfState* there = at_place_of(state, had);
        if (there == nullptr) {
            plan.add(state_operation(state));
        } else if (*there != state) {
            plan.add(state_update(*there, state));
        }
    }
}

void MobilityBook::plan_marks(child::LinkNumber number, const HomeMarks& wanted, Plan& plan) {
    if (marks_->held(number) == wanted) return;
    auto before = std::make_shared<std::optional<HomeMarks>>();
    plan.add_later([this, number, wanted, before]() -> Stage::Prepared {
        *before = marks_->held(number);
        const auto changed = marks_->change(number, wanted);
        // What only takes away is so all the same; SAs that it was for must not stay because of it.
        if (!changed && marks_->held(number) != wanted) return std::unexpected(changed.error());
        return std::vector<Operation>{};
    });
    // Nothing is let in again that was to be let in no longer: why it went holds although the rest has failed.
    plan.on_undo([this, number, wanted, before] {
        if (!*before) return std::vector<Operation>{};
        // What cannot be changed back is held all the same, and is there with the next change.
        [[maybe_unused]] const auto undone = marks_->change(number, remainder(**before, wanted));
        return std::vector<Operation>{};
    });
}

void MobilityBook::plan_proxy(child::LinkNumber number, const Home* before, const Home* after, Plan& plan) {
    const std::string had = proxy_interface(before), wanted = proxy_interface(after);
    if (had == wanted) return;
    const std::shared_ptr<Proxy> old = had.empty() ? nullptr : proxies_[number];
    proxies_.erase(number);
    plan.on_failure([this, number, old] {
        proxies_.erase(number);
        if (old != nullptr) proxies_[number] = old;
    });
    if (!wanted.empty()) {
        proxies_[number] = std::make_shared<Proxy>();
        add_proxy(after->link, proxies_[number], plan);
    }
    if (old != nullptr && !old->foreign) {
        const netlink::ProxyNeighbour proxy{old->interface_index, before->link.home, kProtocol};
        plan.add_removal(removal(Room::route, remove_proxy(proxy), proxy.to_string() + " on " + had));
    }
}

// The kernel would let us take over what an operator has put there, so it is asked first.
void MobilityBook::add_proxy(const MobilityLink& link, const std::shared_ptr<Proxy>& wanted, Plan& plan) {
    const std::string& name = link.home_interface;
    Operation query{.room = Room::route,
                    .message = netlink::query_link(name),
                    .object = "interface " + name + " (the home link of " + text_of(link) + ")",
                    .verb = "look up"};
    query.on_object = [wanted](const nlmsghdr& message) {
        if (const auto found = netlink::parse_link(message)) wanted->interface_index = found->index;
    };
    query.hint = [name](const netlink::Error& error) -> std::string {
        if (error.code != ENODEV) return {};
        return "; there is no interface " + name +
               ": create it before a home address is registered, or name another one in the configuration";
    };
    plan.add(std::move(query));
    const auto proxy = [wanted, home = link.home] {
        return netlink::ProxyNeighbour{wanted->interface_index, home, kProtocol};
    };
    plan.add_later([wanted, proxy, name] {
        std::vector<Operation> out;
        out.push_back({.room = Room::route,
                       .message = netlink::query_proxy(proxy()),
                       .object = proxy().to_string() + " on " + name,
                       .verb = "look up",
                       .tolerated = {ENOENT}});
        out.back().on_object = [wanted](const nlmsghdr& message) {
            const auto found = netlink::parse_proxy(message);
            wanted->foreign = found && found->protocol != kProtocol;
        };
        return out;
    });
    plan.add_later([wanted, proxy, name] {
        std::vector<Operation> out;
        if (wanted->foreign) return out;
        out.push_back(
            add_operation(Room::route, netlink::add_proxy(proxy()), proxy().to_string() + " on " + name));
        out.back().undo = [proxy] { return remove_proxy(proxy()); };
        return out;
    });
}

std::vector<CareOfState> MobilityBook::care_of_states() const {
    std::vector<CareOfState> out;
    for (const auto& [number, home] : planned_)
        std::ranges::move(xfrm::care_of_states(home.link), std::back_inserter(out));
    return out;
}

void MobilityBook::forget_all() {
    wanted_.clear();
    planned_.clear();
    gated_.clear();
    proxies_.clear();
    marks_->clear();
}

} // namespace sheaf::xfrm
