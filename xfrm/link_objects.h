#pragma once

#include "lib/child/kernel.h"
#include "netlink/address.h"
#include "netlink/link.h"
#include "netlink/route.h"
#include "xfrm/plan.h"
#include "xfrm/policy.h"
#include "xfrm/state.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace sheaf::xfrm {

// An interface of ours; its index is 0 until the kernel has told it.
struct OwnInterface : netlink::LinkObject {
    bool removed = false;
};
using Interface = std::shared_ptr<OwnInterface>;

// The indexes of interfaces that are not ours, as the kernel has told them.
using LanIndexes = std::map<std::string, int>;

// The interfaces of a client's ways by their numbers, the link's own among them.
using WayIndexes = std::map<child::LinkNumber, int>;
using Ways = std::map<child::LinkNumber, Interface>;
[[nodiscard]] WayIndexes indexes_of(const Ways& ways);
// A way as a link: with an interface, and with nothing on it.
[[nodiscard]] child::Link as_link(const child::LinkWay& way);

// What a link consists of beside its interface. A gateway's routes carry the link's number; a client's lead
// into its own interface, and those for what is delegated keep it out of there: table 5300 leaves it to the
// main table, where networks behind us are, and what is not there either is unreachable in table 5301
// (RFC 7084 4.2).
[[nodiscard]] std::vector<netlink::Address> addresses_of(const child::Link& link, int interface_index);
// Of a link without further ways, or of a gateway's, which all share the interface.
[[nodiscard]] std::vector<netlink::Route> routes_of(const child::Link& link, int interface_index);
[[nodiscard]] std::vector<netlink::Route> routes_of(const child::Link& link, const WayIndexes& indexes);
[[nodiscard]] std::vector<netlink::Address> lan_addresses_of(const child::Link& link,
                                                             const LanIndexes& indexes);
// What a client keeps out of a link with link-local addresses, for IKE has configured it (RFC 5739 4.4):
// Router Solicitations that its kernel sends, Router Advertisements and Redirects that it would obey. On one
// of its ways.
[[nodiscard]] std::vector<Policy> quiet_policies(const child::Link& link, child::LinkNumber way);

// Texts for the operator.
[[nodiscard]] std::string interface_text(const child::Link& link);
[[nodiscard]] std::string route_text(const netlink::Route& route, child::LinkNumber link);
[[nodiscard]] std::string address_text(const netlink::Address& address, const std::string& interface);

// What installs the objects; removals are of Plan's making.
[[nodiscard]] Operation add_operation(Room room, netlink::Message message, std::string object);
[[nodiscard]] Operation address_operation(const netlink::Address& address, const std::string& interface);
[[nodiscard]] Operation route_operation(const netlink::Route& route, child::LinkNumber link);
[[nodiscard]] Operation policy_operation(const Policy& policy);
[[nodiscard]] Operation state_operation(const State& state, const Progress& progress = {});
[[nodiscard]] Operation address_removal(const netlink::Address& address, const std::string& interface);
[[nodiscard]] Operation route_removal(const netlink::Route& route, child::LinkNumber link);

// Makes the interface, asks for its index, and gives it alias and state when that is known; then its
// addresses, if it is a client's.
[[nodiscard]] Interface create_interface(const child::Link& link, Plan& plan);
// Asks for the indexes of the interfaces of `lan`; whether there are any.
bool look_up(const std::vector<child::LanAddress>& lan, const std::shared_ptr<LanIndexes>& indexes,
             child::LinkNumber link, Plan& plan);

// What of `all` is not among `others`.
template <typename T>
[[nodiscard]] std::vector<T> without(std::vector<T> all, const std::vector<T>& others) {
    std::erase_if(all, [&](const T& one) {
        for (const T& other : others) {
            if (one == other) return true;
        }
        return false;
    });
    return all;
}

} // namespace sheaf::xfrm
