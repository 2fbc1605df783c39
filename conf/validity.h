#pragma once

#include "lib/base/time.h"

#include <optional>
#include <string>

namespace sheaf::conf {

// From when until when a certificate is valid (RFC 5280 4.1.2.5).
struct Validity {
    WallTime from;
    WallTime until;
};

// What an operator should know of it: that it has ended, will within a month, or has not begun. `what` begins
// the sentence.
[[nodiscard]] std::optional<std::string> validity_note(const std::string& what, const Validity& validity,
                                                       WallTime now);

} // namespace sheaf::conf
