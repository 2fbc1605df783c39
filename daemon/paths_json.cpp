#include "daemon/paths_json.h"

#include "daemon/remedy.h"
#include "daemon/traffic_json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

namespace sheaf::daemon {
namespace {

using Json = nlohmann::ordered_json;

bool concerns(const ike::PathStatus& path, std::string_view name) {
    if (name.empty() || name == path.connection || name == path.peer_id || name == path.uplink) return true;
    const auto address = IpAddress::parse(name);
    if (!address) return name == path.local.to_string() || name == path.peer.to_string();
    return *address == path.gateway || *address == path.local.address || *address == path.peer.address;
}

// Over a cable it is less than a millisecond.
double microseconds(Duration duration) {
    return std::round(std::chrono::duration<double>(duration).count() * 1e6) / 1e6;
}

const ike::IkeSaStatus* carrier(const ike::Status& status, const ike::PathStatus& path) {
    const auto sa = std::ranges::find(status.ike_sas, path.spi, [](const ike::IkeSaStatus& each) {
        return each.initiator ? each.spi_i : each.spi_r;
    });
    return path.spi == 0 || sa == status.ike_sas.end() ? nullptr : &*sa;
}

// What names a path, its state, and why it is in that.
Json head(const ike::PathStatus& path, Instant now) {
    Json out{{"name", path.connection}, {"peer_id", path.peer_id}};
    if (!path.uplink.empty()) out["uplink"] = path.uplink;
    out["gateway"] = path.gateway.to_string();
    out["state"] = path.state;
    if (!path.why.empty()) out["why"] = path.why;
    if (path.since) out["since_s"] = seconds(now - *path.since);
    return out;
}

Json path_json(const ike::PathStatus& path, const Snapshot& snapshot) {
    Json out = head(path, snapshot.now);
    out["carries"] = path.carries;
    if (path.spi != 0) {
        out["spi"] = ike_spi_text(path.spi);
        out["local"] = path.local.to_string();
        out["peer"] = path.peer.to_string();
        out["nat"] = {{"here", path.nat_here}, {"there", path.nat_there}};
    }
    if (path.number != 0) out["link"] = link_text(path.number);
    if (path.round_trip) out["round_trip_s"] = microseconds(*path.round_trip);
    out["probes"] = path.probes;
    out["unanswered"] = path.unanswered;
    if (const auto* sa = carrier(snapshot.status, path); sa && snapshot.usage)
        put_traffic(out, {&sa, 1}, *snapshot.usage, snapshot.now);
    return out;
}

} // namespace

Json paths_json(const Snapshot& snapshot, std::string_view name) {
    Json out{{"paths", Json::array()}};
    for (const auto& path : snapshot.status.paths)
        if (concerns(path, name)) out["paths"].push_back(path_json(path, snapshot));
    return out;
}

Json unused_paths_json(const ike::Status& status, std::string_view name, Instant now) {
    Json out = Json::array();
    for (const auto& path : status.paths) {
        if (!concerns(path, name) || (path.state == "up" && path.carries)) continue;
        Json entry = head(path, now);
        entry["sentence"] = path_sentence(path.state);
        if (const auto help = path_remedy(path.state); !help.empty()) entry["remedy"] = help;
        out.push_back(std::move(entry));
    }
    return out;
}

} // namespace sheaf::daemon
