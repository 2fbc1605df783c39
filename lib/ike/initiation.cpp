// Connections that we begin, and begin again; traps, and links that stay open without an IKE SA.

#include "lib/ike/bindings.h"
#include "lib/ike/groups.h"

#include <algorithm>

namespace sheaf::ike {

namespace {

constexpr Duration kFirstRetry = std::chrono::seconds(1);
constexpr Duration kLongestRetry = std::chrono::seconds(60);
constexpr unsigned kTrapTries = 5;
constexpr Duration kTrapRetry = std::chrono::seconds(5);

bool starts(const Connection& connection) {
    return connection.start || std::ranges::any_of(connection.children, [](const ChildConfig& config) {
               return config.start == Start::now;
           });
}

// The Child SAs that an IKE SA still asks for, or will.
void add_asked_for(const IkeSa& sa, std::set<std::string>& to) {
    const auto add = [&](const Want& wanted) {
        const bool named =
            wanted.kind == Want::Kind::create_child && child_config(*sa.connection, wanted.child);
        if (named) to.insert(wanted.child);
    };
    for (const Want& wanted : sa.wanted)
        add(wanted);
    for (const auto& [at, wanted] : sa.later)
        add(wanted);
    for (const Outstanding& request : sa.outstanding) {
        if (const auto* creating = std::get_if<CreatingChild>(&request.purpose)) add(creating->want);
    }
}

} // namespace

Initiation::Initiation(ConnectionPtr c, Instant now) : connection(std::move(c)), wanted(starts(*connection)) {
    if (wanted) next_attempt = now;
    for (const ChildConfig& config : connection->children) {
        if (config.start == Start::now) children.insert(config.name);
        // A trap waits for packets, and then is as wanted as if it had been started.
        if (config.start == Start::trap) wanted = true;
    }
}

bool Initiation::lasting() const { return starts(*connection); }

bool Initiation::fails_closed() const {
    if (connection->role == Role::client) return connection->start;
    return std::ranges::any_of(connection->children, [](const ChildConfig& config) {
        return config.start != Start::manual && !config.clear_without_sa;
    });
}

// Of the IKE SA that is the connection's, or its attempt.
Initiation* Engine::Core::initiation_of(const IkeSa& sa) {
    const auto found = initiations_.find(sa.connection->name);
    if (found == initiations_.end() || found->second.connection != sa.connection) return nullptr;
    Initiation& initiation = found->second;
    return initiation.sa == sa.our_spi() || initiation.before == sa.our_spi() ? &initiation : nullptr;
}

void Engine::Core::retry(Instant now, Initiation& initiation, DownReason reason, const std::string& detail) {
    initiation.last_error = detail.empty() ? std::string(name(reason)) : detail;
    if (!initiation.wanted || shutting_down_) return;
    const Connection& connection = *initiation.connection;
    if (!initiation.lasting()) {
        const bool trap = std::ranges::any_of(
            connection.children, [](const ChildConfig& config) { return config.start == Start::trap; });
        initiation.wanted = trap;
        // The kernel asks again only after half a minute (net.core.xfrm_acq_expires): until then the attempts
        // are ours.
        const bool again = trap && !initiation.children.empty() && initiation.failures < kTrapTries;
        if (!again) {
            initiation.failures = 0;
            initiation.children.clear();
            return;
        }
    } else {
        initiation.children.clear();
    }
    for (const ChildConfig& config : connection.children) {
        if (config.start == Start::now) initiation.children.insert(config.name);
    }
    // A connection that was up is tried again at once; attempts that fail one after the other wait ever
    // longer.
    const unsigned doublings = std::min(initiation.failures, 10U);
    const Duration wait = initiation.failures == 0
                              ? Duration::zero()
                              : std::min(kLongestRetry, kFirstRetry * (1 << (doublings - 1)));
    ++initiation.failures;
    initiation.next_attempt = now + wait;
}

void Engine::Core::on_up(Instant now, Initiation& initiation, IkeSa& sa) {
    initiation.last_error.clear();
    const wire::Spi before = std::exchange(initiation.before, 0);
    initiation.sa = sa.our_spi();
    IkeSa* old = find(before);
    if (old) add_asked_for(*old, initiation.children);
    make_children(now, initiation);
    wake_paths(now, sa);
    if (!old || old == &sa) return;
    // The paths are made anew; those of the old login go when what is on its way has arrived.
    for (IkeSa* member : family_of(*old)) {
        if (member != old) supersede(now, *member, kReplacedStays);
    }
    // What was withdrawn is deprecated meanwhile, and goes when there was time to let go of it.
    if (withdraws(*old, sa)) return supersede(now, *old, kWithdrawnStays);
    // What further Child SAs are being made for stays up until they are.
    const bool complete = !sa.claim && sa.wanted.empty() && !under_way<CreatingChild>(sa);
    if (complete) return close(now, *old, DownReason::replaced, "authenticated anew");
    supersede(now, *old, kReplacedStays);
}

// RFC 7296 2.8.3: there is no exchange for it: a new IKE SA with Child SAs of its own, then the old one ends.
void Engine::Core::begin_again(Instant now, Initiation& initiation, IkeSa& sa) {
    if (initiation.before != 0 || initiation.sa != sa.our_spi() || shutting_down_) return;
    const Connection& connection = *sa.connection;
    const bool routed = has_uplinks(sa) ? !usable_pairs(initiation).empty()
                        : connection.role == Role::mobile_node
                            ? bindings_->source(connection).has_value()
                            : connection.local_address || host_->source_for(connection.remote->address);
    if (!routed) {
        sa.reauth_at = now + kLongestRetry;
        return arm(sa);
    }
    for (const ChildSa& child : sa.children) {
        if (!child.use && !is_on_link(sa, child) && child.state == ChildState::live)
            initiation.children.insert(child.name);
    }
    initiation.before = sa.our_spi();
    start(now, initiation);
}

IkeSa* Engine::Core::established_of(const Initiation& initiation) {
    IkeSa* sa = find(initiation.sa);
    return sa && sa->in<Established>() && sa->standing == Standing::current ? sa : nullptr;
}

// An IKE SA that the peer began serves as well as one of ours. What is missing on it is asked for after a
// while, when the peer has had the time to do so itself. But we are told a group's SA only on one that we began.
void Engine::Core::adopt(Instant now, IkeSa& sa) {
    const auto found = initiations_.find(sa.connection->name);
    if (found == initiations_.end() || found->second.connection != sa.connection || found->second.sa != 0)
        return;
    if (groups_->is_joined_by(*sa.connection)) return;
    Initiation& initiation = found->second;
    initiation.sa = sa.our_spi();
    initiation.next_attempt.reset();
    initiation.last_error.clear();
    for (const std::string& child_name : std::exchange(initiation.children, {}))
        want_later(now, sa, {Want::Kind::create_child, child_name});
}

// Asks for the Child SAs that are wanted, on the IKE SA that there is, or begins one.
void Engine::Core::make_children(Instant now, Initiation& initiation) {
    IkeSa* sa = established_of(initiation);
    if (sa) {
        const auto wanted = std::exchange(initiation.children, {});
        const wire::Spi spi = sa->our_spi();
        for (const std::string& child_name : wanted) {
            IkeSa* left = find(spi);
            if (left) want(now, *left, {Want::Kind::create_child, child_name});
        }
        return;
    }
    if (initiation.sa == 0 && !initiation.next_attempt) start(now, initiation);
}

// Installs the policies of what is to be dropped while there is no SA.
void Engine::Core::set_traps(Instant now, Initiation& initiation) {
    const Connection& connection = *initiation.connection;
    initiation.traps_at.reset();
    if (!connection.remote || shutting_down_) return;
    const auto source =
        connection.local_address ? connection.local_address : host_->source_for(connection.remote->address);
    std::vector<child::KernelStep> steps;
    Pending pending;
    pending.traps_of = connection.name;
    for (const ChildConfig& config : connection.children) {
        Trap& trap = initiation.traps[config.name];
        if (trap.number == 0) trap.number = fresh_number();
        if (config.start == Start::manual || config.clear_without_sa || trap.policies) continue;
        if (!source) {
            initiation.traps_at = now + kTrapRetry;
            continue;
        }
        child::PolicySet set;
        set.mode = config.mode;
        set.on_interface = connection.role == Role::peer && !connection.interface.empty();
        set.link = trap.number;
        if (set.on_interface) {
            const auto link = link_of_peer(connection, &initiation);
            for (auto& step : open_link({link, link->link}, pending))
                steps.push_back(std::move(step));
            set.link = link->link.number;
            set.reqid = trap.number;
        }
        set.local = *source;
        set.peer = connection.remote->address;
        set.local_selectors = selectors_of(config.local, *source);
        set.remote_selectors = selectors_of(config.remote, connection.remote->address);
        steps.emplace_back(child::InstallPolicies{set});
        trap.policies = std::move(set);
        pending.traps.push_back(config.name);
    }
    if (!steps.empty()) submit(std::move(steps), std::move(pending));
}

bool Engine::Core::is_trap(const IkeSa& sa, child::LinkNumber number) const {
    const auto found = initiations_.find(sa.connection->name);
    return found != initiations_.end() &&
           std::ranges::any_of(found->second.traps,
                               [number](const auto& entry) { return entry.second.number == number; });
}

void Engine::Core::on_traps_refused(Instant now, const Pending& pending) {
    const auto found = initiations_.find(pending.traps_of);
    if (found == initiations_.end()) return;
    for (const std::string& child_name : pending.traps)
        found->second.traps[child_name].policies.reset();
    found->second.traps_at = now + kTrapRetry;
}

void Engine::Core::lift_traps(Initiation& initiation) {
    std::vector<child::KernelStep> steps;
    for (auto& [child_name, trap] : initiation.traps) {
        if (trap.policies) steps.emplace_back(child::RemovePolicies{*trap.policies});
        trap.policies.reset();
        numbers_.erase(trap.number);
    }
    initiation.traps.clear();
    initiation.traps_at.reset();
    settle_link(initiation, steps);
    if (!steps.empty()) submit(std::move(steps));
}

// A packet that needs a Child SA: it is made unless it is being made. The packet is lost; its sender sends it
// again.
void Engine::Core::on_acquire(Instant now, const child::Acquire& acquire) {
    if (shutting_down_) return;
    for (auto& [connection_name, initiation] : initiations_) {
        const auto trap = std::ranges::find_if(
            initiation.traps, [&](const auto& entry) { return entry.second.number == acquire.reqid; });
        if (trap == initiation.traps.end()) continue;
        if (!initiation.wanted) return; // taken down by the operator
        initiation.children.insert(trap->first);
        return make_children(now, initiation);
    }
}

} // namespace sheaf::ike
