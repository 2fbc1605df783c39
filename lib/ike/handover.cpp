// From an IKE SA to the one that its peer has authenticated after it (RFC 7296 2.8.3), without losing packets.
//
// Nothing in the protocol says when the initiator of an IKE_AUTH exchange has installed what was agreed on. So
// a responder goes on to send on the Child SA of before, as with a rekeying (RFC 7296 2.8), until the peer
// deletes the IKE SA that it belongs to; and both ends go on to listen on that for what is still on its way.

#include "lib/ike/core.h"

#include <algorithm>

namespace sheaf::ike {

namespace {

// A peer that has lost the IKE SA of before without saying so never deletes it.
constexpr Duration kWaitForChildDelete = std::chrono::seconds(2);

// Whether the kernel takes either for the same packets: policies find their SAs by these numbers.
bool same_traffic(const ChildSa& a, const ChildSa& b) {
    return a.name == b.name && a.on_interface == b.on_interface && a.id.link == b.id.link &&
           a.reqid == b.reqid;
}

} // namespace

// The Child SA that carries the same with the same peer, by another authentication.
std::pair<IkeSa*, ChildSa*> Engine::Core::counterpart(const IkeSa& sa, const ChildSa& child) {
    std::pair<IkeSa*, ChildSa*> among_left{nullptr, nullptr};
    for (const wire::Spi spi : others_of_peer(sa)) {
        IkeSa* other = find(spi);
        const bool living =
            other && (other->standing == Standing::current || other->standing == Standing::left);
        if (!living || other->connection != sa.connection) continue;
        if (!other->in<Established>() || (other->family && other->family == sa.family)) continue;
        const auto found = std::ranges::find_if(other->children, [&](const ChildSa& candidate) {
            return candidate.state == ChildState::live && same_traffic(candidate, child);
        });
        if (found == other->children.end()) continue;
        if (other->standing == Standing::current) return {other, &*found};
        among_left = {other, &*found};
    }
    return among_left;
}

// Responder: whether what is about to be installed must not be sent on yet. A peer that comes from elsewhere is
// not to be reached where it was, and policies lead to where it is.
bool Engine::Core::waits_for_peer(const IkeSa& sa, const ChildSa& child) {
    if (child.initiator) return false;
    if (child.rekeys != 0) return true;
    const auto [other, before] = counterpart(sa, child);
    return before && before->out && before->id.local == child.id.local && before->id.peer == child.id.peer;
}

// Called when the kernel has the inbound half.
void Engine::Core::await_handover(Instant now, IkeSa& sa, ChildSa& child) {
    if (!child.outbound || child.rekeys != 0) return;
    if (counterpart(sa, child).second) {
        child.activates = now + kWaitForChildDelete;
        return arm(sa);
    }
    // What would hand over is gone in the meantime.
    activate_outbound(child);
}

// An IKE SA ends: what another one of its peer has for the same packets is sent on from now on, and takes over
// what is to listen for a while.
void Engine::Core::hand_over(Instant now, IkeSa& old, std::vector<child::KernelStep>& steps) {
    std::vector<ChildSa> kept;
    for (ChildSa& child : old.children) {
        const auto [heir, follower] = counterpart(old, child);
        if (follower) activate_outbound(*follower);
        if (!follower || !child.in || child.state == ChildState::installing) {
            kept.push_back(std::move(child));
            continue;
        }
        const bool told = child.state == ChildState::draining || child.replaced();
        if (!told) tell(ChildDown{old.name(), child.name, child.id.spi_in, child.id.spi_out});
        drain(now, child, steps);
        by_child_spi_[child.id.spi_in] = heir->our_spi();
        heir->children.push_back(std::move(child));
        arm(*heir);
    }
    old.children = std::move(kept);
}

} // namespace sheaf::ike
