#include "xfrm/kernel.h"

#include "xfrm/care_of_state.h"
#include "xfrm/event.h"
#include "xfrm/kernel_parts.h"
#include "xfrm/marks.h"
#include "xfrm/planner.h"
#include "xfrm/state.h"

#include <linux/netlink.h>
#include <linux/xfrm.h>

#include <algorithm>
#include <cerrno>
#include <poll.h>
#include <utility>

namespace sheaf::xfrm {
namespace {

// How many times one call may send and read; at two windows each a few thousand messages, some ten
// milliseconds.
constexpr int kMaxRounds = 4;
constexpr int kMaxSilence = 3; // deadlines in a row that a blocking call lets pass
constexpr Duration kResyncPause = std::chrono::seconds(1);
constexpr Duration kMarksPause = std::chrono::seconds(5);

using Opened = std::expected<std::unique_ptr<netlink::Socket>, netlink::Error>;

std::string opening_error(const char* what, const netlink::Error& error, const char* module) {
    std::string out = std::string("netlink socket for ") + what + ": " + error.to_string();
    if (error.code == EPROTONOSUPPORT) out += std::string("; the kernel lacks it: modprobe ") + module;
    if (error.code == EPERM || error.code == EACCES) out += "; sheafd needs the capability CAP_NET_ADMIN";
    return out;
}

} // namespace

std::expected<void, std::string> Kernel::Parts::open() {
    const netlink::Socket::Settings socket_settings{.deadline = settings.answer_deadline,
                                                    .window = settings.window};
    struct Wanted {
        std::unique_ptr<netlink::Socket>& socket;
        int protocol;
        const char* what;
        const char* module;
    };
    for (const Wanted& wanted : {Wanted{route, NETLINK_ROUTE, "links and routes", "rtnetlink"},
                                 Wanted{xfrm, NETLINK_XFRM, "SAD and SPD (XFRM)", "xfrm_user"},
                                 Wanted{events, NETLINK_XFRM, "events of SAD and SPD (XFRM)", "xfrm_user"}}) {
        Opened opened = netlink::Socket::open(os, wanted.protocol, socket_settings);
        if (!opened) return std::unexpected(opening_error(wanted.what, opened.error(), wanted.module));
        wanted.socket = std::move(*opened);
    }
    for (const unsigned group :
         {XFRMNLGRP_EXPIRE, XFRMNLGRP_SA, XFRMNLGRP_ACQUIRE, XFRMNLGRP_MAPPING, XFRMNLGRP_MIGRATE}) {
        if (const auto joined = events->listen(group); !joined)
            return std::unexpected(
                opening_error("events of SAD and SPD (XFRM)", joined.error(), "xfrm_user"));
    }
    events->on_event([this](const nlmsghdr& message) { on_event(message); });
    events->on_overrun([this] { resync_wanted = true; });
    auto opened = RouteFollower::open(os);
    if (!opened) return std::unexpected(opening_error("events of routes", opened.error(), "rtnetlink"));
    follower = std::move(*opened);
    fds = {route->fd(), xfrm->fd(), events->fd(), follower->fd()};
    return {};
}

void Kernel::Parts::on_event(const nlmsghdr& message) {
    if (message.nlmsg_pid == xfrm->port()) return; // our own doing
    if (message.nlmsg_type == XFRM_MSG_FLUSHSA) {  // names no entry
        resync_wanted = true;
    } else if (on_group_event(message)) {
        return;
    } else if (const auto care_of = parse_care_of_removal(message)) {
        resync_wanted |= is_ours(*care_of);
    } else if (auto event = event_of(message)) {
        told.push_back(std::move(*event));
    }
}

// Those of ours; `found` is told nothing when the listing fails.
void Kernel::Parts::list_states(std::move_only_function<void(std::optional<std::vector<SaUsage>>)> found) {
    auto list = std::make_shared<std::vector<SaUsage>>();
    xfrm->dump(
        dump_states(), [list] { list->clear(); },
        [list](const nlmsghdr& message) {
            const auto state = parse_counted(message);
            if (state && is_ours(state->reqid))
                list->push_back({state->id.destination, state->id.spi, state->bytes, state->packets,
                                 state->source, state->reqid, state->replayed, state->forged});
        },
        [list, found = std::move(found)](const std::expected<void, netlink::Error>& result) mutable {
            found(result ? std::optional(std::move(*list)) : std::nullopt);
        });
}

void Kernel::Parts::resync() {
    resync_wanted = false;
    resyncing = true;
    restore_care_of();
    list_states([this](std::optional<std::vector<SaUsage>> list) {
        resyncing = false;
        if (!list) {
            resync_again = now + kResyncPause;
            return;
        }
        tell_present(*list);
    });
}

// What somebody else has removed of the entries for care-of addresses: they have neither keys nor time, and the engine
// does not know of them. Those that are there refuse the first message and are not changed by the second, which takes
// the place of what the kernel itself puts there for a packet that finds none.
void Kernel::Parts::restore_care_of() {
    for (const CareOfState& state : books.homes.care_of_states()) {
        xfrm->request(install_state(state), [](const auto&) {});
        xfrm->request(update_state(state), [](const auto&) {});
    }
}

void Kernel::Parts::tell_present(const std::vector<SaUsage>& list) {
    books.groups.present(list, now);
    child::SasPresent present;
    present.sas.reserve(list.size());
    for (const SaUsage& sa : list)
        present.sas.push_back({sa.destination, sa.spi});
    told.push_back(std::move(present));
}

// A group's entries are no affair of the engine's, which minds the SA's time itself; what somebody else has
// removed is made again.
bool Kernel::Parts::on_group_event(const nlmsghdr& message) {
    if (message.nlmsg_type == XFRM_MSG_ACQUIRE) {
        const auto wanted = parse_acquire(message);
        if (!wanted || !books.groups.contains(wanted->reqid)) return false;
        // Before there is an SA that is no news; then a listing tells what is gone.
        resync_wanted |= books.groups.sends_to(wanted->reqid, wanted->destination);
        return true;
    }
    auto notice = parse_expiry(message);
    if (!notice) notice = parse_removal(message);
    if (!notice || !books.groups.contains(notice->reqid)) return false;
    if (notice->hard) books.groups.lost(notice->reqid, notice->source, notice->id, now);
    return true;
}

std::optional<child::LinkNumber> Kernel::Parts::startable_group() const {
    if (resync_wanted || resyncing || exclusive || running.size() >= settings.parallel_intents)
        return std::nullopt;
    for (const auto& [number, due] : books.groups.due()) {
        const Touched touched{{number}, {}};
        const bool free = std::ranges::none_of(
            running, [&](const auto& other) { return other->touched().clashes(touched); });
        if (due <= now && free) return number;
    }
    return std::nullopt;
}

void Kernel::Parts::start_groups() {
    while (const auto number = startable_group()) {
        run(plan_of(*number, books, abilities.sa_direction, now), {{*number}, {}},
            [this, group = *number](std::optional<std::string> error) {
                tell_repair(books.groups.repaired(group, std::move(error), now));
            });
    }
}

void Kernel::Parts::ask_usage() {
    usage_again.reset();
    asking_usage = true;
    list_states([this](std::optional<std::vector<SaUsage>> list) {
        asking_usage = false;
        usage = std::move(list);
        if (!usage) usage_again = now + kResyncPause;
    });
}

Touched Kernel::Parts::touched_by(const child::KernelIntent& intent) const {
    return {links_of(intent), books.links.use_of(intent)};
}

bool Kernel::Parts::can_start() const {
    if (resync_wanted || resyncing) return resync_wanted && !resyncing && running.empty();
    if (queue.empty() || exclusive || running.size() >= settings.parallel_intents) return false;
    if (running.empty()) return true;
    const child::KernelIntent& next = queue.front();
    if (books.links.changes_shared(next)) return false;
    const Touched touched = touched_by(next);
    return std::ranges::none_of(running,
                                [&](const auto& other) { return other->touched().clashes(touched); });
}

void Kernel::Parts::start_ready() {
    std::erase_if(running, [](const auto& transaction) { return transaction->ended(); });
    if (running.empty()) exclusive = false;
    start_groups();
    while (can_start()) {
        if (resync_wanted) return resync();
        child::KernelIntent intent = std::move(queue.front());
        queue.pop_front();
        start(std::move(intent));
        std::erase_if(running, [](const auto& transaction) { return transaction->ended(); });
        if (running.empty()) exclusive = false;
    }
}

void Kernel::Parts::start(child::KernelIntent intent) {
    const bool shared = books.links.changes_shared(intent);
    Touched touched = touched_by(intent); // the books change with the plan
    auto plan = plan_of(intent, books, abilities.sa_direction, now);
    exclusive = shared && plan;
    run(std::move(plan), std::move(touched),
        [this, id = intent.id, groups = groups_of(intent)](std::optional<std::string> error) {
            for (const child::LinkNumber group : groups)
                tell_repair(books.groups.settled(group, !error, now));
            told.push_back(child::IntentDone{id, std::move(error)});
        });
}

void Kernel::Parts::run(std::expected<Plan, std::string> plan, Touched touched,
                        Transaction::Finished finished) {
    if (!plan) return finished(std::move(plan.error()));
    running.push_back(
        std::make_unique<Transaction>(std::move(*plan), std::move(touched), sockets(), std::move(finished)));
    running.back()->start();
}

void Kernel::Parts::follow_routes() {
    RouteFollower::Interfaces interfaces;
    for (const child::LinkNumber group : books.groups.open_groups()) {
        if (const int index = books.links.interface_index(group); index != 0) interfaces[group] = index;
    }
    follower->watch(interfaces);
    follower->list(*route, now, [this](child::LinkNumber group, std::vector<FollowedRoute> routes) {
        books.groups.follow(group, std::move(routes));
    });
}

// Those that are gone already are what is wanted.
void Kernel::Parts::remove_leftovers() {
    for (const StateId& id : books.leftovers.take_due(now))
        xfrm->request(remove_state(id), [](const auto&) {});
}

void Kernel::Parts::pump() {
    exchange();
    watch_marks();
}

void Kernel::Parts::watch_marks() {
    if (!books.homes.lacks_marks())
        marks_again.reset();
    else if (!marks_again)
        marks_again = now + kMarksPause;
}

void Kernel::Parts::exchange() {
    for (int round = 0; round < kMaxRounds; ++round) {
        follow_routes();
        start_ready();
        remove_leftovers();
        if (!route->wants_flush() && !xfrm->wants_flush()) return;
        route->flush(now);
        xfrm->flush(now);
        // The kernel answers within the send, so what it says is there already.
        route->on_readable(now);
        xfrm->on_readable(now);
    }
    follow_routes(); // into a group that is open only now
}

bool Kernel::Parts::idle() const {
    const bool all_ended = std::ranges::all_of(running, [](const auto& t) { return t->ended(); });
    return queue.empty() && all_ended && !resync_wanted && !resyncing && route->idle() && xfrm->idle();
}

std::expected<void, std::string> Kernel::Parts::settle() {
    const auto deadline = std::chrono::duration_cast<std::chrono::milliseconds>(settings.answer_deadline);
    int silence = 0;
    while (true) {
        pump();
        if (idle()) return {};
        if (route->wants_flush() || xfrm->wants_flush() || can_start()) continue;
        std::array<pollfd, 2> watched{pollfd{route->fd(), POLLIN, 0}, pollfd{xfrm->fd(), POLLIN, 0}};
        const int rc = os.poll(watched.data(), watched.size(), static_cast<int>(deadline.count()));
        if (rc > 0) {
            route->on_readable(now);
            xfrm->on_readable(now);
            silence = 0;
        } else if (rc != -EINTR) {
            if (++silence == kMaxSilence)
                return std::unexpected("the kernel does not answer netlink requests");
            route->abandon();
            xfrm->abandon();
        }
    }
}

Kernel::Kernel(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Kernel::~Kernel() = default;

std::expected<std::unique_ptr<Kernel>, std::string> Kernel::open(netlink::Os& os) {
    return open(os, Settings{});
}

std::expected<std::unique_ptr<Kernel>, std::string> Kernel::open(netlink::Os& os, const Settings& settings) {
    return open(os, settings, MarkMeans{nft_marks(os), nft_path_marks(os)});
}

std::expected<std::unique_ptr<Kernel>, std::string> Kernel::open(netlink::Os& os, const Settings& settings,
                                                                 MarkMeans marks) {
    auto parts = std::make_unique<Parts>(os, settings, std::move(marks));
    if (const auto opened = parts->open(); !opened) return std::unexpected(opened.error());
    return std::unique_ptr<Kernel>(new Kernel(std::move(parts)));
}

void Kernel::apply(child::KernelIntent&& intent, Instant now) {
    parts_->now = now;
    parts_->queue.push_back(std::move(intent));
}

void Kernel::flush(Instant now) {
    parts_->now = now;
    parts_->pump();
}

std::span<const int> Kernel::fds() const { return parts_->fds; }

void Kernel::on_readable(Instant now) {
    parts_->now = now;
    parts_->route->on_readable(now);
    parts_->xfrm->on_readable(now);
    parts_->events->on_readable(now);
    parts_->follower->on_readable(now);
    parts_->pump();
}

std::optional<Instant> Kernel::next_timeout() const {
    const bool ended = std::ranges::any_of(parts_->running, [](const auto& t) { return t->ended(); });
    if (parts_->can_start() || (ended && !parts_->queue.empty())) return Instant::min();
    if (parts_->startable_group()) return Instant::min();
    std::optional<Instant> next = parts_->resync_again;
    for (const auto& again : {parts_->usage_again, parts_->marks_again})
        if (again && (!next || *again < *next)) next = again;
    for (const auto& [group, due] : parts_->books.groups.due()) {
        if (due > parts_->now && (!next || due < *next)) next = due;
    }
    if (const auto due = parts_->follower->next_timeout(); due && (!next || *due < *next)) next = due;
    if (const auto due = parts_->books.leftovers.next_timeout(); due && (!next || *due < *next)) next = due;
    for (const auto& socket : {parts_->route.get(), parts_->xfrm.get()}) {
        const auto due = socket->next_timeout();
        if (due && (!next || *due < *next)) next = due;
    }
    return next;
}

void Kernel::on_timeout(Instant now) {
    parts_->now = now;
    if (parts_->resync_again && *parts_->resync_again <= now) {
        parts_->resync_again.reset();
        parts_->resync_wanted = true;
    }
    if (parts_->usage_again && *parts_->usage_again <= now) parts_->ask_usage();
    if (parts_->marks_again && *parts_->marks_again <= now) {
        parts_->marks_again.reset();
        parts_->books.homes.make_marks();
    }
    parts_->route->on_timeout(now);
    parts_->xfrm->on_timeout(now);
    parts_->pump();
}

void Kernel::ask_usage(Instant now) {
    parts_->now = now;
    if (!parts_->asking_usage && !parts_->usage_again) parts_->ask_usage();
}

std::optional<std::vector<SaUsage>> Kernel::take_usage() {
    return std::exchange(parts_->usage, std::nullopt);
}

std::vector<GroupRoute> Kernel::group_routes(child::LinkNumber group) const {
    return parts_->books.groups.routes(group);
}

std::vector<child::KernelEvent> Kernel::take_events() { return std::exchange(parts_->told, {}); }

} // namespace sheaf::xfrm
