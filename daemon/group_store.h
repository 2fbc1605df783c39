#pragma once

#include "daemon/sqlite.h"
#include "lib/ike/group_record.h"

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace sheaf::daemon {

// What groups that we serve must have again after a restart, in a file (state_file.h).
//
// Secrets: the records hold keys in clear, so the file is its owner's alone, and what is deleted or replaced in it is
// overwritten.
class GroupStore {
  public:
    static constexpr std::uint32_t kApplicationId = 0x53686770; // "Shgp"
    static constexpr int kSchema = 1;

    struct Opened;
    [[nodiscard]] static std::expected<Opened, std::string> open(const std::string& path);

    // All of these or none; they are on the disk when this has returned. A record without octets takes its group away.
    [[nodiscard]] std::expected<void, std::string> apply(std::span<const ike::GroupRecord* const> records);

    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    GroupStore(std::string path, sqlite::Database database, sqlite::Statement put, sqlite::Statement remove)
        : path_(std::move(path)), database_(std::move(database)), put_(std::move(put)),
          remove_(std::move(remove)) {}
    [[nodiscard]] sqlite::Result<void> write(std::span<const ike::GroupRecord* const> records);

    std::string path_;
    sqlite::Database database_;
    sqlite::Statement put_;
    sqlite::Statement remove_;
};

// What an earlier life has stored of one group.
struct StoredGroup {
    std::string group;
    Secret octets;
};

struct GroupStore::Opened {
    GroupStore store;
    std::vector<StoredGroup> groups;
    bool created = false; // it was missing
};

} // namespace sheaf::daemon
