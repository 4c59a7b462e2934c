// The checks of `hwenroll doctor`, by what they look at. None changes anything but what a login records.
#pragma once

#include <optional>

#include "agent/cli/commands.h"
#include "agent/cli/doctor_report.h"
#include "agent/config/configuration.h"
#include "agent/control/client.h"
#include "agent/store/store.h"

namespace hwenroll::cli {

/// What all of them share.
struct Examination {
    const CommandContext& context;
    const config::Configuration& configuration;
    const Clock& clock;
    bool agent_runs = false;                ///< or may run: nobody could tell
    std::optional<control::Health> health;  ///< what it says; nothing: it could not be asked
    std::optional<store::Store> store;      ///< read-only; nothing: there is none, or it cannot be read
    bool against_ca = false;                ///< CAs may be asked
    bool may_log_in = true;                 ///< a PIN may be used
    /// What the agent's tests of the keys in use came to; nothing: it was not asked.
    std::optional<Result<std::vector<control::KeyTestView>>> tests = {};
    DoctorReport& report;
};

/// Findings, and who may write the files.
void check_configuration(Examination& examination);

/// Directories, the control socket, PINs, challenges, space.
void check_files(Examination& examination);

/// Whether the agent runs, and whether it is this version with this configuration; what it thinks of the clock.
void check_agent(Examination& examination);

/// The libcrypto that runs.
void check_library(DoctorReport& report);

/// Presence, PIN, mechanisms, space, and the keys in use, which the agent tests where it runs and answers. Otherwise at
/// most one login on each token, by the agent's rules; none beside a running agent unless the token wants none.
void check_tokens(Examination& examination);

/// Has the running agent test the keys in use, where a PIN may be used.
void ask_for_tests(Examination& examination);

/// What the agent's tests of the keys on this token came to; nothing where it was not asked.
void report_agents_tests(Examination& examination, const config::TokenSettings& token);

/// The agent has just used a key on it.
bool serves_the_agent(const Examination& examination, const config::TokenSettings& token);

/// Tests the keys in use on this token by a login of this command's own, or says why not.
void test_keys(Examination& examination, const config::TokenSettings& token);

/// How replies reach an identity.
config::EnvelopeMode envelope_of(const config::Configuration& configuration, const config::IdentitySettings& identity);

/// Fingerprints, RAs, algorithms and `legacy` by what is stored; with Examination::against_ca each URL is asked.
void check_authorities(Examination& examination);

/// Published files, hooks, on_alert.
void check_consumers(Examination& examination);

/// All of them.
DoctorReport examine(const CommandContext& context, bool against_ca, bool may_log_in);

}  // namespace hwenroll::cli
