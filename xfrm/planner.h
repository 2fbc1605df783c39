#pragma once

#include "lib/child/kernel.h"
#include "xfrm/links.h"
#include "xfrm/plan.h"

#include <expected>
#include <set>
#include <string>

namespace sheaf::xfrm {

// Turns an intent into a plan. Changes the books of `links`, which an error restores.
[[nodiscard]] std::expected<Plan, std::string> plan_of(const child::KernelIntent& intent, Links& links,
                                                       bool with_sa_direction);

[[nodiscard]] std::set<child::LinkNumber> links_of(const child::KernelIntent& intent);

} // namespace sheaf::xfrm
