#pragma once

#include "lib/base/time.h"
#include "lib/child/kernel.h"
#include "xfrm/group_objects.h"
#include "xfrm/packet_marks.h"
#include "xfrm/plan.h"
#include "xfrm/policy_book.h"

#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace sheaf::xfrm {

// The groups that are open: what is wanted of each, what the kernel has of it, and how it gets from the one to
// the other.
//
// Steps change what is wanted; plan() adds to an intent's plan whatever lacks and removes what is too much, as
// it does when the kernel's routes change, or when somebody else has removed an entry. What is wanted is taken
// back when the plan fails; what is installed is what the kernel has answered.
//
// Ahead of need: every endpoint of the forwarding table has its SAD entries, inbound ones for all SAs, an
// outbound one for the SA that is sent with. One that has left the table keeps them until the SA goes, and no
// policy lets a packet through meanwhile: when it comes back, its replay window still knows what came before,
// and what we send goes on counting where it was.
//
// Order: marks, entries, then the policies that lead to them; then what goes, outbound first.
//
// Concurrency: plans of one group one after the other, of several groups as they come.
class GroupBook {
  public:
    static constexpr Duration kRetry = std::chrono::seconds(1); // after the kernel has refused a repair

    // How often what is sent is moved on to where the time since the SA was made puts it. A window that somebody has
    // pushed forward at a receiver, with a number of another sender's, is behind it then.
    static constexpr Duration kCountOn = std::chrono::seconds(30);

    explicit GroupBook(std::unique_ptr<PacketMarks> marks) : packet_marks_(std::move(marks)) {}

    // Steps; an error is a sentence. `plan` takes the changes back when it fails.
    [[nodiscard]] std::expected<void, std::string> open(const child::GroupLink& link, Plan& plan);
    [[nodiscard]] std::expected<child::GroupLink, std::string> // as it was
    update(const child::GroupLink& link, Plan& plan);
    std::optional<child::GroupLink> close(child::LinkNumber number, Plan& plan); // as it was
    [[nodiscard]] std::expected<void, std::string> install(const child::InstallGroupSa& step, Plan& plan);
    [[nodiscard]] std::expected<void, std::string> send_with(const child::SendWithGroupSa& step, Plan& plan);
    [[nodiscard]] std::expected<void, std::string> refresh(const child::RefreshGroupSa& step, Plan& plan);
    void remove(const child::RemoveGroupSa& step, Plan& plan);

    // What else there is between what is wanted of the group and what is installed.
    struct Means {
        PolicyBook& policies;
        PolicyBook::Changes& changes;
        Plan& plan;
        Instant now;
        bool with_direction = false;
    };
    [[nodiscard]] std::expected<void, std::string> plan(child::LinkNumber number, Means means);

    // What is not asked for by intents. Groups that it is news to are due.
    void follow(child::LinkNumber number, std::vector<FollowedRoute> routes);
    // The kernel tells that an entry is gone: its time is over, or somebody else has removed it.
    void lost(child::LinkNumber number, const IpAddress& source, const StateId& id, Instant now);
    void present(const std::vector<SaUsage>& states, Instant now); // and no others are
    // Whether an outbound entry for packets to there should be in the kernel.
    [[nodiscard]] bool sends_to(child::LinkNumber number, const IpAddress& endpoint) const;
    [[nodiscard]] std::map<child::LinkNumber, Instant> due() const; // when plan() is wanted again
    // A plan of the group's ended: of an intent, or of what is due without one. What there is to tell then: that it was
    // refused, unless that was told, or that it is done after all.
    [[nodiscard]] std::optional<child::GroupRepaired> settled(child::LinkNumber number, bool succeeded,
                                                              Instant now);
    [[nodiscard]] std::optional<child::GroupRepaired> repaired(child::LinkNumber number,
                                                               std::optional<std::string> error, Instant now);

    [[nodiscard]] bool contains(child::LinkNumber number) const { return groups_.contains(number); }
    [[nodiscard]] std::vector<child::LinkNumber> open_groups() const;
    [[nodiscard]] std::vector<GroupRoute> routes(child::LinkNumber number) const;
    void forget_all(); // after all of ours was removed; marks are removed here

  private:
    struct Wanted {
        child::GroupLink link;
        std::vector<GroupSa> sas;
        wire::ChildSpi sending = 0; // 0: none
        bool open = true;
    };
    struct Group {
        Wanted wanted;
        std::vector<FollowedRoute> followed;
        GroupTable table;             // as planned last
        GroupEntries entries;         // in the kernel
        std::set<GroupEntry> lost;    // of these places the kernel may hold one
        std::vector<Policy> policies; // some of them may not be held any more
        std::optional<Instant> due;
        std::optional<Instant> count_on;    // while something is sent
        std::optional<std::string> refused; // why what is due cannot be done, as it was told
    };
    struct Mark {
        std::uint32_t mark = 0;
        std::set<child::LinkNumber> groups; // that need it
        bool set = false;                   // in the kernel
    };
    void end_plan(std::map<child::LinkNumber, Group>::iterator entry, bool succeeded, Instant now);
    void restore_on_failure(child::LinkNumber number, Plan& plan);
    [[nodiscard]] Group* find_open(child::LinkNumber number);
    [[nodiscard]] std::expected<void, std::string>
    claim_marks(child::LinkNumber number, const std::vector<GroupEntry>& added, Plan& plan);
    [[nodiscard]] std::optional<std::uint32_t> unused_mark();
    [[nodiscard]] std::expected<void, std::string> set_marks(child::LinkNumber number);
    void release_marks(child::LinkNumber number);
    void plan_entries(child::LinkNumber number, const GroupDifference& difference, Means means);
    void plan_entry(child::LinkNumber number, const GroupEntry& entry, InstalledEntry installed, Means means);
    void plan_leaving(child::LinkNumber number, const GroupEntry& entry, std::uint32_t begun, Means means);
    void plan_limits(child::LinkNumber number, Means means);
    void plan_counts(child::LinkNumber number, Means means);
    void plan_policies(Group& group, Means means);
    void plan_removals(child::LinkNumber number, const GroupDifference& difference, Means means);
    void enter(child::LinkNumber number, const GroupEntry& entry, InstalledEntry installed);
    void strike(child::LinkNumber number, const GroupEntry& entry);
    [[nodiscard]] State state_for(child::LinkNumber number, const GroupSa& sa, const GroupEntry& entry,
                                  bool with_direction) const;
    [[nodiscard]] StateId id_of(const GroupEntry& entry) const;

    std::unique_ptr<PacketMarks> packet_marks_;
    std::map<child::LinkNumber, Group> groups_;
    std::map<AddressPair, Mark> marks_;
    std::set<std::uint32_t> used_; // marks
    std::uint32_t last_index_ = 0;
};

} // namespace sheaf::xfrm
