#include "xfrm/group_book.h"

#include "xfrm/address_form.h"
#include "xfrm/link_objects.h"
#include "xfrm/marks.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

namespace sheaf::xfrm {
namespace {

std::string group_text(child::LinkNumber number) { return "group of link " + hex(number); }

std::string sa_text(child::LinkNumber number, wire::ChildSpi spi) {
    return "group SA SPI " + hex(spi) + " (link " + hex(number) + ")";
}

AddressPair inbound_pair(const GroupEntry& entry) { return {entry.endpoint, entry.local}; }

} // namespace

GroupBook::Group* GroupBook::find_open(child::LinkNumber number) {
    const auto found = groups_.find(number);
    return found == groups_.end() || !found->second.wanted.open ? nullptr : &found->second;
}

void GroupBook::restore_on_failure(child::LinkNumber number, Plan& plan) {
    std::optional<Wanted> before;
    if (const auto found = groups_.find(number); found != groups_.end()) before = found->second.wanted;
    plan.on_failure([this, number, before = std::move(before)] {
        const auto found = groups_.find(number);
        if (found == groups_.end()) return;
        if (before) {
            found->second.wanted = *before;
        } else {
            found->second.wanted = {.link = found->second.wanted.link, .sas = {}, .open = false};
        }
    });
}

std::expected<void, std::string> GroupBook::open(const child::GroupLink& link, Plan& plan) {
    if (find_open(link.number) != nullptr)
        return std::unexpected(group_text(link.number) + ": it is open already");
    restore_on_failure(link.number, plan);
    groups_[link.number].wanted = {.link = link, .sas = {}};
    return {};
}

std::expected<child::GroupLink, std::string> GroupBook::update(const child::GroupLink& link, Plan& plan) {
    Group* group = find_open(link.number);
    if (group == nullptr) return std::unexpected(group_text(link.number) + ": update: it is not open");
    restore_on_failure(link.number, plan);
    return std::exchange(group->wanted.link, link);
}

std::optional<child::GroupLink> GroupBook::close(child::LinkNumber number, Plan& plan) {
    Group* group = find_open(number);
    if (group == nullptr) return std::nullopt;
    restore_on_failure(number, plan);
    group->wanted.open = false;
    group->wanted.sas.clear();
    group->wanted.sending = 0;
    return group->wanted.link;
}

std::expected<void, std::string> GroupBook::install(const child::InstallGroupSa& step, Plan& plan) {
    if (auto why = unfit(step); !why.empty()) return std::unexpected(std::move(why));
    Group* group = find_open(step.group);
    const auto refuse = [&](const char* why) {
        return std::unexpected(sa_text(step.group, step.spi) + ": install: " + why);
    };
    if (group == nullptr) return refuse("the group is not open");
    if (find_sa(group->wanted.sas, step.spi) != nullptr) return refuse("it is installed already");
    restore_on_failure(step.group, plan);
    auto keys = std::make_shared<GroupSa::Keys>();
    keys->encryption = step.encryption.copy();
    keys->integrity = step.integrity.copy();
    group->wanted.sas.push_back({.spi = step.spi,
                                 .suite = step.suite,
                                 .keys = std::move(keys),
                                 .expires = step.expires,
                                 .counted_to = step.expires});
    return {};
}

std::expected<void, std::string> GroupBook::send_with(const child::SendWithGroupSa& step, Plan& plan) {
    Group* group = find_open(step.group);
    if (group == nullptr || find_sa(group->wanted.sas, step.spi) == nullptr)
        return std::unexpected(sa_text(step.group, step.spi) + ": send with it: it is not installed");
    restore_on_failure(step.group, plan);
    group->wanted.sending = step.spi;
    return {};
}

std::expected<void, std::string> GroupBook::refresh(const child::RefreshGroupSa& step, Plan& plan) {
    Group* group = find_open(step.group);
    if (group == nullptr || find_sa(group->wanted.sas, step.spi) == nullptr)
        return std::unexpected(sa_text(step.group, step.spi) + ": set its end: it is not installed");
    restore_on_failure(step.group, plan);
    GroupSa& sa = *std::ranges::find(group->wanted.sas, step.spi, &GroupSa::spi);
    sa.expires = step.expires;
    sa.counted_to = std::min(sa.counted_to, step.expires);
    return {};
}

void GroupBook::remove(const child::RemoveGroupSa& step, Plan& plan) {
    Group* group = find_open(step.group);
    if (group == nullptr) return;
    restore_on_failure(step.group, plan);
    std::erase_if(group->wanted.sas, [&](const GroupSa& sa) { return sa.spi == step.spi; });
    if (group->wanted.sending == step.spi) group->wanted.sending = 0;
}

std::expected<void, std::string> GroupBook::plan(child::LinkNumber number, Means means) {
    const auto found = groups_.find(number);
    if (found == groups_.end()) return {};
    Group& group = found->second;
    group.due.reset();
    group.table = group.wanted.open ? table_of(group.wanted.link, group.followed) : GroupTable{};
    const GroupDifference todo =
        difference_of(group.wanted.link, group.wanted.sas, group.wanted.sending, group.table, group.entries);
    if (auto claimed = claim_marks(number, todo.added, means.plan); !claimed) return claimed;
    plan_entries(number, todo, means);
    plan_limits(number, means);
    plan_counts(number, means);
    plan_policies(group, means);
    plan_removals(number, todo, means);
    return {};
}

std::optional<std::uint32_t> GroupBook::unused_mark() {
    if (used_.size() >= kMaxGroupMarks) return std::nullopt;
    do {
        last_index_ = last_index_ % kMaxGroupMarks + 1;
    } while (used_.contains(last_index_));
    used_.insert(last_index_);
    return kGroupMark | last_index_ << kGroupMarkShift;
}

std::expected<void, std::string> GroupBook::claim_marks(child::LinkNumber number,
                                                        const std::vector<GroupEntry>& added, Plan& plan) {
    bool unset = false;
    for (const GroupEntry& entry : added) {
        if (entry.out) continue;
        Mark& mark = marks_[inbound_pair(entry)];
        if (mark.mark == 0) {
            const auto unused = unused_mark();
            if (!unused) {
                marks_.erase(inbound_pair(entry));
                return std::unexpected(group_text(number) + ": no more than " +
                                       std::to_string(kMaxGroupMarks) +
                                       " endpoints of all groups can be told apart");
            }
            mark.mark = *unused;
        }
        mark.groups.insert(number);
        unset |= !mark.set;
    }
    if (!unset) return {};
    plan.add_later([this, number]() -> Stage::Prepared {
        if (auto set = set_marks(number); !set)
            return std::unexpected(group_text(number) + ": " + set.error());
        return std::vector<Operation>{};
    });
    return {};
}

std::expected<void, std::string> GroupBook::set_marks(child::LinkNumber number) {
    std::vector<PacketMark> wanted;
    for (const auto& [pair, mark] : marks_) {
        if (!mark.set && mark.groups.contains(number)) wanted.push_back({pair, mark.mark});
    }
    if (auto changed = packet_marks_->change(wanted, {}); !changed) return changed;
    for (const PacketMark& one : wanted)
        marks_.at(one.packet).set = true;
    return {};
}

// Those that no entry of the group's needs any more, and no other group does. What cannot be removed is tried
// again the next time.
void GroupBook::release_marks(child::LinkNumber number) {
    packet_marks_->make_again();
    std::set<AddressPair> needed;
    for (const auto& [entry, installed] : groups_.at(number).entries) {
        if (!entry.out) needed.insert(inbound_pair(entry));
    }
    std::vector<PacketMark> superfluous;
    for (auto& [pair, mark] : marks_) {
        if (!needed.contains(pair)) mark.groups.erase(number);
        if (mark.groups.empty() && mark.set) superfluous.push_back({pair, mark.mark});
    }
    if (superfluous.empty() || packet_marks_->change({}, superfluous)) {
        for (const PacketMark& one : superfluous)
            marks_.at(one.packet).set = false;
    }
    std::erase_if(marks_, [&](const auto& entry) {
        const Mark& mark = entry.second;
        if (!mark.groups.empty() || mark.set) return false;
        used_.erase((mark.mark & ~kMarkMask) >> kGroupMarkShift);
        return true;
    });
}

StateId GroupBook::id_of(const GroupEntry& entry) const {
    if (entry.out) return {entry.endpoint, entry.spi};
    const auto mark = marks_.find(inbound_pair(entry));
    return {entry.local, entry.spi, mark == marks_.end() ? 0 : mark->second.mark};
}

State GroupBook::state_for(child::LinkNumber number, const GroupSa& sa, const GroupEntry& entry,
                           bool with_direction) const {
    return state_of(number, sa, entry, id_of(entry).mark, with_direction);
}

void GroupBook::enter(child::LinkNumber number, const GroupEntry& entry, InstalledEntry installed) {
    const auto found = groups_.find(number);
    if (found == groups_.end()) return;
    found->second.entries[entry] = installed;
    found->second.lost.erase(place_of(entry));
}

void GroupBook::strike(child::LinkNumber number, const GroupEntry& entry) {
    if (const auto found = groups_.find(number); found != groups_.end()) found->second.entries.erase(entry);
}

void GroupBook::plan_entries(child::LinkNumber number, const GroupDifference& difference, Means means) {
    const Group& group = groups_.at(number);
    for (const GroupEntry& entry : difference.added) {
        const GroupSa& sa = *find_sa(group.wanted.sas, entry.spi);
        InstalledEntry installed{means.now, life_of(means.now, sa.expires), first_sequence(sa, means.now)};
        if (const auto moved = difference.moved.find(entry); moved != difference.moved.end()) {
            installed.begun = next_sequence(sa, group.entries.at(moved->second).begun, means.now);
            plan_leaving(number, moved->second, installed.begun, means);
        } else if (group.lost.contains(place_of(entry))) {
            const State state = state_for(number, sa, entry, means.with_direction);
            means.plan.add(removal(Room::xfrm, remove_state(state.id), state.to_string()));
        }
        plan_entry(number, entry, installed, means);
    }
}

void GroupBook::plan_entry(child::LinkNumber number, const GroupEntry& entry, InstalledEntry installed,
                           Means means) {
    const GroupSa& sa = *find_sa(groups_.at(number).wanted.sas, entry.spi);
    State state = state_for(number, sa, entry, means.with_direction);
    state.limits.hard_time = installed.life;
    Progress progress;
    if (entry.out) progress.sent = installed.begun;
    Operation operation = state_operation(state, progress);
    operation.on_success = [this, number, entry, installed] { enter(number, entry, installed); };
    operation.undo = [this, number, entry, id = state.id] {
        strike(number, entry);
        return remove_state(id);
    };
    means.plan.add(std::move(operation));
}

// Directly before another comes into its place; where that fails, it is there again and counts on behind it.
void GroupBook::plan_leaving(child::LinkNumber number, const GroupEntry& entry, std::uint32_t begun,
                             Means means) {
    const GroupSa& sa = *find_sa(groups_.at(number).wanted.sas, entry.spi);
    const InstalledEntry again{means.now, life_of(means.now, sa.expires),
                               next_sequence(sa, begun, means.now)};
    State state = state_for(number, sa, entry, means.with_direction);
    state.limits.hard_time = again.life;
    Operation operation = removal(Room::xfrm, remove_state(state.id), state.to_string());
    operation.on_success = [this, number, entry] { strike(number, entry); };
    operation.undo = [this, number, entry, again, state = std::move(state)] {
        enter(number, entry, again);
        return install_state(state, {.sent = again.begun, .window = {}});
    };
    means.plan.add(std::move(operation));
}

// For those that stay and are to end at another time.
void GroupBook::plan_limits(child::LinkNumber number, Means means) {
    const Group& group = groups_.at(number);
    for (const auto& [entry, installed] : group.entries) {
        const GroupSa* sa = find_sa(group.wanted.sas, entry.spi);
        if (sa == nullptr || !is_placed(group.wanted.link, entry)) continue;
        InstalledEntry wanted = installed;
        wanted.life = life_of(installed.made, sa->expires);
        if (wanted.life == installed.life) continue;
        State state = state_for(number, *sa, entry, means.with_direction);
        state.limits.hard_time = wanted.life;
        Operation operation{.room = Room::xfrm,
                            .message = update_state(state),
                            .object = state.to_string(),
                            .verb = "set its end",
                            .tolerated = {ESRCH}}; // it has ended meanwhile
        operation.on_success = [this, number, entry, wanted] {
            const auto found = groups_.find(number);
            if (found != groups_.end() && found->second.entries.contains(entry))
                found->second.entries[entry] = wanted;
        };
        means.plan.add(std::move(operation));
    }
}

// Never back: nobody sends a million packets in a second. But numbers are those of whole seconds, so what was made
// within this one has counted from there.
void GroupBook::plan_counts(child::LinkNumber number, Means means) {
    Group& group = groups_.at(number);
    const GroupSa* sa = find_sa(group.wanted.sas, group.wanted.sending);
    const bool due = group.count_on && *group.count_on <= means.now;
    if (sa == nullptr) {
        group.count_on.reset();
    } else if (due || !group.count_on) {
        group.count_on = means.now + kCountOn;
    }
    if (sa == nullptr || !due) return;
    for (const auto& [entry, installed] : group.entries) {
        if (!entry.out || entry.spi != sa->spi || !is_placed(group.wanted.link, entry)) continue;
        const std::uint32_t next = first_sequence(*sa, means.now);
        if (next <= installed.begun) continue;
        means.plan.add({.room = Room::xfrm,
                        .message = count_on(id_of(entry), entry.local, next),
                        .object = state_for(number, *sa, entry, means.with_direction).to_string(),
                        .verb = "count on",
                        .tolerated = {ESRCH, EINVAL}}); // it has ended, or is ending
    }
}

void GroupBook::plan_policies(Group& group, Means means) {
    std::erase_if(group.policies, [&](const Policy& policy) { return !means.policies.holds(policy); });
    std::vector<Policy> wanted;
    if (group.wanted.open) wanted = policies_of(group.wanted.link, group.table, group.wanted.sending);
    std::ranges::sort(wanted);
    std::vector<Policy> added, removed, either;
    std::ranges::set_difference(wanted, group.policies, std::back_inserter(added));
    std::ranges::set_difference(group.policies, wanted, std::back_inserter(removed));
    if (added.empty() && removed.empty()) return;
    std::ranges::set_union(wanted, group.policies, std::back_inserter(either));
    means.plan.on_failure([this, number = group.wanted.link.number, either = std::move(either)]() mutable {
        if (const auto found = groups_.find(number); found != groups_.end())
            found->second.policies = std::move(either);
    });
    // What leads to an entry comes after all entries are there.
    if (!added.empty()) static_cast<void>(means.plan.removals());
    means.policies.install(added, means.changes, means.plan);
    means.policies.remove(removed, means.changes, means.plan);
    group.policies = std::move(wanted);
}

void GroupBook::plan_removals(child::LinkNumber number, const GroupDifference& difference, Means means) {
    for (const GroupEntry& entry : difference.removed) {
        State state;
        state.id = id_of(entry);
        state.source = entry.out ? entry.local : entry.endpoint;
        state.reqid = number;
        Operation operation = removal(Room::xfrm, remove_state(state.id), state.to_string());
        operation.on_success = [this, number, entry] { strike(number, entry); };
        means.plan.add_removal(std::move(operation));
    }
}

void GroupBook::follow(child::LinkNumber number, std::vector<FollowedRoute> routes) {
    Group* group = find_open(number);
    if (group == nullptr || group->followed == routes) return;
    group->followed = std::move(routes);
    group->due = Instant::min();
}

void GroupBook::lost(child::LinkNumber number, const IpAddress& source, const StateId& id, Instant now) {
    Group* group = find_open(number);
    if (group == nullptr) return;
    const GroupEntry in{id.destination, source, id.spi, false}, out{source, id.destination, id.spi, true};
    bool any = false;
    for (const GroupEntry& entry : {in, out}) {
        if (group->entries.erase(entry) == 0) continue;
        group->lost.insert(place_of(entry));
        any = true;
    }
    if (!any) return;
    const GroupSa* sa = find_sa(group->wanted.sas, id.spi);
    if (sa != nullptr && now + std::chrono::seconds(1) < sa->expires) group->due = now;
}

void GroupBook::present(const std::vector<SaUsage>& states, Instant now) {
    std::map<child::LinkNumber, std::set<GroupEntry>> found;
    for (const SaUsage& state : states) {
        if (!groups_.contains(state.number)) continue;
        auto& entries = found[state.number];
        entries.insert({state.destination, state.source, state.spi, false});
        entries.insert({state.source, state.destination, state.spi, true});
    }
    for (auto& [number, group] : groups_) {
        const auto& there = found[number];
        for (const auto& [entry, installed] : std::exchange(group.entries, {})) {
            if (there.contains(entry)) {
                group.entries.emplace(entry, installed);
            } else {
                group.lost.insert(place_of(entry));
                group.due = now;
            }
        }
    }
}

bool GroupBook::sends_to(child::LinkNumber number, const IpAddress& endpoint) const {
    const auto found = groups_.find(number);
    if (found == groups_.end() || found->second.wanted.sending == 0) return false;
    return std::ranges::any_of(found->second.table,
                               [&](const auto& entry) { return entry.second.endpoint == endpoint; });
}

std::map<child::LinkNumber, Instant> GroupBook::due() const {
    std::map<child::LinkNumber, Instant> out;
    for (const auto& [number, group] : groups_) {
        if (group.due || group.count_on)
            out[number] =
                std::min(group.due.value_or(Instant::max()), group.count_on.value_or(Instant::max()));
    }
    return out;
}

std::optional<child::GroupRepaired> GroupBook::repaired(child::LinkNumber number,
                                                        std::optional<std::string> error, Instant now) {
    const auto found = groups_.find(number);
    if (!error || found == groups_.end()) return settled(number, !error, now);
    const bool is_news = found->second.refused != error;
    found->second.refused = error;
    end_plan(found, false, now);
    if (!is_news) return std::nullopt;
    return child::GroupRepaired{number, std::move(error)};
}

std::optional<child::GroupRepaired> GroupBook::settled(child::LinkNumber number, bool succeeded,
                                                       Instant now) {
    const auto found = groups_.find(number);
    if (found == groups_.end()) return std::nullopt;
    const bool mended = succeeded && std::exchange(found->second.refused, std::nullopt).has_value();
    end_plan(found, succeeded, now);
    if (!mended) return std::nullopt;
    return child::GroupRepaired{number, std::nullopt};
}

void GroupBook::end_plan(std::map<child::LinkNumber, Group>::iterator entry, bool succeeded, Instant now) {
    release_marks(entry->first);
    Group& group = entry->second;
    if (!succeeded) {
        group.due = now + kRetry;
        if (group.count_on && *group.count_on <= now) group.count_on = now + kRetry;
    }
    if (!group.wanted.open && group.entries.empty() && (succeeded || group.policies.empty()))
        groups_.erase(entry);
}

std::vector<child::LinkNumber> GroupBook::open_groups() const {
    std::vector<child::LinkNumber> out;
    for (const auto& [number, group] : groups_) {
        if (group.wanted.open) out.push_back(number);
    }
    return out;
}

std::vector<GroupRoute> GroupBook::routes(child::LinkNumber number) const {
    std::vector<GroupRoute> out;
    const auto found = groups_.find(number);
    if (found == groups_.end()) return out;
    for (const auto& [prefix, route] : found->second.table)
        out.push_back(route);
    return out;
}

void GroupBook::forget_all() {
    groups_.clear();
    if (!marks_.empty()) packet_marks_->clear();
    marks_.clear();
    used_.clear();
}

} // namespace sheaf::xfrm
