#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sheaf {

using Bytes = std::vector<std::uint8_t>;
using View = std::span<const std::uint8_t>;

// Equal in content; takes the same time whatever the content (not whatever the length).
[[nodiscard]] bool constant_time_equal(View a, View b);

// Equal in content, for public values.
[[nodiscard]] bool equal(View a, View b);

void append(Bytes& to, View what);

} // namespace sheaf
