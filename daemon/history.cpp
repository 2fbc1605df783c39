#include "daemon/history.h"

#include "daemon/remedy.h"
#include "daemon/status_json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>
#include <vector>

namespace sheaf::daemon {
namespace {

using Json = nlohmann::ordered_json;

bool by_anyone(Rule rule) {
    const auto what = kind(rule);
    return what == RuleKind::malformed || what == RuleKind::unexpected;
}

} // namespace

void History::note(const ike::Event& event, Instant now) {
    if (const auto* refused = std::get_if<ike::Refused>(&event)) note_refused(*refused, now);
    if (const auto* down = std::get_if<ike::IkeDown>(&event)) note_down(*down, now);
    if (const auto* pool = std::get_if<ike::PoolLow>(&event)) note_pool(*pool, now);
    const auto* group = std::get_if<ike::GroupChanged>(&event);
    if (group != nullptr && trouble(group->what)) note_group(*group, now);
    const auto* path = std::get_if<ike::PathChanged>(&event);
    if (path != nullptr && path->state != "up" && path->state != "opening") note_path(*path, now);
}

void History::note_refused(const ike::Refused& refused, Instant now) {
    Entry entry;
    entry.rule = refused.rule;
    entry.detail = refused.detail;
    entry.peer = refused.peer;
    entry.spi = refused.spi;
    entry.first = entry.last = now;
    // Within an IKE SA even a malformed message was authenticated, or the IKE SA is about to end by it.
    if (refused.spi == 0 && by_anyone(refused.rule))
        put(strangers_, std::move(entry), kMostOfStrangers);
    else
        put(peers_, std::move(entry), kMostOfPeers);
}

void History::note_down(const ike::IkeDown& down, Instant now) {
    // Refusals name the SPI alone; now it is known whose they were.
    for (auto& entry : peers_) {
        if (entry.spi != down.sa.spi || entry.what != What::refused) continue;
        entry.connection = down.sa.connection;
        entry.peer_id = down.sa.peer_id;
    }
    Entry entry;
    entry.what = What::down;
    entry.reason = down.reason;
    entry.detail = down.detail;
    entry.peer = down.sa.peer;
    entry.spi = down.sa.spi;
    entry.connection = down.sa.connection;
    entry.peer_id = down.sa.peer_id;
    entry.retrying = down.retrying;
    entry.first = entry.last = now;
    put(peers_, std::move(entry), kMostOfPeers);
}

void History::note_pool(const ike::PoolLow& pool, Instant now) {
    Entry entry;
    entry.what = What::pool_low;
    entry.pool = pool;
    entry.first = entry.last = now;
    put(peers_, std::move(entry), kMostOfPeers);
}

void History::note_path(const ike::PathChanged& path, Instant now) {
    Entry entry;
    entry.what = What::path;
    entry.detail = path.why;
    entry.connection = path.sa.connection;
    entry.peer_id = path.sa.peer_id;
    entry.uplink = path.uplink;
    entry.gateway = path.gateway;
    entry.state = path.state;
    entry.first = entry.last = now;
    put(peers_, std::move(entry), kMostOfPeers);
}

void History::note_group(const ike::GroupChanged& change, Instant now) {
    Entry entry;
    entry.what = What::group;
    entry.group = change.group;
    entry.change = change.what;
    entry.detail = change.why;
    entry.connection = change.member.connection;
    entry.peer_id = change.member.peer_id;
    entry.peer = change.member.peer;
    entry.first = entry.last = now;
    put(peers_, std::move(entry), kMostOfPeers);
}

// A port changes with every attempt behind a NAT, an SPI with every attempt at all, and how full a pool is with
// every client.
bool History::same(const Entry& a, const Entry& b) {
    return a.what == b.what && a.rule == b.rule && a.reason == b.reason && a.peer.address == b.peer.address &&
           a.detail == b.detail && (a.connection == b.connection || a.what == What::refused) &&
           a.pool.pool == b.pool.pool && a.pool.exhausted == b.pool.exhausted && a.uplink == b.uplink &&
           a.gateway == b.gateway && a.state == b.state && a.group == b.group && a.change == b.change;
}

void History::put(std::deque<Entry>& entries, Entry entry, std::size_t most) {
    const auto before = std::ranges::find_if(entries, [&](const Entry& other) { return same(other, entry); });
    if (before != entries.end()) {
        entry.first = before->first;
        entry.count = before->count + 1;
        entries.erase(before);
    }
    entries.push_front(std::move(entry));
    if (entries.size() > most) entries.pop_back();
}

bool History::concerns(const Entry& entry, std::string_view name) {
    return name.empty() || name == entry.connection || name == entry.peer_id || name == entry.pool.pool ||
           name == entry.uplink || name == entry.group ||
           (entry.what == What::path && name == entry.gateway.to_string()) ||
           (entry.peer.port != 0 &&
            (name == entry.peer.address.to_string() || name == entry.peer.to_string()));
}

namespace {

std::string_view event_of(History::What what) {
    switch (what) {
    case History::What::refused: return "refused";
    case History::What::down: return "ike_down";
    case History::What::pool_low: return "pool_low";
    case History::What::path: return "path_changed";
    case History::What::group: return "group_changed";
    }
    return "refused";
}

} // namespace

std::string_view History::remedy_of(const Entry& entry) {
    switch (entry.what) {
    case What::refused: return remedy(entry.rule);
    case What::down: return remedy(entry.reason);
    case What::pool_low: return kPoolRemedy;
    case What::path: return path_remedy(entry.state);
    case What::group: return trouble(entry.change)->remedy;
    }
    return {};
}

Json History::to_json(const Entry& entry, Instant now) {
    Json out{{"event", event_of(entry.what)}, {"age_s", seconds(now - entry.last)}, {"count", entry.count}};
    if (entry.count > 1) out["first_s"] = seconds(now - entry.first);
    if (!entry.connection.empty()) out["name"] = entry.connection;
    if (!entry.peer_id.empty()) out["peer_id"] = entry.peer_id;
    if (entry.peer.port != 0) out["peer"] = entry.peer.to_string();
    if (entry.spi != 0) out["spi"] = ike_spi_text(entry.spi);
    switch (entry.what) {
    case What::refused:
        out["rule"] = sheaf::name(entry.rule);
        out["sentence"] = sheaf::sentence(entry.rule);
        break;
    case What::down:
        out["reason"] = ike::name(entry.reason);
        out["sentence"] = sentence(entry.reason);
        out["retrying"] = entry.retrying;
        break;
    case What::pool_low:
        out["pool"] = entry.pool.pool;
        out["sentence"] = pool_state(entry.pool);
        break;
    case What::path:
        if (!entry.uplink.empty()) out["uplink"] = entry.uplink;
        out["gateway"] = entry.gateway.to_string();
        out["state"] = entry.state;
        out["sentence"] = path_sentence(entry.state);
        break;
    case What::group:
        out["group"] = entry.group;
        out["what"] = ike::name(entry.change);
        out["sentence"] = trouble(entry.change)->sentence;
        break;
    }
    if (!entry.detail.empty()) out["detail"] = entry.detail;
    if (const auto help = remedy_of(entry); !help.empty()) out["remedy"] = help;
    return out;
}

Json History::explain(std::string_view name, Instant now) const {
    std::vector<const Entry*> found;
    for (const auto* entries : {&strangers_, &peers_})
        for (const auto& entry : *entries)
            if (concerns(entry, name)) found.push_back(&entry);
    std::ranges::stable_sort(found, std::ranges::greater{}, &Entry::last);
    Json out = Json::array();
    for (const auto* entry : found)
        out.push_back(to_json(*entry, now));
    return out;
}

} // namespace sheaf::daemon
