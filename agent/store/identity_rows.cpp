#include "agent/store/identity_rows.h"

#include <algorithm>
#include <utility>

#include "agent/store/credential_rows.h"
#include "agent/store/row_values.h"

namespace hwenroll::store {
namespace {

using lifecycle::Enrollment;
using lifecycle::IdentityState;
using lifecycle::KeyRecord;
using lifecycle::RefusedRequest;
using lifecycle::Transaction;

constexpr std::string_view attempt_slot = "attempt";

Result<std::vector<Bytes>> read_signer_chain(Database& database, const std::string& name) {
    Statement row(database, "SELECT der FROM signer_chains WHERE identity=? AND slot=? ORDER BY position");
    row.bind(std::string_view(name)).bind(attempt_slot);
    std::vector<Bytes> chain;
    for (;;) {
        const auto found = row.step();
        if (!found) {
            return fail(found.error());
        }
        if (!*found) {
            return chain;
        }
        chain.push_back(row.blob(0));
    }
}

Status write_signer_chain(Database& database, const std::string& name, const std::vector<Bytes>& chain) {
    std::int64_t position = 0;
    for (const Bytes& der : chain) {
        Statement row(database, "INSERT INTO signer_chains (identity, slot, position, der) VALUES (?,?,?,?)");
        row.bind(std::string_view(name)).bind(attempt_slot).bind(position++);
        if (const Status written = row.bind(ByteView(der)).run(); !written) {
            return written;
        }
    }
    return {};
}

Result<std::optional<Transaction>> read_transaction(Database& database, const std::string& name) {
    Statement row(
        database,
        "SELECT transaction_id, type, envelope, signer_certificate, subject, recipient, "
        "authority_generation, digest, cipher, prepared_at, nonce, sends, polls, pending, configuration_mark, "
        "signer_key_id, signer_spki, signer_adopted, signer_mark, recovery, signer_pem FROM transactions WHERE "
        "identity=? AND slot=?");
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
    if (!row.is_null(15)) {
        transaction.signer_key = KeyRecord{row.blob(15), row.blob(16), row.integer(17) != 0, row.text(20)};
    }
    transaction.signer_mark = row.blob(18);
    transaction.recovery = static_cast<std::uint32_t>(row.integer(19));
    auto chain = read_signer_chain(database, name);
    if (!chain) {
        return fail(chain.error());
    }
    transaction.signer_chain = *std::move(chain);
    return std::optional(std::move(transaction));
}

Status read_envelope_key(Database& database, const std::string& name, Enrollment& enrollment) {
    Statement row(database, "SELECT key_id, spki, pem, token, uri FROM envelope_keys WHERE identity=?");
    const auto found = row.bind(std::string_view(name)).step();
    if (!found) {
        return fail(found.error());
    }
    if (*found) {
        enrollment.envelope_key = KeyRecord{row.blob(0), row.blob(1), false, row.text(2), row.text(3), row.text(4)};
    }
    return {};
}

Status write_envelope_key(Database& database, const std::string& name, const KeyRecord& key) {
    Statement row(database, "INSERT INTO envelope_keys (identity, key_id, spki, pem, token, uri) VALUES (?,?,?,?,?,?)");
    row.bind(std::string_view(name)).bind(ByteView(key.id)).bind(ByteView(key.spki));
    return row.bind(std::string_view(key.pem)).bind(std::string_view(key.token)).bind(std::string_view(key.uri)).run();
}

Status read_enrollment(Database& database, const std::string& name, IdentityState& state) {
    auto key = read_key(database, name, attempt_slot);
    auto transaction = read_transaction(database, name);
    Statement row(database,
                  "SELECT purpose, request_mark, authority, forced, restarted, retried, refused_recipient, "
                  "refused_digest, refused_cipher, refused_mark FROM enrollments WHERE identity=?");
    const auto found = row.bind(std::string_view(name)).step();
    if (!key || !transaction || !found) {
        return fail(!key ? key.error() : !transaction ? transaction.error() : found.error());
    }
    if (key->has_value() != *found) {
        return fail(contradiction(name, "its attempt and the attempt's key do not belong together"));
    }
    if (!*found) {
        return {};
    }
    Enrollment enrollment;
    enrollment.key = **std::move(key);
    enrollment.transaction = *std::move(transaction);
    enrollment.purpose = static_cast<lifecycle::Purpose>(row.integer(0));
    enrollment.request_mark = row.blob(1);
    enrollment.authority = row.blob(2);
    enrollment.forced = row.integer(3) != 0;
    enrollment.restarted = row.integer(4) != 0;
    enrollment.retried_for_authority = row.integer(5) != 0;
    if (!row.is_null(6)) {
        enrollment.refused = RefusedRequest{row.blob(6), static_cast<scep::Digest>(row.integer(7)),
                                            static_cast<scep::ContentCipher>(row.integer(8)), row.blob(9)};
    }
    const Status read = read_envelope_key(database, name, enrollment);
    state.enrollment = std::move(enrollment);
    return read;
}

Status read_delivery(Database& database, const std::string& name, IdentityState& state) {
    Statement row(database,
                  "SELECT generation, failures, next_try, confirmed, error_name, error_line, failed_since, attempts "
                  "FROM deliveries WHERE identity=?");
    const auto found = row.bind(std::string_view(name)).step();
    if (!found) {
        return fail(found.error());
    }
    if (!*found) {
        return {};
    }
    lifecycle::Delivery delivery{static_cast<std::uint64_t>(row.integer(0)), static_cast<std::uint32_t>(row.integer(1)),
                                 time_at(row, 2)};
    if (!row.is_null(3)) {
        delivery.confirmed = time_at(row, 3);
    }
    if (!row.is_null(4)) {
        delivery.failure =
            lifecycle::DeliveryFailure{error_code_of(row.text(4)).value_or(ErrorCode::internal), row.text(5),
                                       time_at(row, 6), static_cast<std::uint32_t>(row.integer(7))};
    }
    state.delivery = std::move(delivery);
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
    state.publish_after = time_at(row, 14);
    state.seek_after = time_at(row, 15);
    if (!row.is_null(16)) {
        state.alerted_at = time_at(row, 16);
    }
    state.wish = static_cast<lifecycle::Wish>(row.integer(17));
    state.revoked = row.integer(18) != 0;
    state.renewal_req_refused = row.blob(19);
    state.unproved = row.integer(20) != 0;
    return {};
}

/// A phase without the rows that it implies would make step() act on what is not there.
Status check(const std::string& name, const IdentityState& state) {
    return lifecycle::overall_phase(state) == state.phase
               ? Status{}
               : fail(contradiction(name, "its phase does not follow from its key, request and certificates"));
}

Status write_main_row(Database& database, const std::string& name, const std::string& token,
                      const IdentityState& state) {
    Statement row(database,
                  "INSERT INTO identities (name, token, phase, waiting_for, wait_until, hold_reason, hold_mark, "
                  "error_name, error_line, error_at, failures, messages, certificates, last_generation, retry_after, "
                  "retry_mark, publish_after, seek_after, alerted_at, wish, revoked, renewal_req_refused, unproved) "
                  "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
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
    bind(row.bind(seconds(state.publish_after)).bind(seconds(state.seek_after)), state.alerted_at);
    row.bind(static_cast<std::int64_t>(state.wish)).bind(std::int64_t{state.revoked ? 1 : 0});
    return row.bind(ByteView(state.renewal_req_refused)).bind(std::int64_t{state.unproved ? 1 : 0}).run();
}

Status write_transaction(Database& database, const std::string& name, const Transaction& transaction) {
    Statement row(
        database,
        "INSERT INTO transactions (identity, slot, transaction_id, type, envelope, signer_certificate, "
        "subject, recipient, authority_generation, digest, cipher, prepared_at, nonce, sends, polls, pending, "
        "configuration_mark, signer_key_id, signer_spki, signer_adopted, signer_mark, recovery, signer_pem) "
        "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
    row.bind(std::string_view(name)).bind(attempt_slot).bind(std::string_view(transaction.id.value));
    row.bind(static_cast<std::int64_t>(transaction.type)).bind(ByteView(transaction.envelope));
    row.bind(ByteView(transaction.signer_certificate)).bind(ByteView(transaction.subject));
    row.bind(ByteView(transaction.recipient)).bind(static_cast<std::int64_t>(transaction.authority_generation));
    row.bind(static_cast<std::int64_t>(transaction.digest)).bind(static_cast<std::int64_t>(transaction.cipher));
    row.bind(seconds(transaction.prepared_at)).bind(ByteView(transaction.nonce.value));
    row.bind(std::int64_t{transaction.sends}).bind(std::int64_t{transaction.polls});
    row.bind(std::int64_t{transaction.pending ? 1 : 0});
    row.bind(ByteView(transaction.configuration_mark));
    if (const auto& signer = transaction.signer_key) {
        row.bind(ByteView(signer->id)).bind(ByteView(signer->spki)).bind(std::int64_t{signer->adopted ? 1 : 0});
    } else {
        row.bind_null().bind_null().bind_null();
    }
    row.bind(ByteView(transaction.signer_mark)).bind(std::int64_t{transaction.recovery});
    row.bind(std::string_view(transaction.signer_key ? transaction.signer_key->pem : std::string_view()));
    const Status written = row.run();
    return written ? write_signer_chain(database, name, transaction.signer_chain) : written;
}

Status write_enrollment(Database& database, const std::string& name, const Enrollment& enrollment) {
    if (const Status written = write_key(database, name, attempt_slot, enrollment.key); !written) {
        return written;
    }
    Statement row(database,
                  "INSERT INTO enrollments (identity, slot, purpose, request_mark, authority, forced, restarted, "
                  "retried, refused_recipient, refused_digest, refused_cipher, refused_mark) VALUES "
                  "(?,?,?,?,?,?,?,?,?,?,?,?)");
    row.bind(std::string_view(name)).bind(attempt_slot).bind(static_cast<std::int64_t>(enrollment.purpose));
    row.bind(ByteView(enrollment.request_mark)).bind(ByteView(enrollment.authority));
    row.bind(std::int64_t{enrollment.forced ? 1 : 0}).bind(std::int64_t{enrollment.restarted ? 1 : 0});
    row.bind(std::int64_t{enrollment.retried_for_authority ? 1 : 0});
    if (const auto& refused = enrollment.refused) {
        row.bind(ByteView(refused->recipient)).bind(static_cast<std::int64_t>(refused->digest));
        row.bind(static_cast<std::int64_t>(refused->cipher)).bind(ByteView(refused->configuration_mark));
    } else {
        row.bind_null().bind_null().bind_null().bind_null();
    }
    Status written = row.run();
    if (written && enrollment.envelope_key) {
        written = write_envelope_key(database, name, *enrollment.envelope_key);
    }
    return written && enrollment.transaction ? write_transaction(database, name, *enrollment.transaction) : written;
}

Status write_delivery(Database& database, const std::string& name, const lifecycle::Delivery& delivery) {
    Statement row(
        database,
        "INSERT INTO deliveries (identity, generation, failures, next_try, confirmed, error_name, error_line, "
        "failed_since, attempts) VALUES (?,?,?,?,?,?,?,?,?)");
    row.bind(std::string_view(name)).bind(static_cast<std::int64_t>(delivery.generation));
    bind(row.bind(std::int64_t{delivery.failures}).bind(seconds(delivery.next_try)), delivery.confirmed);
    if (const auto& failure = delivery.failure) {
        row.bind(error_info(failure->code).name).bind(std::string_view(failure->line));
        row.bind(seconds(failure->since)).bind(std::int64_t{failure->attempts});
    } else {
        row.bind_null().bind_null().bind_null().bind_null();
    }
    return row.run();
}

}  // namespace

Result<IdentityState> read_identity(Database& database, const std::string& name) {
    IdentityState state;
    Statement row(
        database,
        "SELECT phase, waiting_for, wait_until, hold_reason, hold_mark, error_name, error_line, error_at, "
        "failures, messages, certificates, last_generation, retry_after, retry_mark, publish_after, seek_after, "
        "alerted_at, wish, revoked, renewal_req_refused, unproved FROM identities WHERE name=?");
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
        read = read_credentials(database, name, state);
    }
    if (read) {
        read = read_delivery(database, name, state);
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
    if (written) {
        written = write_credentials(database, name, state);
    }
    if (written && state.delivery) {
        written = write_delivery(database, name, *state.delivery);
    }
    return written;
}

}  // namespace hwenroll::store
