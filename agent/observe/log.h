// What the agent says while it runs: to the journal under systemd, as text on stderr elsewhere.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace hwenroll::observe {

/// syslog(3) priorities.
enum class Level : std::uint8_t { error = 3, warning = 4, notice = 5, info = 6, debug = 7 };

/// One message. `text` is one line and may hold remote text: it is made printable. The rest become HWENROLL_* fields.
struct LogRecord {
    Level level = Level::info;
    std::string text;
    std::string identity = {};
    std::string state = {};
    std::string error = {};            ///< E-AREA-REASON
    std::string_view message_id = {};  ///< of log_ids.h, for what people search and filter by
    std::string transaction = {};      ///< SCEP's transactionID, as it is sent
    std::string authority = {};        ///< name of the [ca.*] section
    std::string serial = {};           ///< of the certificate that it is about, hexadecimal
    std::string not_after = {};        ///< of that certificate: 2026-11-23T18:09:53Z
    std::string next = {};             ///< when something is done about it again, spelt likewise
    bool alert = false;                ///< people are told of it by other ways too (invariant 11)
    std::vector<std::pair<std::string_view, std::string>> details = {};  ///< further fields, named without HWENROLL_
};

/// A record about a CA, whose text begins with its name.
LogRecord record_about_authority(const std::string& authority, Level level, std::string_view text,
                                 std::string_view message_id = {});

/// An alert about a CA.
LogRecord authority_alert(const std::string& authority, std::string_view text);

/// The fields of the record in the journal, each `NAME=value`.
std::vector<std::string> journal_fields(const LogRecord& record);

/// Thread-safe. The only place of the agent that logs.
class Log {
 public:
    enum class Target : std::uint8_t {
        journal,   ///< stderr is connected to the journal (JOURNAL_STREAM): native records with fields
        terminal,  ///< a person watches: information too
        quiet,     ///< a file or a pipe: notices, warnings and errors only
    };

    /// Chooses the target by what stderr is.
    static Log for_stderr();

    explicit Log(Target target) : target_(target) {}

    [[nodiscard]] Target target() const { return target_; }

    void write(const LogRecord& record);

    /// An error that ends something, at level error, about `identity` (may be empty).
    void write(const Error& error, const std::string& identity);

 private:
    Target target_;
};

}  // namespace hwenroll::observe
