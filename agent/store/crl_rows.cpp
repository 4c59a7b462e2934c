#include "agent/store/crl_rows.h"

#include "agent/store/row_values.h"

namespace hwenroll::store {
namespace {

lifecycle::CrlState state_of(const Statement& row) {
    lifecycle::CrlState state;
    state.issuer = row.blob(0);
    state.crl.digest = row.blob(1);
    state.crl.number = row.blob(2);
    state.crl.this_update = time_at(row, 3);
    if (!row.is_null(4)) {
        state.crl.next_update = time_at(row, 4);
    }
    state.crl.entries = static_cast<std::uint64_t>(row.integer(5));
    state.fetched_at = time_at(row, 6);
    state.next_try = time_at(row, 7);
    state.failures = static_cast<std::uint32_t>(row.integer(8));
    if (!row.is_null(9)) {
        state.failure = lifecycle::FailureRecord{error_code_of(row.text(9)).value_or(ErrorCode::internal), row.text(10),
                                                 time_at(row, 11)};
    }
    if (!row.is_null(12)) {
        state.told_at = time_at(row, 12);
    }
    state.scope = row.blob(13);
    return state;
}

Status write_row(Database& database, const std::string& authority, const lifecycle::CrlState& state) {
    Statement row(
        database,
        "INSERT INTO crls (authority, issuer, digest, number, this_update, next_update, entries, fetched_at, "
        "next_try, failures, error_name, error_line, error_at, told_at, scope) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
    row.bind(std::string_view(authority)).bind(ByteView(state.issuer)).bind(ByteView(state.crl.digest));
    row.bind(ByteView(state.crl.number)).bind(seconds(state.crl.this_update));
    bind(row, state.crl.next_update).bind(static_cast<std::int64_t>(state.crl.entries));
    row.bind(seconds(state.fetched_at)).bind(seconds(state.next_try)).bind(std::int64_t{state.failures});
    if (state.failure) {
        row.bind(error_info(state.failure->code).name).bind(std::string_view(state.failure->line));
        row.bind(seconds(state.failure->at));
    } else {
        row.bind_null().bind_null().bind_null();
    }
    return bind(row, state.told_at).bind(ByteView(state.scope)).run();
}

Status write_document(Database& database, ByteView document) {
    if (document.empty()) {
        return {};
    }
    Statement row(database, "INSERT OR IGNORE INTO crl_documents (digest, der) VALUES (?,?)");
    return row.bind(ByteView(sha256(document))).bind_borrowed(document).run();
}

/// A certificate may be published with a list that its CA has replaced in the meantime.
Status drop_unused(Database& database) {
    Statement rows(database,
                   "DELETE FROM crl_documents WHERE digest NOT IN (SELECT digest FROM crls UNION SELECT crl FROM "
                   "credentials)");
    return rows.run();
}

}  // namespace

Result<std::vector<lifecycle::CrlState>> read_crls(Database& database, const std::string& authority) {
    Statement row(
        database,
        "SELECT issuer, digest, number, this_update, next_update, entries, fetched_at, next_try, failures, "
        "error_name, error_line, error_at, told_at, scope FROM crls WHERE authority=? ORDER BY issuer, scope");
    row.bind(std::string_view(authority));
    std::vector<lifecycle::CrlState> states;
    for (;;) {
        const auto found = row.step();
        if (!found) {
            return fail(found.error());
        }
        if (!*found) {
            return states;
        }
        states.push_back(state_of(row));
    }
}

Status write_crls(Database& database, const std::string& authority, const std::vector<lifecycle::CrlState>& states,
                  ByteView document) {
    Statement old(database, "DELETE FROM crls WHERE authority=?");
    Status written = old.bind(std::string_view(authority)).run();
    for (const lifecycle::CrlState& state : states) {
        written = written ? write_row(database, authority, state) : written;
    }
    written = written ? write_document(database, document) : written;
    return written ? drop_unused(database) : written;
}

Result<bool> is_published(Database& database, const Bytes& digest) {
    Statement row(database, "SELECT 1 FROM credentials WHERE crl=?");
    return row.bind(ByteView(digest)).step();
}

Result<Bytes> read_crl_document(Database& database, const Bytes& digest) {
    Statement row(database, "SELECT rowid FROM crl_documents WHERE digest=?");
    const auto found = row.bind(ByteView(digest)).step();
    if (!found) {
        return fail(found.error());
    }
    return *found ? database.blob("crl_documents", "der", row.integer(0)) : Bytes();
}

}  // namespace hwenroll::store
