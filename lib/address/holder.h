#pragma once

#include "lib/base/bytes.h"

#include <compare>
#include <cstdint>
#include <string>

namespace sheaf::address {

// Whose a block is: an authenticated identity (RFC 7296 3.5), by its type and octets.
struct Holder {
    std::uint8_t type = 0;
    Bytes data;
    std::string text{}; // as people know it

    friend bool operator==(const Holder& a, const Holder& b) { return a.type == b.type && a.data == b.data; }
    friend auto operator<=>(const Holder& a, const Holder& b) {
        return a.type != b.type ? a.type <=> b.type : a.data <=> b.data;
    }
};

} // namespace sheaf::address
