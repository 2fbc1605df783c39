#pragma once

#include "lib/child/kernel.h"
#include "netlink/link.h"
#include "netlink/route.h"
#include "netlink/rule.h"
#include "xfrm/plan.h"

#include <cstddef>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sheaf::xfrm {

// The virtual links that are open, and what they share: the gateway's interface (made with the first link,
// removed with the last) and the rules that lead into our routing tables.
//
// The books change when a link is planned; Plan::roll_back() restores them when the intent fails. Removals
// are not undone: a link whose interface went stays closed even if the rest of the closing failed.
class Links {
  public:
    // Whether the intent creates or removes what links share, so that no other may be under way meanwhile.
    [[nodiscard]] bool changes_shared(const child::KernelIntent& intent) const;

    // Adds to the plan what opens or closes the link. Closing what is not open adds nothing.
    [[nodiscard]] std::expected<void, std::string> open(const child::Link& link, Plan& plan);
    void close(const child::Link& link, Plan& plan);
    // Addresses and routes that are new come first, those that go are removed last.
    [[nodiscard]] std::expected<void, std::string> update(const child::Link& before, const child::Link& after,
                                                          Plan& plan);

    void forget_all(); // after all of ours was removed

  private:
    // An interface of ours; its index is 0 until the kernel has told it.
    struct OwnInterface : netlink::LinkObject {
        bool removed = false;
    };
    using Interface = std::shared_ptr<OwnInterface>;
    struct Open {
        child::LinkRole role{};
        Interface interface;
    };

    [[nodiscard]] std::size_t count(child::LinkRole role) const;
    Interface create(const child::Link& link, Plan& plan) const;
    void add_rules(child::LinkRole role, Plan& plan);
    void add_rule(const netlink::Rule& rule, Plan& plan);
    void remove_rules(Plan& plan); // those that no open link needs

    std::map<child::LinkNumber, Open> open_;
    std::vector<netlink::Rule> rules_; // installed
};

// The rules that the first link of a role needs: those for either role, and those for clients.
[[nodiscard]] std::vector<netlink::Rule> common_rules();
[[nodiscard]] std::vector<netlink::Rule> client_rules();

// A link's routes through an interface.
[[nodiscard]] std::vector<netlink::Route> routes_of(const child::Link& link, int interface_index);

} // namespace sheaf::xfrm
