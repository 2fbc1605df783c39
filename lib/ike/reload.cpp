// Another configuration: what is unchanged keeps its SAs.

#include "lib/ike/bindings.h"
#include "lib/ike/groups.h"

#include <algorithm>

namespace sheaf::ike {

namespace {

Connection without_addresses(Connection connection) {
    connection.pools.clear();
    connection.dns.clear();
    connection.dns_domains.clear();
    connection.block_with_address = true;
    if (connection.home_service) connection.home_service->entries.clear();
    return connection;
}

} // namespace

void Engine::Core::reload(Instant now, Config config) {
    std::vector<ConnectionPtr> next;
    std::vector<wire::Spi> doomed, renumbered;
    for (const Connection& connection : config.connections) {
        const auto same =
            std::ranges::find_if(connections_, [&](const ConnectionPtr& old) { return *old == connection; });
        next.push_back(same != connections_.end() ? *same : std::make_shared<const Connection>(connection));
        if (same != connections_.end()) continue;
        for (const wire::Spi spi : take_new_addresses(next.back()))
            renumbered.push_back(spi);
    }
    const bool pools_changed = config.pools != config_.pools;
    connections_ = std::move(next);
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
        if (!bindings_->fits(sa)) return false;
        // The links of a gateway share one interface; it cannot have two names.
        return !sa.share || sa.connection->role != Role::gateway ||
               sa.link->link.interface == config_.gateway_interface;
    };
    for (const auto& [spi, sa] : sas_) {
        if (!kept(*sa))
            doomed.push_back(spi);
        else if (pools_changed && has_old_blocks(*sa))
            renumbered.push_back(spi);
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
    for (const wire::Spi spi : renumbered) {
        if (IkeSa* sa = find(spi)) renumber(now, *sa);
    }
    for (auto& [connection_name, initiation] : gone) {
        initiation.wanted = false;
        lift_traps(initiation);
    }
    for (auto& [connection_name, initiation] : initiations_)
        set_traps(now, initiation);
    groups_->reload(now);
    bindings_->reload(now);
    forget_methods();
}

// A connection that gives other addresses is the same one: its IKE SAs stay, and get those with their next
// authentication. Answers which those are.
std::vector<wire::Spi> Engine::Core::take_new_addresses(const ConnectionPtr& next) {
    std::vector<wire::Spi> out;
    const auto old = std::ranges::find_if(connections_, [&](const ConnectionPtr& other) {
        const bool gives = other->role == Role::gateway || other->role == Role::home_agent;
        return gives && without_addresses(*other) == without_addresses(*next);
    });
    if (old == connections_.end()) return out;
    for (const auto& [spi, sa] : sas_) {
        if (sa->connection != *old || !bindings_->may_keep(*sa, *next)) continue;
        for (ChildSa& child : sa->children) {
            const ChildConfig* config = is_on_link(*sa, child) ? nullptr : child_config(*next, child.name);
            child.terms = config ? &config->terms : &next->child;
        }
        sa->connection = next;
        if (next->role == Role::gateway && (*old)->pools != next->pools) out.push_back(spi);
    }
    return out;
}

// Whether a client has what its connection does not give any more.
bool Engine::Core::has_old_blocks(const IkeSa& sa) const {
    return sa.share && std::ranges::any_of(sa.share->grants, [&](const address::Grant& grant) {
               return !is_given(grant, *sa.connection, config_.pools);
           });
}

// RFC 5739 4.1, RFC 4478: other prefixes come with another authentication, in which the client keeps its link
// and what it had before until it has let go of it.
void Engine::Core::renumber(Instant now, IkeSa& sa) {
    if (!sa.in<Established>() || sa.superseded) return;
    limit_authentication(now, sa, kRenumberTime);
    want(now, sa, {Want::Kind::tell_lifetime});
}

// Those that no authentication under way needs any more.
void Engine::Core::forget_methods() {
    if (retired_methods_.empty()) return;
    const bool needed =
        std::ranges::any_of(sas_, [](const auto& entry) { return entry.second->authenticator != nullptr; });
    if (!needed) retired_methods_.clear();
}

} // namespace sheaf::ike
