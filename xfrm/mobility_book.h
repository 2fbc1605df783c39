#pragma once

#include "lib/child/kernel.h"
#include "xfrm/expansion.h"
#include "xfrm/links.h"
#include "xfrm/mobility_objects.h"
#include "xfrm/path_marks.h"
#include "xfrm/plan.h"
#include "xfrm/policy_book.h"

#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace sheaf::xfrm {

// The home addresses of Mobile IPv6 that are open: the picture of each, and its SAs as far as they need more than
// other SAs do.
//
// Steps change what is wanted; plan() adds to an intent's plan the difference to what was planned before. Both are
// taken back when the plan fails. Plans of one home address come one after the other.
//
// Order: entries and policies that are new, then the marks in one transaction (what may come in, which flow takes
// which way), then routes, then what goes.
class MobilityBook {
  public:
    explicit MobilityBook(std::unique_ptr<PathMarks> marks) : marks_(std::move(marks)) {}

    // Steps; an error is a sentence.
    [[nodiscard]] std::expected<void, std::string> open(const child::MobilityLink& link, Plan& plan);
    [[nodiscard]] std::expected<void, std::string> update(const child::MobilityLink& link, Plan& plan);
    void close(child::LinkNumber number, Plan& plan);
    // SAs of an open home address: what they need beside, and that they are there. Nothing happens to others.
    void adapt(const child::InstallSas& step, StatePair& pair, Plan& plan);
    void remove(const child::RemoveSas& step, Plan& plan);
    // By what the SAD finds an inbound entry, which may want a mark.
    [[nodiscard]] StateId inbound_id(const child::SaPairId& id) const;

    struct Means {
        Links& links;
        PolicyBook& policies;
        PolicyBook::Changes& changes;
        Plan& plan;
    };
    // Nothing happens when nothing is wanted anew, and all of it is there.
    [[nodiscard]] std::expected<void, std::string> plan(child::LinkNumber number, Means means);

    // The picture of one that is open.
    [[nodiscard]] const child::MobilityLink* find(child::LinkNumber number) const;
    // Of all home addresses, as planned.
    [[nodiscard]] std::vector<CareOfState> care_of_states() const;
    // Marks that the kernel could not be given are tried again from time to time.
    [[nodiscard]] bool lacks_marks() const { return marks_->is_missing(); }
    void make_marks() { marks_->make_again(); }
    void forget_all(); // after all of ours was removed; marks are removed here

  private:
    using Homes = std::map<child::LinkNumber, Home>;
    struct Proxy {
        int interface_index = 0; // until the kernel has told it
        bool foreign = false;    // it was there before us, and stays
    };

    void restore_on_failure(child::LinkNumber number, Plan& plan);
    [[nodiscard]] std::expected<void, std::string> plan_link(const Home* before, const Home* after,
                                                             Means means);
    void plan_states(const Home* before, const Home* after, Plan& plan);
    void plan_marks(child::LinkNumber number, const HomeMarks& wanted, Plan& plan);
    void plan_proxy(child::LinkNumber number, const Home* before, const Home* after, Plan& plan);
    void add_proxy(const child::MobilityLink& link, const std::shared_ptr<Proxy>& wanted, Plan& plan);

    std::unique_ptr<PathMarks> marks_;
    Homes wanted_;  // and open
    Homes planned_; // and, but for plans under way, in the kernel
    std::set<StateId> gated_;
    std::map<child::LinkNumber, std::shared_ptr<Proxy>> proxies_;
};

} // namespace sheaf::xfrm
