#include "agent/store/schema.h"

#include <array>

#include <fmt/format.h>

namespace hwenroll::store {
namespace {

// Times are seconds since the epoch, certificates and names DER. An identity's keys carry a slot: 'attempt' is under
// way, 'next' is to be published, 'current' is published, 'shadow' waits for the CA's rollover.
constexpr const char* create = R"sql(
CREATE TABLE clock (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    seen INTEGER NOT NULL
) STRICT;
CREATE TABLE machine (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    mark BLOB NOT NULL
) STRICT;
CREATE TABLE authorities (
    name TEXT PRIMARY KEY,
    phase INTEGER NOT NULL,
    last_generation INTEGER NOT NULL,
    pins_at_switch BLOB NOT NULL,
    sought_at INTEGER NOT NULL,
    candidate_told_at INTEGER,
    error_name TEXT, error_line TEXT, error_at INTEGER
) STRICT;
CREATE TABLE authority_records (
    authority TEXT NOT NULL REFERENCES authorities(name) ON DELETE CASCADE,
    role TEXT NOT NULL CHECK (role IN ('current', 'next', 'candidate')),
    generation INTEGER NOT NULL,
    capabilities TEXT NOT NULL,
    anchor_fingerprint BLOB NOT NULL,
    anchor BLOB NOT NULL,
    not_before INTEGER NOT NULL, not_after INTEGER NOT NULL,
    fetched_at INTEGER NOT NULL,
    PRIMARY KEY (authority, role)
) STRICT;
CREATE TABLE authority_certificates (
    authority TEXT NOT NULL, role TEXT NOT NULL,
    position INTEGER NOT NULL,
    der BLOB NOT NULL,
    PRIMARY KEY (authority, role, position),
    FOREIGN KEY (authority, role) REFERENCES authority_records(authority, role) ON DELETE CASCADE
) STRICT;
CREATE TABLE left_anchors (
    authority TEXT NOT NULL REFERENCES authorities(name) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    anchor BLOB NOT NULL,
    fingerprint BLOB NOT NULL,
    not_after INTEGER NOT NULL,
    PRIMARY KEY (authority, position)
) STRICT;
CREATE TABLE identities (
    name TEXT PRIMARY KEY,
    token TEXT NOT NULL,
    phase INTEGER NOT NULL,
    waiting_for INTEGER NOT NULL, wait_until INTEGER NOT NULL, retry_after INTEGER, retry_mark BLOB,
    hold_reason INTEGER, hold_mark BLOB,
    error_name TEXT, error_line TEXT, error_at INTEGER,
    failures INTEGER NOT NULL, messages INTEGER NOT NULL, certificates INTEGER NOT NULL,
    last_generation INTEGER NOT NULL,
    publish_after INTEGER NOT NULL, seek_after INTEGER NOT NULL, alerted_at INTEGER,
    wish INTEGER NOT NULL, revoked INTEGER NOT NULL, renewal_req_refused BLOB NOT NULL
) STRICT;
CREATE TABLE keys (
    identity TEXT NOT NULL REFERENCES identities(name) ON DELETE CASCADE,
    slot TEXT NOT NULL CHECK (slot IN ('attempt', 'next', 'current', 'shadow')),
    key_id BLOB NOT NULL,
    spki BLOB NOT NULL,
    adopted INTEGER NOT NULL,
    PRIMARY KEY (identity, slot)
) STRICT;
CREATE TABLE enrollments (
    identity TEXT NOT NULL, slot TEXT NOT NULL CHECK (slot = 'attempt'),
    purpose INTEGER NOT NULL,
    request_mark BLOB NOT NULL,
    authority BLOB NOT NULL,
    forced INTEGER NOT NULL, restarted INTEGER NOT NULL, retried INTEGER NOT NULL,
    refused_recipient BLOB, refused_digest INTEGER, refused_cipher INTEGER, refused_mark BLOB,
    PRIMARY KEY (identity, slot),
    FOREIGN KEY (identity, slot) REFERENCES keys(identity, slot) ON DELETE CASCADE
) STRICT;
CREATE TABLE transactions (
    identity TEXT NOT NULL, slot TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    type INTEGER NOT NULL,
    envelope BLOB NOT NULL,
    signer_certificate BLOB NOT NULL,
    signer_key_id BLOB, signer_spki BLOB, signer_adopted INTEGER,
    signer_mark BLOB NOT NULL,
    subject BLOB NOT NULL,
    recipient BLOB NOT NULL,
    authority_generation INTEGER NOT NULL,
    configuration_mark BLOB NOT NULL,
    digest INTEGER NOT NULL, cipher INTEGER NOT NULL,
    prepared_at INTEGER NOT NULL,
    nonce BLOB NOT NULL,
    sends INTEGER NOT NULL, polls INTEGER NOT NULL, pending INTEGER NOT NULL, recovery INTEGER NOT NULL,
    PRIMARY KEY (identity, slot),
    FOREIGN KEY (identity, slot) REFERENCES keys(identity, slot) ON DELETE CASCADE
) STRICT;
CREATE TABLE signer_chains (
    identity TEXT NOT NULL, slot TEXT NOT NULL,
    position INTEGER NOT NULL,
    der BLOB NOT NULL,
    PRIMARY KEY (identity, slot, position),
    FOREIGN KEY (identity, slot) REFERENCES transactions(identity, slot) ON DELETE CASCADE
) STRICT;
CREATE TABLE credentials (
    identity TEXT NOT NULL, slot TEXT NOT NULL CHECK (slot IN ('next', 'current', 'shadow')),
    generation INTEGER NOT NULL,
    published_at INTEGER NOT NULL,
    jitter INTEGER NOT NULL,
    name_mark BLOB NOT NULL, content_mark BLOB NOT NULL,
    authority BLOB NOT NULL,
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
CREATE TABLE deliveries (
    identity TEXT PRIMARY KEY REFERENCES identities(name) ON DELETE CASCADE,
    generation INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    next_try INTEGER NOT NULL
) STRICT;
CREATE TABLE retired_keys (
    identity TEXT NOT NULL REFERENCES identities(name) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    key_id BLOB NOT NULL,
    spki BLOB NOT NULL,
    destroy_at INTEGER,
    failures INTEGER NOT NULL,
    PRIMARY KEY (identity, position)
) STRICT;
CREATE TABLE logins (
    id INTEGER PRIMARY KEY,
    token TEXT NOT NULL,
    token_uri TEXT NOT NULL,
    source TEXT NOT NULL,
    outcome INTEGER NOT NULL,
    begun_at INTEGER NOT NULL,
    unknown INTEGER NOT NULL,
    device INTEGER, inode INTEGER, size INTEGER, modified_ns INTEGER, changed_ns INTEGER,
    UNIQUE (token, token_uri, source)
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

/// Of keys that their tokens do not keep (ADR 0011).
constexpr const char* wrapped_keys = R"sql(
ALTER TABLE keys ADD COLUMN pem TEXT NOT NULL DEFAULT '';
ALTER TABLE transactions ADD COLUMN signer_pem TEXT NOT NULL DEFAULT '';
)sql";

/// Keys under a TPM's persistent handles have a URI of their own; where a key is when its identity has moved; how long
/// a token took to make a key of a kind.
constexpr const char* key_places = R"sql(
ALTER TABLE keys ADD COLUMN uri TEXT NOT NULL DEFAULT '';
ALTER TABLE keys ADD COLUMN token TEXT NOT NULL DEFAULT '';
ALTER TABLE retired_keys ADD COLUMN token TEXT NOT NULL DEFAULT '';
UPDATE keys SET token=(SELECT token FROM identities WHERE name=keys.identity);
UPDATE retired_keys SET token=(SELECT token FROM identities WHERE name=retired_keys.identity);
CREATE TABLE generations (
    token TEXT NOT NULL, kind TEXT NOT NULL,
    milliseconds INTEGER NOT NULL,
    PRIMARY KEY (token, kind)
) STRICT;
)sql";

/// CRLs: one row for each CA certificate whose list is fetched, the lists themselves once whoever publishes them.
constexpr const char* revocation_lists = R"sql(
ALTER TABLE credentials ADD COLUMN crl BLOB NOT NULL DEFAULT x'';
CREATE TABLE crl_documents (
    digest BLOB PRIMARY KEY,
    der BLOB NOT NULL
) STRICT;
CREATE TABLE crls (
    authority TEXT NOT NULL,
    issuer BLOB NOT NULL,
    digest BLOB NOT NULL, number BLOB NOT NULL,
    this_update INTEGER NOT NULL, next_update INTEGER, entries INTEGER NOT NULL,
    fetched_at INTEGER NOT NULL, next_try INTEGER NOT NULL, failures INTEGER NOT NULL,
    error_name TEXT, error_line TEXT, error_at INTEGER,
    told_at INTEGER,
    PRIMARY KEY (authority, issuer)
) STRICT;
)sql";

/// RSA keys beside the EC keys of attempts (Enrollment::envelope_key).
constexpr const char* envelope_keys = R"sql(
CREATE TABLE envelope_keys (
    identity TEXT PRIMARY KEY REFERENCES identities(name) ON DELETE CASCADE,
    key_id BLOB NOT NULL,
    spki BLOB NOT NULL,
    pem TEXT NOT NULL,
    token TEXT NOT NULL,
    uri TEXT NOT NULL
) STRICT;
)sql";

/// CRLs by distribution points too. What is known of those before says not whose they are: they are fetched again, and
/// stay meanwhile for what they say of RAs, under a scope that no certificate has (scep::scope_of()).
constexpr const char* partitioned_lists = R"sql(
ALTER TABLE crls RENAME TO whole_crls;
CREATE TABLE crls (
    authority TEXT NOT NULL,
    issuer BLOB NOT NULL, scope BLOB NOT NULL,
    digest BLOB NOT NULL, number BLOB NOT NULL,
    this_update INTEGER NOT NULL, next_update INTEGER, entries INTEGER NOT NULL,
    fetched_at INTEGER NOT NULL, next_try INTEGER NOT NULL, failures INTEGER NOT NULL,
    error_name TEXT, error_line TEXT, error_at INTEGER,
    told_at INTEGER,
    PRIMARY KEY (authority, issuer, scope)
) STRICT;
INSERT INTO crls (authority, issuer, scope, digest, number, this_update, next_update, entries, fetched_at, next_try,
                  failures, told_at)
    SELECT authority, issuer, x'00', digest, number, this_update, next_update, entries, fetched_at, next_try, 0, told_at
    FROM whole_crls WHERE digest<>x'';
DROP TABLE whole_crls;
)sql";

/// Switches of `current` that a power failure may undo. Version 9 knew them by a publication of the same certificate
/// that had failed, or it did not.
constexpr const char* unproved_switches = R"sql(
ALTER TABLE identities ADD COLUMN unproved INTEGER NOT NULL DEFAULT 0;
UPDATE identities SET unproved=1 WHERE publish_after<>0 AND EXISTS (
    SELECT 1 FROM certificates AS one JOIN certificates AS other ON one.identity=other.identity AND one.der=other.der
    WHERE one.identity=identities.name AND one.slot='next' AND other.slot='current'
        AND one.role='leaf' AND other.role='leaf');
)sql";

/// Why consumers were told in vain, and which certificate they were last told of with success. Of failures before this
/// version the count alone is known.
constexpr const char* delivery_failures = R"sql(
ALTER TABLE deliveries ADD COLUMN confirmed INTEGER;
ALTER TABLE deliveries ADD COLUMN error_name TEXT;
ALTER TABLE deliveries ADD COLUMN error_line TEXT;
ALTER TABLE deliveries ADD COLUMN failed_since INTEGER;
ALTER TABLE deliveries ADD COLUMN attempts INTEGER;
)sql";

constexpr std::array steps{wrapped_keys,      key_places,        revocation_lists, envelope_keys,
                           partitioned_lists, unproved_switches, delivery_failures};
constexpr Layout layout{create, 4, steps.data(), steps.size()};
static_assert(layout.version() == schema_version);

Result<int> version_of(Database& database) {
    Statement statement(database, "PRAGMA user_version");
    const auto row = statement.step();
    if (!row) {
        return fail(row.error());
    }
    return static_cast<int>(statement.integer(0));
}

Error version_error(int found, const Layout& wanted) {
    const auto what = fmt::format("state.db has version {}, this program reads version {}", found, wanted.version());
    if (found > wanted.version()) {
        return Error(ErrorCode::state_version, what, "a newer version of hwenroll made it",
                     "run that version again, or move state.db away to start anew");
    }
    if (found == 0 || (found >= wanted.first && found < wanted.version())) {
        return Error(ErrorCode::state_version, what, "it has not been brought up to date",
                     "run hwenrolld, which does that when it starts");
    }
    return Error(
        ErrorCode::state_version, what, "an earlier version of hwenroll that was never released made it",
        "move state.db away to start anew: published files stay, and 'hwenroll token keys' lists the keys that "
        "are on the token");
}

/// One step and the version it leads to, together or not at all.
Status advance(Database& database, const char* sql, int version) {
    DatabaseTransaction transaction(database);
    Status done = transaction.begun();
    if (done) {
        done = database.execute(sql);
    }
    if (done) {
        done = database.execute(fmt::format("PRAGMA user_version={}", version).c_str());
    }
    return done ? transaction.commit() : done;
}

}  // namespace

Status migrate(Database& database, const Layout& wanted) {
    auto version = version_of(database);
    if (!version) {
        return fail(version.error());
    }
    if (*version == 0) {
        if (const Status created = advance(database, wanted.create, wanted.first); !created) {
            return created;
        }
        version = wanted.first;
    }
    if (*version < wanted.first || *version > wanted.version()) {
        return fail(version_error(*version, wanted));
    }
    for (int next = *version; next < wanted.version(); ++next) {
        if (const Status done = advance(database, wanted.steps[next - wanted.first], next + 1); !done) {
            return done;
        }
    }
    return {};
}

Status migrate(Database& database) {
    return migrate(database, layout);
}

Status require_current_version(Database& database, const Layout& wanted) {
    const auto version = version_of(database);
    if (!version) {
        return fail(version.error());
    }
    return *version == wanted.version() ? Status{} : fail(version_error(*version, wanted));
}

Status require_current_version(Database& database) {
    return require_current_version(database, layout);
}

}  // namespace hwenroll::store
