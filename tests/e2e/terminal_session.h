// A person at a terminal, for programs that behave otherwise there.
#pragma once

#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include "base/file_descriptor.h"

namespace hwenroll::test {

/// A program whose standard streams are a pseudo-terminal that it controls. Killed and reaped with this object.
class TerminalSession {
 public:
    explicit TerminalSession(std::vector<std::string> arguments);
    TerminalSession(const TerminalSession&) = delete;
    TerminalSession& operator=(const TerminalSession&) = delete;
    ~TerminalSession();

    /// Waits until the screen has shown `text` after what was waited for before; false after 30 s or at its end.
    bool shows(std::string_view text);

    /// Types a line and Enter.
    void type(std::string_view line);

    /// Types one octet, such as Ctrl-C (3).
    void press(char key);

    /// What is typed is shown by the terminal itself.
    [[nodiscard]] bool echoes() const;

    /// Sends the program a signal.
    void signal(int number) const;

    /// Waits for its end, at most 30 s; its exit code, or less the number of the signal that ended it.
    int end();

    /// All that was shown so far.
    [[nodiscard]] const std::string& screen() const { return screen_; }

 private:
    bool read_more();
    FileDescriptor terminal_;
    pid_t child_ = -1;
    std::string screen_;
    std::size_t seen_ = 0;
    bool silent_ = false;  ///< it has shown nothing for too long
};

}  // namespace hwenroll::test
