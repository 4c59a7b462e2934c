#include "agent/store/store.h"

#include <utility>

#include "agent/store/authority_rows.h"
#include "agent/store/crl_rows.h"
#include "agent/store/identity_rows.h"
#include "agent/store/row_values.h"
#include "agent/store/schema.h"
#include "agent/store/state_directory.h"
#include "base/failpoint.h"

namespace hwenroll::store {
namespace {

const std::string select_logins =
    "SELECT outcome, begun_at, device, inode, size, modified_ns, changed_ns, unknown, source, token_uri FROM logins "
    "WHERE ";

Result<std::vector<LoginRecord>> read_logins(Statement& row) {
    std::vector<LoginRecord> records;
    for (;;) {
        const auto found = row.step();
        if (!found) {
            return fail(found.error());
        }
        if (!*found) {
            return records;
        }
        LoginRecord record{static_cast<LoginRecordOutcome>(row.integer(0)),
                           TimePoint(Seconds(row.integer(1))),
                           static_cast<std::uint32_t>(row.integer(7)),
                           {},
                           row.text(8),
                           row.text(9)};
        if (!row.is_null(2)) {
            record.file =
                PinFile{static_cast<std::uint64_t>(row.integer(2)), static_cast<std::uint64_t>(row.integer(3)),
                        static_cast<std::uint64_t>(row.integer(4)), row.integer(5), row.integer(6)};
        }
        records.push_back(std::move(record));
    }
}

Result<std::vector<HistoryEntry>> read_history(Statement& row) {
    std::vector<HistoryEntry> entries;
    for (;;) {
        const auto found = row.step();
        if (!found) {
            return fail(found.error());
        }
        if (!*found) {
            return entries;
        }
        entries.push_back({row.text(0), row.text(1), time_at(row, 2), row.text(3)});
    }
}

Status write_login(Database& database, const std::string& token, const LoginRecord& record) {
    Statement row(database,
                  "INSERT OR REPLACE INTO logins (token, outcome, begun_at, unknown, source, token_uri, device, "
                  "inode, size, modified_ns, changed_ns) VALUES (?,?,?,?,?,?,?,?,?,?,?)");
    row.bind(std::string_view(token)).bind(static_cast<std::int64_t>(record.outcome));
    row.bind(seconds(record.begun_at)).bind(std::int64_t{record.unknown});
    row.bind(std::string_view(record.source)).bind(std::string_view(record.token_uri));
    if (record.file) {
        row.bind(static_cast<std::int64_t>(record.file->device)).bind(static_cast<std::int64_t>(record.file->inode));
        row.bind(static_cast<std::int64_t>(record.file->size)).bind(record.file->modified_ns);
        row.bind(record.file->changed_ns);
    } else {
        row.bind_null().bind_null().bind_null().bind_null().bind_null();
    }
    return row.run();
}

}  // namespace

class Store::Impl {
 public:
    Impl(std::optional<StateDirectory> lock, Database database, HistoryLimits history)
        : lock_(std::move(lock)), database_(std::move(database)), history_(history) {}

    Database& database() { return database_; }
    void trust_clock(bool trusted) { clock_trusted_ = trusted; }

    /// Runs `write` and appends `note`, all or nothing.
    template <class Write>
    Status commit(const std::string& kind, const std::string& name, const std::string& note, TimePoint now,
                  Write write) {
        DatabaseTransaction transaction(database_);
        failpoint("transaction-begun");
        Status done = transaction.begun();
        if (done) {
            done = write();
        }
        if (done && !note.empty()) {
            done = append(kind, name, note, now);
        }
        failpoint("transaction-written");
        if (done) {
            done = transaction.commit();
        }
        failpoint("transaction-committed");
        return done;
    }

 private:
    Status append(const std::string& kind, const std::string& name, const std::string& note, TimePoint now) {
        Statement row(database_, "INSERT INTO events (kind, name, at, text) VALUES (?,?,?,?)");
        row.bind(std::string_view(kind)).bind(std::string_view(name)).bind(seconds(now));
        const Status appended = row.bind(std::string_view(printable(note, 1024))).run();
        if (!appended) {
            return appended;
        }
        Statement trim(database_,
                       "DELETE FROM events WHERE kind=?1 AND name=?2 AND (at < ?3 OR id <= (SELECT id FROM events "
                       "WHERE kind=?1 AND name=?2 ORDER BY id DESC LIMIT 1 OFFSET ?4))");
        trim.bind(std::string_view(kind)).bind(std::string_view(name));
        const TimePoint oldest = clock_trusted_ ? now - history_.keep : TimePoint::min();
        return trim.bind(seconds(oldest)).bind(history_.rows).run();
    }

    std::optional<StateDirectory> lock_;
    Database database_;
    HistoryLimits history_;
    bool clock_trusted_ = false;
};

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;
Store::~Store() = default;

Status Store::truncate_log() {
    return impl_->database().truncate_log();
}

void Store::trust_clock(bool trusted) {
    impl_->trust_clock(trusted);
}

Result<Store> Store::open(const std::filesystem::path& state_dir, HistoryLimits history) {
    auto lock = StateDirectory::lock(state_dir);
    if (!lock) {
        return fail(lock.error());
    }
    // Only state.db itself must be no link: /var may be one, and DynamicUser= makes one of the state directory.
    std::error_code unresolved;
    const auto resolved = std::filesystem::canonical(state_dir, unresolved);
    auto database = Database::open(database_path(unresolved ? state_dir : resolved).string());
    if (!database) {
        return fail(database.error());
    }
    if (const Status migrated = migrate(*database); !migrated) {
        return fail(migrated.error());
    }
    return Store(std::make_unique<Impl>(*std::move(lock), *std::move(database), history));
}

Result<Store> Store::open_read_only(const std::filesystem::path& state_dir) {
    std::error_code unresolved;
    const auto resolved = std::filesystem::canonical(state_dir, unresolved);
    auto database = Database::open_read_only(database_path(unresolved ? state_dir : resolved).string());
    if (!database) {
        return fail(database.error());
    }
    if (const Status current = require_current_version(*database); !current) {
        return fail(current.error());
    }
    return Store(std::make_unique<Impl>(std::nullopt, *std::move(database), HistoryLimits{}));
}

Result<lifecycle::IdentityState> Store::identity(const std::string& name) {
    return read_identity(impl_->database(), name);
}

Result<std::vector<std::string>> Store::identities() {
    Statement row(impl_->database(), "SELECT name FROM identities ORDER BY name");
    std::vector<std::string> names;
    for (;;) {
        const auto found = row.step();
        if (!found) {
            return fail(found.error());
        }
        if (!*found) {
            return names;
        }
        names.push_back(row.text(0));
    }
}

Status Store::commit(const std::string& name, const std::string& token, const lifecycle::IdentityState& state,
                     const std::string& note, TimePoint now) {
    return impl_->commit("identity", name, note, now,
                         [&] { return write_identity(impl_->database(), name, token, state); });
}

Result<std::optional<TimePoint>> Store::clock_seen() {
    Statement row(impl_->database(), "SELECT seen FROM clock");
    const auto found = row.step();
    if (!found) {
        return fail(found.error());
    }
    return *found ? std::optional(time_at(row, 0)) : std::nullopt;
}

Status Store::commit_clock_seen(TimePoint seen) {
    return impl_->commit("agent", {}, {}, seen, [&] {
        Statement row(impl_->database(), "INSERT OR REPLACE INTO clock (only, seen) VALUES (1, ?)");
        return row.bind(seconds(seen)).run();
    });
}

Result<Bytes> Store::machine() {
    Statement row(impl_->database(), "SELECT mark FROM machine");
    const auto found = row.step();
    if (!found) {
        return fail(found.error());
    }
    return *found ? row.blob(0) : Bytes();
}

Status Store::commit_machine(const Bytes& mark) {
    return impl_->commit("agent", {}, {}, {}, [&] {
        Statement row(impl_->database(), "INSERT OR REPLACE INTO machine (only, mark) VALUES (1, ?)");
        return row.bind(mark).run();
    });
}

Result<std::optional<std::chrono::milliseconds>> Store::generation_time(const std::string& token,
                                                                        std::string_view kind) {
    Statement row(impl_->database(), "SELECT milliseconds FROM generations WHERE token=? AND kind=?");
    const auto found = row.bind(std::string_view(token)).bind(kind).step();
    if (!found) {
        return fail(found.error());
    }
    return *found ? std::optional(std::chrono::milliseconds(row.integer(0))) : std::nullopt;
}

Status Store::commit_generation_time(const std::string& token, std::string_view kind, std::chrono::milliseconds took) {
    return impl_->commit("token", token, {}, {}, [&] {
        Statement row(impl_->database(),
                      "INSERT OR REPLACE INTO generations (token, kind, milliseconds) VALUES (?,?,?)");
        return row.bind(std::string_view(token)).bind(kind).bind(std::int64_t{took.count()}).run();
    });
}

Result<std::vector<KeyOwner>> Store::key_owners() {
    Statement row(
        impl_->database(),
        "SELECT key_id, identity, identities.token, adopted, pem<>'' FROM keys JOIN identities ON "
        "identities.name=keys.identity UNION SELECT key_id, identity, identities.token, 0, pem<>'' FROM envelope_keys "
        "JOIN identities ON identities.name=envelope_keys.identity UNION SELECT key_id, identity, identities.token, 0, "
        "0 FROM retired_keys JOIN "
        "identities ON identities.name=retired_keys.identity");
    std::vector<KeyOwner> owners;
    for (;;) {
        const auto found = row.step();
        if (!found) {
            return fail(found.error());
        }
        if (!*found) {
            return owners;
        }
        owners.push_back({row.blob(0), row.text(1), row.text(2), row.integer(3) != 0, row.integer(4) != 0});
    }
}

Result<bool> Store::is_needed_by_another(const Bytes& key_id, const std::string& identity) {
    Statement row(impl_->database(), "SELECT 1 FROM keys WHERE key_id=? AND identity<>? LIMIT 1");
    return row.bind(ByteView(key_id)).bind(std::string_view(identity)).step();
}

Status Store::forget(const std::string& name, const std::string& note, TimePoint now) {
    return impl_->commit("identity", name, note, now, [&] {
        Statement row(impl_->database(), "DELETE FROM identities WHERE name=?");
        return row.bind(std::string_view(name)).run();
    });
}

Status Store::note_of_token(const std::string& token, const std::string& note, TimePoint now) {
    return impl_->commit("token", token, note, now, [] { return Status(); });
}

Result<std::vector<HistoryEntry>> Store::history(const std::string& kind, const std::string& name, std::int64_t limit) {
    Statement row(impl_->database(),
                  "SELECT kind, name, at, text FROM events WHERE kind=? AND name=? ORDER BY id DESC LIMIT ?");
    return read_history(row.bind(std::string_view(kind)).bind(std::string_view(name)).bind(limit));
}

Result<std::vector<HistoryEntry>> Store::history(std::int64_t limit) {
    Statement row(impl_->database(), "SELECT kind, name, at, text FROM events ORDER BY id DESC LIMIT ?");
    return read_history(row.bind(limit));
}

Result<std::vector<LoginRecord>> Store::logins_of_section(const std::string& token) {
    Statement row(impl_->database(), select_logins + "token=? ORDER BY id");
    return read_logins(row.bind(std::string_view(token)));
}

Result<std::vector<LoginRecord>> Store::logins_of_device(const std::string& token_uri) {
    Statement row(impl_->database(), select_logins + "token_uri=? ORDER BY id");
    return read_logins(row.bind(std::string_view(token_uri)));
}

Status Store::forget_logins(const std::string& token, const std::string& note, TimePoint now) {
    return impl_->commit("token", token, note, now, [&]() -> Status {
        Statement rows(impl_->database(),
                       "DELETE FROM logins WHERE (token=?1 OR token_uri=(SELECT token_uri FROM logins WHERE token=?1 "
                       "ORDER BY id DESC LIMIT 1)) AND NOT (outcome=?2 AND device IS NOT NULL)");
        rows.bind(std::string_view(token)).bind(static_cast<std::int64_t>(LoginRecordOutcome::refused));
        return rows.run();
    });
}

Status Store::commit(const std::string& token, const LoginRecord& record, const std::string& note, TimePoint now) {
    return impl_->commit("token", token, note, now, [&] { return write_login(impl_->database(), token, record); });
}

Status Store::settle(const std::string& token, const LoginRecord& accepted, const std::string& note, TimePoint now) {
    return impl_->commit("token", token, note, now, [&]() -> Status {
        Statement rows(impl_->database(), "DELETE FROM logins WHERE token_uri=? AND (outcome=? OR source=?)");
        rows.bind(std::string_view(accepted.token_uri)).bind(static_cast<std::int64_t>(LoginRecordOutcome::begun));
        const Status settled = rows.bind(std::string_view(accepted.source)).run();
        return settled ? write_login(impl_->database(), token, accepted) : settled;
    });
}

Result<lifecycle::AuthorityState> Store::authority(const std::string& name) {
    return read_authority(impl_->database(), name);
}

Result<std::vector<lifecycle::CrlState>> Store::crls(const std::string& authority) {
    return read_crls(impl_->database(), authority);
}

Status Store::commit_crls(const std::string& authority, const std::vector<lifecycle::CrlState>& states,
                          ByteView document, const std::string& note, TimePoint now) {
    return impl_->commit("authority", authority, note, now,
                         [&] { return write_crls(impl_->database(), authority, states, document); });
}

Result<bool> Store::publishes_crl(const Bytes& digest) {
    return is_published(impl_->database(), digest);
}

Result<Bytes> Store::crl_document(const Bytes& digest) {
    return read_crl_document(impl_->database(), digest);
}

Status Store::commit(const std::string& name, const lifecycle::AuthorityState& state, const std::string& note,
                     TimePoint now) {
    return impl_->commit("authority", name, note, now, [&] { return write_authority(impl_->database(), name, state); });
}

}  // namespace hwenroll::store
