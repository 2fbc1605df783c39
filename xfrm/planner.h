#pragma once

#include "lib/child/kernel.h"
#include "xfrm/leftovers.h"
#include "xfrm/links.h"
#include "xfrm/plan.h"
#include "xfrm/policy_book.h"

#include <expected>
#include <set>
#include <string>

namespace sheaf::xfrm {

// What is installed of what links and intents share.
struct Books {
    Links links;
    PolicyBook policies;
    Leftovers leftovers;

    void forget_all(); // after all of ours was removed
};

// Turns an intent into a plan. Changes the books, which an error restores; they must outlive the plan.
[[nodiscard]] std::expected<Plan, std::string> plan_of(const child::KernelIntent& intent, Books& books,
                                                       bool with_sa_direction);

// The links that the intent is about; 0 stands for all policies off virtual interfaces, shared by all links.
[[nodiscard]] std::set<child::LinkNumber> links_of(const child::KernelIntent& intent);

} // namespace sheaf::xfrm
