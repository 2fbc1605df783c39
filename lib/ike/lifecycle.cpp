// The end of an IKE SA, its timers, its kernel state, and clients that come back.

#include "lib/ike/core.h"

#include <algorithm>
#include <functional>

namespace sheaf::ike {

using wire::Payload;

namespace {

constexpr Duration kFirstRetry = std::chrono::seconds(1);
constexpr Duration kLongestRetry = std::chrono::seconds(60);
constexpr Duration kLasting = std::chrono::seconds(10);

template <typename... Handlers>
struct Overloaded : Handlers... {
    using Handlers::operator()...;
};

} // namespace

std::uint64_t peer_hash(const auth::Identity& identity) {
    const auto& data = identity.data;
    const std::string octets(data.begin(), data.end());
    return std::hash<std::string>{}(octets) ^ static_cast<std::uint64_t>(identity.type);
}

std::string_view name(DownReason reason) {
    switch (reason) {
    case DownReason::command: return "command";
    case DownReason::deleted_by_peer: return "deleted_by_peer";
    case DownReason::peer_silent: return "peer_silent";
    case DownReason::replaced: return "replaced";
    case DownReason::failed: return "failed";
    case DownReason::shutdown: return "shutdown";
    case DownReason::kernel: return "kernel";
    }
    return "unknown";
}

std::string_view name(const State& state) {
    return std::visit(Overloaded{[](const Connecting&) { return "connecting"; },
                                 [](const HalfOpen&) { return "half-open"; },
                                 [](const Authenticating&) { return "authenticating"; },
                                 [](const Installing&) { return "installing"; },
                                 [](const Established&) { return "established"; },
                                 [](const Deleting&) { return "deleting"; }},
                      state);
}

SaName IkeSa::name() const {
    return {our_spi(), connection->name, path.peer, peer_id ? peer_id->to_string() : std::string()};
}

void Engine::Core::set_state(IkeSa& sa, State next) {
    if (sa.in<HalfOpen>()) --half_open_;
    sa.state = std::move(next);
    if (sa.in<HalfOpen>()) ++half_open_;
}

Instant Engine::Core::due(const IkeSa& sa) const {
    Instant at = Instant::max();
    if (sa.outstanding) at = std::min(at, sa.outstanding->due);
    if (const auto* half_open = sa.in<HalfOpen>()) at = std::min(at, half_open->expires);
    if (const auto* deleting = sa.in<Deleting>()) at = std::min(at, deleting->expires);
    const Duration liveness = sa.connection->liveness;
    if (sa.in<Established>() && liveness > Duration::zero() && !sa.outstanding)
        at = std::min(at, sa.last_heard + liveness);
    return at;
}

void Engine::Core::arm(IkeSa& sa) {
    const Instant at = due(sa);
    if (at >= sa.armed) return;
    sa.armed = at;
    timers_.arm(at, sa.our_spi());
}

void Engine::Core::look_at(Instant now, IkeSa& sa) {
    if (due(sa) > now) return arm(sa);
    if (sa.outstanding && sa.outstanding->due <= now) return retransmit(now, sa);
    if (const auto* half_open = sa.in<HalfOpen>(); half_open && half_open->expires <= now) {
        ++counters_.refused.at(static_cast<std::size_t>(Rule::half_open_timeout));
        return erase(sa);
    }
    if (const auto* deleting = sa.in<Deleting>(); deleting && deleting->expires <= now) return erase(sa);
    if (sa.in<Established>()) return probe_liveness(now, sa);
    arm(sa);
}

void Engine::Core::close(Instant now, IkeSa& sa, DownReason reason, const std::string& detail) {
    if (sa.in<Deleting>()) return;
    // Nothing to tell where the peer has no authenticated IKE SA with us.
    const bool told =
        sa.in<Installing>() || sa.in<Established>() || (sa.in<Authenticating>() && !sa.outstanding);
    if (!told) return drop(now, sa, reason, detail);
    const bool unanswered = !sa.initiator && sa.in<Installing>();
    leave_kernel(sa);
    report_down(now, sa, reason, detail);
    if (unanswered) {
        // The peer waits for the answer to IKE_AUTH: that it is refused says all.
        send_response(sa, wire::ExchangeType::ike_auth, 1,
                      std::vector<Payload>{notify(Rule::authentication_failed)});
        set_state(sa, Deleting{now + config_.limits.half_open_timeout});
        return arm(sa);
    }
    set_state(sa, Deleting{Instant::max()});
    if (sa.outstanding) {
        sa.delete_wanted = true;
    } else {
        send_delete(now, sa);
    }
}

void Engine::Core::send_delete(Instant now, IkeSa& sa) {
    sa.delete_wanted = false;
    send_request(now, sa, wire::ExchangeType::informational,
                 std::vector<Payload>{wire::Delete{wire::Protocol::ike, {}}});
}

void Engine::Core::drop(Instant now, IkeSa& sa, DownReason reason, const std::string& detail) {
    leave_kernel(sa);
    if (!sa.in<Deleting>()) report_down(now, sa, reason, detail);
    erase(sa);
}

void Engine::Core::report_down(Instant now, IkeSa& sa, DownReason reason, const std::string& detail) {
    Client* client = client_of(sa);
    if (client) client->sa = 0;
    // What lasted is no failure: the next attempt is made at once. What is lost as soon as it is up counts as one.
    const auto* established = sa.in<Established>();
    if (client && established && now - established->since >= kLasting) client->failures = 0;
    const bool retrying = client && client->wanted && client->connection->start && !shutting_down_;
    if (!sa.in<HalfOpen>()) tell(IkeDown{sa.name(), reason, detail, retrying});
    if (client) retry(now, *client, reason, detail);
}

void Engine::Core::retry(Instant now, Client& client, DownReason reason, const std::string& detail) {
    client.last_error = detail.empty() ? std::string(name(reason)) : detail;
    if (!client.wanted || shutting_down_) return;
    if (!client.connection->start) {
        client.wanted = false;
        return;
    }
    // A connection that was up is tried again at once; attempts that fail one after the other wait ever
    // longer.
    const unsigned doublings = std::min(client.failures, 10U);
    const Duration wait = client.failures == 0
                              ? Duration::zero()
                              : std::min(kLongestRetry, kFirstRetry * (1 << (doublings - 1)));
    ++client.failures;
    client.next_attempt = now + wait;
}

void Engine::Core::erase(IkeSa& sa) {
    const wire::Spi spi = sa.our_spi();
    if (sa.in<HalfOpen>()) --half_open_;
    if (!sa.initiator) {
        const auto init = by_init_.find({sa.spi_i, sa.init_peer});
        if (init != by_init_.end() && init->second == spi) by_init_.erase(init);
    }
    if (sa.peer_id) {
        const auto [first, last] = by_peer_.equal_range(peer_hash(*sa.peer_id));
        const auto found =
            std::find_if(first, last, [spi](const auto& entry) { return entry.second == spi; });
        if (found != last) by_peer_.erase(found);
    }
    sas_.erase(spi);
}

void Engine::Core::drop_others_of_peer(Instant now, const IkeSa& sa) {
    std::vector<wire::Spi> dead;
    const auto [first, last] = by_peer_.equal_range(peer_hash(*sa.peer_id));
    for (auto entry = first; entry != last; ++entry) {
        const IkeSa* other = find(entry->second);
        if (other && other != &sa && other->peer_id == sa.peer_id) dead.push_back(entry->second);
    }
    for (const wire::Spi spi : dead) {
        if (IkeSa* old = find(spi)) drop(now, *old, DownReason::replaced, "the peer began anew");
    }
}

child::IntentId Engine::Core::submit(std::vector<child::KernelStep> steps, wire::Spi sa) {
    const child::IntentId id = ++last_intent_;
    intents_.emplace(id, sa);
    out_.intents.push_back({id, std::move(steps)});
    return id;
}

void Engine::Core::install(IkeSa& sa, auth::Verified peer, crypto::ChildKeys keys, ChildSa child,
                           std::vector<Payload> reply, std::vector<Payload> otherwise) {
    auto& to_peer = sa.initiator ? keys.initiator_to_responder : keys.responder_to_initiator;
    auto& from_peer = sa.initiator ? keys.responder_to_initiator : keys.initiator_to_responder;
    child::InstallSas sas;
    sas.id = child.id;
    sas.udp_encapsulation = child.udp_encapsulation;
    sas.role = sa.initiator ? child::LinkRole::client : child::LinkRole::gateway;
    sas.suite = child.suite;
    sas.in = {std::move(from_peer.encr), std::move(from_peer.integ)};
    sas.out = {std::move(to_peer.encr), std::move(to_peer.integ)};
    std::vector<child::KernelStep> steps;
    steps.emplace_back(child::OpenLink{sa.link->link});
    steps.emplace_back(std::move(sas));
    steps.emplace_back(child::InstallPolicies{child.policies()});
    by_child_spi_.emplace(child.id.spi_in, sa.our_spi());
    sa.children.push_back(std::move(child));
    const child::IntentId intent = submit(std::move(steps), sa.our_spi());
    set_state(sa, Installing{std::move(peer), intent, std::move(reply), std::move(otherwise)});
    arm(sa);
}

// Takes all that belongs to the IKE SA out of the kernel, in the reverse order of its installation.
void Engine::Core::leave_kernel(IkeSa& sa) {
    std::vector<child::KernelStep> steps;
    for (const ChildSa& child : sa.children) {
        steps.emplace_back(child::RemovePolicies{child.policies()});
        steps.emplace_back(child::RemoveSas{child.id});
        by_child_spi_.erase(child.id.spi_in);
        if (child.installed) tell(ChildDown{sa.name(), child.id.spi_in, child.id.spi_out});
    }
    sa.children.clear();
    if (sa.link) {
        if (!steps.empty()) steps.emplace_back(child::CloseLink{sa.link->link});
        links_.erase(sa.link->link.number);
        sa.link.reset();
    }
    if (!steps.empty()) submit(std::move(steps), 0);
}

void Engine::Core::on_intent_done(Instant now, const child::IntentDone& done) {
    const auto found = intents_.find(done.id);
    if (found == intents_.end()) return;
    IkeSa* sa = find(found->second);
    intents_.erase(found);
    if (done.error) ++counters_.refused.at(static_cast<std::size_t>(Rule::kernel_refused));
    const auto* installing = sa ? sa->in<Installing>() : nullptr;
    if (!installing || installing->intent != done.id) {
        if (done.error) tell(Refused{Rule::kernel_refused, {}, 0, *done.error});
        return;
    }
    if (!done.error) {
        if (Client* client = client_of(*sa)) {
            client->last_error.clear();
        }
        return finish_auth(now, *sa, true);
    }
    tell(Refused{Rule::kernel_refused, sa->path.peer, sa->our_spi(), *done.error});
    // The kernel has undone what it did of the intent: nothing is to be removed.
    for (const ChildSa& child : sa->children)
        by_child_spi_.erase(child.id.spi_in);
    sa->children.clear();
    if (sa->link) links_.erase(sa->link->link.number);
    sa->link.reset();
    if (sa->initiator) return close(now, *sa, DownReason::kernel, *done.error);
    finish_auth(now, *sa, false);
}

void Engine::Core::lose_child(Instant now, const IpAddress& destination, wire::ChildSpi spi,
                              const std::string& why) {
    const auto found = by_child_spi_.find(spi);
    if (found == by_child_spi_.end()) return;
    IkeSa* sa = find(found->second);
    if (sa && sa->in<Established>() && sa->path.local.address == destination)
        close(now, *sa, DownReason::kernel, why);
}

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
    keys_ = auth::KeyRing(config.secrets);
    config_ = std::move(config);
    const auto kept = [&](const IkeSa& sa) {
        if (std::ranges::find(connections_, sa.connection) == connections_.end()) return false;
        if (!sa.link) return true;
        // The links of a gateway share one interface; it cannot have two names.
        if (!sa.initiator && sa.link->link.interface != config_.gateway_interface) return false;
        if (!pools_changed) return true;
        return std::ranges::all_of(sa.link->leases, [](const address::Lease& lease) { return lease.held(); });
    };
    std::vector<wire::Spi> doomed;
    for (const auto& [spi, sa] : sas_) {
        if (!kept(*sa)) doomed.push_back(spi);
    }
    // Clients first, so that those whose connection is gone or new do not try to come back with the old one.
    std::map<std::string, Client> clients;
    for (const ConnectionPtr& connection : connections_) {
        if (connection->role != Role::client) continue;
        const auto old = clients_.find(connection->name);
        if (old != clients_.end() && old->second.connection == connection) {
            clients.emplace(connection->name, std::move(old->second));
            continue;
        }
        clients.emplace(connection->name, Client(connection, now));
    }
    clients_ = std::move(clients);
    for (const wire::Spi spi : doomed) {
        if (IkeSa* sa = find(spi)) close(now, *sa, DownReason::command, "the configuration changed");
    }
}

} // namespace sheaf::ike
