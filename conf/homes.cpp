#include "conf/homes.h"

#include "conf/read.h"
#include "conf/text.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>

namespace sheaf::conf {
namespace {

using json::Kind;
using json::Value;

constexpr unsigned kHomeBits = 128; // of a pool that gives single addresses

bool is_of_node(const Holding& holding) { return holding.what >= Holding::What::network; }

// RFC 3963 3: a mobile router's home address may be of its own mobile network. Pools are told apart elsewhere.
bool is_of_same(const Holding& a, const Holding& b) {
    return is_of_node(a) && is_of_node(b) ? a.owner == b.owner : a.what == b.what;
}

std::string block_text(const Prefix& block) {
    return block.length() == kHomeBits ? block.address().to_string() : block.to_string();
}

// What the block is to who has it; a block that was named before is not named again.
std::string whose(const Holding& holding, bool named) {
    const std::string block = named ? "" : " " + block_text(holding.block);
    switch (holding.what) {
    case Holding::What::home: return "the home address" + block + " of " + quote(holding.owner);
    case Holding::What::network: return "the mobile network" + block + " of " + quote(holding.owner);
    case Holding::What::pool: return "the pool " + quote(holding.owner);
    case Holding::What::agent: break;
    }
    return "the home agent's own address" + block;
}

std::string remedy(const Holding& other) {
    switch (other.what) {
    case Holding::What::agent: return "Binding Updates are sent there: make them distinct";
    case Holding::What::pool:
        return "another mobile node may be given it: choose it outside of the pool, or reserve it there "
               "instead";
    default: return "it can be one mobile node's alone: make them distinct";
    }
}

// " is in ", or how else the one block stands to the other.
std::string_view relation(const Prefix& block, const Prefix& other) {
    if (block == other) return " is ";
    return other.contains(block) ? " is in " : " contains ";
}

// What a person would change.
std::string subject(const Holding& holding) {
    return holding.path + ": " +
           (holding.what == Holding::What::pool ? quote(holding.owner) : block_text(holding.block));
}

// One connection of a home agent.
class HomeChecker {
  public:
    HomeChecker(const ike::Connection& connection, const json::Member& member, std::string path,
                const std::vector<address::PoolSpec>& pools, std::vector<Holding>& holdings, Report& report)
        : connection_(connection), member_(member), agent_(object_at(member.value, "home_agent")),
          path_(std::move(path)), pools_(pools), holdings_(holdings), report_(report) {}

    void prefixes(std::vector<std::pair<Prefix, std::string>>& known);
    void pools();
    void holdings();
    void somebody();

  private:
    void pool(const Value& name, const address::PoolSpec& pool);
    void node(const json::Member& node);
    void hold(Holding::What what, const Prefix& block, std::string owner, std::string path, Place place) {
        holdings_.push_back({what, block, std::move(owner), path_, std::move(path), place});
    }
    [[nodiscard]] bool may_give_home(const std::string& pool) const;
    [[nodiscard]] bool has_home(const json::Member& node) const;
    [[nodiscard]] std::optional<Prefix> itself(const auth::Identity& identity) const;
    [[nodiscard]] bool is_home(const Prefix& block) const {
        return std::ranges::any_of(connection_.home_service->prefixes,
                                   [&block](const Prefix& prefix) { return prefix.contains(block); });
    }

    const ike::Connection& connection_;
    const json::Member& member_;
    const Value& agent_;
    std::string path_;
    const std::vector<address::PoolSpec>& pools_;
    std::vector<Holding>& holdings_;
    Report& report_;
};

void HomeChecker::prefixes(std::vector<std::pair<Prefix, std::string>>& known) {
    const auto* list = child(agent_, "prefixes", Kind::array);
    if (!list) return;
    for (const auto& item : list->items) {
        const auto prefix = Prefix::parse(item.string);
        if (!prefix) continue;
        const auto other =
            std::ranges::find_if(known, [&](const auto& entry) { return entry.first.overlaps(*prefix); });
        if (other != known.end())
            report_.add(item.place,
                        path_ + ".home_agent.prefixes: " + quote(item.string) + " overlaps " +
                            other->first.to_string() + " of " + other->second,
                        "a home address has one home agent: make them distinct");
    }
    for (const Prefix& prefix : connection_.home_service->prefixes)
        known.emplace_back(prefix, path_);
}

void HomeChecker::pool(const Value& name, const address::PoolSpec& pool) {
    const auto& prefixes = connection_.home_service->prefixes;
    if (pool.prefix.family() != Family::ipv6) {
        report_.add(name.place, path_ + ".pools: " + quote(name.string) + " is IPv4",
                    "Mobile IPv6 has IPv6 addresses alone: name another, or remove it");
        return;
    }
    if (pool.delegate == kHomeBits && !prefixes.empty() && !is_home(pool.prefix))
        report_.add(name.place,
                    path_ + ".pools: " + quote(name.string) + " gives addresses of " +
                        pool.prefix.to_string() + ", which is in no prefix in \"prefixes\"",
                    "add it there: home addresses are of those alone");
    else if (pool.delegate != 0) // else that is reported
        hold(Holding::What::pool, pool.prefix, pool.name, path_ + ".pools", name.place);
}

void HomeChecker::pools() {
    const auto* list = child(member_.value, "pools", Kind::array);
    if (!list) return;
    const auto look_at = [this](const Value& name) {
        const auto known = std::ranges::find(pools_, name.string, &address::PoolSpec::name);
        if (name.kind == Kind::string && known != pools_.end()) pool(name, *known);
    };
    for (const auto& item : list->items) {
        look_at(item);
        std::ranges::for_each(item.items, look_at); // alternatives
    }
}

// An identity that is a home address has that, without being told.
std::optional<Prefix> HomeChecker::itself(const auth::Identity& identity) const {
    if (identity.type != wire::IdType::ipv6_addr) return std::nullopt;
    const auto address = IpAddress::from_bytes(identity.data);
    if (!address || !is_home(Prefix::host(*address))) return std::nullopt;
    return Prefix::host(*address);
}

void HomeChecker::node(const json::Member& node) {
    const auto who = auth::Identity::parse(node.key);
    if (!who) return;
    const std::string owner = who->to_string();
    const std::string path = path_ + ".home_agent.nodes." + node.key;
    if (const auto home = itself(*who)) hold(Holding::What::home, *home, owner, path, node.place);
    const auto add = [&](std::string_view key, Holding::What what, auto parse) {
        const auto* list = child(node.value, key, Kind::array);
        for (std::size_t i = 0; list && i < list->items.size(); ++i) {
            const auto block = parse(list->items[i].string);
            if (block && block->family() == Family::ipv6)
                hold(what, *block, owner, path + "." + std::string(key), list->items[i].place);
        }
    };
    add("homes", Holding::What::home, [](const std::string& text) {
        const auto home = IpAddress::parse(text);
        return home ? std::optional(Prefix::host(*home)) : std::nullopt;
    });
    add("networks", Holding::What::network, Prefix::parse);
}

void HomeChecker::holdings() {
    const auto& address = connection_.local_address;
    if (address && address->is_v6())
        hold(Holding::What::agent, Prefix::host(*address), {}, path_, member_.place);
    if (const auto* nodes = child(agent_, "nodes", Kind::object))
        std::ranges::for_each(nodes->members, [this](const json::Member& member) { node(member); });
}

// What is wrong with a pool itself is told elsewhere.
bool HomeChecker::may_give_home(const std::string& pool) const {
    const auto known = std::ranges::find(pools_, pool, &address::PoolSpec::name);
    const bool right =
        known != pools_.end() && known->prefix.family() == Family::ipv6 && known->delegate != 0;
    return !right || known->delegate == kHomeBits;
}

bool HomeChecker::has_home(const json::Member& node) const {
    const auto* homes = child(node.value, "homes", Kind::array);
    if (homes && !homes->items.empty()) return true;
    const auto who = auth::Identity::parse(node.key);
    return who && itself(*who);
}

// Whether there is anybody whom we could register.
void HomeChecker::somebody() {
    if (connection_.home_service->prefixes.empty()) return; // that is reported
    const auto& peer = connection_.remote_id;
    if (peer == auth::IdentityPattern() || (peer.exact() && itself(*peer.exact()))) return;
    const auto* nodes = child(agent_, "nodes", Kind::object);
    const auto has = [this](const json::Member& member) { return has_home(member); };
    if (nodes && std::ranges::any_of(nodes->members, has)) return;
    const auto gives = [this](const address::Want& want) {
        return std::ranges::any_of(want.pools, [this](const auto& pool) { return may_give_home(pool); });
    };
    if (std::ranges::any_of(connection_.pools, gives)) return;
    const auto* pools = child(member_.value, "pools", Kind::array);
    report_.add(pools ? pools->place : member_.place,
                path_ + (pools ? ".pools" : "") + ": no mobile node would have a home address",
                std::string("name some as \"homes\" in home_agent.nodes, or ") +
                    (pools ? "write \"delegate\": 128 for a pool of single addresses"
                           : "give \"pools\" of single addresses (\"delegate\": 128)"));
}

} // namespace

void HomeCheck::connection(const ike::Connection& connection, const json::Member& member,
                           const std::string& path) {
    if (connection.role != ike::Role::home_agent) return;
    HomeChecker checker(connection, member, path, pools_, holdings_, report_);
    checker.prefixes(prefixes_);
    checker.pools();
    checker.holdings();
    checker.somebody();
}

// Networks, and pools of them, where another home agent's home addresses are. Single addresses are left out: those
// that are of no prefix of their own home agent are told, and so are prefixes that overlap.
bool HomeCheck::is_of_other_prefix(const Holding& holding) const {
    if (holding.what != Holding::What::network && holding.what != Holding::What::pool) return false;
    const bool at_home = std::ranges::any_of(prefixes_, [&](const auto& entry) {
        return entry.second == holding.connection && entry.first.contains(holding.block);
    });
    if (at_home) return false;
    const auto other = std::ranges::find_if(prefixes_, [&](const auto& entry) {
        return entry.second != holding.connection && entry.first.overlaps(holding.block);
    });
    if (other == prefixes_.end()) return false;
    const auto& [prefix, owner] = *other;
    report_.add(holding.place,
                subject(holding) + std::string(relation(holding.block, prefix)) +
                    (prefix == holding.block ? "a home prefix" : "the home prefix " + prefix.to_string()) +
                    " of " + owner,
                "that home agent's home addresses are there: make them distinct");
    return true;
}

// The one that a person would change: a mobile node's before the pool's, else the later one.
void HomeCheck::clash(const Holding& a, const Holding& b) const {
    const auto weight = [](const Holding& holding) {
        return std::tuple(is_of_node(holding) ? Holding::What::home : holding.what, holding.place.begin);
    };
    const bool second = weight(a) < weight(b);
    const Holding& wrong = second ? b : a;
    const Holding& other = second ? a : b;
    const bool elsewhere = wrong.connection != other.connection;
    report_.add(wrong.place,
                subject(wrong) + std::string(relation(wrong.block, other.block)) +
                    whose(other, wrong.block == other.block) + (elsewhere ? " in " + other.connection : ""),
                remedy(other));
}

// Blocks that overlap contain one another; sorted, whatever a block contains follows it at once. Who has a part of
// somebody's block is at odds with the owner of the whole, so that nothing is missed by looking at the outermost.
void HomeCheck::together() {
    // What else such a block has in common with that home agent follows from it.
    std::erase_if(holdings_, [this](const Holding& holding) { return is_of_other_prefix(holding); });
    std::ranges::sort(holdings_, {},
                      [](const Holding& holding) { return std::tuple(holding.block, holding.place.begin); });
    for (std::size_t outer = 0, i = 1; i < holdings_.size(); ++i) {
        if (!holdings_[outer].block.overlaps(holdings_[i].block))
            outer = i;
        else if (!is_of_same(holdings_[outer], holdings_[i]))
            clash(holdings_[outer], holdings_[i]);
    }
}

} // namespace sheaf::conf
