#include "daemon/group_store.h"

#include "daemon/state_file.h"

#include <fmt/format.h>

#include <utility>

namespace sheaf::daemon {
namespace {

constexpr std::string_view kTablesGroup = R"(
    CREATE TABLE served_group (
        name   TEXT NOT NULL PRIMARY KEY,
        record BLOB NOT NULL -- holds keys
    ) STRICT, WITHOUT ROWID;)";
constexpr std::string_view kPutGroup = "INSERT OR REPLACE INTO served_group (name, record) VALUES (?1, ?2)";
constexpr std::string_view kRemoveGroup = "DELETE FROM served_group WHERE name = ?1";
constexpr std::string_view kReadGroup = "SELECT name, record FROM served_group ORDER BY name";

// A write-ahead log would keep old keys until it is written over; this journal is cut off with each commit.
constexpr StateFile kGroupFile{
    .noun = "group file",
    .key = "group_file",
    .loss = "the members may change to new SAs at once",
    .application = GroupStore::kApplicationId,
    .version = GroupStore::kSchema,
    .tables = kTablesGroup,
    .journal = "TRUNCATE",
};

std::expected<std::vector<StoredGroup>, std::string> read_groups(const std::string& path,
                                                                 sqlite::Database& database) {
    auto rows = database.prepare(kReadGroup);
    if (!rows) return std::unexpected(damaged(kGroupFile, path, rows.error().text));
    std::vector<StoredGroup> out;
    for (;;) {
        const auto row = rows->step();
        if (!row) return std::unexpected(explained(kGroupFile, path, row.error()));
        if (!*row) return out;
        out.push_back({rows->text(0), rows->secret(1)});
    }
}

} // namespace

std::expected<GroupStore::Opened, std::string> GroupStore::open(const std::string& path) {
    auto file = open_state_file(kGroupFile, path);
    if (!file) return std::unexpected(std::move(file.error()));
    auto& database = file->database;
    if (const auto done = database.run("PRAGMA secure_delete = ON"); !done)
        return std::unexpected(explained(kGroupFile, path, done.error()));
    auto groups = read_groups(path, database);
    if (!groups) return std::unexpected(std::move(groups.error()));
    auto put = database.prepare(kPutGroup);
    auto remove = database.prepare(kRemoveGroup);
    if (!put || !remove) return std::unexpected(damaged(kGroupFile, path, (put ? remove : put).error().text));
    return Opened{
        {path, std::move(database), std::move(*put), std::move(*remove)}, std::move(*groups), file->created};
}

sqlite::Result<void> GroupStore::write(std::span<const ike::GroupRecord* const> records) {
    if (auto begun = database_.run("BEGIN IMMEDIATE"); !begun) return begun;
    for (const auto* record : records) {
        auto& statement = record->octets.empty() ? remove_ : put_;
        statement.reset();
        statement.bind(1, record->group);
        if (!record->octets.empty()) statement.lend(2, record->octets.view());
        const auto done = statement.step();
        statement.reset();
        if (!done) return std::unexpected(done.error());
    }
    return database_.run("COMMIT");
}

std::expected<void, std::string> GroupStore::apply(std::span<const ike::GroupRecord* const> records) {
    if (records.empty()) return {};
    const auto done = write(records);
    if (done) return {};
    database_.roll_back();
    return std::unexpected(explained(kGroupFile, path_, done.error()));
}

} // namespace sheaf::daemon
