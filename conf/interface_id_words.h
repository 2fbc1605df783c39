#pragma once

#include "conf/words.h"
#include "lib/ike/config.h"

#include <expected>
#include <string_view>

namespace sheaf::conf {

// How a client makes an address of a prefix: "stable" (RFC 7217), "random", or with an interface identifier of
// its own, written as the end of an address: "::1", "::a:b:c:d". What stands for something else in every
// subnet is none (RFC 5453).
[[nodiscard]] std::expected<ike::InterfaceIdChoice, Fault> parse_interface_id(std::string_view text);

} // namespace sheaf::conf
