#pragma once

#include "lib/crypto/backend.h"
#include "lib/group/endpoint_sas.h"
#include "lib/group/group.h"
#include "test/support/seeded_random.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <vector>

namespace sheaf::group::test {

using sheaf::test::SeededRandom;

// What a run has seen, so that a test can tell that it was worth something.
struct Tally {
    std::uint64_t pairs = 0;         // of endpoints that had to be able to talk, and were
    std::uint64_t rolling_pairs = 0; // of them, those that sent with different SAs
    std::uint64_t hurried = 0;       // checks that could not be made for want of time
    std::uint64_t generations = 0;
    std::uint64_t crashes = 0;
    std::uint64_t joins = 0;
    std::uint64_t leaves = 0;
    std::uint64_t lost = 0;    // IKE SAs given up by the gateway
    std::uint64_t refused = 0; // announcements
    std::uint64_t expired = 0; // SAs that ended without a successor's doing

    Tally& operator+=(const Tally& other);
};

// A gateway and its endpoints in a bad network. Each run follows from its seed.
//
// The IKE SAs between them are as plain as can be: one request at a time, sent again after 0.5, 1, 2, ...
// seconds, given up after 31.5; the network loses, delays and doubles, and cuts single endpoints off for a
// while. Some endpoints take repeated requests for new ones, and some refuse now and then. The gateway's disk
// takes its time, and the gateway dies at any moment, often in the middle of that; then its engine's clock
// begins anew. Endpoints die, leave and come back.
//
// After each event it is checked:
// - two endpoints that the gateway counts among the group and up to date read what the other sends;
// - nobody has an SA beyond its life (and the time that its announcement was under way);
// - an SPI and the number of a generation stand for one key set for ever, and neither goes back;
// - who left knows nothing that is sent after two rollovers; with rekeying on join, who joined nothing of
//   before;
// - an endpoint that is reachable is told in time, whatever the others do.
class World {
  public:
    explicit World(std::uint64_t seed);
    // Empty, or what went wrong and when.
    [[nodiscard]] std::string run();
    [[nodiscard]] const Tally& tally() const { return tally_; }

  private:
    // What is true of a generation, whoever knows.
    struct Truth {
        std::uint64_t generation = 0;
        Bytes key;
        Instant switch_at{}; // nobody may send with it before, who has another
        Instant expires{};   // as the gateway counted when it made it
        Instant told{};
        std::optional<Instant> first_sent;
    };
    struct Session { // an IKE SA
        MemberKey key = 0;
        std::size_t endpoint = 0;
        Instant since{};
        bool at_gateway = true;
        bool at_endpoint = true;
        std::uint32_t sent = 0;     // message IDs, from 1
        std::uint32_t answered = 0; // by the endpoint
        std::optional<Push> under_way;
        bool busy = false; // the window is taken by something else
        std::map<std::uint32_t, std::optional<wire::NotifyType>> answers;
        Instant refused{};
    };
    struct Site {
        EndpointSas sas;
        bool wants_in = false;
        bool cut_off = false;
        MemberKey last_key = 0;
        Instant entitled{}; // to read what is sent from here on, with rekeying on join
        Instant reachable_since{};
        std::shared_ptr<Session> session;
        std::map<wire::ChildSpi, Bytes> reads; // as its kernel has it
        std::optional<wire::ChildSpi> sends;
        std::uint64_t best_sent = 0; // the newest generation that it has sent with
        unsigned missed = 0;
    };
    struct Event {
        Instant when;
        std::uint64_t order;
        std::function<void()> what;
        friend bool operator>(const Event& a, const Event& b) {
            return a.when != b.when ? a.when > b.when : a.order > b.order;
        }
    };
    using SessionPtr = std::shared_ptr<Session>;

    void after(Duration delay, std::function<void()> what);
    [[nodiscard]] bool one_in(std::uint64_t n) { return chance_.below(n) == 0; }
    [[nodiscard]] Duration up_to(Duration most);
    void fail(const std::string& what);

    // The gateway
    void boot();
    void crash();
    void pump(); // whatever the group wants now
    void store();
    void wake();
    void start_push(const SessionPtr& session);
    void transmit(const SessionPtr& session, std::uint32_t id, const wire::Notify& notify, unsigned tries,
                  Duration wait);
    void answered(const SessionPtr& session, std::uint32_t id, std::optional<wire::NotifyType> answer);
    void give_up(const SessionPtr& session);
    void note_generation(const Push& push);
    [[nodiscard]] Instant engine(Instant t) const { return t - boot_; }
    [[nodiscard]] Instant true_time(Instant engine_time) const { return engine_time + boot_; }
    [[nodiscard]] Instant engine_now() const { return engine(now_); }
    [[nodiscard]] WallTime wall() const;

    // Endpoints
    void connect(std::size_t site);
    void received(const SessionPtr& session, std::uint32_t id, const wire::Notify& notify);
    void carry_out(std::size_t site);
    void site_timer(std::size_t site);
    void liveness(std::size_t site);
    void leave(std::size_t site);
    void change_of_mind(std::size_t site);
    void weather(std::size_t site);

    // Checks
    void check();
    [[nodiscard]] bool up_to_date(const Site& site) const;
    [[nodiscard]] bool hurried() const;
    void check_pairs();
    void check_lives();
    void check_promptness();
    void check_secrecy();

    SeededRandom chance_;
    crypto::Backend backend_;
    Terms terms_;
    Instant now_{std::chrono::hours(1)};
    Duration boot_{};
    std::uint64_t order_ = 0;
    std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;

    std::uint64_t loss_ = 0; // in 100
    bool sloppy_ = false;    // endpoints take repeated requests for new ones
    bool moody_ = false;     // endpoints refuse now and then
    std::optional<Group> group_;
    std::uint64_t life_ = 0; // of the gateway; what an earlier one had in mind does not happen
    Instant up_since_{};
    std::uint64_t recalled_ = 0; // the generation that the gateway has found on its disk
    Secret disk_;
    bool storing_ = false;
    std::optional<std::pair<Secret, std::uint64_t>> being_written_;
    std::map<MemberKey, SessionPtr> sessions_; // the gateway's
    MemberKey last_key_ = 0;
    std::vector<Site> sites_;

    std::map<wire::ChildSpi, Instant> ends_;          // when it ends, as the gateway that made it counted
    std::map<wire::ChildSpi, Truth> truths_;          // told to somebody
    std::map<std::uint64_t, wire::ChildSpi> numbers_; // of generations
    std::vector<std::pair<Instant, std::uint64_t>> banned_; // from when on a generation is worth nothing
    Tally tally_;
    std::string wrong_;
};

} // namespace sheaf::group::test
