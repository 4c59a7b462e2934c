// The PIN rules: what the records of earlier logins allow now (design, "Keys stay on the device"). Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/store/store.h"
#include "keystore/token.h"

namespace hwenroll::runtime {

/// The file fields as the store and the keystore spell them.
store::PinFile to_pin_file(const keystore::PinSourceIdentity& identity);
keystore::PinSourceIdentity to_identity(const store::PinFile& file);

/// Which PIN is about to be tried on which device.
struct LoginAttempt {
    std::string source;                  ///< the configuration's `pin`
    std::optional<store::PinFile> file;  ///< for file: sources
    std::string token_uri;               ///< TokenDescription::uri; empty before the device has been looked at
};

/// The record that forbids the attempt, or nothing: the PIN of the same source was refused, or two logins with it ended
/// without an answer. A source is another one when its text differs or its file has changed. The store removes what an
/// accepted login has settled (Store::settle); no rule here compares times, since the clock may be set back.
std::optional<store::LoginRecord> forbidding(const std::vector<store::LoginRecord>& records,
                                             const LoginAttempt& attempt);

/// What a person reads about it. Error code: token_pin.
Error forbidden(const std::string& token, const store::LoginRecord& record);

/// What an allowed login has to know of the one before: whether its outcome is unknown, whatever PIN it was made with.
keystore::LoginHistory history_of(const std::vector<store::LoginRecord>& records);

/// The record to commit before C_Login.
store::LoginRecord begun(const std::vector<store::LoginRecord>& records, const LoginAttempt& attempt, TimePoint now);

/// What `begun` takes the place of among its section's records: for ended().
store::LoginRecord replaced(const std::vector<store::LoginRecord>& section, const store::LoginRecord& begun);

/// The record to commit after it. An unknown outcome leaves the begun record as it is.
store::LoginRecord ended(const store::LoginRecord& before, const store::LoginRecord& begun,
                         const keystore::LoginOutcome& outcome);

}  // namespace hwenroll::runtime
