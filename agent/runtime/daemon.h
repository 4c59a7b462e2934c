// hwenrolld as a service: runs until it is told to stop.
#pragma once

#include <string>

#include "agent/config/loader.h"
#include "agent/observe/log.h"
#include "agent/runtime/single_run.h"

namespace hwenroll::runtime {

/// Keeps the identities of the configuration alive until SIGTERM or SIGINT, and ends within 10 s of it in every state
/// (X13). SIGHUP reads the configuration again; one that cannot be used leaves the old one in force (X14). Speaks
/// sd_notify(3): READY, RELOADING, STATUS, STOPPING, and feeds the watchdog from the scheduler alone (X17). Returns the
/// exit code: 0 after a signal; 78 if the main file or its [agent] is bad; 75 if another agent holds the state
/// directory; else the code of what kept it from starting. Blocks.
int run_daemon(const config::ConfigurationPaths& paths, const std::string& version,
               const keystore::WorkerProgram& worker, const Clock& clock, observe::Log& log);

}  // namespace hwenroll::runtime
