#pragma once

#include "lib/ike/config.h"
#include "xfrm/abilities.h"

#include <expected>
#include <string>
#include <vector>

namespace sheaf::daemon {

// Compares what a configuration needs with what the kernel can do.
//
// ESP algorithms that the kernel lacks are taken out of the proposals, so that peers do not choose what
// cannot be installed; the result has a sentence for each. An error means that nothing would work: it says
// what lacks, and the remedy.
[[nodiscard]] std::expected<std::vector<std::string>, std::string> fit(ike::Config& config,
                                                                       const xfrm::Abilities& abilities);

} // namespace sheaf::daemon
