// The commands of `hwenroll`. Each prints its answer and returns an exit code.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "agent/cli/output.h"
#include "agent/config/loader.h"

namespace hwenroll::cli {

/// What every command gets.
struct CommandContext {
    config::ConfigurationPaths paths;
    OutputOptions output;
    std::string typed;  ///< the command line, as a shell reads it
};

/// The configuration, or its error. Findings are no errors here: they disable parts.
Result<config::Configuration> load(const CommandContext& context);

/// What `init` was told; the rest it finds, asks for at a terminal, or names as the next thing to type.
struct InitOptions {
    std::optional<std::string> url;
    std::optional<std::string> preset;   ///< completes a URL that is only a host
    std::optional<std::string> ca_name;  ///< of the [ca.*] section
    std::optional<std::string> name;     ///< identity
    std::optional<std::string> subject;
    std::vector<std::string> alt_names;
    std::optional<std::string> fingerprint;  ///< of the CA, confirmed by its operator
    std::optional<std::string> module;       ///< with `tcti` all that is looked into: a PKCS#11 module
    std::optional<std::string> tcti;         ///< and a TPM by how it is reached
    std::optional<std::string> token;        ///< label, serial number or URI of a token, TCTI, or a [token.*] section
    std::optional<std::string> key;
    std::optional<std::string> envelope;
    std::optional<std::string> pin_file;        ///< absolute path, or `-`: a line of standard input
    std::optional<std::string> challenge_file;  ///< the same, after the PIN's
    std::optional<std::string> state_dir;
    std::optional<std::string> directory;  ///< in place of /etc/hwenroll
    bool drop_in = false;                  ///< write what hwenrolld.service lacks for the token
};

/// A new user's first command: asks the CA, lets a person compare its fingerprint, finds the tokens and writes a
/// commented configuration that check_config() is content with. Off a terminal it never asks. What is there is never
/// overwritten.
int init(const CommandContext& context, const InitOptions& options);

int check_config(const CommandContext& context);

/// The configuration in force with every default, as TOML that reads back to the same; never a secret. Findings go to
/// standard error and into the exit code.
int cat_config(const CommandContext& context);

/// What an error code means, what usually causes it and what to do; all codes in a table without one.
int explain(const CommandContext& context, const std::optional<std::string>& code);

/// One identity with its last events, or all of them in a table: from the running agent, or from state.db.
int status(const CommandContext& context, const std::optional<std::string>& identity);

/// Looks at all that the agent depends on: a check a line, and for each that fails what to type next. Sends nothing to
/// a CA unless `against_ca`. Exit code 0 unless something fails.
int doctor(const CommandContext& context, bool against_ca);

/// Writes what somebody needs who is to help, without a secret, to `out` or to a new file in the working directory.
int bugreport(const CommandContext& context, const std::optional<std::filesystem::path>& out);

/// What `check` judges by.
struct CheckOptions {
    std::vector<std::string> identities;  ///< empty: all
    std::optional<std::string> warning;   ///< `14d` or `15%`
    std::optional<std::string> critical;
    bool without_daemon = false;  ///< a timer runs `hwenrolld --once`, so that no agent has to run
};

/// A monitoring plugin: one line with performance data, and the exit codes 0, 1, 2 and 3 (expiry_judgement.h).
int check(const CommandContext& context, const CheckOptions& options);

/// How `check` answers to a command line that it does not understand.
int refused_check(const CommandContext& context, const Error& error);

/// What would be sent next for all identities or for one, and why not if nothing is. Sends nothing.
int plan(const CommandContext& context, const std::optional<std::string>& identity);

/// Prometheus' text, on standard output or as `textfile`: from the running agent, or what state.db knows.
int metrics(const CommandContext& context, const std::optional<std::string>& textfile);

/// Names with what they use.
int list(const CommandContext& context);

/// What has happened, newest first: to one identity, or to everything. From the running agent, or from state.db.
int history(const CommandContext& context, const std::optional<std::string>& identity, std::int64_t limit);

/// Has the running agent begin an enrollment, or go on with it now. With `wait` the exit code is that of how it
/// settled.
int enroll(const CommandContext& context, const std::string& identity, bool wait);

/// Has the running agent take over a certificate that was issued elsewhere, from a PEM file that may hold its chain too
/// and of which nothing but certificates is read. With `wait` as enroll().
int adopt(const CommandContext& context, const std::string& identity, const std::filesystem::path& file, bool wait);

/// Has the running agent renew now, with a new key if `rekey`.
int renew(const CommandContext& context, const std::string& identity, bool rekey);

/// Has the running agent abandon the enrollment or renewal that is under way.
int cancel(const CommandContext& context, const std::string& identity);

/// Until an identity has settled, at most `timeout` seconds; the exit code is that of the failure it has, if any.
int wait(const CommandContext& context, const std::string& identity, const std::optional<double>& timeout);

/// How all identities are and then each event, one a line, until `timeout` seconds have passed.
int monitor(const CommandContext& context, const std::optional<double>& timeout);

/// Ends the hold of an identity and lets the PIN of its token be tried again: through the agent while it runs, in its
/// state directory otherwise (ADR 0007).
int resume(const CommandContext& context, const std::string& identity);

/// `target` is a URL or the name of a configured CA. Prints fingerprints and a block to paste; trusts nothing.
int ca_show(const CommandContext& context, const std::string& target);

/// Has the running agent trust the successor that CA `name` has announced, if it has this fingerprint where one is
/// given.
int ca_accept_next(const CommandContext& context, const std::string& name,
                   const std::optional<std::string>& fingerprint);

/// Has the running agent fetch the CRL of CA `name` now.
int crl_fetch(const CommandContext& context, const std::string& name);

/// Has the running agent ask CA `name` for a certificate by its serial number (hexadecimal); its PEM is printed, or
/// written to `out`.
int cert_fetch(const CommandContext& context, const std::string& name, const std::string& serial,
               const std::optional<std::filesystem::path>& out);

/// Tokens of all configured modules, or of `module`.
int token_list(const CommandContext& context, const std::optional<std::string>& module);

/// Keys of all configured tokens, or of one.
int token_keys(const CommandContext& context, const std::optional<std::string>& token);

/// Which keys that nothing needs `token purge` is about, and whether it may destroy them.
struct PurgeOptions {
    std::string identity;           ///< those of one identity; empty: of any
    std::vector<std::string> keys;  ///< ids in hexadecimal; empty: any
    bool confirmed = false;         ///< `--yes`
};

/// Shows the keys on a token that hwenroll has made and that nothing needs any more; destroys the chosen ones if that
/// is confirmed. Not while a daemon runs.
int token_purge(const CommandContext& context, const std::string& token, const PurgeOptions& options);

/// How `attest` is told what to write.
struct AttestOptions {
    std::optional<std::string> nonce;  ///< in hexadecimal; nothing: a random one
    std::optional<std::string> out;    ///< directory for the evidence; nothing: it is printed
};

/// Has the TPM certify that it holds the key that an identity publishes. Beside a running agent, unless the token has
/// an `auth`.
int attest(const CommandContext& context, const std::string& identity, const AttestOptions& options);

/// `key` is a PEM file with a software key that opens the envelope.
int scep_decode(const CommandContext& context, const std::filesystem::path& file,
                const std::optional<std::filesystem::path>& key);

}  // namespace hwenroll::cli
