#pragma once

#include "lib/base/random.h"
#include "lib/base/time.h"
#include "lib/group/put.h"
#include "lib/group/record.h"
#include "lib/group/terms.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

namespace sheaf::group {

// Who is in the group, by a number of the engine's: one for each IKE SA, kept when that is rekeyed. Which
// identity may be in which group is decided before anybody gets here.
using MemberKey = std::uint64_t;

enum class Leave : std::uint8_t {
    left, // deleted its IKE SA, or was sent away: what it knows must be worth nothing soon
    lost, // does not answer, or came back under another key; it keeps the SA to its end, as it is to
};

// Why there is a new generation.
enum class Reason : std::uint8_t { founded, time, left, joined, terms, clock, asked };

// For the log and the operator.
struct Notice {
    enum class Kind : std::uint8_t { made, settled, retired, refused } kind{};
    std::uint64_t generation = 0;
    Reason reason{};      // made
    MemberKey member = 0; // refused
};

// One SA to one member, in an INFORMATIONAL request of its own.
struct Push {
    std::uint64_t generation = 0;
    wire::Notify notify; // holds keys, see write_put
};

// How the group stands, without keys.
struct Standing {
    std::uint64_t generation = 0;
    wire::ChildSpi spi = 0;
    Instant begun;
    Instant expires;
    std::optional<wire::ChildSpi> old_spi; // a rollover is under way
    Instant switch_at;                     // of the rollover
    bool stored = false;                   // and so told to members
    bool rekey_wanted = false;             // as soon as the rollover is done
    std::size_t members = 0;
    std::size_t behind = 0; // have not acknowledged the newest
};

struct MemberStanding {
    std::uint64_t acknowledged = 0; // generation; 0: none
    std::uint64_t refused = 0;
    bool asked = false;     // a push is under way
    std::uint64_t from = 0; // the first generation that it is told
};

// A gateway's half of a multi-point SA (draft-yamaya-ipsecme-mpsa-00 3.3.1, 3.3.3): makes the SA and its
// successors, and knows who has to be told what. It has no clock, no file and no IKE SA:
//
//   unsaved() -> store record() -> stored()      nothing is pushed that is not stored
//   take_due() -> next_push(member) -> acknowledged() | refused() | leave()
//   next_timeout() -> on_timeout()
//
// A rollover: the new SA is pushed to all; `rollover1` after it was begun members send with it, `rollover2`
// after it they refuse the old one. What a member is told is what is left of these times when the message is
// made, so ask next_push() when the member's window is free and not before. Who joins meanwhile is told the
// old SA first. There are never three: what asks for another rekeying waits until the rollover is done.
//
// A member that is slow or dead holds up nobody: each has its own state, and no moment of a rollover waits
// for an acknowledgement.
//
// Cost: a member 80 octets; join and leave O(1); a rekeying O(members), without cryptography.
class Group {
  public:
    static constexpr std::size_t kMaxLost =
        10'000; // that are remembered; others are strangers when they come back

    // Before the first member. REQUIRES: terms have no fault().
    Group(const Terms& terms, Random& random, Instant now);
    // From what an earlier life had stored. The timeout may be due at once.
    Group(const Terms& terms, const Record& record, Instant now, WallTime wall);
    Group(Group&&) noexcept = default;
    Group& operator=(Group&&) noexcept = default;

    void update(const Terms& terms); // other ones, from now on; they have no fault()

    // `predecessor`: the same one under an earlier key, 0 if there is none. While that is a member, or was lost during
    // the life of an SA that is still there, its successor is no stranger, and is told what it may know anyway.
    void join(MemberKey member, Instant now, MemberKey predecessor = 0);
    [[nodiscard]] bool remembers(MemberKey member) const; // as a predecessor
    void leave(MemberKey member, Leave how);
    void rekey(); // somebody who is not here at the moment is to be left out from now on

    // Members for whom next_push() may have something, each once until it is asked.
    [[nodiscard]] std::vector<MemberKey> take_due();
    // What to tell this member now; none when nothing is due. It is under way until one of the next three.
    [[nodiscard]] std::optional<Push> next_push(MemberKey member, Instant now);
    void acknowledged(MemberKey member, Instant now);
    // By an error notification. TEMPORARY_FAILURE is tried again, later each time; what was refused otherwise
    // is not repeated, and the member has a new chance with the next generation.
    void refused(MemberKey member, wire::NotifyType answer, Instant now);
    void not_sent(MemberKey member, Instant now); // no answer will come, and the member is still there

    // The number of the change that is not stored yet.
    [[nodiscard]] std::optional<std::uint64_t> unsaved() const;
    [[nodiscard]] Record record(Instant now, WallTime wall) const;
    void stored(std::uint64_t change, Instant now);

    [[nodiscard]] Instant next_timeout() const;
    void on_timeout(Instant now, Random& random);

    [[nodiscard]] std::vector<Notice> take_notices() { return std::exchange(notices_, {}); }
    [[nodiscard]] Standing standing() const;
    [[nodiscard]] std::optional<MemberStanding> member(MemberKey member) const;

  private:
    struct Generation {
        std::uint64_t number = 0;
        SharedSa sa;
        Instant begun{};
        Instant switch_at{};
        Instant remove_at{};
        Instant expires{};
    };
    struct Member {
        std::uint64_t from = 0; // the first generation that it may know
        std::uint64_t acknowledged = 0;
        std::uint64_t refused = 0;
        std::uint64_t asked = 0; // 0: nothing is under way
        Instant retry{};
        unsigned failures = 0; // to take the same SA, one after the other
        bool queued = false;
    };
    using Members = std::unordered_map<MemberKey, Member>;
    struct Lost {
        std::uint64_t from = 0;
        std::uint64_t generation = 0; // the newest, when it was lost
    };

    [[nodiscard]] Generation recalled(const RecordedSa& recorded, Instant now, WallTime wall) const;
    void begin(Instant now, Random& random, Reason reason);
    void date(Generation& generation, Instant now) const;
    void announce(Instant now);
    void changed() { ++change_; }
    void want_rekey(Reason reason);

    [[nodiscard]] std::optional<std::uint64_t> known_from(MemberKey predecessor) const;
    void forget_lost();

    [[nodiscard]] Instant switched_at() const; // from here on members send with the newest
    [[nodiscard]] Instant settled_at() const;  // from here on nobody sends with the old SA
    [[nodiscard]] Instant retired_at() const;  // and here nobody has it any more
    [[nodiscard]] Instant rekey_at() const;
    [[nodiscard]] bool tells_old(Instant now) const;
    [[nodiscard]] const Generation* due(const Member& member, Instant now) const;
    void queue(Members::value_type& entry, Instant now);
    void queue_all(Instant now);

    Terms terms_;
    Generation newest_;
    std::optional<Generation> old_; // as long as a rollover lasts
    bool switched_ = true;
    bool settled_ = true;
    bool announced_ = false; // newest_ is stored
    bool redated_ = false;
    bool told_ = false; // newest_ was pushed to somebody
    std::optional<Reason> wanted_;
    // After a restart members have to notice it before they come back: of those who have not, none would be told an SA
    // that is made at once before it is sent with.
    Instant not_before_ = Instant::min();
    std::uint64_t recalled_ = 0; // the generation that members may come back with, whoever they are
    std::uint64_t change_ = 1;
    std::uint64_t stored_ = 0;
    std::uint64_t made_in_ = 1; // the change that made newest_ what it is
    Members members_;
    std::unordered_map<MemberKey, Lost> lost_; // with rekeying on join
    std::vector<MemberKey> due_;
    std::set<std::pair<Instant, MemberKey>> retries_;
    std::vector<Notice> notices_;
};

} // namespace sheaf::group
