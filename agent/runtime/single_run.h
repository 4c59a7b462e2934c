// `hwenrolld --once`: all that is due now, in the foreground.
#pragma once

#include <vector>

#include "agent/config/configuration.h"
#include "agent/observe/log.h"
#include "agent/runtime/agent.h"

namespace hwenroll::runtime {

/// What a run came to.
struct RunOutcome {
    int exit_code = 0;          ///< of the design's table: 78 > 77 > 76 > 69 > 75 > 0
    std::vector<Error> errors;  ///< one for each identity and part that is not well, in configuration order
};

/// Does all that is due now for every identity of `configuration` and returns. Findings of the configuration count as
/// errors. SIGTERM and SIGINT end the run early (exit code 75); what was begun is resumed by the next run. Blocks.
RunOutcome run_once(const config::Configuration& configuration, const keystore::WorkerProgram& worker,
                    const Clock& clock, observe::Log& log);

/// The exit code of several outcomes: the most severe of 78 > 77 > 76 > 69 > 75 > 0; anything else counts as 70 and
/// comes before all.
int combined_exit_code(const std::vector<Error>& errors);

/// How long a stopping agent waits for a login whose outcome it would not know otherwise; its worker gives a
/// C_Login 1.5 s more (ADR 0025). With what a token thread needs after that, an agent ends within 10 s of SIGTERM
/// (X13).
inline constexpr std::chrono::milliseconds login_patience{4500};

}  // namespace hwenroll::runtime
