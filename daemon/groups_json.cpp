#include "daemon/groups_json.h"

#include "daemon/remedy.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace sheaf::daemon {
namespace {

using Json = nlohmann::ordered_json;

bool concerns(const ike::GroupStatus& group, std::string_view name) {
    if (name.empty() || name == group.name || name == group.connection) return true;
    return std::ranges::any_of(group.members, [&](const ike::GroupMemberStatus& member) {
        return name == member.sa.connection || name == member.sa.peer_id;
    });
}

// What a member has of the newest SA.
std::string_view state(const ike::GroupMemberStatus& member, std::uint64_t newest) {
    if (member.generation == newest && newest != 0) return "current";
    if (member.refused) return "refused";
    return member.asked ? "asked" : "behind";
}

Json member_json(const ike::GroupMemberStatus& member, std::uint64_t newest) {
    return {
        {"name", member.sa.connection},       {"peer_id", member.sa.peer_id},
        {"peer", member.sa.peer.to_string()}, {"spi", ike_spi_text(member.sa.spi)},
        {"state", state(member, newest)},     {"generation", member.generation},
    };
}

std::string_view state(const group::Standing& standing) {
    if (!standing.stored) return "unstored";
    return standing.old_spi ? "rollover" : "settled";
}

void put_service(Json& out, const ike::GroupStatus& group, Instant now) {
    const auto& standing = group.standing;
    out["state"] = state(standing);
    out["spi"] = child_spi_text(standing.spi);
    out["generation"] = standing.generation;
    out["suite"] = group.suite;
    out["age_s"] = seconds(now - standing.begun);
    out["expires_s"] = seconds(standing.expires - now);
    if (standing.old_spi) {
        out["old_spi"] = child_spi_text(*standing.old_spi);
        out["switch_s"] = seconds(std::max(standing.switch_at - now, Duration::zero()));
    }
    out["rekey_wanted"] = standing.rekey_wanted;
    out["behind"] = standing.behind;
    out["members"] = Json::array();
    for (const auto& member : group.members)
        out["members"].push_back(member_json(member, standing.generation));
}

// What the kernel has counted of one endpoint, under all SAs of the group.
struct Carried {
    Traffic traffic;
    std::uint64_t replayed = 0;
    std::uint64_t forged = 0;
};

// By the other endpoint. Which end of an entry that is the routes say: our own address is behind none.
std::map<IpAddress, Carried> carried(const Usage& usage, child::LinkNumber number,
                                     const std::vector<xfrm::GroupRoute>& routes) {
    std::map<IpAddress, Carried> out;
    for (const auto& route : routes)
        out.try_emplace(route.endpoint);
    for (const auto& entry : usage.of(number)) {
        const auto from = out.find(entry.source);
        const auto to = out.find(entry.destination);
        if (from != out.end()) {
            from->second.traffic.bytes_in += entry.bytes;
            from->second.traffic.packets_in += entry.packets;
            from->second.replayed += entry.replayed;
            from->second.forged += entry.forged;
        } else if (to != out.end()) {
            to->second.traffic.bytes_out += entry.bytes;
            to->second.traffic.packets_out += entry.packets;
        }
    }
    return out;
}

Json sites_json(const ike::GroupStatus& group, const Snapshot& snapshot) {
    const auto found = snapshot.group_routes.find(group.number);
    static const std::vector<xfrm::GroupRoute> kNone;
    const auto& routes = found == snapshot.group_routes.end() ? kNone : found->second;
    const auto counts = carried(snapshot.usage.value_or(Usage({})), group.number, routes);
    Json out = Json::array();
    for (const auto& [endpoint, count] : counts) {
        Json site{{"endpoint", endpoint.to_string()}, {"networks", Json::array()}};
        for (const auto& route : routes)
            if (route.endpoint == endpoint)
                site["networks"].push_back({{"prefix", route.prefix.to_string()},
                                            {"from", route.configured ? "configuration" : "route"}});
        if (snapshot.usage) {
            site.update(to_json(count.traffic));
            site["replayed"] = count.replayed;
            site["forged"] = count.forged;
        }
        out.push_back(std::move(site));
    }
    return out;
}

void put_membership(Json& out, const ike::GroupStatus& group, const Snapshot& snapshot) {
    const auto now = snapshot.now;
    const bool sending = std::ranges::any_of(group.sas, &ike::GroupSaStatus::sending);
    out["state"] = sending ? "up" : group.sas.empty() ? "down" : "receiving";
    out["interface"] = group.interface;
    out["link"] = link_text(group.number);
    out["name"] = group.connection;
    out["connected"] = group.connected;
    out["sas"] = Json::array();
    for (const auto& sa : group.sas)
        out["sas"].push_back({
            {"spi", child_spi_text(sa.spi)},
            {"suite", sa.suite},
            {"sending", sa.sending},
            {"age_s", seconds(now - sa.received)},
            {"expires_s", seconds(sa.expires - now)},
        });
    out["sites"] = sites_json(group, snapshot);
}

} // namespace

Json groups_json(const Snapshot& snapshot, std::string_view name) {
    Json out{{"groups", Json::array()}};
    for (const auto& group : snapshot.status.groups) {
        if (!concerns(group, name)) continue;
        Json entry{{"group", group.name}, {"serves", group.serves}};
        if (group.serves)
            put_service(entry, group, snapshot.now);
        else
            put_membership(entry, group, snapshot);
        out["groups"].push_back(std::move(entry));
    }
    return out;
}

Json unwell_groups_json(const ike::Status& status, std::string_view name) {
    Json out = Json::array();
    for (const auto& group : status.groups) {
        const auto what = trouble(group);
        if (!what || !concerns(group, name)) continue;
        out.push_back({{"group", group.name},
                       {"name", group.connection},
                       {"sentence", what->sentence},
                       {"remedy", what->remedy}});
    }
    return out;
}

} // namespace sheaf::daemon
