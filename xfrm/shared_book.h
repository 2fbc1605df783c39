#pragma once

#include "lib/child/kernel.h"
#include "xfrm/link_objects.h"
#include "xfrm/plan.h"

#include <cstddef>
#include <expected>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace sheaf::xfrm {

// What the gateway's links have together: their common interface with our link-local addresses, and the table
// of the routes to the clients.
//
// An address is there while a link holds it. A route belongs to one link, for it says by which one packets
// go. Only link-local addresses may clash, since clients choose their identifiers themselves (RFC 5739): then
// the link that came first has the route, and the others wait for it in their order.
//
// The book changes when an intent is planned, and the plan takes the changes back when it fails, as in Links.
class SharedBook {
  public:
    // What an intent needs of the book: by prefix, whether the kernel's object is changed by it. (An address
    // counts as a prefix.) Of two intents under way that name the same, neither may change it.
    using Use = std::map<Prefix, bool>;
    [[nodiscard]] static bool clash(const Use& one, const Use& other);
    // Adds what a step that opens, closes or updates a gateway's link uses.
    void use(const child::KernelStep& step, Use& to) const;

    // The link's addresses and routes. An error names the link that has a route already.
    [[nodiscard]] std::expected<void, std::string> hold(const child::Link& link, const Interface& interface,
                                                        Plan& plan);
    // Routes that the link holds and keeps, which go other ways than before.
    void change_ways(const child::Link& before, const child::Link& after, const Interface& interface,
                     Plan& plan);
    // What the link does not hold is passed over. `interface_goes`: and all that hangs on it, so that the
    // book alone changes.
    void release(const child::Link& link, const Interface& interface, bool interface_goes, Plan& plan);

    [[nodiscard]] bool empty() const { return addresses_.empty() && routes_.empty(); }
    void forget_all();

  private:
    // Makes an operation when the interface's index is known.
    using Maker = std::function<Operation(int index)>;

    [[nodiscard]] std::expected<void, std::string>
    hold_route(const child::Link& link, const Prefix& destination, std::vector<Maker>& makers, Plan& plan);
    void hold_address(const child::Link& link, const child::InterfaceAddress& address,
                      std::vector<Maker>& makers, Plan& plan);
    void release_route(const child::Link& link, const Prefix& destination, std::vector<Maker>& makers,
                       const Interface& interface, Plan& plan);
    void release_address(const child::Link& link, const child::InterfaceAddress& address,
                         std::vector<Maker>& makers, const Interface& interface, Plan& plan);
    void set_ways(const Prefix& destination, const child::Link& ways);
    void drop(const Prefix& destination, child::LinkNumber link);
    void drop(const IpAddress& address, child::LinkNumber link);

    std::map<IpAddress, std::set<child::LinkNumber>> addresses_;
    // Of these links' all but their ways is left out.
    std::map<Prefix, std::vector<child::Link>> routes_; // the first has it
};

} // namespace sheaf::xfrm
