// The end of an IKE SA, and its timers.

#include "lib/ike/bindings.h"
#include "lib/ike/groups.h"

#include <algorithm>
#include <functional>

namespace sheaf::ike {

using wire::Payload;

namespace {

constexpr Duration kLasting = std::chrono::seconds(10);
// What a peer can make us authenticate anew at the most often.
constexpr Duration kShortestLifetime = std::chrono::seconds(20);

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
    case DownReason::expired: return "expired";
    case DownReason::moved: return "moved";
    }
    return "unknown";
}

std::string_view name(const State& state) {
    return std::visit(
        Overloaded{
            [](const Connecting&) { return "connecting"; }, [](const HalfOpen&) { return "half-open"; },
            [](const Authenticating&) { return "authenticating"; },
            [](const Assigning&) { return "assigning"; }, [](const Installing&) { return "installing"; },
            [](const Established&) { return "established"; }, [](const Deleting&) { return "deleting"; }},
        state);
}

SaName IkeSa::name() const {
    return {our_spi(), connection->name, path.peer, peer_id ? peer_id->to_string() : std::string()};
}

void Engine::Core::set_state(IkeSa& sa, State next) { sa.state = std::move(next); }

// Whoever has not authenticated counts, until it has or is forgotten.
void Engine::Core::set_unproved(IkeSa& sa, bool unproved) {
    if (sa.unproved == unproved) return;
    sa.unproved = unproved;
    const Prefix source = source_of(sa.init_peer.address);
    if (unproved) {
        ++half_open_;
        ++half_open_from_[source];
        return;
    }
    --half_open_;
    if (--half_open_from_[source] == 0) half_open_from_.erase(source);
}

// Evenly below `most`, so that what was made at once is not renewed at once.
Duration Engine::Core::jittered(Duration most) {
    if (most <= Duration::zero()) return Duration::zero();
    return Duration(static_cast<Duration::rep>(random_->u64() % static_cast<std::uint64_t>(most.count())));
}

Instant Engine::Core::due(const IkeSa& sa) const {
    Instant at = std::min(sa.expires, keepalive_due(sa));
    for (const Outstanding& request : sa.outstanding)
        at = std::min(at, request.due);
    if (const auto* half_open = sa.in<HalfOpen>()) at = std::min(at, half_open->expires);
    if (const auto* assigning = sa.in<Assigning>()) at = std::min(at, assigning->expires);
    if (const auto* deleting = sa.in<Deleting>()) at = std::min(at, deleting->expires);
    if (sa.link) at = std::min(at, sa.link->again);
    for (const auto& [when, wanted] : sa.later)
        at = std::min(at, when);
    for (const ChildSa& child : sa.children)
        at = std::min({at, child.rekey_at, child.activates, child.expires});
    if (!sa.in<Established>() || sa.standing != Standing::current) return at;
    at = std::min({at, sa.rekey_at, sa.reauth_at, sa.authenticated_until});
    const Duration liveness = liveness_of(sa);
    if (liveness > Duration::zero() && sa.outstanding.empty()) at = std::min(at, sa.last_heard + liveness);
    return at;
}

void Engine::Core::arm(IkeSa& sa) {
    bindings_->touch(sa);
    const Instant at = due(sa);
    if (at >= sa.armed) return;
    sa.armed = at;
    timers_.arm(at, sa.our_spi());
}

// One thing that is due at a time: each may end the IKE SA. The next look finds the others.
void Engine::Core::look_at(Instant now, IkeSa& sa) {
    if (due(sa) > now) return arm(sa);
    for (Outstanding& request : sa.outstanding) {
        if (request.due <= now) return retransmit(now, sa, request);
    }
    if (const auto* half_open = sa.in<HalfOpen>(); half_open && half_open->expires <= now) {
        ++counters_.refused.at(static_cast<std::size_t>(Rule::half_open_timeout));
        return erase(sa);
    }
    if (const auto* assigning = sa.in<Assigning>(); assigning && assigning->expires <= now)
        return finish_assigning(now, sa, {assigning->demand, {}, "nobody gave it any address in time"});
    if (const auto* deleting = sa.in<Deleting>(); deleting && deleting->expires <= now) return erase(sa);
    if (sa.expires <= now) return expire(now, sa);
    if (sa.link && sa.link->again <= now) {
        settle_ways(sa);
        return arm(sa);
    }
    if (keepalive_due(sa) <= now) return keep_mapping(now, sa);
    const auto later =
        std::ranges::find_if(sa.later, [now](const auto& entry) { return entry.first <= now; });
    if (later != sa.later.end()) {
        const Want wanted = std::move(later->second);
        sa.later.erase(later);
        return want(now, sa, wanted);
    }
    if (!look_at_children(now, sa) && sa.in<Established>() && sa.standing == Standing::current)
        renew(now, sa);
    arm(sa);
}

// Rekeying, reauthentication, liveness: what a living IKE SA has to do in time.
void Engine::Core::renew(Instant now, IkeSa& sa) {
    if (sa.authenticated_until <= now) {
        close(now, sa, DownReason::expired, "the client did not authenticate anew in time");
    } else if (sa.reauth_at <= now) {
        sa.reauth_at = Instant::max();
        if (Initiation* initiation = initiation_of(sa)) return begin_again(now, *initiation, sa);
    } else if (sa.rekey_at <= now) {
        sa.rekey_at = Instant::max();
        want(now, sa, {Want::Kind::rekey_ike});
    } else if (sa.outstanding.empty()) {
        begin(now, sa, {Want::Kind::liveness});
    }
}

// RFC 4478 3: a responder tells for how long its peer's authentication holds; whoever began authenticates
// anew well before.
void Engine::Core::note_lifetime(Instant now, IkeSa& sa, Payloads payloads) {
    const wire::Notify* told = find_notify(payloads, wire::NotifyType::auth_lifetime);
    if (!told || !sa.began) return;
    std::uint32_t seconds = 0;
    for (const std::uint8_t octet : told->data)
        seconds = seconds << 8 | octet;
    const Duration lifetime = std::max<Duration>(std::chrono::seconds(seconds), kShortestLifetime);
    sa.reauth_at = std::min(sa.reauth_at, now + lifetime / 2 + jittered(lifetime / 4));
    arm(sa);
}

// The same on the responder's side: what has not been authenticated anew by then, and some more, ends.
void Engine::Core::limit_authentication(Instant now, IkeSa& sa, Duration lifetime) {
    sa.authenticated_until = std::min(sa.authenticated_until, now + lifetime + lifetime / 4);
}

// True if something was done.
bool Engine::Core::look_at_children(Instant now, IkeSa& sa) {
    for (ChildSa& child : sa.children) {
        if (child.expires <= now) {
            if (child.state == ChildState::draining) {
                remove_child(now, sa, child.id.spi_in, false);
            } else {
                // Whoever should have deleted it has not.
                child.expires = Instant::max();
                want(now, sa, {Want::Kind::delete_child, {}, child.id.spi_in});
            }
            return true;
        }
        if (child.activates <= now) {
            activate_outbound(child);
            return true;
        }
        if (child.rekey_at <= now) {
            rekey_child(now, sa, child);
            return true;
        }
    }
    return false;
}

void Engine::Core::expire(Instant now, IkeSa& sa) {
    sa.expires = Instant::max();
    if (sa.standing != Standing::current) return retire(now, sa);
    if (!sa.in<Established>())
        return drop(now, sa, DownReason::failed, "the authentication was not finished in time");
    const bool replaced = std::ranges::any_of(others_of_peer(sa), [&](wire::Spi spi) {
        const IkeSa* other = find(spi);
        return other && other->in<Established>() && other->connection == sa.connection;
    });
    close(now, sa, replaced ? DownReason::replaced : DownReason::expired,
          replaced ? "the peer authenticated anew" : "the IKE SA could not be rekeyed in time");
}

void Engine::Core::close(Instant now, IkeSa& sa, DownReason reason, const std::string& detail) {
    if (sa.in<Deleting>()) return;
    if (sa.standing != Standing::current) return retire(now, sa); // nothing hangs on it
    // Nothing to tell where the peer has no authenticated IKE SA with us.
    const bool told = sa.in<Assigning>() || sa.in<Installing>() || sa.in<Established>() ||
                      (sa.in<Authenticating>() && sa.outstanding.empty());
    if (!told) return drop(now, sa, reason, detail);
    // A rekeying of the peer's that is not decided yet is a second IKE SA to the peer.
    if (IkeSa* heir = sa.theirs && sa.standing == Standing::current ? find(sa.theirs->spi) : nullptr) {
        heir->standing = Standing::redundant;
        retire(now, *heir);
    }
    sa.theirs.reset();
    std::optional<std::uint32_t> unanswered; // IKE_AUTH
    if (const auto* assigning = sa.in<Assigning>()) unanswered = assigning->message_id;
    if (const auto* installing = sa.in<Installing>(); installing && !sa.initiator)
        unanswered = installing->message_id;
    report_down(now, sa, reason, detail);
    leave_kernel(now, sa);
    sa.wanted.clear();
    sa.later.clear();
    sa.rekey_at = sa.reauth_at = sa.expires = sa.authenticated_until = Instant::max();
    if (unanswered) {
        // The peer waits for the answer to IKE_AUTH: that it is refused says all.
        send_response(now, sa, wire::ExchangeType::ike_auth, *unanswered,
                      std::vector<Payload>{notify(wire::NotifyType::authentication_failed)});
        set_state(sa, Deleting{now + config_.limits.half_open_timeout});
        return arm(sa);
    }
    set_state(sa, Deleting{Instant::max()});
    want(now, sa, {Want::Kind::delete_ike});
}

void Engine::Core::drop(Instant now, IkeSa& sa, DownReason reason, const std::string& detail) {
    // A rekeying of the peer's that was not decided yet goes with what it was to replace.
    const wire::Spi heir = sa.theirs && sa.standing == Standing::current ? sa.theirs->spi : 0;
    if (!sa.in<Deleting>() && sa.standing == Standing::current) report_down(now, sa, reason, detail);
    leave_kernel(now, sa);
    erase(sa);
    if (IkeSa* orphan = find(heir)) erase(*orphan);
}

// Another IKE SA that the same authentication carries.
IkeSa* Engine::Core::other_of_login(const IkeSa& sa) {
    for (IkeSa* other : family_of(sa)) {
        if (other != &sa && other->in<Established>()) return other;
    }
    return nullptr;
}

void Engine::Core::report_down(Instant now, IkeSa& sa, DownReason reason, const std::string& detail) {
    wake_paths(now, sa);
    groups_->on_down(now, sa, reason);
    Initiation* initiation = initiation_of(sa);
    if (initiation) {
        if (initiation->before == sa.our_spi()) {
            // The attempt to replace it goes on; its clones are what there is until then.
            const IkeSa* other = other_of_login(sa);
            initiation->before = other ? other->our_spi() : 0;
        } else {
            // An attempt to authenticate anew has failed: the IKE SA from before goes on, and tries again.
            initiation->sa = std::exchange(initiation->before, 0);
            IkeSa* old = find(initiation->sa);
            if (!old)
                initiation->sa = 0;
            else
                old->reauth_at = now + std::chrono::minutes(1);
            if (old) arm(*old);
        }
    }
    // Another IKE SA with the same peer serves as well, whichever side began it.
    if (initiation && initiation->sa == 0) {
        for (const wire::Spi spi : others_of_peer(sa)) {
            const IkeSa* other = find(spi);
            const bool serves = other->in<Established>() && other->standing == Standing::current &&
                                other->connection == sa.connection &&
                                (other->began || !groups_->is_joined_by(*sa.connection));
            if (serves) initiation->sa = spi;
        }
        IkeSa* other = find(initiation->sa);
        if (other) other->reauth_at = std::min(other->reauth_at, sa.reauth_at);
        for (const ChildConfig& config : sa.connection->children) {
            // What only this one had is made on the other.
            if (other && initiation->wanted && config.start == Start::now)
                want_later(now, *other, {Want::Kind::create_child, config.name});
        }
    }
    // What lasted is no failure: the next attempt is made at once. What is lost as soon as it is up counts as
    // one.
    const auto* established = sa.in<Established>();
    if (initiation && established && now - established->since >= kLasting) initiation->failures = 0;
    const bool again =
        initiation && initiation->sa == 0 && initiation->wanted && initiation->lasting() && !shutting_down_;
    if (!sa.in<HalfOpen>()) tell(IkeDown{sa.name(), reason, detail, again});
    if (initiation && initiation->sa == 0) retry(now, *initiation, reason, detail);
}

void Engine::Core::erase(IkeSa& sa) {
    const wire::Spi spi = sa.our_spi();
    bindings_->touch(sa);
    if (Initiation* initiation = has_uplinks(sa) ? initiation_for(sa) : nullptr)
        initiation->paths.due = Instant::min();
    if (sa.family && sa.standing == Standing::current) sa.family->full = false;
    set_unproved(sa, false);
    if (const auto* telling = under_way<TellingGroup>(sa)) groups_->on_abandoned(sa, *telling);
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
    forget_methods();
}

std::vector<wire::Spi> Engine::Core::others_of_peer(const IkeSa& sa) const {
    std::vector<wire::Spi> out;
    if (!sa.peer_id) return out;
    const auto [first, last] = by_peer_.equal_range(peer_hash(*sa.peer_id));
    for (auto entry = first; entry != last; ++entry) {
        const auto other = sas_.find(entry->second);
        if (other == sas_.end() || other->second.get() == &sa || other->second->peer_id != sa.peer_id)
            continue;
        if (other->second->connection->local_id == sa.connection->local_id) out.push_back(entry->second);
    }
    return out;
}

void Engine::Core::drop_others_of_peer(Instant now, const IkeSa& sa) {
    const Uniqueness uniqueness = sa.connection->uniqueness;
    if (uniqueness == Uniqueness::many || uniqueness == Uniqueness::share) return;
    for (const wire::Spi spi : others_of_peer(sa)) {
        IkeSa* old = find(spi);
        if (!old || old->connection->name != sa.connection->name) continue;
        // What we have begun just now crossed the peer's: it said so before it knew.
        const auto* established = old->in<Established>();
        if (old->began && established && now - established->since < kReplacedStays) continue;
        drop(now, *old, DownReason::replaced, "the peer began anew");
    }
}

} // namespace sheaf::ike
