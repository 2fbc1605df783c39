#pragma once

#include "lib/base/bytes.h"

#include <string>
#include <string_view>

namespace sheaf::test {

// The octets of hexadecimal text; white space between digits is allowed. REQUIRES: nothing else is in it
// (ends the test run).
[[nodiscard]] Bytes from_hex(std::string_view text);

[[nodiscard]] std::string to_hex(View bytes); // lower case, no spaces

} // namespace sheaf::test
