// The one error type of the project. Its codes, exit codes and remedies stand in error_table.def and nowhere else.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace hwenroll {

/// What can make an error go away; the lifecycle turns it into the next wait. One of these is attached to every code.
enum class Remedy : std::uint8_t {
    retry,          ///< passes by itself (network, busy device): retried with backoff
    wait_token,     ///< the token or its module must come back
    change_pin,     ///< an operator must correct the PIN or its source
    ask_ca,         ///< the CA refused or broke protocol: its operator must act; retried slowly
    change_config,  ///< the configuration must be edited
    free_storage,   ///< space, permissions or locks on this machine
    report_bug,     ///< a state that should not exist
};

/// One code for each kind of failure, spelled E-AREA-REASON for people. The values are not stored anywhere: the
/// spelling is.
enum class ErrorCode : std::uint16_t {
#define HWENROLL_ERROR(identifier, name, exit_code, remedy, meaning, next, explanation) identifier,
#include "base/error_table.def"
#undef HWENROLL_ERROR
};

/// A row of the error table. All texts have static lifetime.
struct ErrorInfo {
    ErrorCode code;
    std::string_view name;  ///< E-AREA-REASON
    int exit_code;          ///< sysexits value, design of `hwenrolld --once` and `hwenroll`
    Remedy remedy;
    std::string_view meaning;      ///< one sentence for an operator
    std::string_view next;         ///< what to do, completes "…; "
    std::string_view explanation;  ///< what it means, usual causes, what to do: two or three sentences
};

/// The row of `code`. Never fails: every enumerator has a row.
const ErrorInfo& error_info(ErrorCode code);

/// All rows in table order.
std::span<const ErrorInfo> error_table();

/// A failure, in the four parts that an operator needs: what failed, on what, why, and what next. Copyable value.
class Error {
 public:
    /// `what`: the operation and its object, e.g. "token 'lab' refused the PIN". `why`: the cause in the words of the
    /// layer below, e.g. "CKR_PIN_INCORRECT"; may be empty. `next`: overrides the table's advice when not empty.
    /// Text from the network or a device must be passed as it is; line() makes it printable.
    explicit Error(ErrorCode code, std::string what, std::string why = {}, std::string next = {});

    [[nodiscard]] ErrorCode code() const { return code_; }
    [[nodiscard]] const ErrorInfo& info() const { return error_info(code_); }
    [[nodiscard]] const std::string& subject() const { return subject_; }
    [[nodiscard]] const std::string& what() const { return what_; }
    [[nodiscard]] const std::string& why() const { return why_; }
    [[nodiscard]] std::string_view next() const;

    /// Names what the error is about (an identity, a CA, a token, a file) unless a deeper layer already did.
    [[nodiscard]] Error about(std::string subject) &&;

    /// How long the peer asked to be left alone (Retry-After, HTTP-28), already within the limits; nothing when it did
    /// not.
    [[nodiscard]] std::optional<std::chrono::seconds> retry_after() const { return retry_after_; }
    [[nodiscard]] Error retry_after(std::optional<std::chrono::seconds> wait) &&;

    /// `E-AREA-REASON subject: what (why); next`, on one line, without control or bidirectional characters.
    [[nodiscard]] std::string line() const;

 private:
    ErrorCode code_;
    std::string subject_;
    std::string what_;
    std::string why_;
    std::string next_;
    std::optional<std::chrono::seconds> retry_after_;
};

/// `text` with control, bidirectional-override and invalid UTF-8 characters written as `\xNN` or `\u{NNNN}` and cut to
/// `limit` bytes with an ellipsis (MSG-14, SEC-14). For anything that came from a network, a device or a file.
std::string printable(std::string_view text, std::size_t limit = 512);

}  // namespace hwenroll
