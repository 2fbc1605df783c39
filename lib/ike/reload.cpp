// Another configuration: what is unchanged keeps its SAs.

#include "lib/ike/core.h"

#include <algorithm>

namespace sheaf::ike {

void Engine::Core::reload(Instant now, Config config) {
    std::vector<ConnectionPtr> next;
    for (const Connection& connection : config.connections) {
        const auto same =
            std::ranges::find_if(connections_, [&](const ConnectionPtr& old) { return *old == connection; });
        next.push_back(same != connections_.end() ? *same : std::make_shared<const Connection>(connection));
    }
    const bool pools_changed = config.pools != config_.pools;
    connections_ = std::move(next);
    pools_.update(config.pools);
    // Authenticators of attempts that are under way hang on the methods that made them.
    retired_methods_.push_back(std::move(methods_));
    methods_ = make_methods_(std::move(config.credentials));
    config_ = std::move(config);
    // Those that have not begun to prove themselves do it with the new credentials.
    for (const auto& [spi, sa] : sas_) {
        const auto* half_open = sa->in<HalfOpen>();
        if (sa->in<Connecting>() || (half_open && half_open->first_auth.empty()))
            sa->authenticator = methods_->authenticator(sa->connection->auth);
    }
    const auto kept = [&](const IkeSa& sa) {
        if (std::ranges::find(connections_, sa.connection) == connections_.end()) return false;
        // A peer whose credential is gone is a stranger.
        if (sa.peer_id && !methods_->knows(sa.connection->auth, *sa.peer_id)) return false;
        if (!sa.link) return true;
        // The links of a gateway share one interface; it cannot have two names.
        if (sa.connection->role == Role::gateway && sa.link->link.interface != config_.gateway_interface)
            return false;
        if (!pools_changed) return true;
        return std::ranges::all_of(sa.link->leases, [](const address::Lease& lease) { return lease.held(); });
    };
    std::vector<wire::Spi> doomed;
    for (const auto& [spi, sa] : sas_) {
        if (!kept(*sa)) doomed.push_back(spi);
    }
    // Initiations first, so that those whose connection is gone or new do not try to come back with the old
    // one.
    std::map<std::string, Initiation> initiations;
    for (const ConnectionPtr& connection : connections_) {
        if (!may_begin(*connection)) continue;
        const auto old = initiations_.find(connection->name);
        if (old != initiations_.end() && old->second.connection == connection) {
            initiations.emplace(connection->name, std::move(old->second));
            initiations_.erase(old);
            continue;
        }
        initiations.emplace(connection->name, Initiation(connection, now));
    }
    auto gone = std::exchange(initiations_, std::move(initiations));
    for (const wire::Spi spi : doomed) {
        if (IkeSa* sa = find(spi)) close(now, *sa, DownReason::command, "the configuration changed");
    }
    for (auto& [connection_name, initiation] : gone) {
        initiation.wanted = false;
        lift_traps(initiation);
    }
    for (auto& [connection_name, initiation] : initiations_)
        set_traps(now, initiation);
    forget_methods();
}

// Those that no authentication under way needs any more.
void Engine::Core::forget_methods() {
    if (retired_methods_.empty()) return;
    const bool needed =
        std::ranges::any_of(sas_, [](const auto& entry) { return entry.second->authenticator != nullptr; });
    if (!needed) retired_methods_.clear();
}

} // namespace sheaf::ike
