// hwenrolld: the agent.
#include <cstdio>
#include <exception>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>

#include "agent/config/loader.h"
#include "agent/runtime/daemon.h"
#include "agent/runtime/queries.h"
#include "agent/runtime/service_user.h"
#include "agent/runtime/system_clock.h"

namespace {

using namespace hwenroll;

int report(const Error& error) {
    std::fputs((error.line() + "\n").c_str(), stderr);
    return error.info().exit_code;
}

/// No process of the same user reads its memory (ptrace(2), proc(5)).
void hide_memory() {
#ifndef HWENROLL_FAILPOINTS
    ::prctl(PR_SET_DUMPABLE, 0);
#endif
}

/// Invariant 7: challenges pass through this process, so it leaves no core and makes no file for others to read.
void protect_process() {
    ::umask(0077);
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    hide_memory();
}

/// Root at another user's state does what that user's service would: it becomes that user before it makes anything, and
/// before it reads what the service may not read (ADR 0024).
Status become_whose_the_state_is(const config::ConfigurationPaths& paths, observe::Log& log) {
    const auto agent = config::load_agent_settings(paths);
    if (!agent) {
        return fail(agent.error());
    }
    const auto user = runtime::user_to_become(agent->state_dir);
    if (!user || !*user) {
        return user ? Status{} : fail(user.error());
    }
    if (const Status became = runtime::become(**user, agent->state_dir); !became) {
        return became;
    }
    hide_memory();  // another user's process is dumpable as fs.suid_dumpable has it (prctl(2))
    observe::LogRecord record;
    record.text = "goes on as user " + (*user)->name + ", whose " + agent->state_dir.string() + " is";
    log.write(record);
    return {};
}

int run_once(const config::ConfigurationPaths& paths, const Clock& clock, observe::Log& log) {
    if (const Status became = become_whose_the_state_is(paths, log); !became) {
        return report(became.error());
    }
    const auto configuration = config::load(paths);
    if (!configuration) {
        return report(configuration.error());
    }
    const runtime::RunOutcome outcome =
        runtime::run_once(*configuration, runtime::worker_beside_this_program(), clock, log);
    for (const Error& error : outcome.errors) {
        log.write(error, configuration->identities.contains(error.subject()) ? error.subject() : std::string());
    }
    return outcome.exit_code;
}

int run(int argc, char** argv) {
    std::string file;
    bool once = false;
    CLI::App app("keeps identity certificates alive whose keys never leave their token", "hwenrolld");
    app.set_version_flag("--version", "hwenrolld " HWENROLL_VERSION);
    app.add_option("--config", file, "configuration file, instead of /etc/hwenroll")->type_name("FILE");
    app.add_flag("--once", once, "do all that is due now for every identity, then exit");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return error.get_exit_code() == 0 ? app.exit(error)
                                          : report(Error(ErrorCode::usage, error.what(), {}, "see 'hwenrolld --help'"));
    }
    protect_process();
    const config::ConfigurationPaths paths = file.empty() ? config::ConfigurationPaths{} : config::only(file);
    const auto clock = runtime::make_clock();
    if (!clock) {
        return report(clock.error());
    }
    auto log = observe::Log::for_stderr();
    return once ? run_once(paths, **clock, log)
                : runtime::run_daemon(paths, HWENROLL_VERSION, runtime::worker_beside_this_program(), **clock, log);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& exception) {
        return report(Error(ErrorCode::internal, "an unexpected failure", exception.what()));
    }
}
