#include "daemon/options.h"

#include "daemon/control_socket.h"
#include "daemon/version.h"

#include <CLI/CLI.hpp>

#include <string>

namespace sheaf::daemon {

Options parse_options(int argc, const char* const* argv) {
    CLI::App app("The IKEv2 daemon of Sheaf. It negotiates with peers and writes the result into the kernel.",
                 "sheafd");
    RunOptions run;
    run.control = kDefaultControlPath;
    CheckOptions check;
    std::string level = "info";
    app.set_version_flag("--version", "sheafd " + std::string(kVersion));
    app.add_option("--config", run.config, "Configuration file")->type_name("FILE")->capture_default_str();
    app.add_option("--control", run.control, "Control socket")->type_name("PATH")->capture_default_str();
    app.add_option("--log-level", level, "How much is logged; debug has a line for each message")
        ->check(CLI::IsMember({"error", "warning", "info", "debug"}))
        ->type_name("LEVEL")
        ->capture_default_str();
    app.add_option(
           "--write-keys", run.write_keys,
           "Write the keys of all SAs into this folder, for Wireshark; whoever reads them reads all traffic")
        ->type_name("DIR");
    auto* only_check =
        app.add_option("--check", check.config, "Only check this configuration file")->type_name("FILE");
    app.footer("Exit codes: 0 ended or checked well, 1 failed, 2 wrong usage.");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return ExitNow{app.exit(error) == 0 ? 0 : kExitUsage};
    }
    if (only_check->count() > 0) return check;
    run.log_level = parse_log_level(level).value_or(LogLevel::info);
    return run;
}

} // namespace sheaf::daemon
