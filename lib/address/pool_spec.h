#pragma once

#include "lib/address/holder.h"
#include "lib/base/ip.h"

#include <chrono>
#include <string>
#include <vector>

namespace sheaf::address {

// A block that only one identity ever gets.
struct Reservation {
    Holder holder;
    Prefix block; // of the pool's `delegate`, within its prefix
    friend bool operator==(const Reservation&, const Reservation&) = default;
};

// What an operator gives away: every client gets one block of `delegate` bits out of `prefix`: a /64 for
// RFC 5739, a single address with delegate 32 or 128.
struct PoolSpec {
    std::string name;
    Prefix prefix;
    unsigned delegate = 64;
    std::chrono::seconds lease{std::chrono::hours(24)}; // how long a block is kept for a holder who is away
    unsigned warn_at = 90;                              // percent given away or kept; 0: no warning
    std::vector<Reservation> reserved;
    friend bool operator==(const PoolSpec&, const PoolSpec&) = default;
};

} // namespace sheaf::address
