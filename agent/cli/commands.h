// The commands of `hwenroll`. Each prints its answer and returns an exit code.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "agent/cli/output.h"
#include "agent/config/loader.h"

namespace hwenroll::cli {

/// What every command gets.
struct CommandContext {
    config::ConfigurationPaths paths;
    OutputOptions output;
};

/// The configuration, or its error. Findings are no errors here: they disable parts.
Result<config::Configuration> load(const CommandContext& context);

int check_config(const CommandContext& context);

/// The configuration in force with every default, as TOML that reads back to the same; never a secret. Findings go to
/// standard error and into the exit code.
int cat_config(const CommandContext& context);

/// What an error code means, what usually causes it and what to do; all codes in a table without one.
int explain(const CommandContext& context, const std::optional<std::string>& code);

/// One identity with its last events, or all of them in a table.
int status(const CommandContext& context, const std::optional<std::string>& identity);

/// Names only.
int list(const CommandContext& context);

/// Ends the hold of an identity and lets the PIN of its token be tried again. Only while no agent runs.
int resume(const CommandContext& context, const std::string& identity);

/// `target` is a URL or the name of a configured CA. Prints fingerprints and a block to paste; trusts nothing.
int ca_show(const CommandContext& context, const std::string& target);

/// Tokens of all configured modules, or of `module`.
int token_list(const CommandContext& context, const std::optional<std::string>& module);

/// Keys of all configured tokens, or of one.
int token_keys(const CommandContext& context, const std::optional<std::string>& token);

/// `key` is a PEM file with a software key that opens the envelope.
int scep_decode(const CommandContext& context, const std::filesystem::path& file,
                const std::optional<std::filesystem::path>& key);

}  // namespace hwenroll::cli
