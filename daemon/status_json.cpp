#include "daemon/status_json.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cmath>

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

Json to_json(const ike::ChildStatus& child, Instant now) {
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
    return out;
}

Json to_json(const ike::PoolStatus& pool) {
    return {
        {"name", pool.name},         {"prefix", pool.prefix.to_string()},
        {"delegate", pool.delegate}, {"size", pool.size},
        {"used", pool.used},
    };
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

std::string_view name(ike::Role role) {
    switch (role) {
    case ike::Role::gateway: return "gateway";
    case ike::Role::client: return "client";
    case ike::Role::peer: return "peer";
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
    for (const auto& address : link.addresses)
        addresses.push_back(fmt::format("{}/{}", address.address.to_string(), address.prefix_length));
    return {
        {"number", fmt::format("{:#010x}", link.number)},
        {"interface", link.interface},
        {link.role == child::LinkRole::gateway ? "prefixes" : "routes", texts(link.routes)},
        {"addresses", std::move(addresses)},
    };
}

Json to_json(const ike::IkeSaStatus& sa, Instant now) {
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
    if (sa.established) out["established_s"] = seconds(now - *sa.established);
    if (sa.rekey_at) out["rekey_s"] = seconds(*sa.rekey_at - now);
    if (sa.reauth_at) out["reauth_s"] = seconds(*sa.reauth_at - now);
    out["last_heard_s"] = seconds(now - sa.last_heard);
    if (sa.link) out["link"] = to_json(*sa.link);
    out["dns"] = texts(sa.dns);
    out["children"] = Json::array();
    for (const auto& child : sa.children)
        out["children"].push_back(to_json(child, now));
    return out;
}

Json to_json_list(const ike::Status& status, Instant now) {
    Json out{{"connections", Json::array()}, {"pools", Json::array()}};
    for (const auto& connection : status.connections)
        out["connections"].push_back(to_json(connection, now));
    for (const auto& pool : status.pools)
        out["pools"].push_back(to_json(pool));
    return out;
}

Json to_json(const ike::Status& status, Instant now) {
    Json out{{"ike_sas", Json::array()}};
    for (const auto& sa : status.ike_sas)
        out["ike_sas"].push_back(to_json(sa, now));
    out.update(to_json_list(status, now));
    out["half_open"] = status.half_open;
    out["counters"] = to_json(status.counters);
    return out;
}

std::string one_line(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

} // namespace sheaf::daemon
