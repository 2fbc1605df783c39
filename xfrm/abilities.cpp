#include "xfrm/abilities.h"

#include <algorithm>

namespace sheaf::xfrm {

bool Abilities::supports(const crypto::EspSuite& suite) const {
    return std::ranges::any_of(suites, [&](const crypto::EspSuite& known) {
        return known.encr == suite.encr && known.key_bits == suite.key_bits && known.integ == suite.integ;
    });
}

} // namespace sheaf::xfrm
