#pragma once

#include "daemon/control_message.h"

#include <string>
#include <variant>

namespace sheaf::daemon {

// Exit codes of sheafctl.
inline constexpr int kCtlDone = 0;
inline constexpr int kCtlRefused = 1; // sheafd answered with an error
inline constexpr int kCtlUsage = 2;
inline constexpr int kCtlUnreachable = 3; // no sheafd, or it stopped answering

struct CtlOptions {
    std::string control;
    bool json = false;
    Request request;
};
struct CtlExitNow { // help, version or a usage error has been printed
    int code = 0;
};

[[nodiscard]] std::variant<CtlOptions, CtlExitNow> parse_ctl_options(int argc, const char* const* argv);

} // namespace sheaf::daemon
