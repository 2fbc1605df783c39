#pragma once

#include "daemon/control_message.h"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace sheaf::daemon {

// The answer to "bindings", as tables.
[[nodiscard]] std::string render_bindings(const Request& request, const nlohmann::ordered_json& answer,
                                          bool colour);

} // namespace sheaf::daemon
