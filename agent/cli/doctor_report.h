// What `hwenroll doctor` has found, as text, as JSON and as an exit code.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/cli/output.h"
#include "agent/cli/proposed_command.h"

namespace hwenroll::cli {

enum class Outcome : std::uint8_t {
    ok,
    warn,      ///< works now; somebody should look
    fail,      ///< something does not work, or will not
    unseen,    ///< this user may not look
    untested,  ///< nobody could try it now
};

/// One thing that was looked at.
struct Check {
    Outcome outcome = Outcome::ok;
    std::string section;  ///< `token`, `ca`, …
    std::string about;    ///< a name or a path; may be empty
    std::string text;     ///< what was seen
    std::string next;     ///< what to type next, a command or a line of the configuration; empty: nothing
    std::optional<ErrorCode> code = {};  ///< of a failure
};

/// Checks in the order in which they were made.
class DoctorReport {
 public:
    /// `ground`: of the commands to be typed.
    explicit DoctorReport(ProposalGround ground) : ground_(std::move(ground)) {}

    /// Later checks belong to this section.
    void begin(std::string section) { section_ = std::move(section); }

    void ok(std::string about, std::string text);
    void warn(std::string about, std::string text, std::string next);
    void fail(ErrorCode code, std::string about, std::string text, std::string next);
    void fail(std::string about, const Error& error);
    /// Something that root can see.
    void unseen(std::string about, std::string text);
    void untested(std::string about, std::string text, std::string next);

    [[nodiscard]] const std::vector<Check>& checks() const { return checks_; }
    [[nodiscard]] std::size_t count(Outcome outcome) const;

    /// By the codes of the failures, in the order of the design: 78 > 77 > 76 > 69 > 75; 0 without one.
    [[nodiscard]] int exit_code() const;

    /// Sections with their checks, and a summary. Ends with a newline.
    [[nodiscard]] std::string text(const Screen& screen) const;

    [[nodiscard]] nlohmann::json json() const;

 private:
    void add(Check check);

    ProposalGround ground_;
    std::string section_;
    std::vector<Check> checks_;
};

}  // namespace hwenroll::cli
