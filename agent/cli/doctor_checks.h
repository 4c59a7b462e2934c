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

/// Presence, PIN, mechanisms, space, and the keys in use. At most one login on each token, by the agent's rules; none
/// beside a running agent unless the token wants none.
void check_tokens(Examination& examination);

/// Fingerprints, RAs, algorithms and `legacy` by what is stored; with Examination::against_ca each URL is asked.
void check_authorities(Examination& examination);

/// Published files, hooks, on_alert.
void check_consumers(Examination& examination);

/// All of them.
DoctorReport examine(const CommandContext& context, bool against_ca, bool may_log_in);

}  // namespace hwenroll::cli
