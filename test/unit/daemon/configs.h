#pragma once

#include "conf/settings.h"

#include <string>

namespace sheaf::daemon::test {

// A gateway for alice.example.org and others, and the client alice, as their files say it.
[[nodiscard]] std::string gateway_file();
[[nodiscard]] std::string client_file(const Endpoint& gateway);
[[nodiscard]] conf::Settings gateway_settings();
[[nodiscard]] conf::Settings client_settings(const Endpoint& gateway);

} // namespace sheaf::daemon::test
