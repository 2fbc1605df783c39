#pragma once

#include "lib/base/secret.h"

#include <cstdint>
#include <string>

namespace sheaf::ike {

// What a gateway's group must have again after a restart (group::Record). It holds keys in clear: for a file that
// nobody else may read.
struct GroupRecord {
    std::string group;
    std::uint64_t change = 0; // to be named when it is stored
    Secret octets;            // empty: forget the group
};

} // namespace sheaf::ike
