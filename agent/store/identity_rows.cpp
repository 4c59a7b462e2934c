#include "agent/store/identity_rows.h"

#include <algorithm>

namespace hwenroll::store {
namespace {

using lifecycle::Credential;
using lifecycle::Enrollment;
using lifecycle::IdentityState;
using lifecycle::IssuedRecord;
using lifecycle::KeyRecord;
using lifecycle::RefusedRequest;
using lifecycle::Transaction;

constexpr std::string_view attempt_slot = "attempt";
constexpr std::string_view current_slot = "current";

std::int64_t seconds(TimePoint time) {
    return time.time_since_epoch().count();
}

TimePoint time_at(const Statement& row, int column) {
    return TimePoint(Seconds(row.integer(column)));
}

Error contradiction(const std::string& name, const std::string& what) {
    return Error(ErrorCode::state_database, "the stored state of identity '" + name + "' contradicts itself", what,
                 "move state.db away to start anew, and report this");
}

/// A key and what goes with it while it is not published; of a published one the rest is empty.
struct KeyRow {
    KeyRecord key;
    Bytes request_mark = {};
    std::optional<RefusedRequest> refused = {};
    bool retried_for_authority = false;
};

Result<std::optional<KeyRow>> read_key(Database& database, const std::string& name, std::string_view slot) {
    Statement row(database,
                  "SELECT key_id, spki, request_mark, adopted, refused_recipient, refused_digest, refused_cipher, "
                  "refused_mark, retried FROM keys WHERE identity=? AND slot=?");
    const auto found = row.bind(std::string_view(name)).bind(slot).step();
    if (!found) {
        return fail(found.error());
    }
    if (!*found) {
        return std::optional<KeyRow>();
    }
    KeyRow key{{row.blob(0), row.blob(1), row.integer(3) != 0}, row.blob(2)};
    if (!row.is_null(4)) {
        key.refused = RefusedRequest{row.blob(4), static_cast<scep::Digest>(row.integer(5)),
                                     static_cast<scep::ContentCipher>(row.integer(6)), row.blob(7)};
    }
    key.retried_for_authority = row.integer(8) != 0;
    return std::optional(std::move(key));
}

Result<std::optional<Transaction>> read_transaction(Database& database, const std::string& name) {
    Statement row(database,
                  "SELECT transaction_id, type, envelope, signer_certificate, subject, recipient, "
                  "authority_generation, digest, cipher, prepared_at, nonce, sends, polls, pending, configuration_mark "
                  "FROM transactions WHERE identity=? AND slot=?");
    const auto found = row.bind(std::string_view(name)).bind(attempt_slot).step();
    if (!found) {
        return fail(found.error());
    }
    if (!*found) {
        return std::optional<Transaction>();
    }
    Transaction transaction;
    transaction.id.value = row.text(0);
    transaction.type = static_cast<scep::MessageType>(row.integer(1));
    transaction.envelope = row.blob(2);
    transaction.signer_certificate = row.blob(3);
    transaction.subject = row.blob(4);
    transaction.recipient = row.blob(5);
    transaction.authority_generation = static_cast<std::uint64_t>(row.integer(6));
    transaction.digest = static_cast<scep::Digest>(row.integer(7));
    transaction.cipher = static_cast<scep::ContentCipher>(row.integer(8));
    transaction.prepared_at = time_at(row, 9);
    const Bytes nonce = row.blob(10);
    if (nonce.size() != transaction.nonce.value.size()) {
        return fail(contradiction(name, "a nonce has the wrong length"));
    }
    std::ranges::copy(nonce, transaction.nonce.value.begin());
    transaction.sends = static_cast<std::uint32_t>(row.integer(11));
    transaction.polls = static_cast<std::uint32_t>(row.integer(12));
    transaction.pending = row.integer(13) != 0;
    transaction.configuration_mark = row.blob(14);
    return std::optional(std::move(transaction));
}

Status take_certificate(const std::string& name, const Statement& row, std::optional<IssuedRecord>& issued) {
    const std::string role = row.text(3);
    if ((role == "leaf") == issued.has_value()) {
        return fail(contradiction(name, "its certificates do not begin with one leaf"));
    }
    if (!issued) {
        issued = IssuedRecord{row.blob(2), {}, {}, time_at(row, 0), time_at(row, 1)};
    } else {
        (role == "chain" ? issued->chain : issued->anchors).push_back(row.blob(2));
    }
    return {};
}

Result<std::optional<IssuedRecord>> read_issued(Database& database, const std::string& name, std::string_view slot) {
    Statement row(
        database,
        "SELECT not_before, not_after, der, role FROM certificates WHERE identity=? AND slot=? ORDER BY position");
    row.bind(std::string_view(name)).bind(slot);
    std::optional<IssuedRecord> issued;
    for (;;) {
        const auto found = row.step();
        if (!found) {
            return fail(found.error());
        }
        if (!*found) {
            return issued;
        }
        if (const Status taken = take_certificate(name, row, issued); !taken) {
            return fail(taken.error());
        }
    }
}

Status read_enrollment(Database& database, const std::string& name, IdentityState& state) {
    auto key = read_key(database, name, attempt_slot);
    auto transaction = read_transaction(database, name);
    auto issued = read_issued(database, name, attempt_slot);
    for (const Error* error : {key ? nullptr : &key.error(), transaction ? nullptr : &transaction.error(),
                               issued ? nullptr : &issued.error()}) {
        if (error != nullptr) {
            return fail(*error);
        }
    }
    if (*key) {
        state.enrollment = Enrollment{(*key)->key, (*key)->request_mark, *transaction,
                                      *issued,     (*key)->refused,      (*key)->retried_for_authority};
    }
    return {};
}

Status read_current(Database& database, const std::string& name, IdentityState& state) {
    auto key = read_key(database, name, current_slot);
    auto issued = read_issued(database, name, current_slot);
    Statement row(database, "SELECT generation, published_at FROM deployments WHERE identity=?");
    const auto deployed = row.bind(std::string_view(name)).step();
    if (!key || !issued || !deployed) {
        return fail(!key ? key.error() : !issued ? issued.error() : deployed.error());
    }
    if (key->has_value() != issued->has_value() || key->has_value() != *deployed) {
        return fail(contradiction(name, "its published key, certificate and generation do not belong together"));
    }
    if (*deployed) {
        state.current = Credential{(*key)->key, **issued, static_cast<std::uint64_t>(row.integer(0)), time_at(row, 1)};
    }
    return {};
}

Status read_main_row(const Statement& row, const std::string& name, IdentityState& state) {
    const std::int64_t phase = row.integer(0);
    if (phase < static_cast<int>(lifecycle::Phase::unenrolled) || phase > static_cast<int>(lifecycle::Phase::held)) {
        return fail(contradiction(name, "phase " + std::to_string(phase) + " is unknown"));
    }
    state.phase = static_cast<lifecycle::Phase>(phase);
    state.wait = {static_cast<lifecycle::WaitingFor>(row.integer(1)), time_at(row, 2)};
    if (!row.is_null(3)) {
        state.hold = lifecycle::Hold{static_cast<lifecycle::HoldReason>(row.integer(3)), row.blob(4)};
    }
    if (!row.is_null(5)) {
        state.failure = lifecycle::FailureRecord{error_code_of(row.text(5)).value_or(ErrorCode::internal), row.text(6),
                                                 time_at(row, 7)};
    }
    state.counters = {static_cast<std::uint32_t>(row.integer(8)), static_cast<std::uint32_t>(row.integer(9)),
                      static_cast<std::uint32_t>(row.integer(10))};
    state.last_generation = static_cast<std::uint64_t>(row.integer(11));
    if (!row.is_null(12)) {
        state.wait.retry_after = lifecycle::RetryAfter{time_at(row, 12), row.blob(13)};
    }
    return {};
}

/// A phase without the rows that it implies would make step() act on what is not there.
Status check(const std::string& name, const IdentityState& state) {
    using lifecycle::Phase;
    if (state.phase == Phase::held) {
        return state.hold ? Status{} : fail(contradiction(name, "it is held without a reason"));
    }
    if (state.phase == Phase::valid) {
        return state.current ? Status{} : fail(contradiction(name, "it is valid without a certificate"));
    }
    return lifecycle::phase_of(state.enrollment) == state.phase
               ? Status{}
               : fail(contradiction(name, "its phase does not follow from its key, request and certificate"));
}

Status write_main_row(Database& database, const std::string& name, const std::string& token,
                      const IdentityState& state) {
    Statement row(database,
                  "INSERT INTO identities (name, token, phase, waiting_for, wait_until, hold_reason, hold_mark, "
                  "error_name, error_line, error_at, failures, messages, certificates, last_generation, retry_after, "
                  "retry_mark) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
    row.bind(std::string_view(name)).bind(std::string_view(token)).bind(static_cast<std::int64_t>(state.phase));
    row.bind(static_cast<std::int64_t>(state.wait.reason)).bind(seconds(state.wait.until));
    if (state.hold) {
        row.bind(static_cast<std::int64_t>(state.hold->reason)).bind(ByteView(state.hold->configuration_mark));
    } else {
        row.bind_null().bind_null();
    }
    if (state.failure) {
        row.bind(error_info(state.failure->code).name).bind(std::string_view(state.failure->line));
        row.bind(seconds(state.failure->at));
    } else {
        row.bind_null().bind_null().bind_null();
    }
    row.bind(std::int64_t{state.counters.failures}).bind(std::int64_t{state.counters.messages});
    row.bind(std::int64_t{state.counters.certificates}).bind(static_cast<std::int64_t>(state.last_generation));
    if (state.wait.retry_after) {
        row.bind(seconds(state.wait.retry_after->until)).bind(ByteView(state.wait.retry_after->configuration_mark));
    } else {
        row.bind_null().bind_null();
    }
    return row.run();
}

Status write_key(Database& database, const std::string& name, std::string_view slot, const KeyRow& key) {
    Statement row(database,
                  "INSERT INTO keys (identity, slot, key_id, spki, request_mark, adopted, retried, refused_recipient, "
                  "refused_digest, refused_cipher, refused_mark) VALUES (?,?,?,?,?,?,?,?,?,?,?)");
    row.bind(std::string_view(name)).bind(slot).bind(ByteView(key.key.id)).bind(ByteView(key.key.spki));
    row.bind(ByteView(key.request_mark)).bind(std::int64_t{key.key.adopted ? 1 : 0});
    row.bind(std::int64_t{key.retried_for_authority ? 1 : 0});
    if (key.refused) {
        row.bind(ByteView(key.refused->recipient)).bind(static_cast<std::int64_t>(key.refused->digest));
        row.bind(static_cast<std::int64_t>(key.refused->cipher)).bind(ByteView(key.refused->configuration_mark));
    } else {
        row.bind_null().bind_null().bind_null().bind_null();
    }
    return row.run();
}

Status write_transaction(Database& database, const std::string& name, const Transaction& transaction) {
    Statement row(
        database,
        "INSERT INTO transactions (identity, slot, transaction_id, type, envelope, signer_certificate, "
        "subject, recipient, authority_generation, digest, cipher, prepared_at, nonce, sends, polls, pending, "
        "configuration_mark) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
    row.bind(std::string_view(name)).bind(attempt_slot).bind(std::string_view(transaction.id.value));
    row.bind(static_cast<std::int64_t>(transaction.type)).bind(ByteView(transaction.envelope));
    row.bind(ByteView(transaction.signer_certificate)).bind(ByteView(transaction.subject));
    row.bind(ByteView(transaction.recipient)).bind(static_cast<std::int64_t>(transaction.authority_generation));
    row.bind(static_cast<std::int64_t>(transaction.digest)).bind(static_cast<std::int64_t>(transaction.cipher));
    row.bind(seconds(transaction.prepared_at)).bind(ByteView(transaction.nonce.value));
    row.bind(std::int64_t{transaction.sends}).bind(std::int64_t{transaction.polls});
    row.bind(std::int64_t{transaction.pending ? 1 : 0});
    return row.bind(ByteView(transaction.configuration_mark)).run();
}

Status write_issued(Database& database, const std::string& name, std::string_view slot, const IssuedRecord& issued) {
    std::vector<std::pair<std::string_view, const Bytes*>> certificates{{"leaf", &issued.leaf}};
    for (const Bytes& der : issued.chain) {
        certificates.emplace_back("chain", &der);
    }
    for (const Bytes& der : issued.anchors) {
        certificates.emplace_back("anchor", &der);
    }
    std::int64_t position = 0;
    for (const auto& [role, der] : certificates) {
        Statement row(database,
                      "INSERT INTO certificates (identity, slot, position, role, not_before, not_after, der) "
                      "VALUES (?,?,?,?,?,?,?)");
        row.bind(std::string_view(name)).bind(slot).bind(position++).bind(role);
        const Status written =
            row.bind(seconds(issued.not_before)).bind(seconds(issued.not_after)).bind(ByteView(*der)).run();
        if (!written) {
            return written;
        }
    }
    return {};
}

Status write_enrollment(Database& database, const std::string& name, const Enrollment& enrollment) {
    Status written =
        write_key(database, name, attempt_slot,
                  {enrollment.key, enrollment.request_mark, enrollment.refused, enrollment.retried_for_authority});
    if (written && enrollment.transaction) {
        written = write_transaction(database, name, *enrollment.transaction);
    }
    if (written && enrollment.issued) {
        written = write_issued(database, name, attempt_slot, *enrollment.issued);
    }
    return written;
}

Status write_current(Database& database, const std::string& name, const Credential& current) {
    Status written = write_key(database, name, current_slot, {current.key});
    if (written) {
        written = write_issued(database, name, current_slot, current.issued);
    }
    if (written) {
        Statement row(database, "INSERT INTO deployments (identity, generation, published_at) VALUES (?,?,?)");
        row.bind(std::string_view(name)).bind(static_cast<std::int64_t>(current.generation));
        written = row.bind(seconds(current.published_at)).run();
    }
    return written;
}

}  // namespace

std::optional<ErrorCode> error_code_of(const std::string& name) {
    for (const ErrorInfo& info : error_table()) {
        if (info.name == name) {
            return info.code;
        }
    }
    return std::nullopt;
}

Result<IdentityState> read_identity(Database& database, const std::string& name) {
    IdentityState state;
    Statement row(
        database,
        "SELECT phase, waiting_for, wait_until, hold_reason, hold_mark, error_name, error_line, error_at, "
        "failures, messages, certificates, last_generation, retry_after, retry_mark FROM identities WHERE name=?");
    const auto found = row.bind(std::string_view(name)).step();
    if (!found) {
        return fail(found.error());
    }
    if (!*found) {
        return state;
    }
    Status read = read_main_row(row, name, state);
    if (read) {
        read = read_enrollment(database, name, state);
    }
    if (read) {
        read = read_current(database, name, state);
    }
    if (read) {
        read = check(name, state);
    }
    if (!read) {
        return fail(read.error());
    }
    return state;
}

Status write_identity(Database& database, const std::string& name, const std::string& token,
                      const IdentityState& state) {
    Statement old(database, "DELETE FROM identities WHERE name=?");
    Status written = old.bind(std::string_view(name)).run();
    if (written) {
        written = write_main_row(database, name, token, state);
    }
    if (written && state.enrollment) {
        written = write_enrollment(database, name, *state.enrollment);
    }
    if (written && state.current) {
        written = write_current(database, name, *state.current);
    }
    return written;
}

}  // namespace hwenroll::store
