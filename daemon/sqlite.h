#pragma once

#include "lib/base/bytes.h"
#include "lib/base/secret.h"

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

// SQLite's C interface with owners. Errors are SQLite's own words.
namespace sheaf::daemon::sqlite {

struct Failure {
    enum class Kind : std::uint8_t { in_use, damaged, denied, full, other } kind{};
    std::string text;
};
template <typename T>
using Result = std::expected<T, Failure>;

// A prepared statement. Parameters count from 1, columns from 0; reset() makes it ready to be used again.
class Statement {
  public:
    // True: there is a row. What could not be bound is told here, too.
    [[nodiscard]] Result<bool> step();
    void reset();

    void bind(int parameter, std::int64_t number);
    void bind(int parameter, std::string_view text);
    void bind(int parameter, View octets);

    // Without a copy: what is lent must stay until the next reset().
    void lend(int parameter, View octets);

    [[nodiscard]] std::int64_t number(int column) const;
    [[nodiscard]] std::string text(int column) const;
    [[nodiscard]] Bytes octets(int column) const;
    [[nodiscard]] Secret secret(int column) const;

  private:
    friend class Database;
    struct Finalize {
        void operator()(sqlite3_stmt* statement) const;
    };
    explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
    [[nodiscard]] View blob(int column) const; // until the next step

    std::unique_ptr<sqlite3_stmt, Finalize> statement_;
    int refused_ = 0; // the first bind that failed
};

// A connection; statements must not outlive it.
class Database {
  public:
    // An existing file.
    [[nodiscard]] static Result<Database> open(const std::string& path);

    [[nodiscard]] Result<Statement> prepare(std::string_view sql);
    // All statements of `sql`, whose rows are not wanted.
    [[nodiscard]] Result<void> run(const std::string& sql);
    // The first column of the first row; empty without a row.
    [[nodiscard]] Result<std::string> ask(std::string_view sql);
    [[nodiscard]] bool read_only() const;
    // Ends a transaction that has failed, if there is one.
    void roll_back();

  private:
    struct Close {
        void operator()(sqlite3* database) const;
    };
    explicit Database(sqlite3* database) : database_(database) {}
    [[nodiscard]] Failure failure(int code) const;

    std::unique_ptr<sqlite3, Close> database_;
};

} // namespace sheaf::daemon::sqlite
