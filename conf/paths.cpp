#include "conf/paths.h"

#include "conf/read.h"
#include "conf/text.h"
#include "conf/words.h"

#include <algorithm>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace sheaf::conf {
namespace {

using json::Kind;
using json::Value;

constexpr std::uint16_t kIkePort = 500;

// Where the NAT port of a gateway is that has another IKE port, nothing says.
bool can_move(const ike::Connection& connection) {
    return !connection.remote || connection.remote->port == kIkePort;
}

std::string_view side_of(const ike::Connection& connection) {
    return connection.role == ike::Role::gateway ? "local" : "remote";
}

const Value* other_addresses(const ike::Connection& connection, const Value& entry) {
    const auto* side = child(entry, side_of(connection), Kind::object);
    return side ? child(*side, "other_addresses", Kind::array) : nullptr;
}

// An uplink's name, which stands alone or in an object.
const Value* name_of(const Value& uplink) {
    return uplink.kind == Kind::string ? &uplink : child(uplink, "interface", Kind::string);
}

ike::Uplink read_uplink(const Value& entry) {
    ike::Uplink out;
    if (const auto* name = name_of(entry)) out.interface = name->string;
    out.weight = static_cast<unsigned>(count_at(entry, "weight", out.weight));
    out.mark = static_cast<std::uint32_t>(count_at(entry, "mark", out.mark));
    return out;
}

ike::PathPlan read_plan(const Value& connection) {
    ike::PathPlan out;
    if (const auto* list = child(connection, "uplinks", Kind::array))
        for (const auto& entry : list->items)
            out.uplinks.push_back(read_uplink(entry));
    const auto* paths = child(connection, "paths", Kind::object);
    if (!paths) return out;
    const auto set = string_at(*paths, "set");
    if (set == "gateways") out.set = ike::PathSet::gateways;
    if (set == "pairs") out.set = ike::PathSet::pairs;
    const auto use = string_at(*paths, "use");
    if (use == "balance") out.use = ike::PathUse::balance;
    if (use == "mark") out.use = ike::PathUse::mark;
    out.probe = duration_at(*paths, "probe", out.probe);
    return out;
}

// A gateway may tell of addresses that the file does not know.
std::size_t most_of(const ike::Connection& connection) {
    if (connection.role == ike::Role::gateway) return kGatewayPaths;
    const auto& plan = connection.paths;
    if (plan.uplinks.empty()) return 1;
    return plan.set == ike::PathSet::uplinks ? plan.uplinks.size() : kMostPaths;
}

class PathChecker {
  public:
    PathChecker(const ike::Connection& connection, const Value& entry, const std::string& path,
                Report& report)
        : connection_(connection), entry_(entry), path_(path), report_(report),
          plan_(child(entry, "paths", Kind::object)), uplinks_(child(entry, "uplinks", Kind::array)) {}

    void mobility();
    void addresses(std::span<const IpAddress> listen);
    void plan();
    void uplinks(std::span<const std::string> ours);
    void marks(std::map<std::uint32_t, std::string>& known);
    void names();

  private:
    void needs_mobike(std::string_view key, const Value* value);
    void address(const Value& item, const IpAddress& address, std::span<const IpAddress> listen);
    void uplink(const Value& name, std::span<const std::string> ours);
    void count();
    void only_with(const Value& uplink, std::string_view key, ike::PathUse use, std::string_view word);

    const ike::Connection& connection_;
    const Value& entry_;
    const std::string& path_;
    Report& report_;
    const Value* plan_;
    const Value* uplinks_;
};

void PathChecker::needs_mobike(std::string_view key, const Value* value) {
    if (!value || connection_.mobike) return;
    report_.add(value->place, path_ + "." + std::string(key) + " needs MOBIKE",
                can_move(connection_)
                    ? "let \"mobike\" be true, or remove " + quote(key.substr(key.rfind('.') + 1))
                    : "that goes on at port 4500, so remote.port must be 500");
}

void PathChecker::mobility() {
    const auto* mobike = child(entry_, "mobike", Kind::boolean);
    if (mobike && mobike->boolean && !can_move(connection_))
        report_.add(mobike->place,
                    path_ +
                        ".mobike goes on at port 4500, and nothing says where that is of a gateway at port " +
                        std::to_string(connection_.remote->port),
                    "remove it, or serve the gateway at port 500");
    for (const std::string_view key : {"route_proof", "allow_nat"})
        needs_mobike(key, child(entry_, key, Kind::boolean));
    needs_mobike("uplinks", uplinks_);
    needs_mobike(std::string(side_of(connection_)) + ".other_addresses",
                 other_addresses(connection_, entry_));
}

void PathChecker::address(const Value& item, const IpAddress& address, std::span<const IpAddress> listen) {
    const bool gateway = connection_.role == ike::Role::gateway;
    const std::string what =
        path_ + "." + std::string(side_of(connection_)) + ".other_addresses: " + quote(item.string);
    const auto main = gateway              ? connection_.local_address
                      : connection_.remote ? std::optional(connection_.remote->address)
                                           : std::nullopt;
    const bool heard = std::ranges::any_of(listen, [&](const IpAddress& ours) {
        return ours.family() == address.family() && (!gateway || ours.is_any() || ours == address);
    });
    const auto& from = connection_.local_address;
    if (address.is_any())
        report_.add(item.place, what + " is nobody's address");
    else if (address == main)
        report_.add(item.place, what + " is " + std::string(side_of(connection_)) + ".address already",
                    "remove it");
    else if (!heard)
        report_.add(item.place,
                    "\"listen\" has no address " + std::string(gateway ? "for " : "of the family of ") +
                        quote(item.string) + " of " + path_,
                    "add " +
                        quote(gateway           ? item.string
                              : address.is_v6() ? "::"
                                                : "0.0.0.0") +
                        " to listen.addresses");
    else if (!gateway && from && from->family() != address.family())
        report_.add(item.place, what + " is not of the family of local.address, which we speak from",
                    "remove one of the two");
}

void PathChecker::addresses(std::span<const IpAddress> listen) {
    const auto* list = other_addresses(connection_, entry_);
    if (!list) return;
    if (list->items.size() > kMostOtherAddresses)
        report_.add(list->place, path_ + "." + std::string(side_of(connection_)) +
                                     ".other_addresses: there are " + std::to_string(list->items.size()) +
                                     ", and " + std::to_string(kMostOtherAddresses) + " are the most");
    std::map<IpAddress, std::string_view> seen;
    for (const auto& item : list->items) {
        const auto parsed = IpAddress::parse(item.string);
        if (!parsed) continue;
        const auto [known, fresh] = seen.emplace(*parsed, item.string);
        if (fresh)
            address(item, *parsed, listen);
        else if (known->second != item.string) // else the list tells
            report_.add(item.place,
                        path_ + "." + std::string(side_of(connection_)) + ".other_addresses: " +
                            quote(item.string) + " is " + quote(known->second) + " again",
                        "remove one");
    }
}

void PathChecker::plan() {
    if (!plan_) return;
    const auto* use = child(*plan_, "use", Kind::string);
    const bool by_mark = use && connection_.paths.use == ike::PathUse::mark;
    if (connection_.role == ike::Role::gateway) {
        if (by_mark)
            report_.add(use->place, path_ + ".paths.use: a gateway does not send by mark",
                        "write \"primary\" or \"balance\"");
        return;
    }
    if (!uplinks_) {
        for (const std::string_view key : {"set", "use", "probe"})
            if (const auto* value = child(*plan_, key, Kind::string))
                report_.add(value->place, path_ + ".paths." + std::string(key) + " needs uplinks",
                            "add \"uplinks\" with the interfaces that lead out, or remove " + quote(key));
        return;
    }
    if (!by_mark) return;
    if (connection_.paths.set == ike::PathSet::gateways)
        report_.add(use->place,
                    path_ + ".paths.use: marks choose an uplink, and with the set \"gateways\" all "
                            "paths may go over one",
                    "write \"pairs\" for the set, or \"balance\" here");
    else if (std::ranges::all_of(connection_.paths.uplinks,
                                 [](const ike::Uplink& uplink) { return uplink.mark == 0; }))
        report_.add(use->place, path_ + ".paths.use: no uplink has a mark",
                    "write uplinks as { \"interface\": \"eth0\", \"mark\": 1 }");
}

void PathChecker::only_with(const Value& uplink, std::string_view key, ike::PathUse use,
                            std::string_view word) {
    const auto* member = json::find(uplink, key);
    if (member && connection_.paths.use != use)
        report_.add(member->place,
                    path_ + ".uplinks: " + quote(key) + " has no effect without paths.use " + quote(word),
                    "add \"paths\": { \"use\": " + quote(word) + " }, or remove it");
}

void PathChecker::uplink(const Value& name, std::span<const std::string> ours) {
    const auto& lan = connection_.request.lan;
    if (std::ranges::find(ours, name.string) != ours.end())
        report_.add(name.place, path_ + ".uplinks: " + quote(name.string) + " is one of our own interfaces",
                    "name an interface that the gateway can be reached by without a tunnel");
    else if (std::ranges::find(lan, name.string, &ike::LanNetwork::interface) != lan.end())
        report_.add(name.place, path_ + ".uplinks: " + quote(name.string) + " is in \"lan\", too",
                    "a network behind us is no way out: remove one");
}

// Paths that the file itself asks for.
void PathChecker::count() {
    const auto& plan = connection_.paths;
    if (plan.uplinks.size() > kMostUplinks)
        report_.add(uplinks_->place, path_ + ".uplinks: there are " + std::to_string(plan.uplinks.size()) +
                                         ", and " + std::to_string(kMostUplinks) + " are the most");
    const std::size_t wanted = plan.uplinks.size() * (connection_.addresses.size() + 1);
    const bool told = plan_ && child(*plan_, "most", Kind::integer);
    if (plan.set == ike::PathSet::pairs && wanted > kMostPaths && !told)
        report_.add(child(*plan_, "set", Kind::string)->place,
                    path_ + ".paths.set: the pairs are " + std::to_string(wanted) + ", and " +
                        std::to_string(kMostPaths) + " paths are the most",
                    "say with \"most\" how many of them are to be made");
}

void PathChecker::uplinks(std::span<const std::string> ours) {
    if (!uplinks_) return;
    count();
    const auto* local = child(entry_, "local", Kind::object);
    const auto* from = local ? child(*local, "address", Kind::string) : nullptr;
    if (from)
        report_.add(from->place, path_ + ": with \"uplinks\" the address that we speak from is the uplink's",
                    "remove local.address, or \"uplinks\"");
    std::map<std::string_view, const Value*> seen;
    for (const auto& entry : uplinks_->items) {
        only_with(entry, "weight", ike::PathUse::balance, "balance");
        only_with(entry, "mark", ike::PathUse::mark, "mark");
        const auto* name = name_of(entry);
        if (!name) continue;
        const auto [known, fresh] = seen.emplace(name->string, &entry);
        if (fresh)
            uplink(*name, ours);
        else if (entry.kind != Kind::string || known->second->kind != Kind::string) // else the list tells
            report_.add(name->place, path_ + ".uplinks: " + quote(name->string) + " stands twice",
                        "remove one");
    }
}

void PathChecker::marks(std::map<std::uint32_t, std::string>& known) {
    if (!uplinks_) return;
    for (const auto& entry : uplinks_->items) {
        const auto* value = child(entry, "mark", Kind::integer);
        if (!value || !std::in_range<std::uint32_t>(value->integer) || value->integer == 0) continue;
        const auto mark = static_cast<std::uint32_t>(value->integer);
        const auto* name = name_of(entry);
        const std::string owner = path_ + (name ? " for " + quote(name->string) : "");
        const auto [other, fresh] = known.emplace(mark, owner);
        if ((mark & kOwnMarkMask) == kOwnMark)
            report_.add(value->place,
                        path_ +
                            ".uplinks: the marks from 0x53000000 to 0x53ffffff are of sheafd's own packets",
                        "use another, such as 1");
        else if (!fresh)
            report_.add(value->place,
                        path_ + ".uplinks: the mark " + std::to_string(mark) + " is that of " + other->second,
                        "give each uplink a mark of its own");
    }
}

void PathChecker::names() {
    const auto ways = way_interfaces(connection_);
    if (ways.empty() || ways.back().size() <= kMaxInterfaceName || check_interface(connection_.interface))
        return;
    const auto* value = child(entry_, "interface", Kind::string);
    report_.add((value ? value : uplinks_)->place,
                path_ + ".interface: further paths have interfaces up to " + quote(ways.back()) +
                    ", which is longer than " + std::to_string(kMaxInterfaceName) + " characters",
                "shorten " + quote(connection_.interface) + " to " +
                    std::to_string(connection_.interface.size() + kMaxInterfaceName - ways.back().size()) +
                    " characters");
}

} // namespace

void read_paths(const Value& connection, ike::Connection& out) {
    out.mobike = boolean_at(connection, "mobike", can_move(out));
    out.route_proof = boolean_at(connection, "route_proof", out.route_proof);
    out.nats_allowed = boolean_at(connection, "allow_nat", out.nats_allowed);
    if (const auto* side = child(connection, side_of(out), Kind::object))
        out.addresses = list_at(*side, "other_addresses", IpAddress::parse);
    out.paths = read_plan(connection);
    const auto* paths = child(connection, "paths", Kind::object);
    const auto most = paths ? count_at(*paths, "most", most_of(out)) : most_of(out);
    out.ike_sas_per_login = static_cast<unsigned>(std::min(most, kMostPaths));
}

std::vector<std::string> way_interfaces(const ike::Connection& connection) {
    std::vector<std::string> out;
    if (connection.role != ike::Role::client || connection.paths.uplinks.empty()) return out;
    for (unsigned way = 2; way < 2 * connection.ike_sas_per_login; ++way)
        out.push_back(connection.interface + "-" + std::to_string(way));
    return out;
}

void PathCheck::connection(const ike::Connection& connection, const Value& entry, const std::string& path) {
    if (connection.role != ike::Role::gateway && connection.role != ike::Role::client) return;
    PathChecker checker(connection, entry, path, report_);
    checker.mobility();
    checker.addresses(listen_);
    checker.plan();
    if (connection.role != ike::Role::client) return;
    checker.uplinks(interfaces_);
    checker.marks(marks_);
    checker.names();
}

} // namespace sheaf::conf
