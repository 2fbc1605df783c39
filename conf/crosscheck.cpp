// The half of connections.h that looks across the file.
#include "conf/children.h"
#include "conf/connections.h"
#include "conf/given.h"
#include "conf/homes.h"
#include "conf/mobile.h"
#include "conf/paths.h"
#include "conf/read.h"
#include "conf/requests.h"
#include "conf/spec.h"
#include "conf/text.h"
#include "conf/wants.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace sheaf::conf {
namespace {

class Crosscheck {
  public:
    Crosscheck(const json::Value& root, const ike::Config& config, const std::vector<IpAddress>& listen,
               Report& report)
        : root_(root), config_(config), listen_(listen), report_(report) {
        for (const auto& connection : config.connections)
            std::ranges::copy(interfaces_of(connection), std::back_inserter(ours_));
        for (const auto& membership : config.group_memberships) {
            ours_.push_back(membership.interface);
            interfaces_.emplace(membership.interface, "groups." + membership.name);
        }
    }

    void connection(const ike::Connection& connection, const json::Member& member);
    void together() { homes_.together(); } // after the last

  private:
    void addresses(const ike::Connection& connection, const json::Value& entry, const std::string& path);
    void interface(const ike::Connection& connection, const json::Member& member, const std::string& path);
    // The virtual interfaces that the connection has, a gateway's with others.
    [[nodiscard]] std::vector<std::string> interfaces_of(const ike::Connection& connection) const;
    void peers(const ike::Connection& connection, const json::Value& entry, const std::string& path);
    void children(const ike::Connection& connection, const json::Value& entry, const std::string& path);
    void uniqueness(const ike::Connection& connection, const json::Value& entry, const std::string& path);
    void blocks(const ike::Connection& connection, const json::Value& entry, const std::string& path);
    void families(const ike::Connection& connection, const json::Value& entry, const std::string& path);
    void domains(const json::Value& entry, const std::string& path);

    const json::Value& root_;
    const ike::Config& config_;
    const std::vector<IpAddress>& listen_;
    Report& report_;
    std::vector<std::string> ours_;                 // interfaces that we make
    std::map<std::string, std::string> interfaces_; // name -> whose it is
    std::map<std::string, std::string> gateways_;   // whom a gateway's connection answers -> its path
    PathCheck paths_{listen_, ours_, report_};
    MobileCheck mobile_{ours_, report_};
    HomeCheck homes_{config_.pools, report_};
};

bool shares_interface(const ike::Connection& connection) {
    return connection.role == ike::Role::gateway || connection.role == ike::Role::home_agent;
}

std::vector<std::string> Crosscheck::interfaces_of(const ike::Connection& connection) const {
    if (shares_interface(connection)) return {config_.gateway_interface};
    if (connection.interface.empty()) return {};
    std::vector<std::string> out{connection.interface};
    std::ranges::copy(way_interfaces(connection), std::back_inserter(out));
    return out;
}

const json::Value* value_at(const json::Value& entry, std::string_view side, std::string_view key) {
    const auto* object = child(entry, side, json::Kind::object);
    return object ? child(*object, key, json::Kind::string) : nullptr;
}

void Crosscheck::addresses(const ike::Connection& connection, const json::Value& entry,
                           const std::string& path) {
    if (!connection.remote) return;
    const auto* id = value_at(entry, "remote", "id");
    if (id && auth::IdentityPattern::parse(id->string) && !connection.remote_id.exact())
        report_.add(id->place, path + ".remote.id: " + quote(id->string) + " is a pattern",
                    connection.role == ike::Role::client ? "a client names the one identity of its gateway"
                                                         : "name the one identity that is at remote.address");
    const auto* remote = value_at(entry, "remote", "address");
    if (!remote) return;
    const IpAddress& address = connection.remote->address;
    if (address.is_any()) {
        report_.add(remote->place,
                    path + ".remote.address: " + quote(remote->string) + " is nobody's address");
        return;
    }
    const auto* local = value_at(entry, "local", "address");
    if (connection.local_address && local && connection.local_address->family() != address.family())
        report_.add(local->place, path + ": the local and the remote address are of different families",
                    "both IPv6, or both IPv4");
    const auto same_family = [&address](const IpAddress& ours) { return ours.family() == address.family(); };
    if (std::ranges::none_of(listen_, same_family))
        report_.add(remote->place,
                    path + ": \"listen\" has no address of the family of " + quote(remote->string),
                    std::string("add \"") + (address.is_v6() ? "::" : "0.0.0.0") + "\" to listen.addresses");
}

void Crosscheck::interface(const ike::Connection& connection, const json::Member& member,
                           const std::string& path) {
    const bool own = !shares_interface(connection);
    const std::string owner = own ? path : "the gateway"; // whose connections share one
    for (const auto& name : interfaces_of(connection)) {
        const auto [known, fresh] = interfaces_.emplace(name, owner);
        if (fresh || known->second == owner) continue;
        const auto* value = own ? child(member.value, "interface", json::Kind::string) : nullptr;
        report_.add(value ? value->place : member.place,
                    path + ": the interface " + quote(name) + " is that of " + known->second,
                    own ? "give this connection another \"interface\""
                        : "give the gateway another \"interface\" at the top level");
        return;
    }
}

void Crosscheck::peers(const ike::Connection& connection, const json::Value& entry, const std::string& path) {
    const auto* id = value_at(entry, "remote", "id");
    const bool only_begins =
        connection.role == ike::Role::client || connection.role == ike::Role::mobile_node;
    if (only_begins || !id || !auth::IdentityPattern::parse(id->string)) return;
    std::string whom = connection.local_id.to_string() + " " + connection.remote_id.to_string();
    if (connection.local_address) whom += " " + connection.local_address->to_string();
    if (connection.remote) whom += " " + connection.remote->to_string();
    const auto [known, fresh] = gateways_.emplace(std::move(whom), path);
    if (!fresh)
        report_.add(id->place, path + ": " + known->second + " is for the same peers",
                    "only one of them would ever be used: remove one");
}

void Crosscheck::children(const ike::Connection& connection, const json::Value& entry,
                          const std::string& path) {
    check_children(connection.role, entry, path, report_);
    const bool peer = connection.role == ike::Role::peer;
    const auto* interface = peer ? child(entry, "interface", json::Kind::string) : nullptr;
    const bool only_transport =
        !connection.children.empty() && std::ranges::all_of(connection.children, [](const auto& config) {
            return config.mode == child::Mode::transport;
        });
    if (interface && only_transport)
        report_.add(interface->place, path + ".interface: transport mode has no use for an interface",
                    "remove it: such packets stay on the interface that they leave by");
    const auto most = config_.limits.children_per_ike_sa;
    const auto count = connection.children.size() + (peer ? 0 : 1);
    const auto* member = json::find(entry, "children");
    if (member && count > most)
        report_.add(member->place,
                    path + " has " + std::to_string(count) + " children" +
                        (peer ? "" : " with that of the virtual link") + ", and " + std::to_string(most) +
                        " are the most",
                    "raise limits.children");
}

void Crosscheck::uniqueness(const ike::Connection& connection, const json::Value& entry,
                            const std::string& path) {
    const auto* word = child(entry, "unique", json::Kind::string);
    if (word && connection.role == ike::Role::peer && connection.uniqueness == ike::Uniqueness::share)
        report_.add(word->place, path + ".unique: a peer has no addresses that its IKE SAs could share",
                    "write \"many\"");
    const bool beside =
        connection.uniqueness == ike::Uniqueness::share || connection.uniqueness == ike::Uniqueness::many;
    if (word && connection.role == ike::Role::home_agent && beside)
        report_.add(word->place,
                    path + ".unique: two IKE SAs of one mobile node cannot both speak for its home address",
                    "write \"replace\" or \"keep\"");
    const bool asks = connection.role == ike::Role::gateway && connection.reauth > Duration::zero();
    if (word && asks && connection.uniqueness == ike::Uniqueness::keep)
        report_.add(word->place,
                    path +
                        ".unique: \"keep\" refuses the clients that authenticate anew because of \"reauth\"",
                    "they would be cut off every time: write \"replace\", or leave \"reauth\" out");
}

// A client has a traffic selector for each block, and one for its link-local address.
void Crosscheck::blocks(const ike::Connection& connection, const json::Value& entry,
                        const std::string& path) {
    const auto* pools = child(entry, "pools", json::Kind::array);
    constexpr std::size_t kMost = wire::kMaxSelectors - 1;
    if (connection.role != ike::Role::gateway || !pools || pools->items.size() <= kMost) return;
    report_.add(pools->items[kMost].place,
                path + ".pools has " + std::to_string(pools->items.size()) + " entries, and " +
                    std::to_string(kMost) + " are the most",
                "give clients fewer blocks that are larger");
}

// RFC 7296 2.9: an address of a family in which nothing can be reached gets no traffic selector.
void Crosscheck::families(const ike::Connection& connection, const json::Value& entry,
                          const std::string& path) {
    const auto* networks = child(entry, "networks", json::Kind::array);
    const auto* pools = child(entry, "pools", json::Kind::array);
    if (connection.role != ike::Role::gateway || !networks || !pools) return;
    if (networks->items.size() != connection.networks.size()) return; // a mistake in it, or all
    const Family family = connection.networks.front().family();
    bool known = false;
    for (const auto& want : connection.pools)
        for (const auto& name : want.pools) {
            const auto pool = std::ranges::find(config_.pools, name, &address::PoolSpec::name);
            if (pool == config_.pools.end()) continue;
            known = true;
            if (std::ranges::find(connection.networks, pool->prefix.family(), &Prefix::family) !=
                connection.networks.end())
                return;
        }
    const bool v6 = family == Family::ipv6;
    if (known)
        report_.add(pools->place,
                    path + ": \"networks\" are all " + (v6 ? "IPv6" : "IPv4") + ", and of \"pools\" none is",
                    std::string("no client would get an address: add an ") + (v6 ? "IPv6" : "IPv4") +
                        " pool, or a network of the other family");
}

void Crosscheck::domains(const json::Value& entry, const std::string& path) {
    const auto* domains = child(entry, "dns_domains", json::Kind::array);
    const auto* servers = json::find(entry, "dns");
    if (domains && !domains->items.empty() && (!servers || servers->value.items.empty()))
        report_.add(domains->place, path + ".dns_domains needs a name server to ask",
                    "add \"dns\" with its address (RFC 8598 3.2)");
}

void Crosscheck::connection(const ike::Connection& connection, const json::Member& member) {
    const std::string path = "connections." + member.key;
    check_wants(root_, config_, member.value, path, report_);
    addresses(connection, member.value, path);
    const auto role = string_at(member.value, kRoleKey);
    const bool known = role == "client" || role == "gateway" || role == "peer" || role == "home-agent" ||
                       role == "mobile-node";
    if (!known) return; // which of them decides what follows
    interface(connection, member, path);
    peers(connection, member.value, path);
    children(connection, member.value, path);
    uniqueness(connection, member.value, path);
    blocks(connection, member.value, path);
    families(connection, member.value, path);
    domains(member.value, path);
    paths_.connection(connection, member.value, path);
    mobile_.connection(connection, member, path);
    homes_.connection(connection, member, path);
    if (connection.role != ike::Role::peer) check_child_terms(member.value, path, report_);
    if (connection.role == ike::Role::client) check_request(member.value, path, ours_, report_);
}

} // namespace

void check_connections(const json::Value& root, const ike::Config& config,
                       const std::vector<IpAddress>& listen_addresses, Report& report) {
    const auto* connections = child(root, "connections", json::Kind::object);
    if (!connections) return;
    Crosscheck crosscheck(root, config, listen_addresses, report);
    auto next = config.connections.begin(); // of those that are objects, as read_connections() read them
    for (const auto& member : connections->members)
        if (member.value.kind == json::Kind::object) crosscheck.connection(*next++, member);
    crosscheck.together();
    check_given(root, config, report);
}

} // namespace sheaf::conf
