#pragma once

#include "lib/base/ip.h"
#include "netlink/caller.h"
#include "netlink/link.h"
#include "netlink/route.h"
#include "netlink/rule.h"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace sheaf::daemon {

// Which of a client's uplinks reach which gateways, and policy routing by which what is sent from an uplink's
// address to a gateway leaves by that uplink, whatever the other routes prefer.
//
// For each uplink there is a table (xfrm::kFirstUplinkTable and those that follow, in the order of the
// configuration) with a host route to each gateway that it reaches, and for each of its addresses that IKE
// uses a rule that leads there; for a mobile node's home address, too, at the first uplink that is on the home link. All carry our protocol number, so that xfrm/ removes them with the rest of
// ours at the start and at the end. What stands there is looked at each time, for the kernel removes routes
// itself when an interface goes down.
//
// All calls wait for the kernel, each request for microseconds (netlink::Caller).
class Uplinks {
  public:
    struct Plan {
        std::vector<std::string> interfaces; // in order of preference
        std::vector<IpAddress> gateways;
        std::vector<IpAddress> homes{}; // whose prefixes may be on-link at an uplink
        friend bool operator==(const Plan&, const Plan&) = default;
    };
    // More than anyone has; what is beyond them is told as unusable.
    static constexpr std::size_t kMaxUplinks = 64;
    static constexpr std::size_t kMaxGateways = 64;
    static constexpr std::size_t kMaxHomes = 64;

    // `mark` is that of the IKE sockets. `caller` is one for NETLINK_ROUTE.
    Uplinks(std::unique_ptr<netlink::Caller> caller, std::uint32_t mark);

    [[nodiscard]] const Plan& plan() const { return plan_; }
    // What is configured from now on; the kernel's part follows with refresh().
    void configure(Plan plan);
    // Looks at the host anew, and adds and removes rules and routes by their difference. Whether an answer of
    // source_over() is another one now, or anything was added or removed.
    bool refresh();

    // As ike::Surroundings has it, by what refresh() has found; a gateway that was not configured (but told by
    // RFC 4555's notifies) becomes one of them.
    [[nodiscard]] std::expected<IpAddress, std::string> source_over(const std::string& uplink,
                                                                    const IpAddress& gateway);

    // Likewise; an address that was not configured becomes one of the homes. Beyond kMaxHomes none is on-link.
    [[nodiscard]] bool is_on_link(const std::string& uplink, const IpAddress& home);

  private:
    using Source = std::expected<IpAddress, std::string>;
    using Pair = std::pair<std::string, IpAddress>; // uplink and gateway
    struct Found {                                  // by the kernel
        IpAddress source;
        netlink::Route route;
    };
    struct Own { // addresses that can be used
        int interface_index = 0;
        IpAddress address;
        unsigned prefix_length = 0;
    };
    struct Wanted {
        std::vector<netlink::Rule> rules;
        std::vector<netlink::Route> routes;
    };

    [[nodiscard]] std::expected<netlink::LinkObject, std::string> link(const std::string& name);
    [[nodiscard]] std::vector<Own> addresses();
    [[nodiscard]] std::expected<Found, std::string> reach(const netlink::LinkObject& link,
                                                          const IpAddress& gateway, std::uint32_t table,
                                                          const std::vector<Own>& own);
    [[nodiscard]] std::expected<netlink::Route, netlink::Error> query(const netlink::RouteQuery& query);
    void look(Wanted& wanted);
    // Which homes are on-link there, and the rule for what is sent from them.
    void look_for_homes(std::size_t uplink, int interface_index, const std::vector<Own>& own, Wanted& wanted);
    [[nodiscard]] bool apply(const Wanted& wanted);
    [[nodiscard]] bool apply_routes(const std::vector<netlink::Route>& wanted);
    [[nodiscard]] bool apply_rules(const std::vector<netlink::Rule>& wanted);
    [[nodiscard]] bool carry_out(netlink::Message message, const std::string& what, const IpAddress* source);
    void fail(const IpAddress& source, const std::string& why);

    std::unique_ptr<netlink::Caller> caller_;
    std::uint32_t mark_;
    Plan plan_;
    std::size_t tables_ = 0; // that were used up to now
    std::map<Pair, Source> sources_;
    std::set<Pair> on_link_; // uplink and home
};

} // namespace sheaf::daemon
