// NAT: mappings that are kept, and a peer that moves with its mapping (RFC 7296 2.23, RFC 3948).

#include "lib/ike/core.h"

#include <algorithm>

namespace sheaf::ike {

Instant Engine::Core::keepalive_due(const IkeSa& sa) const {
    const Duration pause = sa.connection->nat_keepalive;
    const bool needed = sa.path.nat_here && sa.in<Established>() && sa.standing == Standing::current;
    return needed && pause > Duration::zero() ? sa.last_sent + pause : Instant::max();
}

// RFC 3948 2.3, 4: one octet that the peer drops and every NAT on the way sees. What ESP sends meanwhile is
// not known here, so it goes out whether or not it is needed.
void Engine::Core::keep_mapping(Instant now, IkeSa& sa) {
    sa.last_sent = now;
    ++counters_.datagrams_out;
    out_.datagrams.push_back({sa.path.local, sa.path.peer, {0xff}, true});
    arm(sa);
}

// RFC 7296 2.23: a peer behind a NAT is where its latest authentic request came from; one without is where it
// was.
void Engine::Core::follow_peer(IkeSa& sa, const Endpoint& local, const Endpoint& peer) {
    const bool same = sa.path.peer == peer && sa.path.local == local;
    if (same || !sa.path.nat_there || !sa.in<Established>()) return;
    // RFC 4555 3.8: with MOBIKE the peer says itself when its addresses change.
    if (sa.mobility.on) return;
    // We stay where we are while it is us behind a NAT (RFC 7296 2.23): then it is our mapping that changes.
    if (sa.path.nat_here || sa.path.local != local) return;
    const Endpoint before = sa.path.peer;
    if (before.address.family() != peer.address.family()) return;
    sa.path.peer = peer;
    move_children(sa);
    tell(PeerMoved{sa.name(), before});
}

void Engine::Core::move_children(IkeSa& sa) {
    sa.mobility.behind.reset();
    const bool encapsulated = sa.path.encapsulated();
    for (ChildSa& child : sa.children) {
        // What is being deleted only listens, and that does not look at where packets come from.
        if (child.use || (!child.policies && child.state != ChildState::installing)) continue;
        const bool there = child.id.local == sa.path.local && child.id.peer == sa.path.peer &&
                           child.udp_encapsulation == encapsulated;
        if (there) continue;
        std::vector<child::KernelStep> steps;
        steps.emplace_back(
            child::MoveSas{child.id, child.policy_set(), sa.path.local, sa.path.peer, encapsulated});
        Pending pending;
        pending.moves.push_back({child.id, child.udp_encapsulation});
        child.id.local = sa.path.local;
        child.id.peer = sa.path.peer;
        child.udp_encapsulation = encapsulated;
        if (child.outbound) {
            child.outbound->id = child.id;
            child.outbound->udp_encapsulation = encapsulated;
        }
        submit(std::move(steps), std::move(pending));
    }
    settle_ways(sa);
}

// The kernel holds it where it was, and so it reaches nobody.
void Engine::Core::on_move_refused(Instant now, const Pending::Move& move, const std::string& why) {
    bool is_last = true;
    for (auto& [id, pending] : intents_) {
        for (Pending::Move& later : pending.moves) {
            if (later.before.spi_in != move.before.spi_in) continue;
            later = move; // which will be refused as well, for it begins where this one was to end
            is_last = false;
        }
    }
    if (!is_last) return;
    const auto [sa, child] = find_child(move.before.spi_in);
    // What was removed meanwhile was looked for elsewhere.
    std::vector<child::KernelStep> steps;
    if (!child || !child->in) steps.emplace_back(child::RemoveSas{move.before, child::Directions::in});
    if (!child || !child->out) steps.emplace_back(child::RemoveSas{move.before, child::Directions::out});
    if (!steps.empty()) submit(std::move(steps));
    if (!child) return;
    child->id = move.before;
    child->udp_encapsulation = move.udp_encapsulation;
    if (child->outbound) {
        child->outbound->id = child->id;
        child->outbound->udp_encapsulation = child->udp_encapsulation;
    }
    if (child->state != ChildState::live) return;
    if (sa->standing == Standing::left) return remove_child(now, *sa, child->id.spi_in, false);
    child_lost(now, *sa, *child, why);
}

void Engine::Core::on_peer_moved(const child::PeerMoved& moved) {
    const auto [sa, child] = find_child(moved.spi);
    if (!child || child->id.local.address != moved.destination || !child->udp_encapsulation) return;
    if (child->state == ChildState::draining) return;
    follow_peer(*sa, sa->path.local, moved.peer);
}

} // namespace sheaf::ike
