#include "netlink/address.h"
#include "netlink/link.h"
#include "netlink/neighbour.h"
#include "netlink/route.h"
#include "netlink/rule.h"
#include "xfrm/care_of_state.h"
#include "xfrm/hash_thresholds.h"
#include "xfrm/kernel_parts.h"
#include "xfrm/marks.h"
#include "xfrm/policy.h"
#include "xfrm/state.h"

#include <linux/rtnetlink.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace sheaf::xfrm {
namespace {

bool ours(const State& state) { return is_ours(state.reqid, state.link); }
bool ours(const CareOfState& state) { return is_ours(state.reqid); }
bool ours(const netlink::ProxyNeighbour& proxy) { return proxy.protocol == kProtocol; }
bool ours(const Policy& policy) { return is_ours(policy.reqid, policy.link); }

bool ours(const netlink::Route& route) {
    const bool of_uplink = route.table >= kFirstUplinkTable && route.table <= kLastUplinkTable;
    return route.protocol == kProtocol && (route.table == kRouteTable || route.table == kDefaultRouteTable ||
                                           is_way_table(route.table) || of_uplink);
}

bool ours(const netlink::Rule& rule) {
    return rule.protocol == kProtocol && rule.priority >= kUplinkPriority &&
           rule.priority <= kDefaultRoutePriority;
}

// An alias is what we leave on an interface; the number covers the moment before it is set.
bool ours(const netlink::LinkObject& link) {
    if (link.kind != kLinkKind) return false;
    return link.alias == kLinkAlias || (link.if_id && is_ours(*link.if_id));
}

bool ours(const netlink::Address& address) { return address.protocol == kProtocol; }

// What a kernel without a family, or with a table that was never used, answers to a listing.
bool means_empty(const netlink::Error& error) {
    return error.code == ENOENT || error.code == EAFNOSUPPORT || error.code == EOPNOTSUPP;
}

std::string described(const State& state) { return state.to_string(); }
std::string described(const CareOfState& state) { return state.to_string(); }
std::string described(const netlink::ProxyNeighbour& proxy) { return proxy.to_string(); }
std::string described(const Policy& policy) { return policy.to_string(); }
std::string described(const netlink::Rule& rule) { return rule.to_string(); }
std::string described(const netlink::LinkObject& link) { return "interface " + link.name; }
std::string described(const netlink::Route& route) {
    return "route " + route.destination.to_string() + " in table " + std::to_string(route.table);
}
std::string described(const netlink::Address& address) {
    return "address " + address.address.to_string() + " on interface number " +
           std::to_string(address.interface_index);
}

netlink::Message removal_of(const State& state) { return remove_state(state.id); }
netlink::Message removal_of(const CareOfState& state) { return remove_state(state); }
netlink::Message removal_of(const netlink::ProxyNeighbour& proxy) { return remove_proxy(proxy); }
netlink::Message removal_of(const Policy& policy) { return remove_policy(policy); }
netlink::Message removal_of(const netlink::Rule& rule) { return remove_rule(rule); }
netlink::Message removal_of(const netlink::LinkObject& link) { return netlink::remove_link(link.index); }
netlink::Message removal_of(const netlink::Route& route) { return remove_route(route); }
netlink::Message removal_of(const netlink::Address& address) { return remove_address(address); }

// One run: lists everything, then removes what is ours, in as few calls as the window permits.
class Reconciliation {
  public:
    explicit Reconciliation(Sockets sockets) : sockets_(sockets) {}

    void list() {
        list(Room::xfrm, dump_states(), parse_state, states_);
        for (const auto kind : {RouteOptimization::home_address, RouteOptimization::routing_header})
            list(Room::xfrm, dump_states(kind), parse_care_of_state, care_of_states_);
        list(Room::xfrm, dump_policies(), parse_policy, policies_);
        list(Room::route, netlink::dump_proxies(), netlink::parse_proxy, proxies_);
        for (const Family family : {Family::ipv6, Family::ipv4}) {
            list(Room::route, netlink::dump_rules(family), netlink::parse_rule, rules_);
            // Of all tables: those of ways are many, and one that was left without a rule is ours, too.
            list(Room::route, netlink::dump_routes(family, RT_TABLE_UNSPEC, kProtocol), netlink::parse_route,
                 routes_);
            list(Room::route, netlink::dump_addresses(family), netlink::parse_address, addresses_);
        }
        sockets_.xfrm.request(
            query_thresholds(), [](const auto&) {},
            [this](const nlmsghdr& message) { set_up_ = parse_thresholds(message) == kForClients; });
        list(Room::route, netlink::dump_links(kLinkKind), netlink::parse_link, links_);
    }

    void remove() {
        remove(Room::xfrm, policies_, removed_.policies);
        if (set_up_) sockets_.xfrm.request(set_thresholds(kUntouched), [](const auto&) {});
        remove(Room::xfrm, states_, removed_.states);
        remove(Room::xfrm, care_of_states_, removed_.states);
        remove(Room::route, proxies_, removed_.addresses);
        remove(Room::route, rules_, removed_.rules);
        remove(Room::route, routes_, removed_.routes);
        // Those on interfaces of ours go with them.
        std::erase_if(addresses_, [&](const netlink::Address& address) {
            return std::ranges::find(links_, address.interface_index, &netlink::LinkObject::index) !=
                   links_.end();
        });
        remove(Room::route, addresses_, removed_.addresses);
        remove(Room::route, links_, removed_.links);
    }

    [[nodiscard]] std::expected<Removed, std::string> result() const {
        if (failures_ == 0) return removed_;
        std::string out = first_failure_;
        if (failures_ > 1) out += "; and " + std::to_string(failures_ - 1) + " more failures";
        return std::unexpected(std::move(out));
    }

  private:
    template <typename T, typename Parse>
    void list(Room room, netlink::Message request, Parse parse, std::vector<T>& to) {
        // Several listings share a list, and one that is interrupted begins again.
        auto found = std::make_shared<std::vector<T>>();
        sockets_.of(room).dump(
            std::move(request), [found] { found->clear(); },
            [found, parse](const nlmsghdr& message) {
                auto object = parse(message);
                if (object && ours(*object)) found->push_back(std::move(*object));
            },
            [this, found, &to](const std::expected<void, netlink::Error>& result) {
                if (!result && !means_empty(result.error())) return fail("listing", result.error());
                std::ranges::move(*found, std::back_inserter(to));
            });
    }

    template <typename T>
    void remove(Room room, const std::vector<T>& objects, std::size_t& count) {
        for (const T& object : objects) {
            sockets_.of(room).request(removal_of(object), [this, &object, &count](const auto& result) {
                const auto gone = removal(Room::route, {}, {}).tolerated;
                if (result) {
                    ++count;
                } else if (std::ranges::find(gone, result.error().code) == gone.end()) {
                    fail(described(object) + ": remove", result.error());
                }
            });
        }
    }

    void fail(const std::string& what, const netlink::Error& error) {
        if (failures_++ == 0) first_failure_ = what + ": " + error.to_string();
    }

    Sockets sockets_;
    std::vector<State> states_;
    std::vector<CareOfState> care_of_states_;
    std::vector<netlink::ProxyNeighbour> proxies_;
    std::vector<Policy> policies_;
    std::vector<netlink::Route> routes_;
    std::vector<netlink::Rule> rules_;
    std::vector<netlink::LinkObject> links_;
    std::vector<netlink::Address> addresses_;
    bool set_up_ = false; // the SPD, for clients
    Removed removed_;
    std::string first_failure_;
    std::size_t failures_ = 0;
};

} // namespace

std::expected<Removed, std::string> Kernel::reconcile() {
    // What is under way ends first, so that nothing is installed behind our back.
    if (auto settled = parts_->settle(); !settled) return std::unexpected(settled.error());
    Reconciliation run(parts_->sockets());
    run.list();
    if (auto settled = parts_->settle(); !settled) return std::unexpected(settled.error());
    run.remove();
    if (auto settled = parts_->settle(); !settled) return std::unexpected(settled.error());
    parts_->books.forget_all();
    return run.result();
}

} // namespace sheaf::xfrm
