#pragma once

#include "lib/mobility/codec.h"

#include <string_view>
#include <vector>

namespace sheaf::test {

[[nodiscard]] inline IpAddress ip(std::string_view text) { return IpAddress::parse(text).value(); }

// One of each message, with every option in one of its forms.
[[nodiscard]] std::vector<mobility::Message> sample_mobility_messages();

[[nodiscard]] mobility::FlowSelector sample_selector();

} // namespace sheaf::test
