// House rules that a program can check, each as a function from files to findings.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/lint/source_tree.h"

namespace hwenroll::lint {

/// Rule "clock": time is a parameter; only agent/runtime and the tests read a clock.
std::vector<Finding> check_clock(const std::vector<SourceFile>& files);

/// Rule "free": libcrypto objects are released by their owner (base/openssl_ptr.*) and by nothing else.
std::vector<Finding> check_free(const std::vector<SourceFile>& files);

/// Rule "words": no match of any of `patterns` (tests/lint/words.txt) in any file.
std::vector<Finding> check_words(const std::vector<SourceFile>& files, std::string_view patterns);

/// Rule "hosts": URLs name only reserved hosts and those of `hosts` (tests/lint/hosts.txt).
std::vector<Finding> check_hosts(const std::vector<SourceFile>& files, std::string_view hosts);

/// Rule "names": code files are snake_case nouns, none of them a util, helper, manager or handler.
std::vector<Finding> check_names(const std::vector<SourceFile>& files);

/// Removes from `findings` those that a line of `exceptions` (tests/lint/exceptions.txt) with this rule covers, and
/// adds one for each such line that covers nothing.
std::vector<Finding> without_exceptions(std::string_view rule, std::vector<Finding> findings,
                                        std::string_view exceptions);

/// A command in a fenced code block, with the line it stands on.
struct DocumentedCommand {
    std::size_t line = 0;
    std::vector<std::string> words;
};

/// The command lines of Markdown's fenced blocks of kind `sh`, without `$ ` prompts, comments, continuations and
/// variable assignments before the command.
std::vector<DocumentedCommand> documented_commands(std::string_view markdown);

}  // namespace hwenroll::lint
