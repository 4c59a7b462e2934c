// SQLite behind two classes: a connection with the project's settings, and a prepared statement.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/bytes.h"
#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace hwenroll::store {

class Database;

/// How long a connection waits while another one has the database locked. The agent's waits on its loop, which serves
/// everything else too: when it has waited once for nothing it does not wait again before a transaction could begin,
/// however many are tried meanwhile. What could not be committed is decided again by the loop's timer. Commands, which
/// read and have no loop, wait each time.
struct LockPatience {
    std::chrono::milliseconds limit;
    bool each_time = false;
    bool spent = false;
};
inline constexpr LockPatience writer_patience{std::chrono::milliseconds(1000)};
inline constexpr LockPatience reader_patience{std::chrono::milliseconds(5000), true};

struct FinalizeStatement {
    void operator()(sqlite3_stmt* statement) const noexcept;
};
using PreparedStatement = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

/// A prepared statement. Columns and parameters count from 0 and 1 as in SQLite. Bound texts and blobs are copied, but
/// for bind_borrowed(). An error is kept and returned by the next run() or step(). Not thread-safe. Texts are few and
/// constant: the database keeps what was prepared for the next statement with the same text.
class Statement {
 public:
    Statement(Database& database, std::string_view sql);
    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;
    ~Statement();

    Statement& bind(std::int64_t value);
    Statement& bind(std::string_view value);
    Statement& bind(ByteView value);
    Statement& bind_null();

    /// Not copied: `value` outlives the statement.
    Statement& bind_borrowed(ByteView value);

    /// Executes a statement without rows. Error code: state_database.
    Status run();

    /// Moves to the next row; false after the last. Error code: state_database.
    Result<bool> step();

    [[nodiscard]] std::int64_t integer(int column) const;
    [[nodiscard]] std::string text(int column) const;
    [[nodiscard]] Bytes blob(int column) const;
    [[nodiscard]] bool is_null(int column) const;

 private:
    Database& database_;
    std::string sql_;
    PreparedStatement statement_;
    int next_parameter_ = 1;
    int failure_ = 0;
};

/// One connection. WAL, synchronous=FULL, secure_delete, foreign keys. One thread.
class Database {
 public:
    /// Opens or makes `path` (mode 0600) for writing. Errors: state_database.
    static Result<Database> open(const std::string& path);

    Database(Database&&) noexcept = default;
    Database& operator=(Database&&) = delete;  // closing a connection may still ask its patience
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;
    ~Database() = default;

    /// Opens an existing database read-only, beside a running agent. Errors: state_database.
    static Result<Database> open_read_only(const std::string& path);

    /// Writes the log back and empties it, so that nothing that was deleted is in a file any more (secure_delete). Does
    /// not wait for readers. Error code: state_database, also while somebody reads what is in the log.
    Status truncate_log();

    /// BEGIN IMMEDIATE. Error code: state_database.
    Status begin();

    /// Runs statements without parameters. Error code: state_database.
    Status execute(const char* sql);

    /// A blob of `table` by its rowid, in memory once. Error code: state_database.
    Result<Bytes> blob(const char* table, const char* column, std::int64_t row);

    [[nodiscard]] sqlite3* get() const { return connection_.get(); }

    /// An Error for the connection's last failure.
    [[nodiscard]] Error error(std::string what) const;

 private:
    struct Close {
        void operator()(sqlite3* connection) const noexcept;
    };
    Database(sqlite3* connection, std::string path, const LockPatience& patience);
    friend class Statement;

    std::unique_ptr<LockPatience> patience_;  ///< the connection refers to it
    std::unique_ptr<sqlite3, Close> connection_;
    std::string path_;
    std::unordered_map<std::string, PreparedStatement> idle_;  ///< by text; ends before the connection
};

/// BEGIN IMMEDIATE … COMMIT; rolls back unless commit() succeeded.
class DatabaseTransaction {
 public:
    explicit DatabaseTransaction(Database& database);
    DatabaseTransaction(const DatabaseTransaction&) = delete;
    DatabaseTransaction& operator=(const DatabaseTransaction&) = delete;
    ~DatabaseTransaction();

    /// Nothing may be written without it: it would be, statement by statement. Error code: state_database.
    [[nodiscard]] const Status& begun() const { return begun_; }

    /// Durable when it returns success (synchronous=FULL). Errors: state_database, also those of BEGIN.
    Status commit();

 private:
    Database& database_;
    Status begun_;
    bool open_ = false;
};

}  // namespace hwenroll::store
