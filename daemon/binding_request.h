#pragma once

#include "lib/ike/mobility_header.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <variant>

namespace sheaf::daemon {

// `sheafctl binding add|del`: what an operator, or another mobility stack, decides about a binding.
struct BindingRequest {
    bool add = true;
    std::string home;
    std::string care_of;              // add
    std::optional<std::uint16_t> bid; // del: all if missing; add: none
    std::uint8_t priority = 0;        // add: 1 to 127, lower is preferred
    std::uint32_t lifetime = 420;     // add: seconds

    friend bool operator==(const BindingRequest&, const BindingRequest&) = default;
};

// Out of the request's JSON object: "action", "home", "care_of", "bid", "priority", "lifetime_s". The error is a
// sentence for the person who asked.
[[nodiscard]] std::expected<BindingRequest, std::string> read_binding(const nlohmann::ordered_json& object);
void put_binding(nlohmann::ordered_json& object, const BindingRequest& request);

using BindingOrder = std::variant<ike::SetBinding, ike::RemoveBinding>;
[[nodiscard]] std::expected<BindingOrder, std::string> to_order(const BindingRequest& request);

} // namespace sheaf::daemon
