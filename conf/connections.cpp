#include "conf/connections.h"

#include "conf/proposal_words.h"
#include "conf/read.h"
#include "conf/words.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

namespace sheaf::conf {
namespace {

const json::Value kNothing;

const json::Value& object_at(const json::Value& object, std::string_view key) {
    const auto* value = child(object, key, json::Kind::object);
    return value ? *value : kNothing;
}

std::optional<std::string> word(std::string_view text) { return std::string(text); }

std::optional<child::IkeProposal> ike_proposal(std::string_view text) {
    auto proposal = parse_ike_proposal(text);
    return proposal ? std::optional(std::move(*proposal)) : std::nullopt;
}

std::optional<child::EspProposal> esp_proposal(std::string_view text) {
    auto proposal = parse_esp_proposal(text);
    return proposal ? std::optional(std::move(*proposal)) : std::nullopt;
}

ike::RetransmitPolicy read_retransmit(const json::Value& entry) {
    ike::RetransmitPolicy policy;
    const auto& object = object_at(entry, "retransmit");
    if (const auto first = parse_duration(string_at(object, "first"))) policy.first = *first;
    policy.tries = port_at(object, "tries", static_cast<std::uint16_t>(policy.tries));
    return policy;
}

ike::AddressRequest read_request(const json::Value& entry) {
    if (!child(entry, "request", json::Kind::array)) return {};
    const auto words = list_at(entry, "request", word);
    const auto has = [&words](std::string_view what) {
        return std::ranges::find(words, what) != words.end();
    };
    return {.prefix = has("prefix"), .ipv6 = has("ipv6"), .ipv4 = has("ipv4")};
}

void read_sides(const json::Value& entry, ike::Connection& connection) {
    const auto& local = object_at(entry, "local");
    const auto& remote = object_at(entry, "remote");
    if (auto id = auth::Identity::parse(string_at(local, "id"))) connection.local_id = std::move(*id);
    if (auto id = auth::IdentityPattern::parse(string_at(remote, "id")))
        connection.remote_id = std::move(*id);
    connection.local_address = IpAddress::parse(string_at(local, "address"));
    if (const auto address = IpAddress::parse(string_at(remote, "address")))
        connection.remote = Endpoint{*address, port_at(remote, "port", 500)};
}

ike::Connection read_connection(const std::string& name, const json::Value& entry) {
    ike::Connection out;
    out.name = name;
    out.role = string_at(entry, "role") == "client" ? ike::Role::client : ike::Role::gateway;
    read_sides(entry, out);
    out.networks = list_at(entry, "networks", Prefix::parse);
    if (out.networks.empty()) out.networks = {Prefix::all(Family::ipv6), Prefix::all(Family::ipv4)};
    out.ike = list_at(entry, "ike", ike_proposal);
    out.child.esp = list_at(entry, "esp", esp_proposal);
    if (out.ike.empty()) out.ike = child::default_ike_proposals();
    if (out.child.esp.empty()) out.child.esp = child::default_esp_proposals();
    if (const auto liveness = parse_duration(string_at(entry, "liveness"))) out.liveness = *liveness;
    out.retransmit = read_retransmit(entry);
    if (out.role == ike::Role::gateway) {
        out.pools = list_at(entry, "pools", word);
        out.dns = list_at(entry, "dns", IpAddress::parse);
        return out;
    }
    out.request = read_request(entry);
    out.interface = string_at(entry, "interface", "sheaf0");
    const auto* start = child(entry, "start", json::Kind::boolean);
    out.start = start && start->boolean;
    return out;
}

} // namespace

std::vector<ike::Connection> read_connections(const json::Value& root) {
    std::vector<ike::Connection> out;
    for (const auto& member : object_at(root, "connections").members)
        if (member.value.kind == json::Kind::object) out.push_back(read_connection(member.key, member.value));
    return out;
}

} // namespace sheaf::conf
