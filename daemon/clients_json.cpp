#include "daemon/clients_json.h"

#include "daemon/traffic_json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>
#include <span>
#include <vector>

namespace sheaf::daemon {
namespace {

using Json = nlohmann::ordered_json;
using Sas = std::span<const ike::IkeSaStatus* const>;

child::LinkNumber link_number(const ike::IkeSaStatus* sa) { return sa->link->number; }

// The IKE SAs of clients, those of one link side by side, the latest first: that is the one whose Child SA
// the link uses.
std::vector<const ike::IkeSaStatus*> with_links(const ike::Status& status) {
    std::vector<const ike::IkeSaStatus*> out;
    for (const auto& sa : status.ike_sas)
        if (sa.role == ike::Role::gateway && sa.link) out.push_back(&sa);
    std::ranges::stable_sort(out, [](const auto* a, const auto* b) {
        return link_number(a) != link_number(b) ? link_number(a) < link_number(b)
                                                : a->established > b->established;
    });
    return out;
}

bool concerns(const ike::IkeSaStatus& sa, std::string_view name, const std::optional<IpAddress>& address) {
    if (name.empty() || name == sa.connection || name == sa.peer_id) return true;
    if (!address) return name == sa.peer.to_string();
    return *address == sa.peer.address || std::ranges::any_of(sa.link->routes, [&](const Prefix& route) {
        return route.contains(*address);
    });
}

Json path_json(const ike::IkeSaStatus& sa, Instant now) {
    const bool encapsulated =
        std::ranges::any_of(sa.children, [](const auto& child) { return child.udp_encapsulation; });
    Json out{
        {"state", sa.state},
        {"local", sa.local.to_string()},
        {"peer", sa.peer.to_string()},
        {"nat", {{"here", sa.nat_here}, {"there", sa.nat_there}}},
        {"encap", encapsulated},
        {"spi_i", ike_spi_text(sa.spi_i)},
        {"spi_r", ike_spi_text(sa.spi_r)},
    };
    if (sa.established) out["established_s"] = seconds(now - *sa.established);
    out["last_heard_s"] = seconds(now - sa.last_heard);
    return out;
}

// Those of all paths: an older one may still have what the latest has not any more.
std::vector<address::Grant> leases(Sas sas) {
    std::vector<address::Grant> out;
    for (const auto* sa : sas)
        for (const auto& lease : sa->leases)
            if (std::ranges::find(out, lease) == out.end()) out.push_back(lease);
    return out;
}

Json client_json(Sas sas, const Snapshot& snapshot) {
    const auto& sa = *sas.front();
    Json out{{"name", sa.connection},
             {"peer_id", sa.peer_id},
             {"link", link_text(sa.link->number)},
             {"interface", sa.link->interface}};
    if (sa.linked) out["link_s"] = seconds(snapshot.now - *sa.linked);
    out["prefixes"] = Json::array();
    out["leases"] = Json::array();
    for (const auto& route : sa.link->routes)
        if (route.address().is_link_local())
            out["link_local"] = route.address().to_string();
        else
            out["prefixes"].push_back(route.to_string());
    for (const auto& lease : leases(sas))
        out["leases"].push_back(to_json(lease));
    if (snapshot.usage) put_traffic(out, sas, *snapshot.usage, snapshot.now);
    out["paths"] = Json::array();
    for (const auto* path : sas)
        out["paths"].push_back(path_json(*path, snapshot.now));
    return out;
}

} // namespace

Json clients_json(const Snapshot& snapshot, std::string_view name) {
    const auto sas = with_links(snapshot.status);
    const auto address = IpAddress::parse(name);
    Json out{{"clients", Json::array()}};
    for (auto first = sas.begin(); first != sas.end();) {
        const auto next =
            std::find_if(first, sas.end(), [&](auto* sa) { return link_number(sa) != link_number(*first); });
        const Sas link(first, next);
        if (std::ranges::any_of(link, [&](const auto* sa) { return concerns(*sa, name, address); }))
            out["clients"].push_back(client_json(link, snapshot));
        first = next;
    }
    return out;
}

} // namespace sheaf::daemon
