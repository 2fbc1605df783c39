#pragma once

#include "netlink/netlink_socket.h"
#include "xfrm/kernel.h"
#include "xfrm/planner.h"
#include "xfrm/route_follower.h"
#include "xfrm/transaction.h"

#include <array>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sheaf::xfrm {

// What Kernel is made of. Only for the sources of kernel, probe and reconciliation.
struct Kernel::Parts {
    netlink::Os& os;
    Settings settings;
    std::unique_ptr<netlink::Socket> route;
    std::unique_ptr<netlink::Socket> xfrm;
    std::unique_ptr<netlink::Socket> events;
    std::unique_ptr<RouteFollower> follower; // of the routes into groups
    std::array<int, 4> fds{};

    Books books;
    Abilities abilities;

    std::deque<child::KernelIntent> queue;
    std::list<std::unique_ptr<Transaction>> running;
    bool exclusive = false; // the one that runs changes what links share
    std::vector<child::KernelEvent> told;
    Instant now{}; // the latest that a caller named

    // After events were lost: no further intent begins, those under way end, then the SAD is listed.
    bool resync_wanted = false;
    bool resyncing = false;
    std::optional<Instant> resync_again; // after a listing failed

    // SAs are being counted for take_usage(), or will be again after that failed.
    bool asking_usage = false;
    std::optional<Instant> usage_again;
    std::optional<Instant> marks_again;
    std::optional<std::vector<SaUsage>> usage;

    Parts(netlink::Os& system, const Settings& chosen, MarkMeans marks)
        : os(system), settings(chosen), books{.groups = GroupBook(std::move(marks.groups)),
                                              .homes = MobilityBook(std::move(marks.homes))} {}

    [[nodiscard]] std::expected<void, std::string> open();
    [[nodiscard]] Sockets sockets() const { return {*route, *xfrm}; }

    void pump();
    void exchange(); // starts, sends and reads, within a bound
    [[nodiscard]] bool can_start() const;
    [[nodiscard]] Touched touched_by(const child::KernelIntent& intent) const;
    void start_ready();
    void start(child::KernelIntent intent);
    void run(std::expected<Plan, std::string> plan, Touched touched, Transaction::Finished finished);
    // A group of whose news no intent tells, and that may be seen to now.
    [[nodiscard]] std::optional<child::LinkNumber> startable_group() const;
    void start_groups();
    void tell_repair(std::optional<child::GroupRepaired> repaired) {
        if (repaired) told.push_back(*std::move(repaired));
    }
    void follow_routes();
    bool on_group_event(const nlmsghdr& message); // whether it was one
    void on_event(const nlmsghdr& message);
    void remove_leftovers();
    void watch_marks();
    void resync();
    void restore_care_of();
    void tell_present(const std::vector<SaUsage>& list);
    void ask_usage();
    void list_states(std::move_only_function<void(std::optional<std::vector<SaUsage>>)> found);

    // Blocking: until nothing is queued or unanswered.
    [[nodiscard]] std::expected<void, std::string> settle();
    [[nodiscard]] bool idle() const;

    [[nodiscard]] std::expected<Abilities, std::string> probe_once();
};

} // namespace sheaf::xfrm
