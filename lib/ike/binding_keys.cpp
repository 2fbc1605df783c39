// RFC 6275 10.3.1, 11.7.3, RFC 4877 9, RFC 5648 9.1: with the K bit the IKE SA follows the mobile node's care-of
// address; without it both ends leave the IKE SA, and the mobile node makes a new one from where it is.

#include "lib/ike/bindings.h"

#include <algorithm>

namespace sheaf::ike {

namespace {

// RFC 6275 10.3.1: IPsec SAs stay; but not for ever, if the mobile node does not come back.
Instant stays_until(Instant now, const IkeSa& sa) {
    const Duration life = sa.connection->child.lifetime.time;
    return now + (life > Duration::zero() ? life + life / 4 : Duration(std::chrono::hours(1)));
}

} // namespace

// Home agent: where the mobile node's end of the newest IKE SA is.
std::optional<IpAddress> Engine::Core::Bindings::keys_at(Home& home) {
    for (const IkeSa* sa : users_of(home)) {
        if (sa->in<Established>() && sa->standing == Standing::current && !sa->superseded)
            return sa->path.peer.address;
    }
    return std::nullopt;
}

void Engine::Core::Bindings::move_keys(Instant now, const mobility::KeyEndpointChange& change,
                                       const Connection& connection) {
    const auto home = homes_.find({connection.name, change.home});
    if (home == homes_.end()) return;
    const bool node = connection.mobile.has_value();
    std::vector<wire::Spi> spis;
    for (const IkeSa* sa : users_of(home->second)) {
        if (sa->in<Established>() && sa->standing != Standing::left) spis.push_back(sa->our_spi());
    }
    for (const wire::Spi spi : spis) {
        IkeSa* sa = core_->find(spi);
        if (!sa) continue;
        const IpAddress& there = (node ? sa->path.local : sa->path.peer).address;
        if (change.move && there != change.address) move_ike(now, *sa, change.address);
        if (!change.move && there == change.address) leave(now, *sa);
    }
}

// The Child SAs have addresses of their own.
void Engine::Core::Bindings::move_ike(Instant now, IkeSa& sa, const IpAddress& address) {
    const Path before = sa.path;
    (sa.connection->mobile ? sa.path.local : sa.path.peer).address = address;
    core_->tell_moved(sa, before);
    core_->send_again(now, sa);
}

void Engine::Core::Bindings::leave(Instant now, IkeSa& sa) {
    if (sa.standing != Standing::current) return core_->retire(now, sa);
    core_->tell(IkeDown{sa.name(), DownReason::moved, {}, sa.began});
    sa.standing = Standing::left;
    sa.outstanding.clear();
    sa.wanted.clear();
    sa.later.clear();
    sa.deferred.clear();
    sa.ours.reset();
    sa.theirs.reset();
    sa.rekey_at = sa.reauth_at = sa.authenticated_until = Instant::max();
    sa.expires = stays_until(now, sa);
    for (ChildSa& child : sa.children) {
        child.rekey_at = Instant::max();
        child.rekeying = false;
    }
    touch(sa);
    core_->arm(sa);
    Initiation* initiation = core_->initiation_of(sa);
    if (!initiation) return;
    // What was being authenticated anew goes on.
    initiation->sa =
        initiation->before == sa.our_spi() ? initiation->sa : std::exchange(initiation->before, 0);
    if (initiation->before == sa.our_spi()) initiation->before = 0;
    if (initiation->sa == 0 && initiation->wanted && !core_->shutting_down_) core_->start(now, *initiation);
}

// Home agent: what is registered with the one care-of address is with the other now.
void Engine::Core::Bindings::move_bindings(Instant now, const IkeSa& sa, const IpAddress& from,
                                           const IpAddress& to) {
    const auto registry = registries_.find(sa.connection->name);
    const auto* known = registry == registries_.end() ? nullptr : registry->second.find(sa.claim->home);
    if (!known) return;
    for (mobility::Binding binding : std::vector(known->bindings)) {
        if (binding.care_of != from) continue;
        binding.care_of = to;
        registry->second.set(now, sa.claim->home, binding);
    }
}

// Another mobility stack has moved our SAs in the kernel: the IKE SA follows, and what is registered, too.
void Engine::Core::Bindings::on_migrated(Instant now, const child::EndpointsMigrated& moved) {
    if (!moved.new_peer.is_v6() || !moved.new_local.is_v6()) return;
    std::vector<wire::Spi> spis;
    for (const auto& [spi, sa] : core_->sas_) {
        if (!sa->in<Established>() || sa->standing == Standing::left || !sa->claim) continue;
        const bool meant = std::ranges::any_of(sa->children, [&](const ChildSa& child) {
            return child.mode == moved.mode && child.id.local.address == moved.old_local &&
                   child.id.peer.address == moved.old_peer &&
                   (moved.reqid == 0 || moved.reqid == child.reqid || moved.reqid == child.id.link);
        });
        if (meant) spis.push_back(spi);
    }
    for (const wire::Spi spi : spis) {
        IkeSa* sa = core_->find(spi);
        if (!sa) continue;
        for (ChildSa& child : sa->children) {
            if (child.id.local.address != moved.old_local || child.id.peer.address != moved.old_peer)
                continue;
            child.id.local.address = moved.new_local;
            child.id.peer.address = moved.new_peer;
            if (child.outbound) child.outbound->id = child.id;
        }
        move_bindings(now, *sa, moved.old_peer, moved.new_peer);
        const Path before = sa->path;
        const bool same =
            sa->path.local.address == moved.ike_local && sa->path.peer.address == moved.ike_peer;
        touch(*sa);
        if (same) continue;
        sa->path.local.address = moved.ike_local;
        sa->path.peer.address = moved.ike_peer;
        core_->tell_moved(*sa, before);
        core_->send_again(now, *sa);
    }
}

// An IKE SA that was left goes when another one has Child SAs for all that it has them for.
void Engine::Core::Bindings::end_left(Instant now, Home& home) {
    const mobility::Registration known = registered(home);
    std::vector<wire::Spi> done;
    for (IkeSa* sa : users_of(home)) {
        if (sa->standing != Standing::left) continue;
        const bool follows = std::ranges::any_of(sa->children, [&](const ChildSa& child) {
            return child.use && child.use->traffic == MobileTraffic::signalling &&
                   core_->counterpart(*sa, child).second;
        });
        const bool waits = std::ranges::any_of(sa->children, [&](const ChildSa& child) {
            if (!child.use || child.state != ChildState::live) return false;
            if (child.use->is_tunnel() && !care_of(known, *child.use)) return false; // of no use any more
            const auto follower = core_->counterpart(*sa, child).second;
            return !follower || !follower->out;
        });
        if (sa->children.empty() || (follows && !waits)) done.push_back(sa->our_spi());
    }
    for (const wire::Spi spi : done) {
        IkeSa* sa = core_->find(spi);
        if (sa) core_->retire(now, *sa);
    }
}

} // namespace sheaf::ike
