#pragma once

#include "lib/base/bytes.h"
#include "lib/base/random.h"
#include "lib/base/time.h"
#include "lib/group/group.h"
#include "lib/ike/config.h"
#include "lib/ike/event.h"
#include "lib/ike/group_record.h"
#include "lib/ike/status.h"
#include "lib/wire/header.h"

#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace sheaf::ike {

// Gateway: a group that we serve, with the IKE SAs on which its members are told.
//
// Of IKE SAs it knows no more than our SPIs. REQUIRES, for all but the first three: it was founded or recalled.
class ServedGroup {
  public:
    // Its records are numbered from `last_change` + 1 on, so that what was stored of another group of this name
    // is not taken for this one's.
    ServedGroup(GroupService config, std::uint64_t last_change);
    // Error: a sentence for the operator.
    [[nodiscard]] std::expected<void, std::string> recall(View octets, Instant now, WallTime wall);
    // The first SA, if there is none.
    void found(Random& random, Instant now);

    void update(const GroupService& config);
    void rekey() { group_->rekey(); }

    // `identity`: whose it is. Who comes again under another key is no stranger (group::Group::join()).
    void join(group::MemberKey member, const std::string& identity, wire::Spi told_on, Instant now);
    void tell_on(group::MemberKey member, wire::Spi spi);           // from now on
    [[nodiscard]] wire::Spi told_on(group::MemberKey member) const; // 0: it is no member
    // False if it was no member.
    bool leave(group::MemberKey member, const std::string& identity, group::Leave how);
    [[nodiscard]] const std::unordered_map<group::MemberKey, wire::Spi>& members() const { return members_; }

    // On which IKE SAs there may be something to tell.
    [[nodiscard]] std::vector<wire::Spi> take_due();
    [[nodiscard]] std::optional<group::Push> next_push(group::MemberKey member, Instant now);
    void acknowledged(group::MemberKey member, Instant now) { group_->acknowledged(member, now); }
    void refused(group::MemberKey member, wire::NotifyType answer, Instant now);
    void not_sent(group::MemberKey member, Instant now) { group_->not_sent(member, now); }

    // What is to be stored next, once.
    [[nodiscard]] std::optional<GroupRecord> take_record(Instant now, WallTime wall);
    void stored(std::uint64_t change, Instant now);
    [[nodiscard]] std::uint64_t last_change() const { return told_change_; }

    [[nodiscard]] std::optional<Instant> next_timeout() const; // none before it is founded
    void on_timeout(Instant now, Random& random);
    [[nodiscard]] std::vector<GroupChanged> take_events();
    [[nodiscard]] GroupStatus status() const; // without members

    [[nodiscard]] std::optional<group::MemberStanding> standing_of(group::MemberKey member) const {
        return group_->member(member);
    }

  private:
    GroupService config_;
    std::optional<group::Group> group_;
    std::unordered_map<group::MemberKey, wire::Spi> members_;
    std::map<std::string, group::MemberKey> latest_; // of each identity, as long as the group remembers it
    std::map<std::uint64_t, wire::ChildSpi> spis_;   // of the latest generations
    std::uint64_t base_;                             // what the group's changes are counted from
    std::uint64_t told_change_;
};

} // namespace sheaf::ike
