#include "lib/ike/served_group.h"

#include "lib/ike/lookups.h"

namespace sheaf::ike {
namespace {

// The present one and the one before are what notices are about.
constexpr std::size_t kRemembered = 3;

std::string_view sentence(group::Reason reason) {
    switch (reason) {
    case group::Reason::founded: return "the group is new, or nothing was stored of it";
    case group::Reason::time: return "the one before ends soon";
    case group::Reason::left: return "a member has left";
    case group::Reason::joined: return "a member has joined";
    case group::Reason::terms: return "the configuration asks for other algorithms";
    case group::Reason::clock: return "the clock was set back, so the age of the one before is not known";
    case group::Reason::asked: return "by command";
    }
    return "";
}

GroupChanged::What what_of(group::Notice::Kind kind) {
    if (kind == group::Notice::Kind::made) return GroupChanged::What::made;
    return kind == group::Notice::Kind::settled ? GroupChanged::What::settled : GroupChanged::What::retired;
}

} // namespace

std::string_view name(GroupChanged::What what) {
    switch (what) {
    case GroupChanged::What::made: return "made";
    case GroupChanged::What::settled: return "settled";
    case GroupChanged::What::retired: return "retired";
    case GroupChanged::What::joined: return "joined";
    case GroupChanged::What::left: return "left";
    case GroupChanged::What::member_failed: return "member_failed";
    case GroupChanged::What::installed: return "installed";
    case GroupChanged::What::sending: return "sending";
    case GroupChanged::What::removed: return "removed";
    case GroupChanged::What::refused: return "refused";
    case GroupChanged::What::kernel_refused: return "kernel_refused";
    case GroupChanged::What::repaired: return "repaired";
    }
    return "unknown";
}

ServedGroup::ServedGroup(GroupService config, std::uint64_t last_change)
    : config_(std::move(config)), base_(last_change), told_change_(last_change) {}

std::expected<void, std::string> ServedGroup::recall(View octets, Instant now, WallTime wall) {
    const auto record = group::record_from(octets);
    if (!record)
        return std::unexpected("what was stored of group \"" + config_.name +
                               "\" cannot be read, or is of a later format; without it all members roll over "
                               "to a new SA");
    group_.emplace(config_.terms, *record, now, wall);
    const group::Standing standing = group_->standing();
    spis_[standing.generation] = standing.spi;
    if (record->old) spis_[record->old->generation] = record->old->sa.spi;
    return {};
}

void ServedGroup::found(Random& random, Instant now) {
    if (!group_) group_.emplace(config_.terms, random, now);
}

void ServedGroup::update(const GroupService& config) {
    if (config == config_) return;
    config_ = config;
    if (group_) group_->update(config.terms);
}

void ServedGroup::join(group::MemberKey member, const std::string& identity, wire::Spi told_on, Instant now) {
    members_[member] = told_on;
    group_->join(member, now, std::exchange(latest_[identity], member));
}

void ServedGroup::tell_on(group::MemberKey member, wire::Spi spi) {
    const auto found = members_.find(member);
    if (found != members_.end()) found->second = spi;
}

wire::Spi ServedGroup::told_on(group::MemberKey member) const {
    const auto found = members_.find(member);
    return found == members_.end() ? 0 : found->second;
}

bool ServedGroup::leave(group::MemberKey member, const std::string& identity, group::Leave how) {
    if (members_.erase(member) == 0) return false;
    group_->leave(member, how);
    const auto latest = latest_.find(identity);
    if (latest != latest_.end() && !group_->remembers(latest->second)) latest_.erase(latest);
    return true;
}

std::vector<wire::Spi> ServedGroup::take_due() {
    std::vector<wire::Spi> out;
    if (!group_) return out;
    for (const group::MemberKey member : group_->take_due()) {
        if (const wire::Spi spi = told_on(member); spi != 0) out.push_back(spi);
    }
    return out;
}

std::optional<group::Push> ServedGroup::next_push(group::MemberKey member, Instant now) {
    return group_->next_push(member, now);
}

void ServedGroup::refused(group::MemberKey member, wire::NotifyType answer, Instant now) {
    group_->refused(member, answer, now);
}

std::optional<GroupRecord> ServedGroup::take_record(Instant now, WallTime wall) {
    const auto change = group_ ? group_->unsaved() : std::nullopt;
    if (!change || base_ + *change == told_change_) return std::nullopt;
    told_change_ = base_ + *change;
    return GroupRecord{config_.name, told_change_, group::to_octets(group_->record(now, wall))};
}

void ServedGroup::stored(std::uint64_t change, Instant now) {
    if (group_ && change > base_ && change <= told_change_) group_->stored(change - base_, now);
}

std::optional<Instant> ServedGroup::next_timeout() const {
    return group_ ? std::optional(group_->next_timeout()) : std::nullopt;
}

void ServedGroup::on_timeout(Instant now, Random& random) { group_->on_timeout(now, random); }

std::vector<GroupChanged> ServedGroup::take_events() {
    std::vector<GroupChanged> out;
    if (!group_) return out;
    for (const group::Notice& notice : group_->take_notices()) {
        if (notice.kind == group::Notice::Kind::refused) continue; // told where the answer came in
        const bool made = notice.kind == group::Notice::Kind::made;
        if (notice.kind == group::Notice::Kind::retired)
            std::erase_if(latest_, [&](const auto& entry) { return !group_->remembers(entry.second); });
        if (made) spis_[notice.generation] = group_->standing().spi;
        while (spis_.size() > kRemembered)
            spis_.erase(spis_.begin());
        const auto spi = spis_.find(notice.generation);
        out.push_back({config_.name,
                       what_of(notice.kind),
                       spi == spis_.end() ? 0 : spi->second,
                       notice.generation,
                       {},
                       std::string(made ? sentence(notice.reason) : "")});
    }
    return out;
}

GroupStatus ServedGroup::status() const {
    GroupStatus out;
    out.name = config_.name;
    out.serves = true;
    out.suite = describe(config_.terms.suite);
    if (group_) out.standing = group_->standing();
    return out;
}

} // namespace sheaf::ike
