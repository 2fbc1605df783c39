#include "daemon/status_json.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace sheaf::daemon {
namespace {

using Json = nlohmann::ordered_json;

template <class List>
Json texts(const List& list) {
    Json out = Json::array();
    for (const auto& item : list)
        out.push_back(item.to_string());
    return out;
}

Json to_json(const ike::IkeSaStatus& sa, const ike::ChildStatus& child, Instant now, const Usage* usage) {
    Json out{
        {"name", child.name},
        {"state", child.state},
        {"spi_in", child_spi_text(child.spi_in)},
        {"spi_out", child_spi_text(child.spi_out)},
        {"suite", child.suite},
        {"mode", child.mode == child::Mode::tunnel ? "tunnel" : "transport"},
        {"encap", child.udp_encapsulation},
        {"installed", child.installed},
        {"local_ts", child.local_selectors},
        {"remote_ts", child.remote_selectors},
    };
    if (child.since) out["since_s"] = seconds(now - *child.since);
    if (child.rekey_at) out["rekey_s"] = seconds(*child.rekey_at - now);
    const auto traffic = usage == nullptr ? std::nullopt : usage->of(sa, child);
    if (traffic) out.update(to_json(*traffic));
    return out;
}

std::string text(const child::InterfaceAddress& address) {
    return fmt::format("{}/{}", address.address.to_string(), address.prefix_length);
}

// How much of a pool is left. A block that is kept is none that another can have at this moment.
std::string_view state(const address::PoolUsage& pool) {
    constexpr double kPercent = 100;
    const auto taken = static_cast<double>(pool.used) + static_cast<double>(pool.kept);
    const auto size = static_cast<double>(pool.size);
    if (taken >= size) return "full";
    return pool.spec.warn_at != 0 && taken * kPercent >= size * pool.spec.warn_at ? "low" : "ok";
}

Json to_json(const address::PoolUsage& pool, WallTime now) {
    Json out{
        {"name", pool.spec.name},
        {"prefix", pool.spec.prefix.to_string()},
        {"delegate", pool.spec.delegate},
        {"size", pool.size},
        {"used", pool.used},
        {"kept", pool.kept},
        {"state", state(pool)},
        {"warn_at", pool.spec.warn_at},
        {"lease_s", pool.spec.lease.count()},
        {"reserved", pool.spec.reserved.size()},
    };
    if (pool.next_free) out["next_free_s"] = (*pool.next_free - now).count();
    if (pool.exhausted_at) out["exhausted_s"] = (*pool.exhausted_at - now).count();
    return out;
}

Json to_json(const ike::Counters& counters) {
    Json refused = Json::object();
    for (std::size_t i = 0; i < kRuleCount; ++i)
        if (counters.refused.at(i) != 0)
            refused[std::string(sheaf::name(static_cast<Rule>(i)))] = counters.refused.at(i);
    return {
        {"datagrams_in", counters.datagrams_in}, {"datagrams_out", counters.datagrams_out},
        {"retransmits", counters.retransmits},   {"handshakes", counters.handshakes},
        {"refused", std::move(refused)},
    };
}

} // namespace

std::string ike_spi_text(wire::Spi spi) { return fmt::format("{:016x}", spi); }
std::string child_spi_text(wire::ChildSpi spi) { return fmt::format("{:#010x}", spi); }
std::string link_text(child::LinkNumber link) { return fmt::format("{:#010x}", link); }

std::string_view name(ike::Role role) {
    switch (role) {
    case ike::Role::gateway: return "gateway";
    case ike::Role::client: return "client";
    case ike::Role::peer: return "peer";
    case ike::Role::home_agent: return "home-agent";
    case ike::Role::mobile_node: return "mobile-node";
    }
    return "unknown";
}

double seconds(Duration duration) {
    return std::round(std::chrono::duration<double>(duration).count() * 1000) / 1000;
}

Json to_json(const ike::ConnectionStatus& connection, Instant now) {
    Json out{
        {"name", connection.name},
        {"role", name(connection.role)},
        {"state", connection.state},
        {"ike_sas", connection.ike_sas},
    };
    if (connection.next_attempt) out["next_attempt_s"] = seconds(*connection.next_attempt - now);
    if (!connection.last_error.empty()) out["last_error"] = connection.last_error;
    return out;
}

Json to_json(const child::Link& link) {
    Json addresses = Json::array();
    Json deprecated = Json::array();
    for (const auto& address : link.addresses) {
        addresses.push_back(text(address));
        if (address.deprecated) deprecated.push_back(text(address));
    }
    // The client's link-local address is routed as its prefixes are, and is none.
    std::vector<Prefix> routes = link.routes;
    const auto link_local =
        std::ranges::find_if(routes, [](const Prefix& route) { return route.address().is_link_local(); });
    std::string theirs;
    if (link_local != routes.end()) {
        theirs = link_local->address().to_string();
        routes.erase(link_local);
    }
    Json out{
        {"number", link_text(link.number)},
        {"interface", link.interface},
        {link.role == child::LinkRole::gateway ? "prefixes" : "routes", texts(routes)},
        {"addresses", std::move(addresses)},
    };
    if (!theirs.empty()) out["link_local"] = theirs;
    if (!deprecated.empty()) out["deprecated"] = std::move(deprecated);
    if (!link.delegated.empty()) out["delegated"] = texts(link.delegated);
    for (const auto& lan : link.lan)
        out["lan"].push_back({{"interface", lan.interface},
                              {"address", fmt::format("{}/{}", lan.address.to_string(), lan.prefix_length)}});
    return out;
}

Json to_json(const address::Grant& lease) {
    return {{"pool", lease.pool}, {"block", lease.block.to_string()}};
}

Json to_json(const Traffic& traffic) {
    return {{"bytes_in", traffic.bytes_in},
            {"bytes_out", traffic.bytes_out},
            {"packets_in", traffic.packets_in},
            {"packets_out", traffic.packets_out}};
}

Json to_json(const ike::IkeSaStatus& sa, Instant now, const Usage* usage) {
    Json out{
        {"name", sa.connection},
        {"role", name(sa.role)},
        {"state", sa.state},
        {"initiator", sa.initiator},
        {"local_id", sa.local_id},
        {"peer_id", sa.peer_id},
        {"local", sa.local.to_string()},
        {"peer", sa.peer.to_string()},
        {"suite", sa.suite},
        {"spi_i", ike_spi_text(sa.spi_i)},
        {"spi_r", ike_spi_text(sa.spi_r)},
        {"nat", {{"here", sa.nat_here}, {"there", sa.nat_there}}},
    };
    if (sa.family != 0) out["family"] = ike_spi_text(sa.family);
    if (sa.established) out["established_s"] = seconds(now - *sa.established);
    if (sa.rekey_at) out["rekey_s"] = seconds(*sa.rekey_at - now);
    if (sa.reauth_at) out["reauth_s"] = seconds(*sa.reauth_at - now);
    out["last_heard_s"] = seconds(now - sa.last_heard);
    if (sa.link) out["link"] = to_json(*sa.link);
    if (sa.linked) out["link_s"] = seconds(now - *sa.linked);
    for (const auto& lease : sa.leases)
        out["leases"].push_back(to_json(lease));
    out["dns"] = texts(sa.dns);
    if (!sa.dns_domains.empty()) out["dns_domains"] = sa.dns_domains;
    out["children"] = Json::array();
    for (const auto& child : sa.children)
        out["children"].push_back(to_json(sa, child, now, usage));
    return out;
}

Json pools_json(const Snapshot& snapshot) {
    Json out{{"pools", Json::array()}};
    for (const auto& pool : snapshot.pools)
        out["pools"].push_back(to_json(pool, snapshot.wall));
    return out;
}

Json list_json(const Snapshot& snapshot) {
    Json out{{"connections", Json::array()}};
    for (const auto& connection : snapshot.status.connections)
        out["connections"].push_back(to_json(connection, snapshot.now));
    out.update(pools_json(snapshot));
    return out;
}

Json status_json(const Snapshot& snapshot) {
    Json out{{"ike_sas", Json::array()}};
    for (const auto& sa : snapshot.status.ike_sas)
        out["ike_sas"].push_back(to_json(sa, snapshot.now, snapshot.usage ? &*snapshot.usage : nullptr));
    out.update(list_json(snapshot));
    out["half_open"] = snapshot.status.half_open;
    out["counters"] = to_json(snapshot.status.counters);
    return out;
}

std::string one_line(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

} // namespace sheaf::daemon
