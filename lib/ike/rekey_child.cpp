// Replacing Child SAs (RFC 7296 2.8): when, and which of two stays.

#include "lib/ike/core.h"

#include <algorithm>

namespace sheaf::ike {

namespace {

constexpr Duration kWaitForPeer = std::chrono::seconds(10);

} // namespace

// Wants a successor, unless there is one or one is under way.
void Engine::Core::rekey_child(Instant now, IkeSa& sa, ChildSa& child) {
    child.rekey_at = Instant::max();
    if (child.state != ChildState::live || child.rekeying || child.replaced()) return;
    if (!sa.in<Established>() || sa.standing != Standing::current) return;
    // Until what it replaces is deleted, it is neither sure that the peer knows it nor that it is the one
    // that stays.
    const ChildSa* before = child.rekeys != 0 ? find_child(sa, child.rekeys) : nullptr;
    if (before && before->state < ChildState::draining) {
        child.rekey_at = now + kWaitForPeer;
        return arm(sa);
    }
    child.rekeying = true;
    want(now, sa, {Want::Kind::rekey_child, {}, child.id.spi_in});
}

// Our request has come to nothing for now: it is made again, unless the operator has ended what it was for.
void Engine::Core::rekeying_failed(Instant now, IkeSa& sa, ChildSa& child) {
    child.rekeying = false;
    if (child.state != ChildState::live) return;
    if (child.unwanted) return want(now, sa, {Want::Kind::delete_child, {}, child.id.spi_in});
    child.rekey_at = now + kWaitForPeer + jittered(kWaitForPeer / 2);
    arm(sa);
}

// Called when our own rekeying of `old` has succeeded: the old Child SA goes, or what we have made.
void Engine::Core::decide(Instant now, IkeSa& sa, ChildSa& old) {
    const wire::ChildSpi replaced = old.id.spi_in;
    const wire::ChildSpi mine = old.ours->spi;
    // RFC 7296 2.8.1: both ends have rekeyed at once. Whoever made the SA with the lowest of the four nonces
    // deletes it; the other deletes the old one.
    const bool lost = old.theirs && old.ours->lowest_nonce < old.theirs->lowest_nonce;
    if (old.state == ChildState::doomed) {
        // The peer has deleted it before we could.
        remove_child(now, sa, replaced, true);
        if (lost) want(now, sa, {Want::Kind::delete_child, {}, mine});
        return;
    }
    if (lost) old.expires = std::min(old.expires, now + std::chrono::minutes(2));
    // The peer may have deleted the old one already; then on_children_deleted has taken care of it.
    want(now, sa, {Want::Kind::delete_child, {}, lost ? mine : replaced});
}

// The peer has deleted it, and our request for a successor has come to nothing.
void Engine::Core::end_doomed(Instant now, IkeSa& sa, ChildSa& child) {
    const std::vector<std::string> lost{child.name};
    tell(ChildDown{sa.name(), child.name, child.id.spi_in, child.id.spi_out});
    remove_child(now, sa, child.id.spi_in, false);
    if (after_loss(now, sa, lost))
        close(now, sa, DownReason::deleted_by_peer, "the peer deleted the Child SA");
}

// Without an SA in the kernel the Child SA is of no use: the peer is told, and what is to be up is made anew.
void Engine::Core::child_lost(Instant now, IkeSa& sa, ChildSa& child, const std::string& why) {
    const std::string child_name = child.name;
    const bool replaced = child.replaced();
    const bool was_rekeying = child.rekeying;
    refuse(sa.path.peer, Rule::kernel_refused, sa.our_spi(), why);
    if (sa.connection->role == Role::client && is_on_link(sa, child) && !replaced)
        return close(now, sa, DownReason::kernel, why);
    want(now, sa, {Want::Kind::delete_child, {}, child.id.spi_in});
    if (replaced || was_rekeying || !child_config(*sa.connection, child_name)) return;
    const Initiation* initiation = initiation_of(sa);
    if (initiation && initiation->wanted) want(now, sa, {Want::Kind::create_child, child_name});
}

} // namespace sheaf::ike
