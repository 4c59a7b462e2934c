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

}  // namespace

store::PinFile to_pin_file(const keystore::PinSourceIdentity& identity) {
    return {identity.device, identity.inode, identity.size, identity.modified_ns, identity.changed_ns};
}

keystore::PinSourceIdentity to_identity(const store::PinFile& file) {
    return {file.device, file.inode, file.size, file.modified_ns, file.changed_ns};
}

std::optional<LoginRecord> forbidding(const std::vector<LoginRecord>& records, const LoginAttempt& attempt) {
    const auto forbids = [&](const LoginRecord& record) {
        const bool lost_twice = record.outcome == LoginRecordOutcome::begun && record.unknown > 1;
        return (record.outcome == LoginRecordOutcome::refused || lost_twice) && same_source(record, attempt);
    };
    const auto found = std::find_if(records.begin(), records.end(), forbids);
    return found == records.end() ? std::nullopt : std::optional(*found);
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
    history.outcome_unknown = std::any_of(records.begin(), records.end(), [](const LoginRecord& record) {
        return record.outcome == LoginRecordOutcome::begun;
    });
    return history;
}

LoginRecord begun(const std::vector<LoginRecord>& records, const LoginAttempt& attempt, TimePoint now) {
    std::uint32_t before = 0;
    for (const LoginRecord& record : records) {
        const bool lost = record.outcome == LoginRecordOutcome::begun && same_source(record, attempt);
        before = std::max(before, lost ? record.unknown : 0);
    }
    return {LoginRecordOutcome::begun, now, before + 1, attempt.file, attempt.source, attempt.token_uri};
}

LoginRecord replaced(const std::vector<LoginRecord>& section, const LoginRecord& begun) {
    const auto found = std::find_if(section.begin(), section.end(), [&](const LoginRecord& record) {
        return record.source == begun.source && record.token_uri == begun.token_uri;
    });
    if (found != section.end()) {
        return *found;
    }
    return {LoginRecordOutcome::not_tried, begun.begun_at, 0, begun.file, begun.source, begun.token_uri};
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
