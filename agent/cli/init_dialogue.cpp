#include "agent/cli/init_dialogue.h"

#include <cstdio>
#include <utility>

#include "agent/cli/configuration_draft.h"
#include "agent/cli/terminal.h"

namespace hwenroll::cli {

InitDialogue::InitDialogue(const CommandContext& context, InitOptions wanted)
    : options(std::move(wanted)), context_(context), asks_(is_interactive() && !context.output.json) {}

void InitDialogue::say(const std::string& text) const {
    if (!context_.output.json) {
        std::fputs((text + "\n").c_str(), stdout);
        std::fflush(stdout);
    }
}

std::string InitDialogue::command_with(const std::string& more) const {
    std::string out = "hwenroll init";
    const auto add = [&](const char* option, const std::optional<std::string>& value) {
        if (value && more.find(std::string(option) + " ") == std::string::npos) {
            ((out += ' ') += option) += ' ' + shell_word(*value);
        }
    };
    add("--url", options.url);
    add("--ca-preset", options.preset);
    add("--ca", options.ca_name);
    add("--name", options.name);
    add("--subject", options.subject);
    for (const std::string& name : options.alt_names) {
        add("--san", name);
    }
    add("--fingerprint", options.fingerprint);
    add("--module", options.module);
    add("--tcti", options.tcti);
    add("--token", options.token);
    add("--key", options.key);
    add("--envelope", options.envelope);
    add("--pin-file", options.pin_file);
    add("--challenge-file", options.challenge_file);
    add("--state-dir", options.state_dir);
    add("--dir", options.directory);
    if (is_single_file()) {
        add("--config", context_.paths.main.string());
    }
    out += options.drop_in ? " --drop-in" : "";
    return more.empty() ? out : out + ' ' + more;
}

}  // namespace hwenroll::cli
