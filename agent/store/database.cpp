#include "agent/store/database.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include <sqlite3.h>

#include "base/file_descriptor.h"

namespace hwenroll::store {
namespace {

constexpr int wait_slice_ms = 10;

/// sqlite3_busy_handler(): in slices, so that a lock of a moment costs a moment.
int wait_for_lock(void* argument, int tries) {
    auto& patience = *static_cast<LockPatience*>(argument);
    const bool over = patience.spent || std::chrono::milliseconds(tries * wait_slice_ms) >= patience.limit;
    patience.spent = over && !patience.each_time;
    if (!over) {
        sqlite3_sleep(wait_slice_ms);
    }
    return over ? 0 : 1;
}

/// Root's commands work for the user whose the directory is: a file that only root could open would keep that user's
/// service out. What SQLite makes beside the database gets the database's owner by itself.
bool give_to_owner_of_directory(int file, const struct stat& directory) {
    return ::geteuid() != 0 || directory.st_uid == 0 || ::fchown(file, directory.st_uid, directory.st_gid) == 0;
}

/// With its owner and mode from the first moment that it has a name: root's command may end in between, and the file
/// that it leaves would be root's. False: something is there. Nothing: the file system cannot (O_TMPFILE), or /proc is
/// missing.
std::optional<bool> make_file_in_one_step(const std::string& path, const struct stat& directory) {
    const std::string parent = std::filesystem::path(path).parent_path();
    const FileDescriptor file(::open(parent.c_str(), O_RDWR | O_TMPFILE | O_CLOEXEC, 0600));
    if (!file.valid() || ::fchmod(file.get(), 0600) != 0 || !give_to_owner_of_directory(file.get(), directory)) {
        return std::nullopt;
    }
    const std::string own = "/proc/self/fd/" + std::to_string(file.get());
    if (::linkat(AT_FDCWD, own.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) == 0) {
        return true;
    }
    return errno == EEXIST ? std::optional(false) : std::nullopt;
}

/// SQLite makes new files with the umask's mode; the state is for its owner only, so the file is made here first.
bool make_private_file(const std::string& path) {
    struct stat directory {};
    if (::stat(std::filesystem::path(path).parent_path().c_str(), &directory) != 0) {
        return false;
    }
    if (const auto made = make_file_in_one_step(path, directory)) {
        if (*made) {
            return true;
        }
    } else if (const FileDescriptor file(
                   ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
               file.valid() || errno != EEXIST) {
        const bool good =
            file.valid() && ::fchmod(file.get(), 0600) == 0 && give_to_owner_of_directory(file.get(), directory);
        if (file.valid() && !good) {
            ::unlink(path.c_str());
        }
        return good;
    }
    const FileDescriptor found(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    // In another user's directory it may be a second name of any file, so its owner and mode are left as they are.
    return found.valid() && (directory.st_uid != ::geteuid() || ::fchmod(found.get(), 0600) == 0);
}

Result<sqlite3*> connect(const std::string& path, int flags) {
    sqlite3* connection = nullptr;
    const int code = sqlite3_open_v2(path.c_str(), &connection, flags | SQLITE_OPEN_NOFOLLOW, nullptr);
    if (code != SQLITE_OK) {
        const std::string why = connection == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(connection);
        sqlite3_close_v2(connection);
        // Of a reader: a writer has opened the file before.
        const bool denied = (flags & SQLITE_OPEN_READONLY) != 0 && ::access(path.c_str(), R_OK) != 0 && errno == EACCES;
        return denied ? fail(Error(ErrorCode::state_denied, "this user may not read " + path, std::strerror(EACCES)))
                      : fail(Error(ErrorCode::state_database, "cannot open " + path, why));
    }
    sqlite3_extended_result_codes(connection, 1);
    return connection;
}

}  // namespace

void FinalizeStatement::operator()(sqlite3_stmt* statement) const noexcept {
    sqlite3_finalize(statement);
}

Statement::Statement(Database& database, std::string_view sql) : database_(database), sql_(sql) {
    if (const auto idle = database.idle_.find(sql_); idle != database.idle_.end()) {
        statement_ = std::move(idle->second);
        database.idle_.erase(idle);
        return;
    }
    sqlite3_stmt* statement = nullptr;
    failure_ = sqlite3_prepare_v2(database.get(), sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
    statement_.reset(statement);
}

Statement::~Statement() {
    if (statement_ && failure_ == SQLITE_OK) {
        // Ends its read transaction, and forgets what was bound.
        sqlite3_reset(statement_.get());
        sqlite3_clear_bindings(statement_.get());
        database_.idle_.insert_or_assign(std::move(sql_), std::move(statement_));
    }
}

Statement& Statement::bind(std::int64_t value) {
    if (failure_ == SQLITE_OK) {
        failure_ = sqlite3_bind_int64(statement_.get(), next_parameter_++, value);
    }
    return *this;
}

Statement& Statement::bind(std::string_view value) {
    if (failure_ == SQLITE_OK) {
        // A null pointer would bind NULL, and an empty text is not NULL.
        const char* data = value.empty() ? "" : value.data();
        failure_ = sqlite3_bind_text(statement_.get(), next_parameter_++, data, static_cast<int>(value.size()),
                                     SQLITE_TRANSIENT);
    }
    return *this;
}

Statement& Statement::bind(ByteView value) {
    if (failure_ == SQLITE_OK) {
        // A null pointer would bind NULL, and an empty octet string is not NULL.
        const void* data = value.empty() ? static_cast<const void*>("") : value.data();
        failure_ = sqlite3_bind_blob(statement_.get(), next_parameter_++, data, static_cast<int>(value.size()),
                                     SQLITE_TRANSIENT);
    }
    return *this;
}

Statement& Statement::bind_borrowed(ByteView value) {
    if (failure_ == SQLITE_OK) {
        failure_ = sqlite3_bind_blob(statement_.get(), next_parameter_++, value.data(), static_cast<int>(value.size()),
                                     SQLITE_STATIC);
    }
    return *this;
}

Statement& Statement::bind_null() {
    if (failure_ == SQLITE_OK) {
        failure_ = sqlite3_bind_null(statement_.get(), next_parameter_++);
    }
    return *this;
}

Result<bool> Statement::step() {
    if (failure_ != SQLITE_OK) {
        return fail(database_.error("cannot prepare a statement"));
    }
    const int code = sqlite3_step(statement_.get());
    if (code == SQLITE_ROW) {
        return true;
    }
    if (code == SQLITE_DONE) {
        return false;
    }
    return fail(database_.error("cannot execute a statement"));
}

Status Statement::run() {
    const auto row = step();
    if (!row) {
        return fail(row.error());
    }
    return {};
}

std::int64_t Statement::integer(int column) const {
    return sqlite3_column_int64(statement_.get(), column);
}

std::string Statement::text(int column) const {
    const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
    return data == nullptr
               ? std::string()
               : std::string(data, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column)));
}

Bytes Statement::blob(int column) const {
    const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_.get(), column));
    return data == nullptr ? Bytes() : Bytes(data, data + sqlite3_column_bytes(statement_.get(), column));
}

bool Statement::is_null(int column) const {
    return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

void Database::Close::operator()(sqlite3* connection) const noexcept {
    sqlite3_close_v2(connection);
}

Result<Database> Database::open(const std::string& path) {
    if (!make_private_file(path)) {
        return fail(Error(ErrorCode::state_database, "cannot make " + path, std::strerror(errno)));
    }
    auto connection = connect(path, SQLITE_OPEN_READWRITE);
    if (!connection) {
        return fail(connection.error());
    }
    Database database(*connection, path, writer_patience);
    // 64 pages instead of 1000: on a small disk the log would take 4 MiB, and what was deleted would stay in it longer.
    const Status set = database.execute(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; PRAGMA foreign_keys=ON; "
        "PRAGMA wal_autocheckpoint=64; PRAGMA cache_size=-512;");
    if (!set) {
        return fail(set.error());
    }
    return database;
}

Result<Database> Database::open_read_only(const std::string& path) {
    auto connection = connect(path, SQLITE_OPEN_READONLY);
    if (!connection) {
        return fail(connection.error());
    }
    return Database(*connection, path, reader_patience);
}

Result<Bytes> Database::blob(const char* table, const char* column, std::int64_t row) {
    sqlite3_blob* opened = nullptr;
    const int found = sqlite3_blob_open(connection_.get(), "main", table, column, row, 0, &opened);
    const std::unique_ptr<sqlite3_blob, int (*)(sqlite3_blob*)> blob(opened, sqlite3_blob_close);
    if (found != SQLITE_OK) {
        return fail(error("cannot open a blob"));
    }
    Bytes content(static_cast<std::size_t>(sqlite3_blob_bytes(opened)));
    if (sqlite3_blob_read(opened, content.data(), static_cast<int>(content.size()), 0) != SQLITE_OK) {
        return fail(error("cannot read a blob"));
    }
    return content;
}

Database::Database(sqlite3* connection, std::string path, const LockPatience& patience)
    : patience_(std::make_unique<LockPatience>(patience)), connection_(connection), path_(std::move(path)) {
    sqlite3_busy_handler(connection, wait_for_lock, patience_.get());
}

Status Database::begin() {
    Status begun = execute("BEGIN IMMEDIATE");
    patience_->spent = patience_->spent && !begun;
    return begun;
}

Status Database::truncate_log() {
    const bool spent = std::exchange(patience_->spent, true);
    const int done =
        sqlite3_wal_checkpoint_v2(connection_.get(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
    patience_->spent = spent;
    return done == SQLITE_OK ? Status{} : fail(error("cannot empty the log of"));
}

Status Database::execute(const char* sql) {
    if (sqlite3_exec(connection_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
        return fail(error("cannot execute a statement"));
    }
    return {};
}

Error Database::error(std::string what) const {
    const int code = sqlite3_errcode(connection_.get()) & 0xff;  // SQLITE_CORRUPT_INDEX and the like are damages too
    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) {
        return Error(ErrorCode::state_damaged, path_ + " is damaged", sqlite3_errmsg(connection_.get()));
    }
    return Error(ErrorCode::state_database, std::move(what) + " in " + path_, sqlite3_errmsg(connection_.get()));
}

DatabaseTransaction::DatabaseTransaction(Database& database)
    : database_(database), begun_(database.begin()), open_(begun_.has_value()) {}

DatabaseTransaction::~DatabaseTransaction() {
    if (open_) {
        // Nothing can be done about a failing rollback; SQLite rolls back by itself when the connection ends.
        static_cast<void>(database_.execute("ROLLBACK"));
    }
}

Status DatabaseTransaction::commit() {
    if (!open_) {
        return begun_;
    }
    Status committed = database_.execute("COMMIT");
    open_ = !committed.has_value();
    return committed;
}

}  // namespace hwenroll::store
