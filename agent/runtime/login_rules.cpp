#include "agent/runtime/login_rules.h"

namespace hwenroll::runtime {

using store::LoginRecord;
using store::LoginRecordOutcome;

store::PinFile to_pin_file(const keystore::PinSourceIdentity& identity) {
    return {identity.device, identity.inode, identity.size, identity.modified_ns, identity.changed_ns};
}

keystore::PinSourceIdentity to_identity(const store::PinFile& file) {
    return {file.device, file.inode, file.size, file.modified_ns, file.changed_ns};
}

Result<keystore::LoginHistory> allow_login(const std::string& token, const LoginRecord& record,
                                           const std::optional<store::PinFile>& source) {
    keystore::LoginHistory history;
    const bool changed = record.file && source && *record.file != *source;
    if (record.outcome == LoginRecordOutcome::refused && !changed) {
        return fail(
            ErrorCode::token_pin, "token '" + token + "' refused this PIN at " + to_iso8601(record.begun_at), {},
            record.file ? "not trying again until the PIN source changes" : "correct it, then 'hwenroll resume'");
    }
    if (record.outcome == LoginRecordOutcome::begun && !changed) {
        if (record.unknown > 1) {
            return fail(ErrorCode::token_pin, "two logins to token '" + token + "' ended without an answer",
                        "the PIN may have been counted as wrong",
                        "check the token with its own tools, then write the PIN file anew or 'hwenroll resume'");
        }
        history.outcome_unknown = true;
    }
    return history;
}

LoginRecord begun(const LoginRecord& before, const std::optional<store::PinFile>& source, TimePoint now) {
    const bool repeat = before.outcome == LoginRecordOutcome::begun && before.file == source;
    return {LoginRecordOutcome::begun, now, repeat ? before.unknown + 1 : 1, source};
}

LoginRecord ended(const LoginRecord& before, const LoginRecord& begun, const keystore::LoginOutcome& outcome) {
    using Outcome = keystore::LoginOutcome::Result;
    if (outcome.result == Outcome::accepted) {
        return {LoginRecordOutcome::accepted, begun.begun_at, 0, {}};
    }
    if (outcome.result == Outcome::refused) {
        const auto file = outcome.source ? std::optional(to_pin_file(*outcome.source)) : std::nullopt;
        return {LoginRecordOutcome::refused, begun.begun_at, 0, file};
    }
    return outcome.result == Outcome::unknown ? begun : before;
}

}  // namespace hwenroll::runtime
