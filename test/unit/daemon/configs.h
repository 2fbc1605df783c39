#pragma once

#include "conf/settings.h"

#include <string>

namespace sheaf::daemon::test {

// A gateway for alice.example.org and others, and the client alice, as their files say it.
[[nodiscard]] std::string gateway_file();
[[nodiscard]] std::string client_file(const Endpoint& gateway);
[[nodiscard]] conf::Settings gateway_settings();
// The same, where the gateway serves the group "sites" to its clients, and alice is in it.
[[nodiscard]] conf::Settings group_gateway_settings();
[[nodiscard]] conf::Settings group_client_settings(const Endpoint& gateway);
[[nodiscard]] conf::Settings client_settings(const Endpoint& gateway);

} // namespace sheaf::daemon::test
