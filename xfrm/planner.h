#pragma once

#include "lib/child/kernel.h"
#include "xfrm/group_book.h"
#include "xfrm/leftovers.h"
#include "xfrm/links.h"
#include "xfrm/mobility_book.h"
#include "xfrm/plan.h"
#include "xfrm/policy_book.h"

#include <expected>
#include <set>
#include <string>

namespace sheaf::xfrm {

// What is installed of what links and intents share.
struct Books {
    Links links{};
    PolicyBook policies{};
    Leftovers leftovers{};
    GroupBook groups;
    MobilityBook homes;

    void forget_all(); // after all of ours was removed
};

// Turns an intent into a plan. Changes the books, which an error restores; they must outlive the plan.
[[nodiscard]] std::expected<Plan, std::string> plan_of(const child::KernelIntent& intent, Books& books,
                                                       bool with_sa_direction, Instant now);
// What a group lacks though no intent asks for it: its routes have changed, or somebody has removed an entry.
[[nodiscard]] std::expected<Plan, std::string> plan_of(child::LinkNumber group, Books& books,
                                                       bool with_sa_direction, Instant now);

// The links that the intent is about; 0 stands for all policies off virtual interfaces, shared by all links.
[[nodiscard]] std::set<child::LinkNumber> links_of(const child::KernelIntent& intent);
// Those of them that are groups.
[[nodiscard]] std::set<child::LinkNumber> groups_of(const child::KernelIntent& intent);

} // namespace sheaf::xfrm
