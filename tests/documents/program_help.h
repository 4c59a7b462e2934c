// What a program of this build says of itself with --help.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace hwenroll::test {

/// The parts of a help text.
struct ProgramHelp {
    std::set<std::string> options;      ///< `--json`, `-w`: each spelling
    std::set<std::string> positionals;  ///< `ID`
    std::vector<std::string> commands;  ///< of its own level
};

/// Reads the text that CLI11 prints.
ProgramHelp read_help(const std::string& text);

/// Help of `words[0]`, a program of this build, or of its command `words[1…]`; nothing when it has no such command.
std::optional<ProgramHelp> help_of(const std::vector<std::string>& words);

/// Every command of `hwenroll` that does something by itself: `status`, `token list`.
std::vector<std::string> commands_of_hwenroll();

/// `status`, `token list` as words behind `hwenroll`.
std::vector<std::string> hwenroll_words(const std::string& command);

}  // namespace hwenroll::test
