#include "lib/child/selector.h"
#include "lib/ike/bindings.h"
#include "lib/ike/groups.h"

#include <algorithm>

namespace sheaf::ike {
namespace {

IkeSaStatus status_of(const IkeSa& sa) {
    IkeSaStatus out;
    out.spi_i = sa.spi_i;
    out.spi_r = sa.spi_r;
    if (sa.family) out.family = sa.family->founder;
    out.initiator = sa.initiator;
    out.connection = sa.connection->name;
    out.role = sa.connection->role;
    out.state = name(sa.state);
    out.local_id = sa.connection->local_id.to_string();
    if (sa.peer_id) out.peer_id = sa.peer_id->to_string();
    out.local = sa.path.local;
    out.peer = sa.path.peer;
    out.nat_here = sa.path.nat_here;
    out.nat_there = sa.path.nat_there;
    if (sa.protection) out.suite = describe(sa.protection->suite);
    if (const auto* established = sa.in<Established>()) out.established = established->since;
    if (sa.rekey_at != Instant::max()) out.rekey_at = sa.rekey_at;
    if (sa.reauth_at != Instant::max()) out.reauth_at = sa.reauth_at;
    out.last_heard = sa.last_heard;
    if (sa.link) {
        out.link = sa.link->link;
        out.linked = sa.link->since;
    }
    if (sa.share) {
        out.leases = sa.share->grants;
        out.dns = sa.share->dns;
        out.dns_domains = sa.share->domains;
    }
    for (const ChildSa& child : sa.children) {
        if (child.state == ChildState::draining) continue;
        ChildStatus status;
        status.name = child.name;
        status.state = child.rekeying || child.replaced() ? "rekeying" : name(child.state);
        status.since = child.since;
        if (child.rekey_at != Instant::max()) status.rekey_at = child.rekey_at;
        status.spi_in = child.id.spi_in;
        status.spi_out = child.id.spi_out;
        status.suite = describe(child.suite);
        status.mode = child.mode;
        status.udp_encapsulation = child.udp_encapsulation;
        status.installed = child.in;
        status.local_selectors = child::texts(child.local);
        status.remote_selectors = child::texts(child.remote);
        out.children.push_back(std::move(status));
    }
    return out;
}

std::string state_of(const Initiation& initiation, const IkeSa* sa) {
    if (sa) return sa->in<Established>() ? "up" : "connecting";
    return initiation.next_attempt ? "waiting" : "down";
}

} // namespace

Status Engine::Core::status() const {
    Status out;
    out.half_open = half_open_;
    out.counters = counters_;
    for (const auto& [spi, sa] : sas_) {
        if (!sa->in<HalfOpen>() && sa->standing == Standing::current) out.ike_sas.push_back(status_of(*sa));
    }
    std::ranges::sort(out.ike_sas, {},
                      [](const IkeSaStatus& s) { return std::pair(s.connection, s.peer_id); });
    for (const ConnectionPtr& connection : connections_) {
        ConnectionStatus status{connection->name, connection->role, "serving", 0, {}, {}};
        status.ike_sas = static_cast<std::size_t>(std::ranges::count_if(
            out.ike_sas, [&](const IkeSaStatus& s) { return s.connection == connection->name; }));
        const auto initiation = initiations_.find(connection->name);
        if (initiation != initiations_.end()) {
            const auto sa = sas_.find(initiation->second.sa);
            status.state = state_of(initiation->second, sa == sas_.end() ? nullptr : sa->second.get());
            if (status.state == "down" && status.ike_sas > 0) status.state = "up"; // the peer began it
            status.next_attempt = initiation->second.next_attempt;
            status.last_error = initiation->second.last_error;
        }
        out.connections.push_back(std::move(status));
    }
    groups_->tell_status(out);
    bindings_->tell_status(out);
    tell_paths(out);
    return out;
}

} // namespace sheaf::ike
