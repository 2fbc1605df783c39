// INFORMATIONAL (RFC 7296 1.4): DELETE and liveness.

#include "lib/ike/groups.h"

#include <algorithm>

namespace sheaf::ike {

using wire::Payload;

namespace {

// As many as the peer can make by answering a full window of our requests.
constexpr std::size_t kMaxDeletedEarly = kWindow;

bool asked_to_replace(const IkeSa& sa, wire::ChildSpi spi) {
    return std::ranges::any_of(sa.outstanding, [spi](const Outstanding& request) {
        const auto* creating = std::get_if<CreatingChild>(&request.purpose);
        return creating && creating->want.kind == Want::Kind::rekey_child && creating->want.spi == spi;
    });
}

// RFC 7296 2.21.2: with these an initiator that finds fault with the answer to IKE_AUTH gives the IKE SA up,
// without a DELETE. Later they mean the same: there is nothing to be gained from a peer that says so.
const wire::Notify* gives_up(std::span<const Payload> payloads) {
    const wire::Notify* error = find_error(payloads);
    if (!error) return nullptr;
    switch (error->type) {
    case wire::NotifyType::authentication_failed:
    case wire::NotifyType::invalid_syntax:
    case wire::NotifyType::unsupported_critical_payload: return error;
    default: return nullptr;
    }
}

} // namespace

void Engine::Core::on_informational_request(const Input& in, IkeSa& sa, Payloads payloads) {
    std::vector<wire::ChildSpi> theirs; // named by the SPIs that the peer receives on
    bool whole = false;
    for (const Payload& payload : payloads) {
        const auto* del = std::get_if<wire::Delete>(&payload);
        if (!del) continue;
        whole = whole || del->protocol == wire::Protocol::ike;
        if (del->protocol == wire::Protocol::esp)
            theirs.insert(theirs.end(), del->spis.begin(), del->spis.end());
    }
    // RFC 7296 1.4.1: the answer to the deletion of the IKE SA is empty, as is that to a question for
    // liveness.
    if (whole) return on_ike_deleted(in, sa);
    if (const wire::Notify* error = gives_up(payloads); error && sa.in<Established>()) {
        send_response(in.now, sa, in.header.exchange, in.header.message_id, {});
        return drop(in.now, sa, DownReason::failed,
                    "the peer gave it up: " + std::string(wire::name(error->type)));
    }
    decided_by_peer(in.now, sa);
    note_lifetime(in.now, sa, payloads);
    // RFC 7296 2.3: an IKE SA that was rekeyed or cloned is told its window like this; it only grows.
    sa.peer_window = std::max(sa.peer_window, announced_window(payloads));
    Reply reply;
    on_addresses_told(in, sa, payloads, reply);
    const wire::Spi spi = sa.our_spi();
    const Groups::Told told = groups_->on_informational(in, sa, payloads, theirs, reply);
    const bool lost_all = !theirs.empty() && on_children_deleted(in, sa, theirs, reply);
    if (told.waits_for != 0)
        groups_->answer_later(in, sa, told.waits_for, std::move(reply));
    else
        send_response(in.now, sa, in.header.exchange, in.header.message_id, reply);
    // RFC 7296 2.21.3: INVALID_SYNTAX ends the IKE SA on both sides.
    if (told.fatal) return drop(in.now, sa, DownReason::failed, std::string(group::sentence(*told.fatal)));
    // A client has nothing without its Child SA: it begins anew if it is to be up.
    if (lost_all) return close(in.now, sa, DownReason::deleted_by_peer, "the peer deleted the Child SA");
    serve(in.now, sa);
    if (IkeSa* left = find(spi)) arm(*left);
}

void Engine::Core::on_ike_deleted(const Input& in, IkeSa& sa) {
    send_response(in.now, sa, in.header.exchange, in.header.message_id, {});
    // RFC 7296 2.25.2: a rekeying of our own is forgotten, and if the peer's succeeded, that is what it
    // prefers.
    if (sa.theirs && sa.standing == Standing::current) {
        if (IkeSa* heir = find(sa.theirs->spi)) inherit(in.now, sa, *heir);
    }
    // A rekeying that the peer has given up is none.
    if (IkeSa* old = sa.standing == Standing::undecided ? replaced_by(sa) : nullptr) old->theirs.reset();
    if (sa.in<Deleting>() || sa.standing != Standing::current) return erase(sa);
    groups_->on_ike_deleted(in.now, sa);
    drop(in.now, sa, DownReason::deleted_by_peer, {});
}

// RFC 7296 1.4.1: the other half of each deleted pair is named in the answer, unless we are deleting it, too.
// Whether the IKE SA of a client is left without any Child SA.
bool Engine::Core::on_children_deleted(const Input& in, IkeSa& sa, const std::vector<wire::ChildSpi>& theirs,
                                       Reply& reply) {
    wire::Delete ours{wire::Protocol::esp, {}};
    std::vector<std::string> lost;
    for (const wire::ChildSpi spi_out : theirs) {
        ChildSa* child = find_child_by_peer(sa, spi_out);
        if (!child) {
            if (under_way<CreatingChild>(sa) && sa.deleted_early.size() < kMaxDeletedEarly)
                sa.deleted_early.push_back(spi_out);
            continue;
        }
        const wire::ChildSpi spi = child->id.spi_in;
        const bool deleting = child->state == ChildState::deleting;
        if (!deleting) ours.spis.push_back(spi);
        // RFC 7296 2.8: now the peer is known to have the successor.
        const auto successor = child->theirs ? child->theirs->spi : child->ours ? child->ours->spi : 0;
        ChildSa* heir = successor != 0 ? find_child(sa, successor) : nullptr;
        if (!heir) {
            const auto coming = std::ranges::find_if(sa.children, [spi](const ChildSa& c) {
                return c.rekeys == spi && c.state == ChildState::installing;
            });
            if (coming != sa.children.end()) heir = &*coming;
        }
        if (heir && heir->state == ChildState::live) activate_outbound(*heir);
        const bool by_twin = child->rekeys != 0 && !heir && has_twin(sa, *child);
        if (!heir && child->state == ChildState::live && asked_to_replace(sa, spi)) {
            // RFC 7296 2.25.1: answered as usual. A peer that has accepted our request may delete on its own
            // what that replaces, and overtake its answer.
            std::vector<child::KernelStep> steps;
            shed_outbound(*child, steps);
            child->state = ChildState::doomed;
            child->rekey_at = child->expires = Instant::max();
            if (!steps.empty()) submit(std::move(steps));
            continue;
        }
        if (!heir && !by_twin && !child->replaced()) {
            tell(ChildDown{sa.name(), child->name, spi, spi_out});
            if (!deleting) lost.push_back(child->name);
        }
        // What the peer gives up after two simultaneous rekeyings does not replace anything any more.
        if (ChildSa* old = by_twin ? find_child(sa, child->rekeys) : nullptr;
            old && old->state == ChildState::live && old->theirs && old->theirs->spi == spi) {
            old->theirs.reset();
            if (!old->ours) old->expires = Instant::max();
        }
        remove_child(in.now, sa, spi, heir || by_twin);
    }
    if (!ours.spis.empty()) reply.emplace_back(std::move(ours));
    return after_loss(in.now, sa, lost);
}

// What follows when the peer has ended Child SAs. True if a client is left without any on its link.
bool Engine::Core::after_loss(Instant now, IkeSa& sa, const std::vector<std::string>& lost) {
    if (lost.empty() || !sa.in<Established>()) return false;
    const bool left = std::ranges::any_of(
        sa.children, [&](const ChildSa& c) { return c.state <= ChildState::live && is_on_link(sa, c); });
    if (sa.connection->role == Role::client && !left) return true;
    const Initiation* initiation = initiation_of(sa);
    for (const std::string& child_name : lost) {
        const ChildConfig* config = child_config(*sa.connection, child_name);
        if (config && config->start == Start::now && initiation && initiation->wanted)
            want_later(now, sa, {Want::Kind::create_child, child_name});
    }
    return false;
}

// Whether another Child SA stands where this one does: the other outcome of two simultaneous rekeyings, or
// what both were to replace.
bool Engine::Core::has_twin(const IkeSa& sa, const ChildSa& child) const {
    return std::ranges::any_of(sa.children, [&](const ChildSa& other) {
        if (&other == &child || other.state > ChildState::live) return false;
        return other.rekeys == child.rekeys || other.id.spi_in == child.rekeys;
    });
}

} // namespace sheaf::ike
