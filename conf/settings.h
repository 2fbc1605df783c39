#pragma once

#include "conf/diagnostic.h"
#include "lib/base/ip.h"
#include "lib/base/time.h"
#include "lib/ike/config.h"

#include <expected>
#include <optional>
#include <string>
#include <vector>

namespace sheaf::conf {

// What a configuration file says, complete and consistent: it can be given to the engine as it is.
struct Settings {
    ike::Config engine;
    std::vector<IpAddress> listen_addresses; // never empty; :: and 0.0.0.0 unless the file says otherwise
    std::string lease_file;                  // who has which block of the pools; it need not be there
    std::string group_file;                  // the SAs of groups that we serve; it need not be there
    // What is right and yet worth a person's look, a sentence each: weak algorithms that the file asks for,
    // certificates that end soon.
    std::vector<std::string> notes;
};

// Facts that are not in the file. They are arguments, so that a test (and `sheafd --check`) decides them.
struct Environment {
    std::string credentials_directory; // systemd's $CREDENTIALS_DIRECTORY; empty: there is none
    std::optional<WallTime> now;       // for the dates of certificates; none: they are not looked at
};

// Either settings or all mistakes of the file (kMaxDiagnostics of source.h at most), in the order of their
// places; never both, and never an empty list.
using Loaded = std::expected<Settings, std::vector<Diagnostic>>;

// Reads the file and the secrets, keys and certificates that it names.
[[nodiscard]] Loaded load(const std::string& path, const Environment& environment);

// The same for text that is at hand; `name` stands in the diagnostics.
[[nodiscard]] Loaded parse(const std::string& name, std::string text, const Environment& environment);

} // namespace sheaf::conf
