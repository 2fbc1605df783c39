#include "daemon/notifier.h"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <ctime>

namespace sheaf::daemon {

void notify_ready(const std::string& status) {
    sd_notify(0, fmt::format("READY=1\nSTATUS={}", status).c_str());
}

void notify_status(const std::string& status) { sd_notify(0, fmt::format("STATUS={}", status).c_str()); }

void notify_reloading() {
    // Type=notify-reload wants to know that the state is newer than its signal.
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    const auto micros = t.tv_sec * 1'000'000LL + t.tv_nsec / 1000;
    sd_notify(0, fmt::format("RELOADING=1\nMONOTONIC_USEC={}", micros).c_str());
}

void notify_stopping() { sd_notify(0, "STOPPING=1\nSTATUS=ending all IKE SAs"); }

} // namespace sheaf::daemon
