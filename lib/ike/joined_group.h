#pragma once

#include "lib/base/ip.h"
#include "lib/base/time.h"
#include "lib/child/kernel.h"
#include "lib/crypto/backend.h"
#include "lib/group/endpoint_sas.h"
#include "lib/ike/config.h"
#include "lib/ike/event.h"
#include "lib/ike/status.h"
#include "lib/wire/header.h"

#include <deque>
#include <expected>
#include <optional>
#include <utility>
#include <vector>

namespace sheaf::ike {

// Endpoint: a group that we are in, its virtual interface, and the SAs that its gateway has told, as the kernel
// has them or is about to. It lives over the IKE SAs on which they were told.
//
// The kernel: next_steps() -> submitted() -> done(), one intent at a time, so that nothing sends with an SA that
// the kernel then refuses. A new SA goes alone, since its answer is the answer to the gateway; so that a refusal of it
// ends it. Whatever else the kernel refuses is asked of it again.
class JoinedGroup {
  public:
    static constexpr Duration kKernelRetry = std::chrono::seconds(5); // when it has refused something

    JoinedGroup(GroupMembership config, child::LinkNumber number);
    [[nodiscard]] const GroupMembership& config() const { return config_; }
    [[nodiscard]] child::LinkNumber number() const { return link_.number; }
    // REQUIRES: the same name and interface.
    void update(GroupMembership config);
    // Where IKE runs at our end, for a membership that names no addresses.
    void place(const IpAddress& local);
    // Whether it is worth while to look where IKE would run, for a membership of which nothing is known yet.
    [[nodiscard]] bool looks_for_place(Instant now);

    enum class Put : std::uint8_t { installed, waits };
    // `spi_in_use`: as in EndpointSas::put(). `waits`: done() will tell what becomes of it.
    [[nodiscard]] std::expected<Put, group::Breach> put(group::Put put, Instant now, crypto::Backend& backend,
                                                        bool spi_in_use);
    [[nodiscard]] bool holds(wire::ChildSpi spi) const;
    void deleted(wire::ChildSpi spi, Instant now);
    void gateway_deleted(Instant now);

    // Whether it is time to ask the gateway for a sign of life, once for each SA: it should have told another by now, and
    // one that has restarted cannot, for it does not know us before we come back.
    [[nodiscard]] bool misses_successor(Instant now);

    // What the kernel is to do now, in one intent; empty: nothing, or not before it has answered.
    [[nodiscard]] std::vector<child::KernelStep> next_steps(Instant now);
    // REQUIRES: next_steps() has just answered some.
    void submitted(child::IntentId id) { under_way_->id = id; }
    struct Installed {
        wire::ChildSpi spi = 0;
        bool refused = false;
    };
    // The answer to an intent, whose ever it is. What it installed, if it did that.
    std::optional<Installed> done(const child::IntentDone& answer, Instant now);

    // Whether the kernel holds what the group needs, or why it does not. The same again is not told again.
    void note_kernel(const std::optional<std::string>& error);

    [[nodiscard]] std::optional<Instant> next_timeout() const;
    void on_timeout(Instant now);
    [[nodiscard]] std::vector<GroupChanged> take_events() { return std::exchange(events_, {}); }
    [[nodiscard]] GroupStatus status() const;

  private:
    struct Queued {
        wire::ChildSpi spi = 0;
        bool installs = false;
        child::KernelStep step;
        std::optional<GroupChanged> event; // when it is submitted
    };
    struct UnderWay {
        child::IntentId id = 0;
        wire::ChildSpi installs = 0;
        bool link = false;
        std::optional<child::GroupLink> before; // as it was, if it was open
        std::deque<Queued> steps;               // that install nothing
    };

    [[nodiscard]] std::optional<Instant> successor_missed_at() const;
    [[nodiscard]] bool link_is_due(Instant now) const;
    [[nodiscard]] std::deque<Queued>::iterator next_queued(Instant now);
    void note_answer(UnderWay ended, const std::optional<std::string>& error, Instant now);
    void collect(Instant now);
    [[nodiscard]] Queued queued(group::Step& step, Instant now) const;
    [[nodiscard]] GroupChanged changed(GroupChanged::What what, wire::ChildSpi spi,
                                       std::string why = {}) const;

    GroupMembership config_;
    child::GroupLink link_;                // as it is to be
    std::optional<child::GroupLink> told_; // as the kernel has it, or was asked to make it
    Instant link_again_{};                 // not before, where it was refused
    Instant place_again_{};                // not before, where it was not found
    std::optional<std::string> trouble_;   // with the kernel, as it was told
    group::EndpointSas sas_;
    wire::ChildSpi missed_ = 0; // the SA whose successor was asked for
    std::deque<Queued> queue_;
    Instant steps_again_{}; // not before, where they were refused
    bool put_off_ = false;  // the first of them were
    std::optional<UnderWay> under_way_;
    std::vector<GroupChanged> events_;
};

} // namespace sheaf::ike
