#pragma once

#include <string>

namespace sheaf::daemon {

// Tells systemd how the service is (sd_notify(3)); does nothing where no systemd asked for it.
void notify_ready(const std::string& status);
void notify_status(const std::string& status);
void notify_reloading(); // to be followed by notify_ready()
void notify_stopping();

} // namespace sheaf::daemon
