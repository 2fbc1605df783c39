#pragma once

#include "daemon/group_store.h"
#include "daemon/log.h"
#include "lib/base/time.h"
#include "lib/ike/config.h"

#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace sheaf::daemon {

// Keeps what groups that we serve must have again after a restart, in a GroupStore.
//
// What was put since the last take() is written in one transaction, and only then told to be stored: so no key is told
// to a member that a restart would not know. While the file cannot be written (a disk is full), the log says so, it is
// tried again every kRetry, and the members go on with the SA that they have.
class GroupKeeper {
  public:
    static constexpr Duration kRetry = std::chrono::seconds(5);

    struct Stored {
        std::string group;
        std::uint64_t change = 0;
    };
    struct Remark {
        LogLevel level{};
        std::string text;
    };
    struct Taken {
        std::vector<Stored> stored;
        std::vector<Remark> remarks; // for the log
    };

    // `path` empty: without a file, for who needs no memory.
    explicit GroupKeeper(std::string path) : path_(std::move(path)) {}

    // The file is opened as soon as a group is served; then its records of these groups wait for recalled(), and those of
    // others are forgotten. Error: a sentence about the file.
    [[nodiscard]] std::expected<void, std::string> serve(std::span<const ike::GroupService> services);
    // What an earlier life has stored, once.
    [[nodiscard]] std::vector<StoredGroup> recalled() { return std::exchange(recalled_, {}); }

    void put(ike::GroupRecord record);
    [[nodiscard]] Taken take(Instant now);
    [[nodiscard]] std::optional<Instant> next_timeout() const { return retry_; }
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    void commit(Instant now);
    void remark(LogLevel level, std::string text) { remarks_.push_back({level, std::move(text)}); }

    std::string path_;
    std::optional<GroupStore> store_;
    std::vector<StoredGroup> recalled_;
    std::map<std::string, ike::GroupRecord> unwritten_; // the last one of each group
    std::vector<Stored> stored_;
    std::vector<Remark> remarks_;
    std::optional<Instant> retry_; // writing has failed: when to try again
};

} // namespace sheaf::daemon
