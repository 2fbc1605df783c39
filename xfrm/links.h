#pragma once

#include "lib/child/kernel.h"
#include "netlink/rule.h"
#include "xfrm/link_objects.h"
#include "xfrm/plan.h"
#include "xfrm/shared_book.h"

#include <cstddef>
#include <expected>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace sheaf::xfrm {

// The virtual links that are open, and what they share: the gateway's interface (made with the first link,
// removed with the last), what hangs on it, and the rules that lead into our routing tables.
//
// The books change when a link is planned; Plan::roll_back() restores them when the intent fails. Removals
// are not undone: a link whose interface went stays closed even if the rest of the closing failed.
class Links {
  public:
    // From now on the SPD is set up for many clients while a gateway's link is open. For kernels that need it
    // and an SPD that nobody else has set up.
    void set_up_spd(bool wanted) { sets_up_spd_ = wanted; }

    // Whether the intent creates or removes what all links share, so that no other may be under way
    // meanwhile.
    [[nodiscard]] bool changes_shared(const child::KernelIntent& intent) const;
    // What it holds together with single other links.
    [[nodiscard]] SharedBook::Use use_of(const child::KernelIntent& intent) const;

    // Adds to the plan what opens or closes the link. Closing what is not open adds nothing.
    [[nodiscard]] std::expected<void, std::string> open(const child::Link& link, Plan& plan);
    void close(const child::Link& link, Plan& plan);
    // Ways, addresses and routes that are new come first, those that go are removed last.
    [[nodiscard]] std::expected<void, std::string> update(const child::Link& before, const child::Link& after,
                                                          Plan& plan);

    void forget_all(); // after all of ours was removed

    // Of a client's or a group's link: the index of its interface; 0 when it is not open or not known yet.
    [[nodiscard]] int interface_index(child::LinkNumber number) const;

  private:
    struct Open {
        child::LinkRole role{};
        Interface interface;
        std::shared_ptr<LanIndexes> lan;
        Ways ways; // client: with the link's own
    };

    // The books of what is open, and of how many of each role.
    void enter(child::LinkNumber number, const Open& link);
    void strike(child::LinkNumber number);
    static void open_client(const child::Link& link, Open& books, Plan& plan);
    static void close_client(const child::Link& link, const Open& was, Plan& plan);
    void close_gateway(const child::Link& link, const Open& was, Plan& plan);
    void update_client(const child::Link& before, const child::Link& after, Open& books, Plan& plan);
    // Interfaces of ways that are new, and the books of those that go.
    void change_ways(const child::Link& before, const child::Link& after, Open& books, Plan& plan);
    void add_rules(child::LinkRole role, Plan& plan);
    void add_rule(const netlink::Rule& rule, Plan& plan);
    void remove_rules(Plan& plan); // those that no open link needs

    std::map<child::LinkNumber, Open> open_;
    std::size_t clients_ = 0, gateways_ = 0; // of those
    Interface gateway_;                      // the shared one, while a gateway's link is open
    SharedBook shared_;
    std::vector<netlink::Rule> rules_; // installed
    bool sets_up_spd_ = false;
};

} // namespace sheaf::xfrm
