#include "lib/group/group.h"

#include <algorithm>

namespace sheaf::group {
namespace {

using std::chrono::seconds;

// A member that asks for patience is asked again after this, and after twice as long each time.
constexpr seconds kFirstRetry{10};
constexpr unsigned kMaxDoublings = 4;

seconds whole(Duration d) { return std::chrono::floor<seconds>(d); }
// What is left until a moment, so that a delay is never too short and a lifetime never too long.
seconds delay_to(Instant when, Instant now) {
    return when <= now ? seconds(0) : std::chrono::ceil<seconds>(when - now);
}

// The moment on the wall clock, not before it.
WallTime late_wall(Instant when, Instant now, WallTime wall) { return wall + whole(when - now) + seconds(1); }

} // namespace

Group::Group(const Terms& terms, Random& random, Instant now) : terms_(terms) {
    begin(now, random, Reason::founded);
}

Group::Group(const Terms& terms, const Record& record, Instant now, WallTime wall) : terms_(terms) {
    // A clock that was set back hides how old the SAs are. They are at least as old as when they were stored,
    // and it is time for others.
    const bool went_back = wall < record.saved;
    wall = std::max(wall, record.saved);
    newest_ = recalled(record.newest, now, wall);
    if (record.old) old_ = recalled(*record.old, now, wall);
    settled_ = switched_ = !old_;
    announced_ = told_ = true;
    stored_ = change_;
    recalled_ = newest_.number;
    not_before_ = std::min(now + terms_.rollover1 + terms_.delivery,
                           newest_.expires - terms_.rollover2 - terms_.delivery);
    if (record.rekey_wanted) wanted_ = Reason::left;
    if (newest_.sa.suite != terms_.suite) want_rekey(Reason::terms);
    if (went_back) want_rekey(Reason::clock);
}

Group::Generation Group::recalled(const RecordedSa& recorded, Instant now, WallTime wall) const {
    const auto moment = [&](WallTime when) { return now + (when - wall); };
    return {recorded.generation,        recorded.sa.copy(),         moment(recorded.begun),
            moment(recorded.switch_at), moment(recorded.remove_at), moment(recorded.expires) - seconds(1)};
}

void Group::update(const Terms& terms) {
    terms_ = terms;
    if (newest_.sa.suite != terms_.suite) want_rekey(Reason::terms);
}

void Group::want_rekey(Reason reason) {
    if (wanted_) return;
    wanted_ = reason;
    changed();
}

void Group::begin(Instant now, Random& random, Reason reason) {
    const std::uint64_t number = newest_.number + 1;
    const wire::ChildSpi spi = draw_spi(random, newest_.sa.spi);
    newest_ = {number, draw_sa(random, terms_.suite, spi)};
    date(newest_, now);
    newest_.expires = now + terms_.lifetime;
    settled_ = switched_ = !old_;
    announced_ = false;
    redated_ = told_ = false;
    wanted_.reset();
    changed();
    made_in_ = change_;
    notices_.push_back({Notice::Kind::made, number, reason});
}

void Group::date(Generation& generation, Instant now) const {
    generation.begun = now;
    generation.switch_at = now + terms_.rollover1;
    generation.remove_at = now + terms_.rollover2;
    if (!old_) return;
    // When we were away and the old SA ends soon, members would switch when it does, each by its own count. So
    // the delay is cut: what is left is for telling as well as for the counts to differ.
    const Duration left = old_->expires - now;
    const Instant latest = now + std::max(left - terms_.delivery, left / 2);
    generation.switch_at = std::max(now, std::min(generation.switch_at, latest));
}

std::optional<std::uint64_t> Group::unsaved() const {
    return stored_ < change_ ? std::optional(change_) : std::nullopt;
}

Record Group::record(Instant now, WallTime wall) const {
    const auto recorded = [&](const Generation& g) {
        return RecordedSa{g.number,
                          g.sa.copy(),
                          late_wall(g.begun, now, wall),
                          late_wall(g.switch_at, now, wall),
                          late_wall(g.remove_at, now, wall),
                          wall + whole(g.expires - now)};
    };
    Record out{wall, wanted_.has_value(), recorded(newest_), std::nullopt};
    if (old_) out.old = recorded(*old_);
    return out;
}

void Group::stored(std::uint64_t change, Instant now) {
    stored_ = std::max(stored_, std::min(change, change_));
    if (announced_ || stored_ < made_in_) return;
    // The delays run from `begun`, which is on record by now. When storing has used up what they have to
    // spare, they begin anew, once.
    if (!redated_ && now - newest_.begun > (terms_.rollover1 - terms_.delivery) / 2) {
        redated_ = true;
        date(newest_, now);
        changed();
        made_in_ = change_;
        return;
    }
    announce(now);
}

void Group::announce(Instant now) {
    announced_ = true;
    for (auto& [key, m] : members_) { // what was refused for the moment was another SA
        m.retry = {};
        m.failures = 0;
    }
    queue_all(now);
}

Instant Group::switched_at() const { return std::min(newest_.switch_at, old_->expires); }

Instant Group::settled_at() const { return switched_at() + terms_.delivery; }

Instant Group::retired_at() const {
    if (!announced_) return old_->expires + terms_.delivery;
    return std::min(newest_.remove_at, old_->expires) + terms_.delivery;
}

Instant Group::rekey_at() const {
    if (wanted_ == Reason::asked) return newest_.begun;
    return std::max(not_before_, wanted_ ? newest_.begun : newest_.expires - 2 * terms_.rollover2);
}

Instant Group::next_timeout() const {
    Instant next = newest_.expires;
    if (old_)
        next = std::min(next, settled_ || !announced_ ? retired_at()
                              : switched_             ? settled_at()
                                                      : switched_at());
    else if (announced_)
        next = std::min(next, rekey_at());
    if (!retries_.empty()) next = std::min(next, retries_.begin()->first);
    return next;
}

void Group::on_timeout(Instant now, Random& random) {
    while (!retries_.empty() && retries_.begin()->first <= now) {
        const MemberKey key = retries_.begin()->second;
        retries_.erase(retries_.begin());
        if (const auto found = members_.find(key); found != members_.end()) queue(*found, now);
    }
    if (old_ && !switched_ && announced_ && now >= switched_at()) {
        switched_ = true;
        queue_all(now);
    }
    if (old_ && !settled_ && announced_ && now >= settled_at()) {
        settled_ = true;
        notices_.push_back({Notice::Kind::settled, newest_.number});
        queue_all(now);
    }
    if (old_ && now >= retired_at()) {
        notices_.push_back({Notice::Kind::retired, old_->number});
        old_.reset();
        switched_ = settled_ = true;
        changed();
        forget_lost();
    }
    if (now >= newest_.expires) {
        // Too late for a rollover: we were away, or could not store.
        old_.reset();
        begin(now, random, Reason::time);
        forget_lost();
    } else if (!old_ && announced_ && now >= rekey_at()) {
        const Reason reason = wanted_.value_or(Reason::time);
        old_ = std::move(newest_);
        newest_.number = old_->number;
        newest_.sa.spi = old_->sa.spi;
        begin(now, random, reason);
    }
}

// The first generation that the successor may know; none if it is a stranger.
std::optional<std::uint64_t> Group::known_from(MemberKey predecessor) const {
    if (const auto member = members_.find(predecessor); member != members_.end()) return member->second.from;
    if (const auto lost = lost_.find(predecessor); lost != lost_.end()) return lost->second.from;
    // It is not on record who was a member in the life before.
    if (newest_.number == recalled_) return 0;
    return std::nullopt;
}

bool Group::remembers(MemberKey member) const { return members_.contains(member) || lost_.contains(member); }

void Group::forget_lost() {
    std::erase_if(lost_, [&](const auto& lost) { return lost.second.generation < newest_.number; });
}

void Group::join(MemberKey member, Instant now, MemberKey predecessor) {
    const auto known = known_from(predecessor);
    const auto [entry, fresh] = members_.try_emplace(member);
    if (!fresh) return;
    lost_.erase(predecessor);
    if (known) {
        entry->second.from = *known;
    } else if (terms_.rekey_on_join) {
        // Whoever joins is not to read what was sent before. Nothing was sent yet with an SA that nobody was
        // told, or that members hold ready for later.
        const bool ready = old_ && now < switched_at() - kRounding;
        const bool in_use = told_ && !ready;
        entry->second.from = newest_.number + (in_use ? 1 : 0);
        if (in_use) want_rekey(Reason::joined);
    }
    queue(*entry, now);
}

void Group::leave(MemberKey member, Leave how) {
    const auto found = members_.find(member);
    if (found == members_.end()) return;
    retries_.erase({found->second.retry, member});
    if (how == Leave::lost && terms_.rekey_on_join && lost_.size() < kMaxLost)
        lost_[member] = {found->second.from, newest_.number};
    members_.erase(found);
    // Under an earlier key it may have been told more than under this one, so it is not asked what it knows.
    if (how == Leave::left && told_ && terms_.rekey_on_leave) want_rekey(Reason::left);
}

void Group::rekey() { want_rekey(Reason::asked); }

bool Group::tells_old(Instant now) const { return old_ && !settled_ && old_->expires - now >= seconds(1); }

const Group::Generation* Group::due(const Member& m, Instant now) const {
    if (m.asked != 0 || now < m.retry) return nullptr;
    const auto lacks = [&](const Generation& g) {
        return m.from <= g.number && m.acknowledged < g.number && m.refused < g.number &&
               g.expires - now >= seconds(1);
    };
    if (tells_old(now)) {
        if (lacks(*old_)) return &*old_;
        // Without the old SA a member would send with the new one at once, which others may not have yet.
        // Who is not to know it has nothing to send with until the others send with the new one.
        const bool waits = m.from <= old_->number || now < switched_at();
        if (m.acknowledged < old_->number && waits) return nullptr;
    }
    return announced_ && lacks(newest_) ? &newest_ : nullptr;
}

void Group::queue(Members::value_type& entry, Instant now) {
    if (entry.second.queued || !due(entry.second, now)) return;
    entry.second.queued = true;
    due_.push_back(entry.first);
}

void Group::queue_all(Instant now) {
    for (auto& entry : members_)
        queue(entry, now);
}

std::vector<MemberKey> Group::take_due() {
    for (const MemberKey key : due_)
        if (const auto found = members_.find(key); found != members_.end()) found->second.queued = false;
    return std::exchange(due_, {});
}

std::optional<Push> Group::next_push(MemberKey member, Instant now) {
    const auto found = members_.find(member);
    const Generation* g = found == members_.end() ? nullptr : due(found->second, now);
    if (!g) return std::nullopt;
    found->second.asked = g->number;
    told_ = told_ || g == &newest_;
    Put put{g->sa.copy(), whole(g->expires - now)};
    if (g == &newest_) {
        put.rollover1 = delay_to(g->switch_at, now);
        put.rollover2 = delay_to(g->remove_at, now);
    }
    return Push{g->number, write_put(put)};
}

void Group::acknowledged(MemberKey member, Instant now) {
    const auto found = members_.find(member);
    if (found == members_.end()) return;
    Member& m = found->second;
    m.acknowledged = std::max(m.acknowledged, std::exchange(m.asked, 0));
    m.failures = 0;
    queue(*found, now);
}

void Group::refused(MemberKey member, wire::NotifyType answer, Instant now) {
    const auto found = members_.find(member);
    if (found == members_.end()) return;
    Member& m = found->second;
    const std::uint64_t generation = std::exchange(m.asked, 0);
    notices_.push_back({Notice::Kind::refused, generation, {}, member});
    if (answer == wire::NotifyType::temporary_failure) {
        m.retry = now + kFirstRetry * (1U << std::min(m.failures, kMaxDoublings));
        ++m.failures;
        retries_.emplace(m.retry, member);
    } else {
        m.refused = std::max(m.refused, generation);
        m.failures = 0;
    }
    queue(*found, now);
}

void Group::not_sent(MemberKey member, Instant now) {
    const auto found = members_.find(member);
    if (found == members_.end()) return;
    found->second.asked = 0;
    queue(*found, now);
}

Standing Group::standing() const {
    Standing out{newest_.number,    newest_.sa.spi, newest_.begun,       newest_.expires, std::nullopt,
                 newest_.switch_at, announced_,     wanted_.has_value(), members_.size()};
    if (old_) out.old_spi = old_->sa.spi;
    for (const auto& [key, m] : members_)
        out.behind += m.acknowledged < newest_.number;
    return out;
}

std::optional<MemberStanding> Group::member(MemberKey member) const {
    const auto found = members_.find(member);
    if (found == members_.end()) return std::nullopt;
    const Member& m = found->second;
    return MemberStanding{m.acknowledged, m.refused, m.asked != 0, m.from};
}

} // namespace sheaf::group
