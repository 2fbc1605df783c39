#include "lib/base/bytes.h"

#include <algorithm>

namespace sheaf {

bool constant_time_equal(View a, View b) {
    if (a.size() != b.size()) return false;
    volatile std::uint8_t difference = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        difference = static_cast<std::uint8_t>(difference | (a[i] ^ b[i]));
    return difference == 0;
}

bool equal(View a, View b) { return std::ranges::equal(a, b); }

void append(Bytes& to, View what) { to.insert(to.end(), what.begin(), what.end()); }

} // namespace sheaf
