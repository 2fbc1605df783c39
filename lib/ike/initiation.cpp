// Connections that we begin, and begin again; traps, and links that stay open without an IKE SA.

#include "lib/ike/core.h"

#include <algorithm>

namespace sheaf::ike {

namespace {

constexpr Duration kFirstRetry = std::chrono::seconds(1);
constexpr Duration kLongestRetry = std::chrono::seconds(60);

bool starts(const Connection& connection) {
    return connection.start || std::ranges::any_of(connection.children, [](const ChildConfig& config) {
               return config.start == Start::now;
           });
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
        // A trap asks again with the next packet.
        const bool trap = std::ranges::any_of(
            connection.children, [](const ChildConfig& config) { return config.start == Start::trap; });
        initiation.wanted = trap;
        initiation.children.clear();
        return;
    }
    initiation.children.clear();
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
    if (IkeSa* old = find(before); old && old != &sa)
        close(now, *old, DownReason::replaced, "authenticated anew");
    make_children(now, initiation);
}

void Engine::Core::begin_again(Instant now, Initiation& initiation, IkeSa& sa) {
    if (initiation.before != 0 || initiation.sa != sa.our_spi() || shutting_down_) return;
    for (const ChildSa& child : sa.children) {
        if (sa.connection->role == Role::peer && child.state == ChildState::live)
            initiation.children.insert(child.name);
    }
    initiation.before = sa.our_spi();
    start(now, initiation);
    if (initiation.sa == initiation.before) initiation.before = 0; // it could not even begin
}

IkeSa* Engine::Core::established_of(const Initiation& initiation) {
    IkeSa* sa = find(initiation.sa);
    return sa && sa->in<Established>() && sa->standing == Standing::current ? sa : nullptr;
}

// An IKE SA that the peer began serves as well as one of ours. What is missing on it is asked for after a while, when the peer
// has had the time to do so itself.
void Engine::Core::adopt(Instant now, IkeSa& sa) {
    const auto found = initiations_.find(sa.connection->name);
    if (found == initiations_.end() || found->second.connection != sa.connection || found->second.sa != 0)
        return;
    Initiation& initiation = found->second;
    initiation.sa = sa.our_spi();
    initiation.next_attempt.reset();
    initiation.last_error.clear();
    for (const std::string& child_name : std::exchange(initiation.children, {}))
        want_later(now, sa, {Want::Kind::create_child, child_name});
}

// Asks for the Child SAs that are wanted, on the IKE SA that there is, or begins one.
void Engine::Core::make_children(Instant now, Initiation& initiation) {
    if (initiation.connection->role != Role::peer) return;
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
void Engine::Core::set_traps(Initiation& initiation) {
    const Connection& connection = *initiation.connection;
    if (connection.role != Role::peer || !connection.remote) return;
    const auto source =
        connection.local_address ? connection.local_address : host_->source_for(connection.remote->address);
    std::vector<child::KernelStep> steps;
    for (const ChildConfig& config : connection.children) {
        Trap& trap = initiation.traps[config.name];
        if (trap.number == 0) trap.number = fresh_number();
        if (config.start == Start::manual || config.clear_without_sa || trap.policies) continue;
        if (!source) {
            // Without a route there is no way in clear either; looked at again with the next attempt.
            initiation.traps_wait = true;
            continue;
        }
        child::PolicySet set;
        set.mode = config.mode;
        set.on_interface = !connection.interface.empty();
        if (set.on_interface) {
            if (!initiation.parked) {
                initiation.parked = link_of_peer(connection);
                initiation.parked->open = true;
                steps.emplace_back(child::OpenLink{initiation.parked->link});
            }
            set.link = initiation.parked->link.number;
            set.reqid = trap.number;
        } else {
            set.link = trap.number;
        }
        set.local = *source;
        set.peer = connection.remote->address;
        set.local_selectors = selectors_of(config.local, *source);
        set.remote_selectors = selectors_of(config.remote, connection.remote->address);
        steps.emplace_back(child::InstallPolicies{set});
        trap.policies = std::move(set);
    }
    if (!steps.empty()) submit(std::move(steps));
}

void Engine::Core::lift_traps(Initiation& initiation) {
    std::vector<child::KernelStep> steps;
    for (auto& [child_name, trap] : initiation.traps) {
        if (trap.policies) steps.emplace_back(child::RemovePolicies{*trap.policies});
        trap.policies.reset();
        numbers_.erase(trap.number);
    }
    initiation.traps.clear();
    if (!steps.empty()) submit(std::move(steps));
    close_parked(initiation);
}

// A packet that needs a Child SA: it is made unless it is being made. The packet is lost; its sender sends it again.
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

bool Engine::Core::park_link(IkeSa& sa) {
    Initiation* initiation = initiation_of(sa);
    const auto found = initiations_.find(sa.connection->name);
    if (!initiation && found != initiations_.end() && found->second.connection == sa.connection &&
        found->second.sa == 0)
        initiation = &found->second;
    if (!initiation || shutting_down_ || !initiation->wanted || !initiation->fails_closed()) return false;
    if (initiation->parked) return false;
    initiation->parked = std::move(sa.link);
    return true;
}

void Engine::Core::close_parked(Initiation& initiation) {
    if (!initiation.parked) return;
    numbers_.erase(initiation.parked->link.number);
    submit(child::CloseLink{initiation.parked->link});
    initiation.parked.reset();
}

} // namespace sheaf::ike
