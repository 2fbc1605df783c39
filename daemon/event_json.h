#pragma once

#include "lib/ike/event.h"

#include <nlohmann/json_fwd.hpp>

#include <string_view>

namespace sheaf::daemon {

// An event as `sheafctl watch` tells it: {"schema":1,"time":...,"event":"ike_up",...}. The names are message,
// refused, ike_up, ike_down, ike_rekeyed, moved, peer_moved, child_up, child_down, child_rekeyed, lease_assigned,
// lease_renewed, lease_released and pool_low.
[[nodiscard]] nlohmann::ordered_json to_json(const ike::Event& event, std::string_view time);

// The event "refused_held_back": so many refusals were not told one by one.
[[nodiscard]] nlohmann::ordered_json held_back_json(std::uint64_t count, std::string_view time);

} // namespace sheaf::daemon
