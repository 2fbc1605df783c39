// Child SAs in the kernel.

#include "lib/ike/bindings.h"
#include "lib/ike/groups.h"

#include <algorithm>

namespace sheaf::ike {

namespace {

// How long an inbound SAD entry stays after its Child SA was replaced: for what is on its way, and what
// queues keep.
constexpr Duration kDrain = std::chrono::seconds(5);

// RFC 4301 4.4.2.1: what is not rekeyed ends when a quarter more is used up.
template <typename T>
T with_quarter(T value) {
    return value + value / 4;
}

void shed(ChildSa& child, std::vector<child::KernelStep>& steps) {
    if (std::exchange(child.policies, false)) steps.emplace_back(child::RemovePolicies{child.policy_set()});
    child.outbound.reset();
    const bool in = std::exchange(child.in, false), out = std::exchange(child.out, false);
    if (in && out)
        steps.emplace_back(child::RemoveSas{child.id, child::Directions::both});
    else if (in)
        steps.emplace_back(child::RemoveSas{child.id, child::Directions::in});
    else if (out)
        steps.emplace_back(child::RemoveSas{child.id, child::Directions::out});
}

} // namespace

std::string_view name(ChildState state) {
    switch (state) {
    case ChildState::installing: return "installing";
    case ChildState::live: return "live";
    case ChildState::deleting: return "deleting";
    case ChildState::doomed: return "deleting";
    case ChildState::draining: return "draining";
    }
    return "unknown";
}

ChildSa* Engine::Core::find_child(IkeSa& sa, wire::ChildSpi spi_in) {
    const auto found =
        std::ranges::find_if(sa.children, [spi_in](const ChildSa& c) { return c.id.spi_in == spi_in; });
    return found == sa.children.end() ? nullptr : &*found;
}

ChildSa* Engine::Core::find_child_by_peer(IkeSa& sa, wire::ChildSpi spi_out) {
    const auto found = std::ranges::find_if(sa.children, [spi_out](const ChildSa& c) {
        return c.id.spi_out == spi_out && c.state < ChildState::doomed;
    });
    return found == sa.children.end() ? nullptr : &*found;
}

std::pair<IkeSa*, ChildSa*> Engine::Core::find_child(wire::ChildSpi spi_in) {
    const auto found = by_child_spi_.find(spi_in);
    IkeSa* sa = found == by_child_spi_.end() ? nullptr : find(found->second);
    return {sa, sa ? find_child(*sa, spi_in) : nullptr};
}

ChildSa Engine::Core::child_of(IkeSa& sa, const ChildMatch& match) {
    if (match.use) return bindings_->child_of(sa, *match.use, *match.terms);
    return child_of(sa, match.name, *match.terms, match.mode, match.on_link);
}

ChildSa Engine::Core::child_of(IkeSa& sa, const std::string& child_name, const ChildTerms& terms,
                               child::Mode mode, bool on_link) {
    ChildSa out;
    out.name = child_name;
    out.terms = &terms;
    out.mode = mode;
    out.id.local = sa.esp_path().local;
    out.id.peer = sa.esp_path().peer;
    out.udp_encapsulation = sa.esp_path().encapsulated();
    if (on_link) {
        out.id.link = way_of(sa);
        // Policies find their SAs by this number, so a second Child SA on the link needs one of its own.
        const bool second =
            std::ranges::any_of(sa.children, [&](const ChildSa& other) { return is_on_link(sa, other); });
        if (second) out.reqid = fresh_number();
        return out;
    }
    Initiation* initiation = initiation_for(sa);
    const Trap* trap = nullptr;
    if (initiation) {
        const auto entry = initiation->traps.find(child_name);
        if (entry != initiation->traps.end()) trap = &entry->second;
    }
    // A second Child SA of the same configuration, with other selectors, must not be found by the first one's
    // packets.
    const bool taken = trap && std::ranges::any_of(sa.children, [&](const ChildSa& other) {
                           return (other.on_interface ? other.reqid : other.id.link) == trap->number;
                       });
    const child::LinkNumber number = trap && !taken ? trap->number : fresh_number();
    out.on_interface = sa.connection->role == Role::peer && !sa.connection->interface.empty();
    if (out.on_interface) {
        if (!sa.link) sa.link = link_of_peer(*sa.connection, initiation);
        out.id.link = sa.link->link.number;
        out.reqid = number;
    } else {
        out.id.link = number;
    }
    return out;
}

ChildSa Engine::Core::successor_to(const IkeSa& sa, const ChildSa& old) const {
    ChildSa out;
    out.name = old.name;
    out.terms = old.terms;
    out.mode = old.mode;
    out.id.link = old.id.link;
    out.reqid = old.reqid;
    out.on_interface = old.on_interface;
    out.id.local = sa.esp_path().local;
    out.id.peer = sa.esp_path().peer;
    out.udp_encapsulation = sa.esp_path().encapsulated();
    out.rekeys = old.id.spi_in;
    out.use = old.use;
    if (!out.use) return out;
    out.id.local = old.id.local; // not where IKE is
    out.id.peer = old.id.peer;
    out.udp_encapsulation = false;
    return out;
}

child::SaLimits Engine::Core::limits_of(const ChildSa& child) const {
    const Lifetime& life = child.terms->lifetime;
    child::SaLimits limits;
    limits.hard_time = std::chrono::ceil<std::chrono::seconds>(with_quarter(life.time));
    limits.soft_bytes = life.bytes - random_->u64() % (life.bytes / 10 + 1);
    limits.hard_bytes = with_quarter(life.bytes);
    limits.soft_packets = life.packets - random_->u64() % (life.packets / 10 + 1);
    limits.hard_packets = with_quarter(life.packets);
    return limits;
}

void Engine::Core::set_lifetimes(Instant now, ChildSa& child) {
    const Duration life = child.terms->lifetime.time;
    child.since = now;
    if (life <= Duration::zero()) return;
    child.rekey_at = now + life - jittered(life / 10);
}

child::InstallSas Engine::Core::without_keys(const IkeSa& sa, const ChildSa& child) const {
    child::InstallSas out;
    out.id = child.id;
    out.reqid = child.reqid;
    out.mode = child.mode;
    out.on_interface = child.on_interface;
    out.udp_encapsulation = child.udp_encapsulation;
    const bool serves = sa.connection->role == Role::gateway || sa.connection->role == Role::home_agent;
    out.role = serves ? child::LinkRole::gateway : child::LinkRole::client;
    out.suite = child.suite;
    out.replay_window = child.terms->replay_window;
    out.limits = limits_of(child);
    out.outer = child.terms->outer;
    return out;
}

void Engine::Core::install(Instant now, IkeSa& sa, crypto::ChildKeys keys, ChildSa child,
                           const Opening& opening) {
    auto& to_peer = child.initiator ? keys.initiator_to_responder : keys.responder_to_initiator;
    auto& from_peer = child.initiator ? keys.responder_to_initiator : keys.initiator_to_responder;
    child::InstallSas sas = without_keys(sa, child);
    sas.in = {std::move(from_peer.encr), std::move(from_peer.integ)};
    sas.out = {std::move(to_peer.encr), std::move(to_peer.integ)};
    record_keys(sas);
    // RFC 7296 2.8: a responder must not send on what replaces another before the initiator can receive on
    // it.
    if (waits_for_peer(sa, child)) {
        sas.directions = child::Directions::in;
        child.outbound = without_keys(sa, child);
        child.outbound->directions = child::Directions::out;
        child.outbound->out = std::move(sas.out);
        sas.out = {};
    }
    const wire::ChildSpi spi = child.id.spi_in;
    Pending pending;
    pending.child = spi;
    auto steps = open_link(opening, pending);
    const bool opens_home = child.use && bindings_->open(sa, steps);
    steps.emplace_back(std::move(sas));
    if (!child.use) steps.emplace_back(child::InstallPolicies{child.policy_set()});
    set_lifetimes(now, child);
    by_child_spi_.emplace(spi, sa.our_spi());
    by_peer_spi_.emplace(child.id.spi_out, spi);
    sa.children.push_back(std::move(child));
    sa.children.back().intent = submit(std::move(steps), std::move(pending));
    if (opens_home) bindings_->opened(sa, sa.children.back().intent);
}

void Engine::Core::on_intent_done(Instant now, const child::IntentDone& done) {
    const auto found = intents_.find(done.id);
    if (found == intents_.end()) return;
    Pending pending = std::move(found->second);
    intents_.erase(found);
    const auto [sa, child] =
        find_child(pending.moves.empty() ? pending.child : pending.moves.front().before.spi_in);
    on_link_answered(now, pending, done.error.has_value());
    if (done.error) {
        ++counters_.refused.at(static_cast<std::size_t>(Rule::kernel_refused));
        tell(Refused{Rule::kernel_refused, sa ? sa->path.peer : Endpoint{}, sa ? sa->our_spi() : 0,
                     *done.error});
        if (!pending.traps_of.empty()) on_traps_refused(now, pending);
    } else if (!pending.afterwards.empty()) {
        submit(std::move(pending.afterwards));
    }
    groups_->on_intent_done(now, done);
    bindings_->on_intent_done(now, done);
    if (done.error) {
        for (const Pending::Move& move : pending.moves)
            on_move_refused(now, move, *done.error);
        // What cannot be sent on is of no use, though it listens.
        for (const wire::ChildSpi spi : pending.outbound) {
            const auto [owner, mute] = find_child(spi);
            if (!mute) continue;
            mute->out = false;
            if (mute->state == ChildState::live) child_lost(now, *owner, *mute, *done.error);
        }
    }
    const bool installs = pending.child != 0 && child && child->intent == done.id;
    if (!installs || child->state != ChildState::installing) return;
    if (done.error) return on_child_refused_by_kernel(now, *sa, *child, *done.error);
    child->in = true;
    child->out = !child->outbound;
    child->policies = !child->use;
    child->state = ChildState::live;
    if (sa->in<Installing>()) return finish_auth(now, *sa, true);
    on_child_installed(now, *sa, *child);
}

void Engine::Core::on_child_installed(Instant now, IkeSa& sa, ChildSa& child) {
    const wire::ChildSpi spi = child.id.spi_in;
    ChildSa* old = child.rekeys != 0 ? find_child(sa, child.rekeys) : nullptr;
    if (old) {
        tell(ChildRekeyed{sa.name(), child.name, child.rekeys, spi, child.id.spi_out, describe(child.suite)});
        (child.initiator ? old->ours : old->theirs) = Successor<wire::ChildSpi>{spi, child.lowest_nonce};
        if (child.initiator) old->rekeying = false;
    } else {
        tell_child_up(sa, child);
    }
    if (!child.initiator) answer_deferred(now, sa, spi, true);
    await_handover(now, sa, child);
    if (!old && child.rekeys != 0) {
        // What it was to replace is gone in the meantime: whatever waits for that need not wait.
        activate_outbound(child);
        // RFC 7296 2.8.1: the peer has deleted the old one after its own rekeying of it, which it therefore
        // prefers.
        if (child.initiator) {
            const bool twin = std::ranges::any_of(sa.children, [&](const ChildSa& other) {
                return other.id.spi_in != spi && other.rekeys == child.rekeys &&
                       other.state == ChildState::live;
            });
            if (twin) want(now, sa, {Want::Kind::delete_child, {}, spi});
        }
    } else if (old && child.initiator) {
        const bool unwanted = old->unwanted;
        decide(now, sa, *old);
        if (unwanted) want(now, sa, {Want::Kind::delete_child, {}, spi});
    } else if (old) {
        // Whoever replaces deletes; a peer that forgets to is helped in time.
        old->expires = std::min(old->expires, now + std::chrono::minutes(2));
    }
    settle_ways(sa);
    wake_paths(now, sa);
    serve(now, sa);
    arm(sa);
}

void Engine::Core::on_child_refused_by_kernel(Instant now, IkeSa& sa, ChildSa& child,
                                              const std::string& error) {
    // The kernel has undone what it did of the intent: nothing is to be removed.
    const wire::ChildSpi spi = child.id.spi_in;
    const bool initiator = child.initiator;
    const wire::ChildSpi rekeys = child.rekeys;
    const std::vector<std::string> lost{child.name};
    const bool on_link = is_on_link(sa, child);
    forget(sa, spi);
    if (on_link) forget_way(sa);
    if (sa.in<Installing>()) {
        if (sa.initiator && sa.connection->role != Role::peer)
            return close(now, sa, DownReason::kernel, error);
        drop_link(sa);
        const wire::Spi ike = sa.our_spi();
        finish_auth(now, sa, false);
        IkeSa* left = find(ike);
        if (initiator && left) want(now, *left, {Want::Kind::delete_child, {}, spi});
        return;
    }
    if (!initiator) {
        answer_deferred(now, sa, spi, false);
        return serve(now, sa);
    }
    // The peer believes in it.
    if (rekeys == 0 && on_link) path_refused(now, sa, error);
    if (ChildSa* old = find_child(sa, rekeys)) rekeying_failed(now, sa, *old);
    want(now, sa, {Want::Kind::delete_child, {}, spi});
    if (rekeys == 0 && !on_link) after_loss(now, sa, lost);
    if (ChildSa* old = find_child(sa, rekeys); old && old->state == ChildState::doomed)
        return end_doomed(now, sa, *old);
    serve(now, sa);
}

void Engine::Core::answer_deferred(Instant now, IkeSa& sa, wire::ChildSpi child, bool installed) {
    const auto found =
        std::ranges::find_if(sa.deferred, [child](const Deferred& d) { return d.child == child; });
    if (found == sa.deferred.end()) return;
    const Deferred deferred = std::move(*found);
    sa.deferred.erase(found);
    sa.answer_from = deferred.from;
    sa.answer_to = deferred.to;
    send_response(now, sa, wire::ExchangeType::create_child_sa, deferred.message_id,
                  installed ? deferred.reply : deferred.otherwise);
}

void Engine::Core::shed_outbound(ChildSa& child, std::vector<child::KernelStep>& steps) {
    child.outbound.reset();
    child.activates = Instant::max();
    if (std::exchange(child.out, false))
        steps.emplace_back(child::RemoveSas{child.id, child::Directions::out});
}

// An intent of its own: what is taken away at the same time goes, though this be refused.
void Engine::Core::activate_outbound(ChildSa& child) {
    child.activates = Instant::max();
    if (!child.outbound) return;
    child.out = true;
    submit(*std::exchange(child.outbound, std::nullopt));
}

void Engine::Core::remove_child(Instant now, IkeSa& sa, wire::ChildSpi spi_in, bool drain) {
    ChildSa* child = find_child(sa, spi_in);
    if (!child) return;
    std::vector<child::KernelStep> steps;
    if (drain && child->in) {
        Core::drain(now, *child, steps);
    } else {
        answer_deferred(now, sa, spi_in, false);
        take_out(*child, steps);
        forget(sa, spi_in);
    }
    if (!steps.empty()) submit(std::move(steps));
    settle_ways(sa);
    wake_paths(now, sa);
    arm(sa);
}

// Leaves the inbound entry alone, for a while.
void Engine::Core::drain(Instant now, ChildSa& child, std::vector<child::KernelStep>& steps) {
    if (child.state == ChildState::draining) return;
    shed_outbound(child, steps);
    if (std::exchange(child.policies, false)) steps.emplace_back(child::RemovePolicies{child.policy_set()});
    child.state = ChildState::draining;
    child.rekey_at = Instant::max();
    child.expires = now + kDrain;
}

// Removes what the kernel has of it, or, if it is still at work, will have.
void Engine::Core::take_out(ChildSa& child, std::vector<child::KernelStep>& steps) {
    const auto pending = child.state == ChildState::installing ? intents_.find(child.intent) : intents_.end();
    if (pending == intents_.end()) return shed(child, steps);
    child.in = true;
    child.policies = !child.use;
    child.out = !child.outbound;
    shed(child, pending->second.afterwards);
}

void Engine::Core::delete_child(Instant now, IkeSa& sa, const Want& wanted) {
    if (ChildSa* child = find_child(sa, wanted.spi)) {
        if (child->state >= ChildState::doomed) return;
        // RFC 7296 1.4.1: nothing is sent on what is being deleted, while its inbound half still listens.
        child->state = ChildState::deleting;
        std::vector<child::KernelStep> steps;
        if (!child->replaced() && child->rekeys == 0) {
            if (std::exchange(child->policies, false))
                steps.emplace_back(child::RemovePolicies{child->policy_set()});
        }
        // RFC 7296 2.8: the peer's successor to it waits for this, unless ours is preferred.
        const auto successor = [&](const auto& made) { return made ? find_child(sa, made->spi) : nullptr; };
        ChildSa* ours = successor(child->ours);
        ChildSa* theirs = successor(child->theirs);
        const bool ours_stays = ours && ours->state == ChildState::live;
        if (theirs && theirs->state == ChildState::live && !ours_stays) activate_outbound(*theirs);
        shed_outbound(*child, steps);
        settle_ways(sa);
        if (!steps.empty()) submit(std::move(steps));
    }
    send_request(now, sa, wire::ExchangeType::informational, DeletingChild{wanted.spi},
                 {wire::Delete{wire::Protocol::esp, {wanted.spi}}});
}

void Engine::Core::on_delete_answered(Instant now, IkeSa& sa, wire::ChildSpi spi) {
    ChildSa* child = find_child(sa, spi);
    if (!child || child->state >= ChildState::doomed) return;
    // Of two simultaneous rekeyings the end of the last is the end.
    const bool sibling = std::ranges::any_of(sa.children, [&](const ChildSa& other) {
        return &other != child && other.rekeys == child->rekeys && other.state == ChildState::deleting;
    });
    const bool was_replaced = child->replaced() || (child->rekeys != 0 && (sibling || has_twin(sa, *child)));
    if (!was_replaced) tell(ChildDown{sa.name(), child->name, spi, child->id.spi_out});
    remove_child(now, sa, spi, was_replaced);
}

// Takes all that belongs to the IKE SA out of the kernel, in the reverse order of its installation.
void Engine::Core::leave_kernel(Instant now, IkeSa& sa) {
    std::vector<child::KernelStep> steps;
    settle_ways(sa, &sa); // first, so that nothing is sent any more where nothing is
    sa.way = 0;
    hand_over(now, sa, steps);
    for (ChildSa& child : sa.children) {
        const bool installing = child.state == ChildState::installing;
        if (!installing && child.state != ChildState::draining && !child.replaced())
            tell(ChildDown{sa.name(), child.name, child.id.spi_in, child.id.spi_out});
        take_out(child, steps);
    }
    while (!sa.children.empty())
        forget(sa, sa.children.back().id.spi_in);
    sa.deferred.clear();
    release_link(sa, steps);
    if (!steps.empty()) submit(std::move(steps));
}

// By what the SAD finds an entry by: (the IKE SA, the Child SA, whether it is the inbound entry).
std::tuple<IkeSa*, ChildSa*, bool> Engine::Core::find_entry(const IpAddress& destination,
                                                            wire::ChildSpi spi) {
    const auto [sa, child] = find_child(spi);
    if (child && child->id.local.address == destination) return {sa, child, true};
    const auto [first, last] = by_peer_spi_.equal_range(spi);
    for (auto entry = first; entry != last; ++entry) {
        const auto [owner, outbound] = find_child(entry->second);
        if (outbound && outbound->id.peer.address == destination) return {owner, outbound, false};
    }
    return {nullptr, nullptr, false};
}

// An SAD entry is gone without our doing.
void Engine::Core::lose_sa(Instant now, const IpAddress& destination, wire::ChildSpi spi,
                           const std::string& why) {
    const auto [sa, child, inbound] = find_entry(destination, spi);
    if (!child) return;
    (inbound ? child->in : child->out) = false;
    if (sa->standing == Standing::left) return remove_child(now, *sa, child->id.spi_in, false);
    if (child->state == ChildState::live && sa->in<Established>()) child_lost(now, *sa, *child, why);
}

// The soft limit of an SAD entry in octets or packets.
void Engine::Core::sa_worn(Instant now, const IpAddress& destination, wire::ChildSpi spi) {
    const auto [sa, child, inbound] = find_entry(destination, spi);
    if (child) rekey_child(now, *sa, *child);
}

// Its SPIs and, unless something else uses them, its numbers are free again.
void Engine::Core::forget(IkeSa& sa, wire::ChildSpi spi_in) {
    const auto found =
        std::ranges::find_if(sa.children, [spi_in](const ChildSa& c) { return c.id.spi_in == spi_in; });
    if (found == sa.children.end()) return;
    const wire::ChildSpi spi_out = found->id.spi_out;
    // The link's number goes with the link, a trap's with its configuration.
    const child::LinkNumber own = found->on_interface ? found->reqid : found->id.link;
    const bool of_home = found->use.has_value(); // likewise with the home address
    by_child_spi_.erase(spi_in);
    const auto [first, last] = by_peer_spi_.equal_range(spi_out);
    const auto entry = std::find_if(first, last, [spi_in](const auto& e) { return e.second == spi_in; });
    if (entry != last) by_peer_spi_.erase(entry);
    sa.children.erase(found);
    const bool used = std::ranges::any_of(sa.children, [own](const ChildSa& other) {
        return (other.on_interface ? other.reqid : other.id.link) == own;
    });
    if (own != 0 && !used && !of_home && !is_trap(sa, own)) numbers_.erase(own);
}

void Engine::Core::tell_child_up(const IkeSa& sa, const ChildSa& child) {
    tell(ChildUp{sa.name(), child.name, child.id.spi_in, child.id.spi_out, describe(child.suite),
                 sa.link ? sa.link->link : child::Link{}, child::texts(child.local),
                 child::texts(child.remote)});
}

} // namespace sheaf::ike
