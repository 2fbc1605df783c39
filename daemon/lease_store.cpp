#include "daemon/lease_store.h"

#include "daemon/state_file.h"

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
constexpr std::string_view kFind = "SELECT pool, holder_type, holder FROM lease WHERE block = ?1";
constexpr std::string_view kRead = "SELECT block, pool, holder_type, holder, holder_text, link, since, until "
                                   "FROM lease ORDER BY since, block";

// Text where a person may look with sqlite3(1). A block is one lease's only.
constexpr std::string_view kTables = R"(
    CREATE TABLE lease (
        block       TEXT    NOT NULL PRIMARY KEY,
        pool        TEXT    NOT NULL,
        holder_type INTEGER NOT NULL, -- RFC 7296 3.5
        holder      BLOB    NOT NULL,
        holder_text TEXT    NOT NULL,
        link        INTEGER NOT NULL, -- 0: the holder is away
        since       INTEGER NOT NULL, -- seconds of UTC
        until       INTEGER NOT NULL  -- away: so long it is kept
    ) STRICT, WITHOUT ROWID;)";

constexpr StateFile kFile{
    .noun = "lease file",
    .key = "lease_file",
    .loss = "clients may get other prefixes than before",
    .application = LeaseStore::kApplicationId,
    .version = LeaseStore::kSchema,
    .tables = kTables,
    .journal = "WAL",
};

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

std::expected<std::vector<Lease>, std::string> read_all(const std::string& path, sqlite::Database& database) {
    auto rows = database.prepare(kRead);
    if (!rows) return std::unexpected(damaged(kFile, path, rows.error().text));
    std::vector<Lease> out;
    for (;;) {
        const auto row = rows->step();
        if (!row) return std::unexpected(explained(kFile, path, row.error()));
        if (!*row) return out;
        auto lease = read_row(*rows);
        if (!lease)
            return std::unexpected(
                damaged(kFile, path,
                        fmt::format("the row of block '{}' is none that sheafd has written", rows->text(0))));
        out.push_back(std::move(*lease));
    }
}

} // namespace

std::expected<LeaseStore::Opened, std::string> LeaseStore::open(const std::string& path) {
    auto file = open_state_file(kFile, path);
    if (!file) return std::unexpected(std::move(file.error()));
    auto& database = file->database;
    auto leases = read_all(path, database);
    if (!leases) return std::unexpected(std::move(leases.error()));
    auto put = database.prepare(kPut);
    auto remove = database.prepare(kRemove);
    auto find = database.prepare(kFind);
    for (const auto* statement : {&put, &remove, &find})
        if (!*statement) return std::unexpected(damaged(kFile, path, statement->error().text));
    return Opened{{path, std::move(database), std::move(*put), std::move(*remove), std::move(*find)},
                  std::move(*leases),
                  file->created};
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
    return std::unexpected(explained(kFile, path_, done.error()));
}

bool LeaseStore::names(const address::Grant& grant, const address::Holder& holder) {
    find_.reset();
    find_.bind(1, grant.block.to_string());
    const auto row = find_.step();
    const bool same = row && *row && find_.text(0) == grant.pool &&
                      find_.number(1) == std::int64_t{holder.type} && find_.octets(2) == holder.data;
    find_.reset(); // else it would hold up the next transaction
    return same;
}

} // namespace sheaf::daemon
