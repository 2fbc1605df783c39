#include "lib/child/selector.h"
#include "lib/ike/core.h"

#include <algorithm>

namespace sheaf::ike {
namespace {

std::vector<std::string> texts(const std::vector<wire::TrafficSelector>& selectors) {
    std::vector<std::string> out;
    for (const auto& selector : selectors)
        out.push_back(child::to_string(selector));
    return out;
}

IkeSaStatus status_of(const IkeSa& sa) {
    IkeSaStatus out;
    out.spi_i = sa.spi_i;
    out.spi_r = sa.spi_r;
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
    out.last_heard = sa.last_heard;
    if (sa.link) {
        out.link = sa.link->link;
        out.dns = sa.link->dns;
    }
    for (const ChildSa& child : sa.children) {
        out.children.push_back({child.id.spi_in, child.id.spi_out, describe(child.suite), child::Mode::tunnel,
                                child.udp_encapsulation, child.installed, texts(child.local),
                                texts(child.remote)});
    }
    return out;
}

std::string state_of(const Client& client, const IkeSa* sa) {
    if (sa) return sa->in<Established>() ? "up" : "connecting";
    return client.next_attempt ? "waiting" : "down";
}

} // namespace

Status Engine::Core::status() const {
    Status out;
    out.half_open = half_open_;
    out.counters = counters_;
    for (const auto& [spi, sa] : sas_) {
        if (!sa->in<HalfOpen>()) out.ike_sas.push_back(status_of(*sa));
    }
    std::ranges::sort(out.ike_sas, {},
                      [](const IkeSaStatus& s) { return std::pair(s.connection, s.peer_id); });
    for (const ConnectionPtr& connection : connections_) {
        ConnectionStatus status{connection->name, connection->role, "serving", 0, {}, {}};
        status.ike_sas = static_cast<std::size_t>(std::ranges::count_if(
            out.ike_sas, [&](const IkeSaStatus& s) { return s.connection == connection->name; }));
        const auto client = clients_.find(connection->name);
        if (client != clients_.end()) {
            const auto sa = sas_.find(client->second.sa);
            status.state = state_of(client->second, sa == sas_.end() ? nullptr : sa->second.get());
            status.next_attempt = client->second.next_attempt;
            status.last_error = client->second.last_error;
        }
        out.connections.push_back(std::move(status));
    }
    for (const auto& usage : pools_.usage())
        out.pools.push_back(
            {usage.spec.name, usage.spec.prefix, usage.spec.delegate, usage.size, usage.used});
    return out;
}

} // namespace sheaf::ike
