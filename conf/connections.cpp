#include "conf/connections.h"

#include "conf/children.h"
#include "conf/mobile.h"
#include "conf/paths.h"
#include "conf/proposal_words.h"
#include "conf/read.h"
#include "conf/requests.h"
#include "conf/text.h"
#include "conf/wants.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

namespace sheaf::conf {
namespace {

std::optional<child::IkeProposal> ike_proposal(std::string_view text) {
    auto proposal = parse_ike_proposal(text);
    return proposal ? std::optional(std::move(*proposal)) : std::nullopt;
}

std::optional<auth::Method> method(std::string_view text) {
    if (text == "psk") return auth::Method::shared_key;
    if (text == "certificate") return auth::Method::certificate;
    if (text == "public-key") return auth::Method::raw_public_key;
    return std::nullopt;
}

ike::RetransmitPolicy read_retransmit(const json::Value& entry) {
    ike::RetransmitPolicy policy;
    const auto& object = object_at(entry, "retransmit");
    policy.first = duration_at(object, "first", policy.first);
    policy.tries = port_at(object, "tries", static_cast<std::uint16_t>(policy.tries));
    return policy;
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

auth::Terms read_terms(const json::Value& entry, const Authorities& authorities) {
    const auto& remote = object_at(entry, "remote");
    auth::Terms out;
    out.ours = list_at(object_at(entry, "local"), "auth", method);
    out.theirs = list_at(remote, "auth", method);
    out.authorities = list_at(remote, "authorities", [&](std::string_view name) {
        const auto known = authorities.find(name);
        return known == authorities.end() ? std::nullopt : std::optional(known->second);
    });
    out.require_revocation_list = boolean_at(remote, "require_crl", false);
    out.allow_sha1 = boolean_at(remote, "allow_sha1", false);
    return out;
}

ike::Role role_of(const json::Value& entry) {
    const auto word = string_at(entry, "role");
    if (word == "home-agent") return ike::Role::home_agent;
    if (word == "mobile-node") return ike::Role::mobile_node;
    return word == "client" ? ike::Role::client : word == "peer" ? ike::Role::peer : ike::Role::gateway;
}

// What all roles have.
void read_common(const json::Value& entry, ike::Connection& out) {
    out.ike = list_at(entry, "ike", ike_proposal);
    if (out.ike.empty()) out.ike = child::default_ike_proposals();
    out.liveness = duration_at(entry, "liveness", out.liveness);
    out.retransmit = read_retransmit(entry);
    out.rekey = duration_at(entry, "rekey", out.rekey);
    out.reauth = duration_at(entry, "reauth", out.reauth);
    out.nat_keepalive = duration_at(entry, "nat_keepalive", out.nat_keepalive);
    out.force_encapsulation = string_at(entry, "encapsulation") == "always";
    out.childless = boolean_at(entry, "childless", false);
    const auto unique = string_at(entry, "unique");
    if (unique == "keep") out.uniqueness = ike::Uniqueness::keep;
    if (unique == "many") out.uniqueness = ike::Uniqueness::many;
    if (unique == "share") out.uniqueness = ike::Uniqueness::share;
    out.children = read_children(entry);
    out.group = string_at(entry, "group");
}

void read_role(const json::Value& entry, ike::Connection& out) {
    if (out.role == ike::Role::peer) {
        out.interface = string_at(entry, "interface");
        out.start = boolean_at(entry, "start", false);
        out.childless = out.childless || out.children.empty(); // a group alone
        return;
    }
    out.networks = list_at(entry, "networks", Prefix::parse);
    if (out.networks.empty()) out.networks = {Prefix::all(Family::ipv6), Prefix::all(Family::ipv4)};
    out.child = read_child_terms(entry, "child_rekey");
    if (out.role == ike::Role::home_agent || out.role == ike::Role::mobile_node) {
        std::erase_if(out.networks, [](const Prefix& p) { return p.family() != Family::ipv6; });
        out.pools = read_wants(entry);
        out.interface = out.role == ike::Role::mobile_node ? string_at(entry, "interface", "sheaf0") : "";
        out.start = boolean_at(entry, "start", false);
        return read_mobile(entry, out);
    }
    read_paths(entry, out);
    if (out.role == ike::Role::gateway) {
        out.pools = read_wants(entry);
        out.block_with_address = boolean_at(entry, "block_with_address", out.block_with_address);
        out.dns = list_at(entry, "dns", IpAddress::parse);
        out.dns_domains = strings_at(entry, "dns_domains");
        return;
    }
    out.request = read_request(entry);
    out.interface = string_at(entry, "interface", "sheaf0");
    out.start = boolean_at(entry, "start", false);
}

ike::Connection read_connection(const json::Member& member, const Authorities& authorities) {
    ike::Connection out;
    out.name = member.key;
    out.role = role_of(member.value);
    read_sides(member.value, out);
    out.auth = read_terms(member.value, authorities);
    read_common(member.value, out);
    read_role(member.value, out);
    return out;
}

void note_weak_words(const json::Value& entry, std::string_view key, const std::string& path,
                     std::vector<std::string>& notes) {
    const auto* list = child(entry, key, json::Kind::array);
    if (!list) return;
    for (const auto& item : list->items)
        for (const auto weak : weak_words(item.string))
            notes.push_back(path + "." + std::string(key) + " offers the weak algorithm " + quote(weak) +
                            ": do so only while the peer has nothing better");
}

void note_terms(const json::Value& entry, const std::string& path, std::vector<std::string>& notes) {
    note_weak_words(entry, "esp", path, notes);
    const auto* window = child(entry, "replay_window", json::Kind::integer);
    if (window && window->integer == 0)
        notes.push_back(path + ".replay_window is 0: replayed packets are taken for new ones");
}

// RFC 8598 2: where all of a family goes through the tunnel, clients take the servers for all names.
void note_domains(const json::Value& entry, const std::string& path, std::vector<std::string>& notes) {
    const auto* domains = child(entry, "dns_domains", json::Kind::array);
    if (!domains || domains->items.empty()) return;
    const auto networks = list_at(entry, "networks", Prefix::parse);
    if (networks.empty() || std::ranges::any_of(networks, [](const Prefix& p) { return p.length() == 0; }))
        notes.push_back(path +
                        ".dns_domains is for clients that send only a part of their traffic here: with "
                        "these \"networks\" they ask the name servers for everything (RFC 8598 2)");
}

} // namespace

std::vector<ike::Connection> read_connections(const json::Value& root, const Authorities& authorities) {
    std::vector<ike::Connection> out;
    for (const auto& member : object_at(root, "connections").members)
        if (member.value.kind == json::Kind::object) out.push_back(read_connection(member, authorities));
    return out;
}

std::vector<std::string> connection_notes(const json::Value& root) {
    std::vector<std::string> notes;
    for (const auto& [name, place, entry] : object_at(root, "connections").members) {
        const std::string path = "connections." + name;
        note_weak_words(entry, "ike", path, notes);
        note_terms(entry, path, notes);
        note_domains(entry, path, notes);
        if (boolean_at(object_at(entry, "remote"), "allow_sha1", false))
            notes.push_back(path +
                            ".remote.allow_sha1: signatures with SHA-1 are accepted, which can be forged");
        for (const auto& child : object_at(entry, "children").members)
            note_terms(child.value, path + ".children." + child.key, notes);
    }
    return notes;
}

} // namespace sheaf::conf
