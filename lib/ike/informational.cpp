// INFORMATIONAL (RFC 7296 1.4): DELETE and liveness.

#include "lib/ike/core.h"

#include <algorithm>

namespace sheaf::ike {

using wire::Payload;

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
    decided_by_peer(in.now, sa);
    Reply reply;
    const wire::Spi spi = sa.our_spi();
    const bool lost_all = !theirs.empty() && on_children_deleted(in, sa, theirs, reply);
    send_response(in.now, sa, in.header.exchange, in.header.message_id, reply);
    // A client has nothing without its Child SA: it begins anew if it is to be up.
    if (lost_all) return close(in.now, sa, DownReason::deleted_by_peer, "the peer deleted the Child SA");
    serve(in.now, sa);
    if (IkeSa* left = find(spi)) arm(*left);
}

void Engine::Core::on_ike_deleted(const Input& in, IkeSa& sa) {
    send_response(in.now, sa, in.header.exchange, in.header.message_id, {});
    // RFC 7296 2.25.2: a rekeying of our own is forgotten, and if the peer's succeeded, that is what it prefers.
    if (sa.theirs && sa.standing == Standing::current) {
        if (IkeSa* heir = find(sa.theirs->spi)) inherit(in.now, sa, *heir);
    }
    // A rekeying that the peer has given up is none.
    if (IkeSa* old = sa.standing == Standing::undecided ? replaced_by(sa) : nullptr) old->theirs.reset();
    if (sa.in<Deleting>() || sa.standing != Standing::current) return erase(sa);
    drop(in.now, sa, DownReason::deleted_by_peer, {});
}

// RFC 7296 1.4.1: the other half of each deleted pair is named in the answer, unless we are deleting it, too. Whether the
// IKE SA of a client is left without any Child SA.
bool Engine::Core::on_children_deleted(const Input& in, IkeSa& sa, const std::vector<wire::ChildSpi>& theirs,
                                       Reply& reply) {
    wire::Delete ours{wire::Protocol::esp, {}};
    std::vector<std::string> lost;
    for (const wire::ChildSpi spi_out : theirs) {
        ChildSa* child = find_child_by_peer(sa, spi_out);
        if (!child) continue;
        const wire::ChildSpi spi = child->id.spi_in;
        const bool deleting = child->state == ChildState::deleting;
        if (!deleting) ours.spis.push_back(spi);
        std::vector<child::KernelStep> steps;
        // RFC 7296 2.8: now the peer is known to have the successor.
        const auto successor = child->theirs ? child->theirs->spi : child->ours ? child->ours->spi : 0;
        ChildSa* heir = successor != 0 ? find_child(sa, successor) : nullptr;
        if (!heir) {
            const auto coming = std::ranges::find_if(sa.children, [spi](const ChildSa& c) {
                return c.rekeys == spi && c.state == ChildState::installing;
            });
            if (coming != sa.children.end()) heir = &*coming;
        }
        if (heir && heir->state == ChildState::live) activate_outbound(*heir, steps);
        if (!steps.empty()) submit(std::move(steps));
        const bool replaced = heir || child->rekeys != 0;
        const bool by_twin = child->rekeys != 0 && !heir && has_twin(sa, *child);
        if (!heir && !by_twin && !deleting) {
            tell(ChildDown{sa.name(), child->name, spi, spi_out});
            lost.push_back(child->name);
        }
        remove_child(in.now, sa, spi, replaced);
    }
    if (!ours.spis.empty()) reply.emplace_back(std::move(ours));
    if (lost.empty() || !sa.in<Established>()) return false;
    const bool left =
        std::ranges::any_of(sa.children, [](const ChildSa& c) { return c.state <= ChildState::live; });
    if (sa.connection->role == Role::client) return !left;
    const Initiation* initiation = initiation_of(sa);
    for (const std::string& child_name : lost) {
        const ChildConfig* config = child_config(*sa.connection, child_name);
        if (config && config->start == Start::now && initiation && initiation->wanted)
            want_later(in.now, sa, {Want::Kind::create_child, child_name});
    }
    return false;
}

// Whether another Child SA stands where this one does: the other outcome of two simultaneous rekeyings, or what both were to
// replace.
bool Engine::Core::has_twin(const IkeSa& sa, const ChildSa& child) const {
    return std::ranges::any_of(sa.children, [&](const ChildSa& other) {
        if (&other == &child || other.state > ChildState::live) return false;
        return other.rekeys == child.rekeys || other.id.spi_in == child.rekeys;
    });
}

} // namespace sheaf::ike
