#include "agent/runtime/login_rules.h"

#include <algorithm>

namespace hwenroll::runtime {

using store::LoginRecord;
using store::LoginRecordOutcome;

namespace {

/// A file that cannot be told apart now counts as the same one.
bool same_source(const LoginRecord& record, const LoginAttempt& attempt) {
    return record.source == attempt.source && (!record.file || !attempt.file || *record.file == *attempt.file);
}

/// Logins that were begun and not followed, on any section's behalf, by one that the same device accepted.
std::vector<const LoginRecord*> unanswered(const std::vector<LoginRecord>& records) {
    std::vector<const LoginRecord*> found;
    for (const LoginRecord& record : records) {
        const bool answered = std::any_of(records.begin(), records.end(), [&](const LoginRecord& other) {
            return other.outcome == LoginRecordOutcome::accepted && other.token_uri == record.token_uri &&
                   other.begun_at > record.begun_at;
        });
        if (record.outcome == LoginRecordOutcome::begun && !answered) {
            found.push_back(&record);
        }
    }
    return found;
}

}  // namespace

store::PinFile to_pin_file(const keystore::PinSourceIdentity& identity) {
    return {identity.device, identity.inode, identity.size, identity.modified_ns, identity.changed_ns};
}

keystore::PinSourceIdentity to_identity(const store::PinFile& file) {
    return {file.device, file.inode, file.size, file.modified_ns, file.changed_ns};
}

std::optional<LoginRecord> forbidding(const std::vector<LoginRecord>& records, const LoginAttempt& attempt) {
    for (const LoginRecord& record : records) {
        if (record.outcome == LoginRecordOutcome::refused && same_source(record, attempt)) {
            return record;
        }
    }
    for (const LoginRecord* record : unanswered(records)) {
        if (record->unknown > 1 && same_source(*record, attempt)) {
            return *record;
        }
    }
    return std::nullopt;
}

Error forbidden(const std::string& token, const LoginRecord& record) {
    if (record.outcome == LoginRecordOutcome::begun) {
        return Error(ErrorCode::token_pin, "two logins to token '" + token + "' ended without an answer",
                     "the PIN may have been counted as wrong",
                     "check the token with its own tools, then write the PIN file anew or 'hwenroll resume'");
    }
    return Error(ErrorCode::token_pin, "token '" + token + "' refused this PIN at " + to_iso8601(record.begun_at), {},
                 record.file ? "not trying again until the PIN source changes" : "correct it, then 'hwenroll resume'");
}

keystore::LoginHistory history_of(const std::vector<LoginRecord>& records) {
    keystore::LoginHistory history;
    history.outcome_unknown = !unanswered(records).empty();
    return history;
}

LoginRecord begun(const std::vector<LoginRecord>& records, const LoginAttempt& attempt, TimePoint now) {
    std::uint32_t before = 0;
    for (const LoginRecord* record : unanswered(records)) {
        before = std::max(before, same_source(*record, attempt) ? record->unknown : 0);
    }
    return {LoginRecordOutcome::begun, now, before + 1, attempt.file, attempt.source, attempt.token_uri};
}

LoginRecord ended(const LoginRecord& before, const LoginRecord& begun, const keystore::LoginOutcome& outcome) {
    using Outcome = keystore::LoginOutcome::Result;
    LoginRecord record = begun;
    switch (outcome.result) {
        case Outcome::accepted:
            record.outcome = LoginRecordOutcome::accepted;
            record.unknown = 0;
            return record;
        case Outcome::refused:
            record.outcome = LoginRecordOutcome::refused;
            record.unknown = 0;
            return record;
        case Outcome::not_tried:
            return before;
        case Outcome::unknown:
            break;
    }
    return record;
}

}  // namespace hwenroll::runtime
