#pragma once

#include "daemon/control_message.h"

#include <string>

namespace sheaf::daemon {

// What sheafctl shows of the answer to "groups", as render() of ctl_view.h.
[[nodiscard]] std::string render_groups(const Request& request, const nlohmann::ordered_json& answer,
                                        bool colour);

} // namespace sheaf::daemon
