#include "daemon/sqlite.h"

#include <sqlite3.h>

namespace sheaf::daemon::sqlite {
namespace {

Failure::Kind kind_of(int code) {
    constexpr int kPrimary = 0xff; // the rest of a result code says more about the same
    switch (code & kPrimary) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return Failure::Kind::in_use;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return Failure::Kind::damaged;
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY: return Failure::Kind::denied;
    case SQLITE_FULL: return Failure::Kind::full;
    default: return Failure::Kind::other;
    }
}

} // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
void Database::Close::operator()(sqlite3* database) const { sqlite3_close_v2(database); }

Result<bool> Statement::step() {
    const int code = refused_ != SQLITE_OK ? refused_ : sqlite3_step(statement_.get());
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    const char* text =
        refused_ != SQLITE_OK ? sqlite3_errstr(code) : sqlite3_errmsg(sqlite3_db_handle(statement_.get()));
    return std::unexpected(Failure{kind_of(code), text});
}

void Statement::reset() {
    sqlite3_reset(statement_.get());
    sqlite3_clear_bindings(statement_.get());
    refused_ = SQLITE_OK;
}

void Statement::bind(int parameter, std::int64_t number) {
    const int code = sqlite3_bind_int64(statement_.get(), parameter, number);
    if (refused_ == SQLITE_OK) refused_ = code;
}

void Statement::bind(int parameter, std::string_view text) {
    const int code = sqlite3_bind_text64(statement_.get(), parameter, text.data() ? text.data() : "",
                                         text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
    if (refused_ == SQLITE_OK) refused_ = code;
}

void Statement::bind(int parameter, View octets) {
    const int code = octets.empty() ? sqlite3_bind_zeroblob(statement_.get(), parameter, 0)
                                    : sqlite3_bind_blob64(statement_.get(), parameter, octets.data(),
                                                          octets.size(), SQLITE_TRANSIENT);
    if (refused_ == SQLITE_OK) refused_ = code;
}

void Statement::lend(int parameter, View octets) {
    const int code =
        sqlite3_bind_blob64(statement_.get(), parameter, octets.data(), octets.size(), SQLITE_STATIC);
    if (refused_ == SQLITE_OK) refused_ = code;
}

std::int64_t Statement::number(int column) const { return sqlite3_column_int64(statement_.get(), column); }

std::string Statement::text(int column) const {
    const auto octets = this->octets(column);
    return {octets.begin(), octets.end()};
}

View Statement::blob(int column) const {
    const auto* first = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_.get(), column));
    const int size = sqlite3_column_bytes(statement_.get(), column);
    return first == nullptr ? View() : View(first, static_cast<std::size_t>(size));
}

Bytes Statement::octets(int column) const {
    const auto view = blob(column);
    return {view.begin(), view.end()};
}

Secret Statement::secret(int column) const { return Secret::copy_of(blob(column)); }

Failure Database::failure(int code) const { return {kind_of(code), sqlite3_errmsg(database_.get())}; }

Result<Database> Database::open(const std::string& path) {
    sqlite3* handle = nullptr;
    const int code =
        sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
    Database database(handle); // to be closed in either case
    if (handle == nullptr) return std::unexpected(Failure{kind_of(code), sqlite3_errstr(code)});
    if (code != SQLITE_OK) return std::unexpected(database.failure(code));
    return database;
}

Result<Statement> Database::prepare(std::string_view sql) {
    sqlite3_stmt* statement = nullptr;
    const int code =
        sqlite3_prepare_v2(database_.get(), sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
    if (code != SQLITE_OK) return std::unexpected(failure(code));
    return Statement(statement);
}

Result<void> Database::run(const std::string& sql) {
    const int code = sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) return std::unexpected(failure(code));
    return {};
}

Result<std::string> Database::ask(std::string_view sql) {
    auto statement = prepare(sql);
    if (!statement) return std::unexpected(std::move(statement.error()));
    const auto row = statement->step();
    if (!row) return std::unexpected(row.error());
    return *row ? statement->text(0) : std::string();
}

bool Database::read_only() const { return sqlite3_db_readonly(database_.get(), "main") == 1; }

void Database::roll_back() {
    if (sqlite3_get_autocommit(database_.get()) == 0)
        sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

} // namespace sheaf::daemon::sqlite
