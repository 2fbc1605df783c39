// INFORMATIONAL (RFC 7296 1.4), and what is answered to CREATE_CHILD_SA.

#include "lib/ike/core.h"

#include <algorithm>

namespace sheaf::ike {

using wire::Payload;

void Engine::Core::on_informational_request(const Input& in, IkeSa& sa, std::span<const Payload> payloads) {
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
    if (whole) {
        send_response(sa, in.header.exchange, in.header.message_id, {});
        return sa.in<Deleting>() ? erase(sa) : drop(in.now, sa, DownReason::deleted_by_peer, {});
    }
    // RFC 7296 1.4.1: the other half of each deleted pair is named in the answer.
    wire::Delete ours{wire::Protocol::esp, {}};
    for (const ChildSa& child : sa.children) {
        if (std::ranges::find(theirs, child.id.spi_out) != theirs.end()) ours.spis.push_back(child.id.spi_in);
    }
    std::vector<Payload> reply;
    if (!ours.spis.empty()) reply.emplace_back(ours);
    send_response(sa, in.header.exchange, in.header.message_id, reply);
    if (!ours.spis.empty()) {
        leave_kernel(sa);
        // Without its Child SA an IKE SA is of no use as long as none can be added: it ends, and a client that is to
        // be up begins anew.
        if (sa.in<Established>())
            return close(in.now, sa, DownReason::deleted_by_peer, "the peer deleted the Child SA");
    }
    arm(sa);
}

// RFC 7296 1.3, 2.25: a peer that wants to rekey or to add a Child SA is told that this IKE SA takes none, or
// to wait while the IKE SA is on its way down.
void Engine::Core::on_create_child_request(const Input& in, IkeSa& sa) {
    const bool going = sa.in<Deleting>() != nullptr;
    if (!going) refuse(in.datagram.peer, Rule::no_additional_sas, sa.our_spi());
    send_response(sa, in.header.exchange, in.header.message_id,
                  std::vector<Payload>{going ? notify(wire::NotifyType::temporary_failure)
                                             : notify(Rule::no_additional_sas)});
    arm(sa);
}

// RFC 7296 1.4, 2.4: an empty request that only a living peer can answer.
void Engine::Core::probe_liveness(Instant now, IkeSa& sa) {
    send_request(now, sa, wire::ExchangeType::informational, {});
}

} // namespace sheaf::ike
