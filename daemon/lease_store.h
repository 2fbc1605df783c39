#pragma once

#include "daemon/sqlite.h"
#include "lib/address/lease_book.h"

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <vector>

namespace sheaf::daemon {

// The leases in a file: an SQLite database that is ours alone while we run.
//
// What apply() has answered is there after a crash of the daemon or the machine (RFC 5739 4.1 forbids giving
// a prefix twice at the same time, and a restart must not forget who has which). A file that is damaged,
// somebody else's or in use is an error and stays as it is; it is never replaced, for what it said would be
// lost.
//
// Errors are for people: they name the file, what is wrong with it, and what to do.
class LeaseStore {
  public:
    static constexpr std::uint32_t kApplicationId = 0x53686c66; // "Shlf", in the file's header
    static constexpr int kSchema = 1;                           // user_version

    struct Opened;
    // A file that is missing is made, with its folder if only that is missing.
    [[nodiscard]] static std::expected<Opened, std::string> open(const std::string& path);

    // All of these or none; they are on the disk when this has returned.
    [[nodiscard]] std::expected<void, std::string> apply(std::span<const address::LeaseChange> changes);
    // Whether a restart would find this block to be this holder's. False, too, if that cannot be read.
    [[nodiscard]] bool names(const address::Grant& grant, const address::Holder& holder);

    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    LeaseStore(std::string path, sqlite::Database database, sqlite::Statement put, sqlite::Statement remove,
               sqlite::Statement find)
        : path_(std::move(path)), database_(std::move(database)), put_(std::move(put)),
          remove_(std::move(remove)), find_(std::move(find)) {}
    [[nodiscard]] sqlite::Result<void> write(std::span<const address::LeaseChange> changes);

    std::string path_;
    sqlite::Database database_;
    sqlite::Statement put_;
    sqlite::Statement remove_;
    sqlite::Statement find_;
};

struct LeaseStore::Opened {
    LeaseStore store;
    std::vector<address::Lease> leases; // those of the longest standing first
    bool created = false;               // it was missing
};

} // namespace sheaf::daemon
