#include "tests/documents/program_help.h"

#include <algorithm>
#include <cctype>
#include <regex>
#include <sstream>

#include <fmt/format.h>

#include "tests/support/child_process.h"
#include "tests/support/test_paths.h"

namespace hwenroll::test {

ProgramHelp read_help(const std::string& text) {
    static const std::regex heading("([A-Za-z]+):\\s*");
    static const std::regex option("  (-[A-Za-z0-9])?(?:, ?)?(--[a-z0-9.-]+)?.*");
    static const std::regex word("  ([A-Za-z][A-Za-z0-9-]*).*");
    ProgramHelp help;
    std::istringstream lines(text);
    std::string part;
    std::smatch match;
    for (std::string line; std::getline(lines, line);) {
        if (std::regex_match(line, match, heading)) {
            part = match[1];
            std::ranges::transform(part, part.begin(), [](unsigned char c) { return std::tolower(c); });
        } else if (line.starts_with("  -") && std::regex_match(line, match, option)) {
            for (const std::size_t spelling : {1U, 2U}) {
                if (match[spelling].matched) {
                    help.options.insert(match[spelling]);
                }
            }
        } else if (std::regex_match(line, match, word) && part == "positionals") {
            help.positionals.insert(match[1]);
        } else if (std::regex_match(line, match, word) && part == "subcommands") {
            help.commands.push_back(match[1]);
        }
    }
    return help;
}

std::optional<ProgramHelp> help_of(const std::vector<std::string>& words) {
    std::vector<std::string> line = words;
    line[0] = program(line[0]);
    line.emplace_back("--help");
    const std::string text = run(line).out;
    if (text.find(fmt::format("Usage: {} ", fmt::join(words, " "))) == std::string::npos) {
        return std::nullopt;
    }
    return read_help(text);
}

std::vector<std::string> commands_of_hwenroll() {
    std::vector<std::string> commands;
    const ProgramHelp top = help_of({"hwenroll"}).value();
    for (const std::string& command : top.commands) {
        const ProgramHelp below = help_of({"hwenroll", command}).value();
        if (below.commands.empty()) {
            commands.push_back(command);
        }
        for (const std::string& inner : below.commands) {
            commands.push_back(command + " " + inner);
        }
    }
    return commands;
}

std::vector<std::string> hwenroll_words(const std::string& command) {
    std::vector<std::string> words{"hwenroll"};
    std::istringstream in(command);
    for (std::string word; in >> word;) {
        words.push_back(word);
    }
    return words;
}

}  // namespace hwenroll::test
