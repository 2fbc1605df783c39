#pragma once

#include "lib/base/ip.h"

#include <string>

namespace sheaf::address {

// What an operator gives away: every client gets one block of `delegate` bits out of `prefix`: a /64 for
// RFC 5739, a single address with delegate 32 or 128.
struct PoolSpec {
    std::string name;
    Prefix prefix;
    unsigned delegate = 64;
    friend bool operator==(const PoolSpec&, const PoolSpec&) = default;
};

} // namespace sheaf::address
