// Where a PIN comes from. Only the token worker reads one.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/secret.h"
#include "keystore/token.h"

namespace hwenroll::keystore {

/// A PIN as read, with the file it came from if it came from one.
struct Pin {
    Secret value;
    std::optional<PinSourceIdentity> identity;  ///< for file: sources, from fstat of the descriptor that was read
};

/// The `pin` of a token's configuration: `file:/path` (0600, or 0640 and owned by root inside a credentials directory),
/// `credential:NAME` (systemd, $CREDENTIALS_DIRECTORY) or `exec:/path` (first line of its output).
class PinSource {
 public:
    enum class Kind : std::uint8_t { none, file, credential, command };

    /// Reads the configuration's spelling; an empty text is Kind::none. Error code: config_value.
    static Result<PinSource> parse(std::string_view text);

    [[nodiscard]] Kind kind() const { return kind_; }
    [[nodiscard]] const std::string& location() const { return location_; }

    /// The identity of a file: source as it is now, without reading it; nothing for other kinds, and for a credential
    /// of the service, whose file is another one at each start. Error code: token_pin_source.
    [[nodiscard]] Result<std::optional<PinSourceIdentity>> identity() const;

    /// Reads the PIN: one line end at its end is dropped, at most 255 octets, never empty, one line. A file must be a
    /// regular one (no symbolic link), of root or of this user, and closed to others than its owner. Blocks up to
    /// `deadline` for exec:, whose command must exit 0. Error code: token_pin_source; its text never holds the PIN.
    [[nodiscard]] Result<Pin> read(std::chrono::milliseconds deadline) const;

 private:
    PinSource(Kind kind, std::string location) : kind_(kind), location_(std::move(location)) {}
    Kind kind_;
    std::string location_;
};

}  // namespace hwenroll::keystore
