// Questions to a person. Only where one sits at a terminal; never a word of a secret on the screen.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "base/secret.h"

namespace hwenroll::cli {

/// Standard input and output are a terminal.
bool is_interactive();

/// One line of standard input, without its end and without the blanks around it. Nothing at its end.
std::optional<std::string> ask(const std::string& question);

/// The same without echo, as it was typed. The terminal is as before when it returns and when SIGHUP, SIGINT, SIGQUIT
/// or SIGTERM ends the process. Ctrl-C and Ctrl-D there end the input as its end does, Backspace takes the last
/// character back and Ctrl-U all of them; another key that sends a control character is refused. Error codes:
/// interrupted, usage.
Result<Secret> ask_secret(const std::string& question);

/// One line of standard input, as it is, of at most 1 KiB. Error code: input_file, for the end of the input, an empty
/// line or a longer one.
Result<Secret> read_secret_line(const std::string& what);

}  // namespace hwenroll::cli
