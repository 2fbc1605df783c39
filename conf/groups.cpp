#include "conf/groups.h"

#include "conf/proposal_words.h"
#include "conf/read.h"
#include "conf/text.h"
#include "conf/words.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

namespace sheaf::conf {
namespace {

using json::Kind;
using json::Member;
using json::Value;
using std::chrono::seconds;

// What the key says, or where it would be said.
Place place_at(const Value& object, std::string_view key, Place otherwise) {
    const auto* member = json::find(object, key);
    return member ? member->value.place : otherwise;
}

seconds seconds_at(const Value& object, std::string_view key, seconds otherwise) {
    const auto word = string_at(object, key);
    return check_seconds(word) ? otherwise : std::chrono::floor<seconds>(*parse_duration(word));
}

// From the first transmission of a request until its sender gives up.
Duration span_of(const ike::RetransmitPolicy& policy) {
    return policy.first * ((std::int64_t{1} << policy.tries) - 1);
}

// The connection whose requests take longest to be given up, of those that name the group; none if none does.
const ike::Connection* slowest(const ike::Config& config, std::string_view group) {
    const ike::Connection* out = nullptr;
    for (const auto& connection : config.connections)
        if (connection.group == group && (!out || span_of(connection.retransmit) > span_of(out->retransmit)))
            out = &connection;
    return out;
}

ike::GroupService read_service(const std::string& name, const Value& serve, const ike::Config& config) {
    ike::GroupService out{name, {}};
    auto& terms = out.terms;
    const auto suite = string_at(serve, "suite");
    if (const auto parsed = parse_group_suite(suite)) {
        terms.suite = *parsed;
        terms.acceptance.sha1 = !weak_words(suite).empty();
    }
    const auto& rollover = object_at(serve, "rollover");
    terms.lifetime = seconds_at(serve, "lifetime", terms.lifetime);
    terms.rollover1 = seconds_at(rollover, "send_after", terms.rollover1);
    terms.rollover2 = seconds_at(rollover, "refuse_after", terms.rollover2);
    terms.rekey_on_leave = boolean_at(serve, "rekey_on_leave", terms.rekey_on_leave);
    terms.rekey_on_join = boolean_at(serve, "rekey_on_join", terms.rekey_on_join);
    if (const auto* connection = slowest(config, name))
        terms.delivery = std::chrono::ceil<seconds>(span_of(connection->retransmit));
    return out;
}

ike::GroupMembership read_membership(const std::string& name, const Value& join) {
    ike::GroupMembership out;
    out.name = name;
    out.interface = string_at(join, "interface");
    out.acceptance.sha1 = boolean_at(join, "allow_sha1", false);
    out.addresses = list_at(join, "addresses", IpAddress::parse);
    const auto& sites = object_at(join, "sites");
    for (const auto& site : sites.members)
        if (const auto endpoint = IpAddress::parse(site.key))
            out.sites.push_back({*endpoint, list_at(sites, site.key, Prefix::parse)});
    return out;
}

bool is_multicast(const IpAddress& address) {
    constexpr std::uint8_t kIpv6 = 0xff; // RFC 4291 2.7
    constexpr std::uint8_t kIpv4 = 0xe0; // RFC 5771 3
    constexpr std::uint8_t kIpv4Mask = 0xf0;
    const auto first = address.view().front();
    return address.is_v6() ? first == kIpv6 : (first & kIpv4Mask) == kIpv4;
}

bool is_hosts(const IpAddress& address) { return !address.is_any() && !is_multicast(address); }

std::string_view name_of(Family family) { return family == Family::ipv6 ? "IPv6" : "IPv4"; }

class GroupChecker {
  public:
    GroupChecker(const Value& root, const ike::Config& config, Report& report)
        : groups_(object_at(root, "groups")), config_(config), report_(report) {}

    void connection(const ike::Connection& connection, const Member& member);
    void group(const Member& member);

  private:
    struct Net {
        Prefix prefix;
        Place place;
        std::string_view endpoint;
    };

    void named(const ike::Connection& connection, const Value& name, const Value& entry,
               const std::string& path);
    void joining(const ike::Connection& connection, const Value& name, const std::string& path);
    void serving(const ike::GroupService& service, const Value& serve, const Member& member);
    void membership(const ike::GroupMembership& membership, const Value& join, const std::string& path);
    void addresses(const Value& join, const std::string& path);
    void site(const ike::GroupMembership& membership, const Member& site, const std::string& path,
              std::set<IpAddress>& seen);
    void overlaps(std::vector<Net> nets, const std::string& path);
    [[nodiscard]] bool has(std::string_view group, std::string_view part) const;
    [[nodiscard]] bool reaches(const ike::GroupMembership& membership, Family family) const;

    const Value& groups_;
    const ike::Config& config_;
    Report& report_;
    std::map<std::string_view, std::string> joined_;                  // group -> the connection that joins it
    std::map<std::string_view, std::string, std::less<>> interfaces_; // -> whose
};

bool GroupChecker::has(std::string_view group, std::string_view part) const {
    return json::find(object_at(groups_, group), part) != nullptr;
}

void GroupChecker::connection(const ike::Connection& connection, const Member& member) {
    const std::string path = "connections." + member.key;
    const auto* name = child(member.value, "group", Kind::string);
    if (name) named(connection, *name, member.value, path);
    const auto* start = child(member.value, "start", Kind::boolean);
    const bool joins = name && has(name->string, "join");
    if (connection.role != ike::Role::peer || !start || !start->boolean || joins) return;
    report_.add(start->place,
                path + ".start: a peer is begun with for its children, or for a group that we join",
                "write \"start\": \"now\" in one of its children");
}

void GroupChecker::named(const ike::Connection& connection, const Value& name, const Value& entry,
                         const std::string& path) {
    if (!json::find(groups_, name.string)) {
        std::vector<std::string_view> names;
        for (const auto& group : groups_.members)
            names.emplace_back(group.key);
        report_.add(name.place, path + ".group: there is no group " + quote(name.string),
                    names.empty() ? "add it to \"groups\" at the top level" : suggestion(name.string, names));
        return;
    }
    const auto* encapsulation = child(entry, "encapsulation", Kind::string);
    if (encapsulation && connection.force_encapsulation)
        report_.add(encapsulation->place,
                    path + ".encapsulation: \"always\" feigns a NAT, and no group is told through one",
                    "remove it, or \"group\"");
    const bool joined = has(name.string, "join");
    const bool served = has(name.string, "serve");
    if (joined && served) return; // which of the two decides what follows
    if (joined) return joining(connection, name, path);
    if (served && connection.role == ike::Role::client)
        report_.add(
            name.place,
            path + ".group: " + quote(name.string) + " is served here, and a client has no members",
            "name it in a connection of the role \"gateway\" or \"peer\", or write \"join\" in the group");
}

void GroupChecker::joining(const ike::Connection& connection, const Value& name, const std::string& path) {
    if (connection.role == ike::Role::gateway)
        report_.add(name.place,
                    path + ".group: " + quote(name.string) +
                        " is joined, and that takes a connection that we begin",
                    "name it in one of the role \"client\" or \"peer\", or write \"serve\" in the group");
    else if (!connection.remote)
        report_.add(name.place,
                    path + ".group: " + quote(name.string) +
                        " is joined, and nothing says where its gateway is",
                    "add remote.address");
    const auto [known, fresh] = joined_.emplace(name.string, path);
    if (!fresh)
        report_.add(name.place, path + ".group: " + known->second + " joins " + quote(name.string) + ", too",
                    "one SA has one gateway: make another group of it, with an interface of its own");
}

void GroupChecker::group(const Member& member) {
    const std::string path = "groups." + member.key;
    const auto& connections = config_.connections;
    if (std::ranges::find(connections, member.key, &ike::Connection::group) == connections.end())
        report_.add(member.place, path + ": no connection names it",
                    "add \"group\": " + quote(member.key) + " to that of its " +
                        (has(member.key, "join") ? "gateway" : "members"));
    if (const auto* serve = child(member.value, "serve", Kind::object)) {
        const auto service = std::ranges::find(config_.group_services, member.key, &ike::GroupService::name);
        if (service != config_.group_services.end()) serving(*service, *serve, member);
    }
    if (const auto* join = child(member.value, "join", Kind::object)) {
        const auto& all = config_.group_memberships;
        const auto found = std::ranges::find(all, member.key, &ike::GroupMembership::name);
        if (found != all.end()) membership(*found, *join, path + ".join");
    }
}

// What the terms' own rules say, at the key that they are about.
void GroupChecker::serving(const ike::GroupService& service, const Value& serve, const Member& member) {
    const auto fault = group::fault(service.terms);
    if (!fault) return;
    const auto& rollover = object_at(serve, "rollover");
    const std::map<std::string_view, std::pair<std::string_view, std::string_view>> keys{
        {"suite", {"suite", ""}},
        {"lifetime", {"lifetime", ""}},
        {"rollover1", {"rollover", ".send_after"}},
        {"rollover2", {"rollover", ".refuse_after"}},
    };
    const auto known = keys.find(fault->field);
    const auto [key, inner] =
        known == keys.end() ? std::pair<std::string_view, std::string_view>{} : known->second;
    Place place = place_at(serve, key, place_at(serve, "rollover", member.place));
    if (!inner.empty()) place = place_at(rollover, inner.substr(1), place);
    const auto sentence = std::string(fault->sentence);
    const auto cut = std::min(sentence.find("; "), sentence.size());
    std::string hint = cut < sentence.size() ? sentence.substr(cut + 2) : std::string();
    const auto* connection = slowest(config_, service.name);
    if (connection && !inner.empty())
        hint += " (" + std::to_string(service.terms.delivery.count()) +
                " s, by \"retransmit\" of connections." + connection->name + ")";
    report_.add(place,
                "groups." + member.key + ".serve" + (key.empty() ? "" : ".") + std::string(key) +
                    std::string(inner) + ": " + sentence.substr(0, cut),
                std::move(hint));
}

bool GroupChecker::reaches(const ike::GroupMembership& membership, Family family) const {
    const auto& ours = membership.addresses;
    if (!ours.empty())
        return std::ranges::any_of(ours,
                                   [&](const IpAddress& address) { return address.family() == family; });
    const auto& all = config_.connections;
    const auto gateway = std::ranges::find(all, membership.name, &ike::Connection::group);
    return gateway == all.end() || !gateway->remote || gateway->remote->address.family() == family;
}

void GroupChecker::membership(const ike::GroupMembership& membership, const Value& join,
                              const std::string& path) {
    if (const auto* interface = child(join, "interface", Kind::string)) {
        const auto [known, fresh] = interfaces_.emplace(membership.interface, path);
        if (!fresh)
            report_.add(interface->place,
                        path + ": the interface " + quote(interface->string) + " is that of " + known->second,
                        "give this group another \"interface\"");
    }
    addresses(join, path);
    std::vector<Net> nets;
    std::set<IpAddress> seen;
    for (const auto& entry : object_at(join, "sites").members) {
        site(membership, entry, path + ".sites." + entry.key, seen);
        for (const auto& item : entry.value.items)
            if (const auto prefix = Prefix::parse(item.string))
                nets.push_back({*prefix, item.place, entry.key});
    }
    overlaps(std::move(nets), path);
}

void GroupChecker::addresses(const Value& join, const std::string& path) {
    const auto* list = child(join, "addresses", Kind::array);
    if (!list) return;
    std::map<Family, std::string_view> seen;
    for (const auto& item : list->items) {
        const auto address = IpAddress::parse(item.string);
        if (!address) continue;
        if (!is_hosts(*address))
            report_.add(item.place, path + ".addresses: " + quote(item.string) + " is nobody's address");
        const auto [known, fresh] = seen.emplace(address->family(), item.string);
        if (!fresh && known->second != item.string) // else the list tells
            report_.add(item.place,
                        path + ".addresses: " + quote(item.string) + " and " + quote(known->second) +
                            " are both " + std::string(name_of(address->family())),
                        "others know an endpoint by one address of a family: remove one");
    }
}

void GroupChecker::site(const ike::GroupMembership& membership, const Member& site, const std::string& path,
                        std::set<IpAddress>& seen) {
    const auto endpoint = IpAddress::parse(site.key);
    if (!endpoint) return;
    if (!is_hosts(*endpoint))
        report_.add(site.place, path + ": that is nobody's address");
    else if (std::ranges::find(membership.addresses, *endpoint) != membership.addresses.end())
        report_.add(site.place, path + ": that is ourselves, by \"addresses\"",
                    "\"sites\" are those of others: remove it");
    else if (!reaches(membership, endpoint->family()))
        report_.add(site.place,
                    path + ": an endpoint with " + std::string(name_of(endpoint->family())) +
                        " is not reached from " +
                        (membership.addresses.empty() ? "the address that IKE uses" : "\"addresses\""),
                    "add an address of that family to \"addresses\"");
    else if (!seen.insert(*endpoint).second)
        report_.add(site.place, path + ": the same address stands twice, written in two ways",
                    "put all prefixes into one of them");
}

// Prefixes that overlap contain one another; sorted, whatever a prefix contains follows it at once.
void GroupChecker::overlaps(std::vector<Net> nets, const std::string& path) {
    std::ranges::stable_sort(nets, {}, &Net::prefix);
    for (std::size_t outer = 0, i = 1; i < nets.size(); ++i) {
        if (!nets[outer].prefix.overlaps(nets[i].prefix)) {
            outer = i;
            continue;
        }
        const bool in_order = nets[outer].place.begin < nets[i].place.begin;
        const Net& later = nets[in_order ? i : outer];
        const Net& earlier = nets[in_order ? outer : i];
        if (later.prefix == earlier.prefix && later.endpoint == earlier.endpoint) continue; // the list tells
        report_.add(later.place,
                    path + ".sites: " + later.prefix.to_string() + " of " + std::string(later.endpoint) +
                        " overlaps " + earlier.prefix.to_string() + " of " + std::string(earlier.endpoint),
                    "what is behind one endpoint must come from that endpoint alone: make them distinct");
    }
}

} // namespace

void read_groups(const Value& root, ike::Config& config) {
    for (const auto& [name, place, entry] : object_at(root, "groups").members) {
        if (const auto* serve = child(entry, "serve", Kind::object))
            config.group_services.push_back(read_service(name, *serve, config));
        if (const auto* join = child(entry, "join", Kind::object))
            config.group_memberships.push_back(read_membership(name, *join));
    }
}

void check_groups(const Value& root, const ike::Config& config, Report& report) {
    GroupChecker checker(root, config, report);
    auto next = config.connections.begin(); // of those that are objects, as read_connections() read them
    for (const auto& member : object_at(root, "connections").members)
        if (member.value.kind == Kind::object) checker.connection(*next++, member);
    for (const auto& member : object_at(root, "groups").members)
        checker.group(member);
}

std::vector<std::string> group_notes(const Value& root) {
    std::vector<std::string> notes;
    for (const auto& [name, place, entry] : object_at(root, "groups").members) {
        const std::string path = "groups." + name;
        for (const auto weak : weak_words(string_at(object_at(entry, "serve"), "suite")))
            notes.push_back(path + ".serve.suite has the weak algorithm " + quote(weak) +
                            ": do so only while a member has nothing better");
        if (boolean_at(object_at(entry, "join"), "allow_sha1", false))
            notes.push_back(path + ".join.allow_sha1: the gateway may choose SHA-1 for the group");
    }
    return notes;
}

} // namespace sheaf::conf
