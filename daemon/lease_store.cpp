#include "daemon/lease_store.h"

#include "daemon/lease_file.h"

#include <fmt/format.h>

#include <limits>
#include <optional>
#include <utility>

namespace sheaf::daemon {
namespace {

using address::Lease;
using address::LeaseChange;

constexpr std::string_view kPut = "INSERT OR REPLACE INTO lease "
                                  "(block, pool, holder_type, holder, holder_text, link, since, until) "
                                  "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
constexpr std::string_view kRemove = "DELETE FROM lease WHERE block = ?1";
constexpr std::string_view kRead = "SELECT block, pool, holder_type, holder, holder_text, link, since, until "
                                   "FROM lease ORDER BY since, block";

std::string told(const std::string& path, std::string_view what) {
    return fmt::format("lease file {}: {}", path, what);
}

std::string damaged(const std::string& path, std::string_view how) {
    return told(path, fmt::format("is damaged: {}: {}", how, lease_file_remedy(path)));
}

// What SQLite said while the file was opened, with what to do about it.
std::string explained(const std::string& path, const sqlite::Failure& failure) {
    using Kind = sqlite::Failure::Kind;
    switch (failure.kind) {
    case Kind::in_use:
        return told(path,
                    "is in use, by another sheafd or by whoever looks into it: end that one, or name another "
                    "file with \"lease_file\"");
    case Kind::damaged: return damaged(path, failure.text);
    case Kind::denied:
        return told(path,
                    fmt::format("cannot be written: {}: let sheafd's user read and write it and its folder, "
                                "or name another with \"lease_file\"",
                                failure.text));
    case Kind::full:
        return told(path, fmt::format("cannot be written: {}: make room on its disk", failure.text));
    case Kind::other: break;
    }
    return told(path, fmt::format("cannot be used: {}: look at its disk, or name another with \"lease_file\"",
                                  failure.text));
}

WallTime wall(std::int64_t seconds) { return WallTime(std::chrono::seconds(seconds)); }

// None if the row is not one that we write.
std::optional<Lease> read_row(const sqlite::Statement& row) {
    const auto block = Prefix::parse(row.text(0));
    const auto type = row.number(2);
    const auto link = row.number(5);
    if (!block || block->to_string() != row.text(0) || row.text(1).empty()) return std::nullopt;
    if (type < 0 || type > std::numeric_limits<std::uint8_t>::max()) return std::nullopt;
    if (link < 0 || link > std::numeric_limits<address::LinkId>::max()) return std::nullopt;
    // Within these, sums with a pool's time cannot overflow.
    constexpr std::int64_t kMostSeconds = std::int64_t{1} << 40;
    const auto in_range = [](std::int64_t seconds) { return seconds >= 0 && seconds < kMostSeconds; };
    if (!in_range(row.number(6)) || !in_range(row.number(7))) return std::nullopt;
    return Lease{row.text(1),
                 *block,
                 {static_cast<std::uint8_t>(type), row.octets(3), row.text(4)},
                 static_cast<address::LinkId>(link),
                 wall(row.number(6)),
                 wall(row.number(7))};
}

std::expected<void, std::string> check_version(const std::string& path, const std::string& version) {
    if (version == std::to_string(LeaseStore::kSchema)) return {};
    if (version.starts_with('-') || version == "0")
        return std::unexpected(damaged(path, fmt::format("there is no version {} of it", version)));
    return std::unexpected(told(
        path,
        fmt::format("is of a newer Sheaf: it has version {}, and this sheafd knows {}: install the newer one "
                    "again, or name another file with \"lease_file\"",
                    version, LeaseStore::kSchema)));
}

// Opens a file whose header is right, and makes it ours.
std::expected<sqlite::Database, std::string> take(const std::string& path) {
    auto database = sqlite::Database::open(path);
    if (!database) return std::unexpected(explained(path, database.error()));
    // The lock is taken with the first look, and kept.
    if (const auto done = database->run("PRAGMA locking_mode = EXCLUSIVE; PRAGMA trusted_schema = OFF");
        !done)
        return std::unexpected(explained(path, done.error()));
    if (database->read_only())
        return std::unexpected(explained(path, {sqlite::Failure::Kind::denied, "Permission denied"}));
    const auto version = database->ask("PRAGMA user_version");
    if (!version) return std::unexpected(explained(path, version.error()));
    if (auto known = check_version(path, *version); !known) return std::unexpected(std::move(known.error()));
    const auto sound = database->ask("PRAGMA quick_check(1)");
    if (!sound) return std::unexpected(explained(path, sound.error()));
    if (*sound != "ok") return std::unexpected(damaged(path, *sound));
    // FULL: a commit is on the disk, not only on its way to it.
    const auto safe =
        database->run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; BEGIN EXCLUSIVE; COMMIT");
    if (!safe) return std::unexpected(explained(path, safe.error()));
    return std::move(*database);
}

std::expected<std::vector<Lease>, std::string> read_all(const std::string& path, sqlite::Database& database) {
    auto rows = database.prepare(kRead);
    if (!rows) return std::unexpected(damaged(path, rows.error().text));
    std::vector<Lease> out;
    for (;;) {
        const auto row = rows->step();
        if (!row) return std::unexpected(explained(path, row.error()));
        if (!*row) return out;
        auto lease = read_row(*rows);
        if (!lease)
            return std::unexpected(damaged(
                path, fmt::format("the row of block '{}' is none that sheafd has written", rows->text(0))));
        out.push_back(std::move(*lease));
    }
}

} // namespace

std::expected<LeaseStore::Opened, std::string> LeaseStore::open(const std::string& path) {
    const auto state = look_at_lease_file(path);
    if (!state) return std::unexpected(state.error());
    const bool created = *state == LeaseFileState::missing;
    if (created)
        if (auto done = create_lease_file(path); !done) return std::unexpected(std::move(done.error()));
    auto database = take(path);
    if (!database) return std::unexpected(std::move(database.error()));
    auto leases = read_all(path, *database);
    if (!leases) return std::unexpected(std::move(leases.error()));
    auto put = database->prepare(kPut);
    auto remove = database->prepare(kRemove);
    if (!put || !remove) return std::unexpected(damaged(path, (put ? remove : put).error().text));
    return Opened{
        {path, std::move(*database), std::move(*put), std::move(*remove)}, std::move(*leases), created};
}

sqlite::Result<void> LeaseStore::write(std::span<const LeaseChange> changes) {
    if (auto begun = database_.run("BEGIN IMMEDIATE"); !begun) return begun;
    for (const auto& [kind, lease] : changes) {
        auto& statement = kind == LeaseChange::Kind::put ? put_ : remove_;
        statement.reset();
        statement.bind(1, lease.block.to_string());
        if (kind == LeaseChange::Kind::put) {
            statement.bind(2, lease.pool);
            statement.bind(3, std::int64_t{lease.holder.type});
            statement.bind(4, View(lease.holder.data));
            statement.bind(5, lease.holder.text);
            statement.bind(6, std::int64_t{lease.link});
            statement.bind(7, std::int64_t{lease.since.time_since_epoch().count()});
            statement.bind(8, std::int64_t{lease.until.time_since_epoch().count()});
        }
        const auto done = statement.step();
        statement.reset();
        if (!done) return std::unexpected(done.error());
    }
    return database_.run("COMMIT");
}

std::expected<void, std::string> LeaseStore::apply(std::span<const LeaseChange> changes) {
    if (changes.empty()) return {};
    const auto done = write(changes);
    if (done) return {};
    database_.roll_back();
    return std::unexpected(explained(path_, done.error()));
}

} // namespace sheaf::daemon
