// The PIN rules: what the record of earlier logins allows now (design, "Keys stay on the device").
#pragma once

#include <optional>

#include "agent/store/store.h"
#include "keystore/token.h"

namespace hwenroll::runtime {

/// The file fields as the store and the keystore spell them.
store::PinFile to_pin_file(const keystore::PinSourceIdentity& identity);
keystore::PinSourceIdentity to_identity(const store::PinFile& file);

/// What a login may do after `record`, or the error that says why there must be none. `source` is the PIN's file as it
/// is now, nothing for exec: and credential: sources. Error code: token_pin.
Result<keystore::LoginHistory> allow_login(const std::string& token, const store::LoginRecord& record,
                                           const std::optional<store::PinFile>& source);

/// The record to commit before C_Login.
store::LoginRecord begun(const store::LoginRecord& before, const std::optional<store::PinFile>& source, TimePoint now);

/// The record to commit after it. A worker that ended leaves the outcome unknown, so the begun record stays.
store::LoginRecord ended(const store::LoginRecord& before, const store::LoginRecord& begun,
                         const keystore::LoginOutcome& outcome);

}  // namespace hwenroll::runtime
