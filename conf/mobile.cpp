#include "conf/mobile.h"

#include "conf/paths.h"
#include "conf/read.h"
#include "conf/selector_words.h"
#include "conf/text.h"
#include "conf/words.h"
#include "lib/mobility/message.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

namespace sheaf::conf {
namespace {

using json::Kind;
using json::Member;
using json::Value;

constexpr const char* kNotRoutable = " is no routable unicast address";
constexpr const char* kRoutableHint = "write one that packets can be sent to from afar";
constexpr std::uint16_t kPriorityStep = 10; // of flows, in the order of the file

const Value* part_at(const Value& connection, std::string_view key) {
    return child(connection, key, Kind::object);
}

std::vector<std::uint16_t> read_bids(const Value& flow) {
    std::vector<std::uint16_t> out;
    if (const auto* list = child(flow, "bids", Kind::array))
        for (const auto& item : list->items)
            if (item.kind == Kind::integer && item.integer >= 1 && item.integer <= 0xffff)
                out.push_back(static_cast<std::uint16_t>(item.integer));
    return out;
}

std::optional<wire::TrafficSelector> selector_at(const Value& flow, std::string_view key) {
    const auto* text = child(flow, key, Kind::string);
    const auto parsed = text ? parse_selector(text->string) : std::unexpected(Fault{});
    return parsed ? std::optional(*parsed) : std::nullopt;
}

std::optional<mobility::Range<std::uint16_t>> ports_of(const wire::TrafficSelector& selector) {
    const bool every = selector.start_port == 0 && selector.end_port == 0xffff;
    if (every || selector.start_port > selector.end_port) return std::nullopt;
    return mobility::Range<std::uint16_t>{selector.start_port, selector.end_port};
}

// RFC 6088 3.2: it speaks of packets to the mobile node, so the remote side is the source.
mobility::FlowSelector read_selector(const Value& flow) {
    mobility::FlowSelector out;
    const auto remote = selector_at(flow, "remote");
    const auto local = selector_at(flow, "local");
    const auto add = [&out](const wire::TrafficSelector& selector, auto& addresses, auto& ports) {
        const bool any = selector.start.is_any() && selector.end == IpAddress::last(Family::ipv6);
        if (selector.start.is_v6() && !any) addresses = {selector.start, selector.end};
        if (selector.ip_protocol == 0) return;
        out.next_header = {selector.ip_protocol, selector.ip_protocol};
        ports = ports_of(selector);
    };
    if (remote) add(*remote, out.source, out.source_port);
    if (local) add(*local, out.destination, out.destination_port);
    return out;
}

// By mark and by addresses are two lists: the home agent is told of the second alone. What we send looks at the first
// one before.
void read_flows(const Value& mobile, ike::MobilePlan& plan) {
    const auto* flows = child(mobile, "flows", Kind::array);
    if (!flows) return;
    std::uint16_t number = 0;
    for (const auto& entry : flows->items) {
        const auto mark = static_cast<std::uint32_t>(count_at(entry, "mark", 0));
        if (mark != 0) {
            plan.marked.push_back({mark, read_bids(entry)});
            continue;
        }
        ++number;
        const auto priority = static_cast<std::uint16_t>(number * kPriorityStep);
        plan.flows.push_back({number, priority, read_selector(entry), read_bids(entry)});
    }
}

ike::MobilePlan read_plan_of_node(const Value& mobile) {
    ike::MobilePlan out;
    out.home = IpAddress::parse(string_at(mobile, "home"));
    out.networks = list_at(mobile, "networks", Prefix::parse);
    out.router = boolean_at(mobile, "router", !out.networks.empty());
    if (const auto* links = child(mobile, "care_of", Kind::array))
        for (const auto& entry : links->items) {
            ike::AccessLink link{std::string(string_at(entry, "interface")), 0, 1};
            link.bid = static_cast<std::uint16_t>(count_at(entry, "bid", 0));
            const auto place = static_cast<std::size_t>(&entry - links->items.data()) + 1;
            link.priority =
                static_cast<std::uint8_t>(count_at(entry, "priority", std::min<std::size_t>(place, 127)));
            out.access.push_back(std::move(link));
        }
    read_flows(mobile, out);
    out.lifetime = duration_at(mobile, "lifetime", out.lifetime);
    out.multiple_care_of = boolean_at(mobile, "multiple", out.multiple_care_of);
    out.bulk = boolean_at(mobile, "bulk", out.bulk);
    out.key_mobility = boolean_at(mobile, "move_ike", out.key_mobility);
    out.home_test = boolean_at(mobile, "home_test", out.home_test);
    out.prefix_discovery = boolean_at(mobile, "prefix_discovery", out.prefix_discovery);
    return out;
}

ike::HomeService read_service_of_agent(const Value& agent, const ike::Connection& connection) {
    ike::HomeService out;
    out.address = connection.local_address.value_or(IpAddress::any(Family::ipv6));
    out.prefixes = list_at(agent, "prefixes", Prefix::parse);
    if (const auto* nodes = child(agent, "nodes", Kind::object))
        for (const auto& node : nodes->members) {
            const auto who = auth::IdentityPattern::parse(node.key);
            if (!who) continue;
            out.entries.push_back({*who, list_at(node.value, "homes", IpAddress::parse),
                                   list_at(node.value, "networks", Prefix::parse)});
        }
    out.max_lifetime = duration_at(agent, "lifetime", out.max_lifetime);
    out.max_bindings = count_at(agent, "most_bindings", out.max_bindings);
    out.max_homes = count_at(agent, "most_homes", out.max_homes);
    out.multiple_care_of = boolean_at(agent, "multiple", out.multiple_care_of);
    out.bulk = boolean_at(agent, "bulk", out.bulk);
    out.mobile_routers = boolean_at(agent, "routers", out.mobile_routers);
    out.flows = boolean_at(agent, "flows", out.flows);
    out.key_mobility = boolean_at(agent, "move_ike", out.key_mobility);
    out.home_test = boolean_at(agent, "home_test", out.home_test);
    out.prefix_discovery = boolean_at(agent, "prefix_discovery", out.prefix_discovery);
    out.home_link = string_at(agent, "home_link");
    return out;
}

class MobileChecker {
  public:
    MobileChecker(const ike::Connection& connection, const Member& member, std::string path, Report& report)
        : connection_(connection), member_(member), path_(std::move(path)), report_(report) {}

    void agent(std::map<IpAddress, std::string>& known);
    void node(const std::vector<std::string>& interfaces, std::map<std::uint32_t, std::string>& marks);

  private:
    void mistake(const Value& at, const std::string& message, std::string hint) {
        report_.add(at.place, path_ + message, std::move(hint));
    }
    void most(const Value* list, std::string_view key, std::size_t count, std::size_t limit);
    void prefixes(const Value& agent);
    void homes(const Value& list, const std::string& path);
    void entry(const Member& node);
    void ends(const Value& mobile);
    void correspondents();
    void links(const Value& mobile, const std::vector<std::string>& interfaces);
    void flow(const Value& flow, const std::string& path, std::map<std::uint32_t, std::string>& marks);
    void selector(const Value& flow, std::string_view side, const std::string& path);
    void protocol(const Value& flow, const std::string& path);
    void only_ip6(const Value& object, std::string_view key, const std::string& path);

    const ike::Connection& connection_;
    const Member& member_;
    std::string path_;
    Report& report_;
};

void MobileChecker::most(const Value* list, std::string_view key, std::size_t count, std::size_t limit) {
    if (list && count > limit)
        mistake(*list,
                "." + std::string(key) + ": there are " + std::to_string(count) + ", and " +
                    std::to_string(limit) + " are the most",
                "remove some");
}

void MobileChecker::only_ip6(const Value& object, std::string_view key, const std::string& path) {
    const auto* list = child(object, key, Kind::array);
    for (std::size_t i = 0; list && i < list->items.size(); ++i) {
        const auto& item = list->items[i];
        const auto prefix = Prefix::parse(item.string);
        if (prefix && prefix->family() != Family::ipv6)
            report_.add(item.place,
                        path + "." + std::string(key) + ": " + quote(item.string) + " is not IPv6",
                        "Mobile IPv6 has IPv6 addresses alone");
    }
}

// That is, of global unicast (RFC 4291 2.4): what is not, begins or ends with an address that cannot be a home address.
void MobileChecker::prefixes(const Value& agent) {
    only_ip6(agent, "prefixes", path_ + ".home_agent");
    const auto* list = child(agent, "prefixes", Kind::array);
    for (std::size_t i = 0; list && i < list->items.size(); ++i) {
        const auto prefix = Prefix::parse(list->items[i].string);
        if (!prefix || prefix->family() != Family::ipv6) continue;
        if (mobility::is_unicast_routable(prefix->address()) && mobility::is_unicast_routable(prefix->last()))
            continue;
        mistake(list->items[i],
                ".home_agent.prefixes: " + quote(list->items[i].string) +
                    " is not of routable unicast addresses alone",
                "home addresses can be reached from afar: write a prefix such as \"2001:db8:a::/64\"");
    }
}

void MobileChecker::homes(const Value& list, const std::string& path) {
    if (list.items.size() > kMostHomesOfOne)
        report_.add(list.place, path + std::to_string(kMostHomesOfOne) + " are the most", "remove some");
    for (const auto& item : list.items) {
        const auto home = IpAddress::parse(item.string);
        if (!home || !home->is_v6()) continue; // that is reported
        const bool ours = std::ranges::any_of(connection_.home_service->prefixes,
                                              [&](const Prefix& prefix) { return prefix.contains(*home); });
        if (!mobility::is_unicast_routable(*home))
            report_.add(item.place, path + quote(item.string) + kNotRoutable,
                        std::string(kRoutableHint) + ", and of \"prefixes\"");
        else if (!ours)
            report_.add(item.place, path + quote(item.string) + " is of no prefix in \"prefixes\"",
                        "add its prefix there: home addresses are of those alone");
    }
}

void MobileChecker::entry(const Member& node) {
    const std::string path = path_ + ".home_agent.nodes." + node.key;
    only_ip6(node.value, "homes", path);
    only_ip6(node.value, "networks", path);
    if (const auto* list = child(node.value, "homes", Kind::array)) homes(*list, path + ".homes: ");
    const auto* networks = child(node.value, "networks", Kind::array);
    if (networks && networks->items.size() > mobility::kMaxPrefixes)
        report_.add(networks->place,
                    path + ".networks: " + std::to_string(mobility::kMaxPrefixes) + " are the most",
                    "remove some");
}

void MobileChecker::agent(std::map<IpAddress, std::string>& known) {
    const auto* agent = part_at(member_.value, "home_agent");
    if (!agent) return;
    const auto& address = connection_.local_address;
    if (!address || !address->is_v6()) {
        const auto* local = part_at(member_.value, "local");
        const auto* at = local ? child(*local, "address", Kind::string) : nullptr;
        report_.add(at ? at->place : member_.place,
                    path_ + ": a home agent has one IPv6 address, which mobile nodes know",
                    "write it as local.address");
    } else if (const auto [other, fresh] = known.emplace(*address, path_); !fresh) {
        report_.add(member_.place, path_ + ": " + other->second + " is the home agent of this address",
                    "put the mobile nodes of both into one of them");
    }
    prefixes(*agent);
    const auto* nodes = child(*agent, "nodes", Kind::object);
    if (!nodes) return;
    most(nodes, "home_agent.nodes", nodes->members.size(), kMostHomeEntries);
    for (const auto& node : nodes->members)
        entry(node);
}

void MobileChecker::links(const Value& mobile, const std::vector<std::string>& interfaces) {
    const auto* list = child(mobile, "care_of", Kind::array);
    if (!list) return;
    most(list, "mobile.care_of", list->items.size(), kMostUplinks);
    std::set<std::string> names;
    std::set<std::uint16_t> bids;
    for (const auto& entry : list->items) {
        const auto* name = child(entry, "interface", Kind::string);
        const auto* bid = child(entry, "bid", Kind::integer);
        if (name && !names.insert(name->string).second)
            mistake(*name, ".mobile.care_of: " + quote(name->string) + " stands twice", "remove one");
        if (name && std::ranges::find(interfaces, name->string) != interfaces.end())
            mistake(*name, ".mobile.care_of: " + quote(name->string) + " is one of our own interfaces",
                    "name an interface that the home agent can be reached by without a tunnel");
        if (bid && !bids.insert(static_cast<std::uint16_t>(bid->integer)).second)
            mistake(*bid,
                    ".mobile.care_of: the binding identifier " + std::to_string(bid->integer) +
                        " stands twice",
                    "give each interface one of its own");
    }
}

void MobileChecker::selector(const Value& flow, std::string_view side, const std::string& path) {
    const auto* text = child(flow, side, Kind::string);
    const auto read = text ? parse_selector(text->string) : std::unexpected(Fault{});
    if (!read) return;
    const auto refuse = [&](const std::string& why, std::string hint) {
        report_.add(text->place, path + "." + std::string(side) + ": " + quote(text->string) + why,
                    std::move(hint));
    };
    if (!read->start.is_v6())
        refuse(" is not IPv6", "write \"::/0 udp/5001\" for all addresses");
    else if (read->ip_protocol == mobility::kMobilityProtocol)
        refuse(" is the signalling of Mobile IPv6, which has ways of its own",
               "name another protocol, or none for all packets");
    // RFC 6088 has no types. Whatever else can be written with ports has them at the front of its header.
    else if (read->ip_protocol == mobility::kIcmp6Protocol && ports_of(*read))
        refuse(" has a type, and flows cannot tell the types of ICMPv6 apart",
               "write \"icmpv6\" alone, for all of them");
}

void MobileChecker::protocol(const Value& flow, const std::string& path) {
    const auto remote = selector_at(flow, "remote");
    const auto local = selector_at(flow, "local");
    if (!remote || !local || remote->ip_protocol == 0 || local->ip_protocol == 0) return;
    if (remote->ip_protocol != local->ip_protocol)
        report_.add(child(flow, "local", Kind::string)->place,
                    path + ".local: its protocol is not that of \"remote\", and a packet has one",
                    "write the same on both sides, or on one side alone");
}

void MobileChecker::flow(const Value& flow, const std::string& path,
                         std::map<std::uint32_t, std::string>& marks) {
    selector(flow, "remote", path);
    selector(flow, "local", path);
    protocol(flow, path);
    const auto& access = connection_.mobile->access;
    if (const auto* list = child(flow, "bids", Kind::array))
        for (const auto& item : list->items) {
            const bool known = item.kind == Kind::integer && item.integer >= 0 && item.integer <= 0xffff &&
                               std::ranges::find(access, static_cast<std::uint16_t>(item.integer),
                                                 &ike::AccessLink::bid) != access.end();
            if (item.kind == Kind::integer && !known)
                report_.add(item.place,
                            path + ".bids: nothing in \"care_of\" has the binding identifier " +
                                std::to_string(item.integer),
                            "name bindings that are there, the preferred one first");
        }
    const auto* mark = child(flow, "mark", Kind::integer);
    const bool selects = json::find(flow, "remote") || json::find(flow, "local");
    if (!mark && !selects)
        report_.add(flow.place, path + " says nothing about packets",
                    "add \"remote\": \"::/0 udp/5001\", \"local\" or \"mark\"");
    if (!mark) return;
    if (selects)
        report_.add(mark->place, path + ".mark: a flow is known by its mark or by its addresses",
                    "make two flows of it");
    const auto value = static_cast<std::uint32_t>(mark->integer);
    const auto [other, fresh] = marks.emplace(value, path);
    if ((value & kOwnMarkMask) == kOwnMark || (value & kOwnMarkMask) == (child::kPathMark & kOwnMarkMask))
        report_.add(mark->place,
                    path + ".mark: the marks of 0x53000000 and 0x57000000 to those plus 0xffffff are of "
                           "sheafd's own packets",
                    "use another, such as 1");
    else if (!fresh)
        report_.add(mark->place, path + ".mark: " + std::to_string(value) + " is that of " + other->second,
                    "give each flow a mark of its own");
}

// Where the home agent is, and where we are.
void MobileChecker::ends(const Value& mobile) {
    const auto& agent = connection_.remote;
    if (agent && !agent->address.is_v6())
        mistake(*child(*part_at(member_.value, "remote"), "address", Kind::string),
                ".remote.address: a home agent is reached by IPv6", "write its IPv6 address");
    const auto* local = part_at(member_.value, "local");
    const auto* from = local ? child(*local, "address", Kind::string) : nullptr;
    if (from)
        mistake(*from, ".local.address: a mobile node speaks from its care-of addresses",
                "remove it: care_of says where we are");
    const auto* text = child(mobile, "home", Kind::string);
    const auto& home = connection_.mobile->home;
    if (!text || !home) return;
    if (!home->is_v6())
        mistake(*text, ".mobile.home: " + quote(text->string) + " is not IPv6",
                "write an IPv6 address, or leave it out to be given one");
    else if (!mobility::is_unicast_routable(*home))
        mistake(*text, ".mobile.home: " + quote(text->string) + kNotRoutable,
                std::string(kRoutableHint) + ", or leave it out to be given one");
    else if (agent && agent->address == *home)
        mistake(*text, ".mobile.home: " + quote(text->string) + " is the home agent's own address",
                "write the one that it has for us, or leave it out to be given one");
}

// Those of IPv4 alone would leave nobody to speak to.
void MobileChecker::correspondents() {
    const auto* list = child(member_.value, "networks", Kind::array);
    const auto read = list_at(member_.value, "networks", Prefix::parse);
    const bool ip4 = list && !read.empty() && read.size() == list->items.size() &&
                     std::ranges::all_of(read, [](const Prefix& p) { return p.family() == Family::ipv4; });
    if (ip4)
        mistake(*list, ".networks: none of the correspondents is IPv6",
                "Mobile IPv6 has IPv6 addresses alone: write \"::/0\", or leave it out");
}

void MobileChecker::node(const std::vector<std::string>& interfaces,
                         std::map<std::uint32_t, std::string>& marks) {
    const auto* mobile = part_at(member_.value, "mobile");
    if (!mobile) return;
    ends(*mobile);
    correspondents();
    only_ip6(*mobile, "networks", path_ + ".mobile");
    const auto* networks = child(*mobile, "networks", Kind::array);
    most(networks, "mobile.networks", connection_.mobile->networks.size(), mobility::kMaxPrefixes);
    const auto* router = child(*mobile, "router", Kind::boolean);
    if (router && networks && !boolean_at(*mobile, "router", true))
        mistake(*router, ".mobile.router is false: the home agent would be told none of \"networks\"",
                "remove \"router\", or \"networks\"");
    links(*mobile, interfaces);
    const auto* flows = child(*mobile, "flows", Kind::array);
    if (!flows) return;
    most(flows, "mobile.flows", flows->items.size(), mobility::kMaxFlows);
    for (std::size_t i = 0; i < flows->items.size(); ++i)
        flow(flows->items[i], path_ + ".mobile.flows[" + std::to_string(i) + "]", marks);
}

} // namespace

void read_mobile(const Value& connection, ike::Connection& out) {
    if (out.role == ike::Role::home_agent) {
        const auto* agent = part_at(connection, "home_agent");
        out.home_service = read_service_of_agent(agent ? *agent : Value{}, out);
    } else if (out.role == ike::Role::mobile_node) {
        const auto* mobile = part_at(connection, "mobile");
        out.mobile = read_plan_of_node(mobile ? *mobile : Value{});
    }
}

void MobileCheck::connection(const ike::Connection& connection, const Member& member,
                             const std::string& path) {
    MobileChecker checker(connection, member, path, report_);
    if (connection.role == ike::Role::home_agent) checker.agent(agents_);
    if (connection.role == ike::Role::mobile_node) checker.node(interfaces_, marks_);
}

} // namespace sheaf::conf
