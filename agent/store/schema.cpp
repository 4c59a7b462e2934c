#include "agent/store/schema.h"

#include <array>

#include <fmt/format.h>

namespace hwenroll::store {
namespace {

// Times are seconds since the epoch, certificates and names DER. An identity's rows in enrollments carry a slot:
// 'attempt' is under way, 'current' is published; a shadow will be a third.
constexpr const char* version_1 = R"sql(
CREATE TABLE authorities (
    name TEXT PRIMARY KEY,
    phase INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    capabilities TEXT NOT NULL,
    anchor_fingerprint BLOB NOT NULL,
    fetched_at INTEGER NOT NULL,
    error_name TEXT, error_line TEXT, error_at INTEGER
) STRICT;
CREATE TABLE authority_certificates (
    authority TEXT NOT NULL REFERENCES authorities(name) ON DELETE CASCADE,
    generation INTEGER NOT NULL,
    position INTEGER NOT NULL,
    der BLOB NOT NULL,
    PRIMARY KEY (authority, generation, position)
) STRICT;
CREATE TABLE identities (
    name TEXT PRIMARY KEY,
    token TEXT NOT NULL,
    phase INTEGER NOT NULL,
    waiting_for INTEGER NOT NULL, wait_until INTEGER NOT NULL,
    hold_reason INTEGER, hold_mark BLOB,
    error_name TEXT, error_line TEXT, error_at INTEGER,
    failures INTEGER NOT NULL, messages INTEGER NOT NULL, certificates INTEGER NOT NULL,
    last_generation INTEGER NOT NULL
) STRICT;
CREATE TABLE keys (
    identity TEXT NOT NULL REFERENCES identities(name) ON DELETE CASCADE,
    slot TEXT NOT NULL CHECK (slot IN ('attempt', 'current')),
    key_id BLOB NOT NULL,
    spki BLOB NOT NULL,
    request_mark BLOB NOT NULL,
    PRIMARY KEY (identity, slot)
) STRICT;
CREATE TABLE transactions (
    identity TEXT NOT NULL, slot TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    type INTEGER NOT NULL,
    envelope BLOB NOT NULL,
    signer_certificate BLOB NOT NULL,
    subject BLOB NOT NULL,
    recipient BLOB NOT NULL,
    authority_generation INTEGER NOT NULL,
    configuration_mark BLOB NOT NULL,
    digest INTEGER NOT NULL, cipher INTEGER NOT NULL,
    prepared_at INTEGER NOT NULL,
    nonce BLOB NOT NULL,
    sends INTEGER NOT NULL, polls INTEGER NOT NULL, pending INTEGER NOT NULL,
    PRIMARY KEY (identity, slot),
    FOREIGN KEY (identity, slot) REFERENCES keys(identity, slot) ON DELETE CASCADE
) STRICT;
CREATE TABLE certificates (
    identity TEXT NOT NULL, slot TEXT NOT NULL,
    position INTEGER NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('leaf', 'chain', 'anchor')),
    not_before INTEGER NOT NULL, not_after INTEGER NOT NULL,
    der BLOB NOT NULL,
    PRIMARY KEY (identity, slot, position),
    FOREIGN KEY (identity, slot) REFERENCES keys(identity, slot) ON DELETE CASCADE
) STRICT;
CREATE TABLE deployments (
    identity TEXT PRIMARY KEY REFERENCES identities(name) ON DELETE CASCADE,
    generation INTEGER NOT NULL,
    published_at INTEGER NOT NULL
) STRICT;
CREATE TABLE logins (
    token TEXT PRIMARY KEY,
    outcome INTEGER NOT NULL,
    begun_at INTEGER NOT NULL,
    unknown INTEGER NOT NULL,
    device INTEGER, inode INTEGER, size INTEGER, modified_ns INTEGER, changed_ns INTEGER,
    source TEXT NOT NULL,
    token_uri TEXT NOT NULL
) STRICT;
CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('identity', 'authority', 'token')),
    name TEXT NOT NULL,
    at INTEGER NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE INDEX events_of ON events (kind, name, id);
)sql";

// A key that the configuration named and that was on the token before.
constexpr const char* version_2 = R"sql(
ALTER TABLE keys ADD COLUMN adopted INTEGER NOT NULL DEFAULT 0;
)sql";

constexpr std::array<const char*, schema_version> migrations{version_1, version_2};

Result<int> version_of(Database& database) {
    Statement statement(database, "PRAGMA user_version");
    const auto row = statement.step();
    if (!row) {
        return fail(row.error());
    }
    return static_cast<int>(statement.integer(0));
}

Error version_error(int found) {
    return Error(ErrorCode::state_version,
                 fmt::format("state.db has version {}, this program reads version {}", found, schema_version));
}

}  // namespace

Status migrate(Database& database) {
    auto version = version_of(database);
    if (!version) {
        return fail(version.error());
    }
    if (*version > schema_version || *version < 0) {
        return fail(version_error(*version));
    }
    for (int next = *version; next < schema_version; ++next) {
        DatabaseTransaction transaction(database);
        Status done = database.execute(migrations.at(static_cast<std::size_t>(next)));
        if (done) {
            done = database.execute(fmt::format("PRAGMA user_version={}", next + 1).c_str());
        }
        if (done) {
            done = transaction.commit();
        }
        if (!done) {
            return done;
        }
    }
    return {};
}

Status require_current_version(Database& database) {
    auto version = version_of(database);
    if (!version) {
        return fail(version.error());
    }
    if (*version != schema_version) {
        return fail(version_error(*version));
    }
    return {};
}

}  // namespace hwenroll::store
