// The authorization value of the keys, and which keys have refused it. Internal to keystore/tpm2.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "keystore/pin_source.h"

namespace hwenroll::keystore::tpm2 {

/// A TPM has no login: every use of a key carries the key's own authorization value, and some keys count what they
/// refuse (dictionary attack protection). So a value that a key has refused is not given to that key again, as a
/// refused PIN is not given to its token again (invariant 6). Outlives the logins of its token. Not thread-safe.
class KeyAuth {
 public:
    /// `token`: the configuration's name, for messages.
    KeyAuth(std::string token, PinSource source) : token_(std::move(token)), source_(std::move(source)) {}

    [[nodiscard]] const PinSource& source() const { return source_; }

    /// Takes the value of a new login.
    void take(Pin pin) { pin_ = std::move(pin); }

    /// Empty without a configured value.
    [[nodiscard]] const Secret& value() const { return pin_.value; }

    /// Whether the value may be given to the key `id`. After a refusal only one from a file that has changed since,
    /// which takes a new login to read. Error codes: token_pin, token_login_lost.
    [[nodiscard]] Status allow(const KeyId& id) const;

    /// The TPM has refused the value for the key `id`, and says `why`.
    Error refused(const KeyId& id, std::string why);

 private:
    struct Refusal {
        KeyId id;
        std::optional<PinSourceIdentity> source;
    };

    std::string token_;
    PinSource source_;
    Pin pin_;
    std::vector<Refusal> refusals_;
};

}  // namespace hwenroll::keystore::tpm2
