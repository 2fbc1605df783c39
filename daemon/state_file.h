#pragma once

#include "daemon/sqlite.h"

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

// A file of what sheafd must know again after a restart: an SQLite database that is ours alone while we run.
//
// Nothing of another program's is ever changed by a look at it. A file that is damaged, somebody else's or in use is
// an error and stays as it is; it is never replaced, for what it said would be lost.
//
// Errors are for people: they name the file, what is wrong with it, and what to do.
namespace sheaf::daemon {

// What such a file is about.
struct StateFile {
    std::string_view noun;         // "lease file"
    std::string_view key;          // of the configuration: "lease_file"
    std::string_view loss;         // what to put up with without the file, after "if"
    std::uint32_t application = 0; // application_id, in the file's header
    int version = 0;               // user_version
    std::string_view tables;       // what makes them
    std::string_view journal;      // of SQLite's journal modes
};

struct OpenStateFile {
    sqlite::Database database;
    bool created = false; // it was missing
};
// What is committed to it is there after a crash of the daemon or the machine. A file that is missing is made, complete
// or not at all, with its folder if only that is missing.
[[nodiscard]] std::expected<OpenStateFile, std::string> open_state_file(const StateFile& kind,
                                                                        const std::string& path);

// What SQLite said about it, with what to do.
[[nodiscard]] std::string explained(const StateFile& kind, const std::string& path,
                                    const sqlite::Failure& failure);
// What is in it is none that sheafd has written.
[[nodiscard]] std::string damaged(const StateFile& kind, const std::string& path, std::string_view how);

} // namespace sheaf::daemon
