#pragma once

#include "daemon/log.h"

#include <string>
#include <variant>

namespace sheaf::daemon {

inline constexpr const char* kDefaultConfigPath = "/etc/sheaf/sheafd.json";

// What sheafd was called for.
struct RunOptions {
    std::string config = kDefaultConfigPath;
    std::string control;
    LogLevel log_level = LogLevel::info;
    std::string write_keys{}; // a folder; empty: no keys are written
};
struct CheckOptions {
    std::string config;
};
struct ExitNow { // help, version or a usage error has been printed
    int code = 0;
};
using Options = std::variant<RunOptions, CheckOptions, ExitNow>;

[[nodiscard]] Options parse_options(int argc, const char* const* argv);

// Exit codes of sheafd.
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

} // namespace sheaf::daemon
