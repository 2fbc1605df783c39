#include "conf/children.h"

#include "conf/proposal_words.h"
#include "conf/read.h"
#include "conf/selector_words.h"
#include "conf/text.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

namespace sheaf::conf {
namespace {

using Selectors = std::vector<wire::TrafficSelector>;

std::optional<child::EspProposal> esp_proposal(std::string_view text) {
    auto proposal = parse_esp_proposal(text);
    return proposal ? std::optional(std::move(*proposal)) : std::nullopt;
}

std::optional<wire::TrafficSelector> selector(std::string_view text) {
    const auto parsed = parse_selector(text);
    return parsed ? std::optional(*parsed) : std::nullopt;
}

std::uint64_t amount_at(const json::Value& object, std::string_view key) {
    const auto* value = child(object, key, json::Kind::integer);
    return value && value->integer > 0 ? static_cast<std::uint64_t>(value->integer) : 0;
}

ike::Lifetime read_lifetime(const json::Value& entry, std::string_view key, ike::Lifetime standard) {
    const auto* object = child(entry, key, json::Kind::object);
    if (!object) return standard;
    standard.time = duration_at(*object, "time", standard.time);
    standard.bytes = amount_at(*object, "bytes");
    standard.packets = amount_at(*object, "packets");
    return standard;
}

child::OuterHeader read_outer(const json::Value& entry) {
    child::OuterHeader out;
    if (const auto dscp = string_at(entry, "dscp"); !dscp.empty()) {
        out.dscp_out = dscp == "out" || dscp == "both";
        out.dscp_in = dscp == "in" || dscp == "both";
    }
    out.ecn = boolean_at(entry, "ecn", out.ecn);
    out.path_mtu = string_at(entry, "df", "copy") == "copy";
    return out;
}

ike::ChildConfig read_child(const std::string& name, const json::Value& entry) {
    ike::ChildConfig out;
    out.name = name;
    out.mode = string_at(entry, "mode") == "transport" ? child::Mode::transport : child::Mode::tunnel;
    out.local = list_at(entry, "local", selector);
    out.remote = list_at(entry, "remote", selector);
    const auto start = string_at(entry, "start");
    out.start = start == "trap" ? ike::Start::trap : start == "now" ? ike::Start::now : ike::Start::manual;
    out.clear_without_sa = string_at(entry, "without_sa") == "clear";
    out.terms = read_child_terms(entry, "rekey");
    return out;
}

bool has_family(const Selectors& list, Family family) {
    return std::ranges::any_of(list, [family](const auto& s) { return s.start.family() == family; });
}

class ChildChecker {
  public:
    ChildChecker(ike::Role role, const json::Value& connection, const std::string& path, Report& report)
        : role_(role), path_(path), report_(report) {
        const auto* remote = child(connection, "remote", json::Kind::object);
        can_begin_ = remote && json::find(*remote, "address");
    }
    void child_sa(const json::Member& member);

  private:
    void name(const json::Member& member, const std::string& path);
    void sides(const json::Member& member, const ike::ChildConfig& config, const std::string& path);
    void families(const json::Value& entry, const ike::ChildConfig& config, const std::string& path);
    void hosts(const json::Value& entry, std::string_view side, const std::string& path);
    void start(const json::Value& entry, const std::string& path);
    void twins(const json::Member& member, const ike::ChildConfig& config, const std::string& path);

    ike::Role role_;
    const std::string& path_;
    Report& report_;
    bool can_begin_ = false;
    std::vector<std::pair<ike::ChildConfig, std::string>> seen_; // with its path
};

// Whether all of the list's words could be read; what could not is reported already.
bool readable(const json::Value& entry, std::string_view key) {
    const auto* member = json::find(entry, key);
    if (!member) return true;
    if (member->value.kind != json::Kind::array) return false;
    return std::ranges::all_of(member->value.items, [](const json::Value& item) {
        return item.kind == json::Kind::string && selector(item.string);
    });
}

void ChildChecker::sides(const json::Member& member, const ike::ChildConfig& config,
                         const std::string& path) {
    for (const std::string_view side : {"local", "remote"}) {
        if (config.mode == child::Mode::transport) {
            hosts(member.value, side, path);
        } else if (role_ == ike::Role::peer && !json::find(member.value, side)) {
            report_.add(member.place, path + " lacks " + quote(side),
                        "in tunnel mode both sides name their networks: \"local\": [\"10.1.0.0/16\"]");
        }
    }
}

// A selector of one side without one of its family on the other can match no packet.
void ChildChecker::families(const json::Value& entry, const ike::ChildConfig& config,
                            const std::string& path) {
    if (config.local.empty() || config.remote.empty()) return;
    const auto lonely = [&](std::string_view side, const Selectors& here, std::string_view beyond,
                            const Selectors& there) {
        const auto* list = child(entry, side, json::Kind::array);
        for (std::size_t i = 0; list && i < here.size() && i < list->items.size(); ++i) {
            const Family family = here[i].start.family();
            if (has_family(there, family)) continue;
            report_.add(list->items[i].place,
                        path + ": " + quote(list->items[i].string) + " meets no " +
                            (family == Family::ipv6 ? "IPv6" : "IPv4") + " on the other side",
                        "add one to " + quote(beyond) + ", or remove this one");
            return;
        }
    };
    lonely("local", config.local, "remote", config.remote);
    lonely("remote", config.remote, "local", config.local);
}

void ChildChecker::hosts(const json::Value& entry, std::string_view side, const std::string& path) {
    const auto* list = child(entry, side, json::Kind::array);
    if (!list) return;
    for (const auto& item : list->items) {
        const auto read = selector(item.string);
        if (!read || read->start == read->end) continue;
        report_.add(item.place,
                    path + "." + std::string(side) + ": " + quote(item.string) + " is no single address",
                    "transport mode protects packets between two hosts; for networks use mode \"tunnel\"");
    }
}

void ChildChecker::start(const json::Value& entry, const std::string& path) {
    const auto* word = child(entry, "start", json::Kind::string);
    const bool begins = word && (word->string == "trap" || word->string == "now");
    if (begins && role_ == ike::Role::gateway)
        report_.add(word->place,
                    path + ".start: " + quote(word->string) + " is not for a gateway: clients begin",
                    "leave it out here, and write it in the connection of the client");
    else if (begins && !can_begin_)
        report_.add(word->place, path + ".start: " + quote(word->string) + " needs to know where the peer is",
                    "add remote.address to the connection, or let the peer begin: \"manual\"");
    const auto* without = child(entry, "without_sa", json::Kind::string);
    if (without && !begins && role_ == ike::Role::gateway)
        report_.add(without->place,
                    path + ".without_sa is not for a gateway: no policy waits for an SA there",
                    "leave it out here, and write it in the connection of the client");
    else if (without && !begins)
        report_.add(without->place, path + ".without_sa is for start \"trap\" and \"now\"",
                    "without a policy in place, packets go as the routes say: remove it, or set \"start\"");
}

void ChildChecker::twins(const json::Member& member, const ike::ChildConfig& config,
                         const std::string& path) {
    const auto same = [&](const auto& other) {
        return other.first.mode == config.mode && other.first.local == config.local &&
               other.first.remote == config.remote;
    };
    if (const auto twin = std::ranges::find_if(seen_, same); twin != seen_.end())
        report_.add(member.place, path + ": " + twin->second + " is for the same traffic",
                    "only one of them would ever be used: remove one");
    seen_.emplace_back(config, path);
}

// The Child SA of a virtual link is known by the connection's name.
void ChildChecker::name(const json::Member& member, const std::string& path) {
    if (role_ == ike::Role::peer || path_ != "connections." + member.key) return;
    report_.add(member.place, path + ": the Child SA of the virtual link has this name",
                "give this one another");
}

void ChildChecker::child_sa(const json::Member& member) {
    const std::string path = path_ + ".children." + member.key;
    name(member, path);
    const auto config = read_child(member.key, member.value);
    const auto mode = string_at(member.value, "mode", "tunnel");
    start(member.value, path);
    check_child_terms(member.value, path, report_);
    if (mode != "tunnel" && mode != "transport") return; // which of the two decides what follows
    sides(member, config, path);
    if (!readable(member.value, "local") || !readable(member.value, "remote")) return;
    families(member.value, config, path);
    twins(member, config, path);
}

} // namespace

ike::ChildTerms read_child_terms(const json::Value& entry, std::string_view rekey) {
    ike::ChildTerms out;
    out.esp = list_at(entry, "esp", esp_proposal);
    if (out.esp.empty()) out.esp = child::default_esp_proposals();
    out.lifetime = read_lifetime(entry, rekey, out.lifetime);
    if (const auto* window = child(entry, "replay_window", json::Kind::integer))
        out.replay_window = static_cast<std::uint32_t>(std::clamp<std::int64_t>(window->integer, 0, 0xffff));
    // Without replay protection there is nothing that would count beyond 32 bits (RFC 4303 2.2.1).
    if (out.replay_window == 0)
        for (auto& proposal : out.esp)
            proposal.sequence_numbers = {crypto::EsnId::none};
    out.outer = read_outer(entry);
    return out;
}

std::vector<ike::ChildConfig> read_children(const json::Value& connection) {
    std::vector<ike::ChildConfig> out;
    if (const auto* children = child(connection, "children", json::Kind::object))
        for (const auto& member : children->members)
            if (member.value.kind == json::Kind::object) out.push_back(read_child(member.key, member.value));
    return out;
}

void check_child_terms(const json::Value& entry, const std::string& path, Report& report) {
    const auto* window = child(entry, "replay_window", json::Kind::integer);
    const auto* esp = child(entry, "esp", json::Kind::array);
    if (!window || window->integer != 0 || !esp) return;
    for (const auto& item : esp->items) {
        const auto proposal = parse_esp_proposal(item.string);
        const bool only_long =
            proposal && std::ranges::find(proposal->sequence_numbers, crypto::EsnId::none) ==
                            proposal->sequence_numbers.end();
        if (only_long)
            report.add(item.place, path + ".esp: " + quote(item.string) + " needs a replay window",
                       "Linux counts beyond 32 bits only with one: remove \"esn\", or \"replay_window\": 0");
    }
}

void check_children(ike::Role role, const json::Value& connection, const std::string& path, Report& report) {
    const auto* member = json::find(connection, "children");
    if (!member || member->value.kind != json::Kind::object) return;
    const bool for_group = role == ike::Role::peer && json::find(connection, "group");
    if (member->value.members.empty() && !for_group)
        report.add(member->place, path + " has no child",
                   role == ike::Role::peer ? "name at least one: \"children\": { \"net\": { ... } }"
                                           : "name one, or leave \"children\" out");
    ChildChecker checker(role, connection, path, report);
    for (const auto& entry : member->value.members)
        if (entry.value.kind == json::Kind::object) checker.child_sa(entry);
}

} // namespace sheaf::conf
