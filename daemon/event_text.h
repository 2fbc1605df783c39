#pragma once

#include "daemon/log.h"
#include "lib/ike/event.h"

#include <string>

namespace sheaf::daemon {

struct EventText {
    LogLevel level;
    std::string text;
};

// An event as a log line. Lines about an IKE SA begin with the connection, our SPI and the peer; what a peer
// chose (its identity, names in details) is escaped.
[[nodiscard]] EventText describe(const ike::Event& event);

} // namespace sheaf::daemon
