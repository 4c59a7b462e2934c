// What `hwenroll init` was asked, and how it speaks to whoever runs it.
#pragma once

#include <string>
#include <vector>

#include "agent/cli/commands.h"

namespace hwenroll::cli {

/// One run of `init`. The steps read and complete `options`; one that fails leaves in `next` what to type then.
class InitDialogue {
 public:
    /// `context` outlives it.
    InitDialogue(const CommandContext& context, InitOptions wanted);

    /// A line on standard output; nothing under --json.
    void say(const std::string& text) const;

    /// The command that was typed, with more options: those of `more` count.
    [[nodiscard]] std::string command_with(const std::string& more) const;

    /// --config names the one file.
    [[nodiscard]] bool is_single_file() const { return context_.paths.drop_ins.empty(); }

    [[nodiscard]] const CommandContext& context() const { return context_; }

    /// Somebody sits at a terminal and is asked.
    [[nodiscard]] bool asks() const { return asks_; }

    InitOptions options;
    std::vector<std::string> next;

 private:
    const CommandContext& context_;
    bool asks_;
};

}  // namespace hwenroll::cli
