#include "agent/runtime/single_run.h"

#include <algorithm>
#include <array>
#include <map>

#include "agent/runtime/alert_command.h"
#include "agent/runtime/machine.h"

namespace hwenroll::runtime {
namespace {

RunOutcome outcome_of(std::vector<Error> errors) {
    return {combined_exit_code(errors), std::move(errors)};
}

/// What kept a successor of a CA from being known. That there is none yet is no failure (ROLL-4).
std::vector<Error> failed_searches(const config::Configuration& configuration, Agent& agent) {
    std::vector<Error> errors;
    for (const auto& [name, settings] : configuration.authorities) {
        const AuthorityAccess* authority = agent.find_authority(name);
        const std::optional<Error> failure = authority == nullptr ? std::nullopt : authority->seek_failure();
        if (failure && failure->code() != ErrorCode::ca_no_next) {
            errors.push_back(*failure);
        }
    }
    return errors;
}

}  // namespace

int combined_exit_code(const std::vector<Error>& errors) {
    constexpr std::array severity{0, 75, 69, 76, 77, 78, 70};
    const auto rank = [&](int code) {
        const auto* const found = std::find(severity.begin(), severity.end(), code);
        return found == severity.end() ? severity.size() - 1 : static_cast<std::size_t>(found - severity.begin());
    };
    std::size_t worst = 0;
    for (const Error& error : errors) {
        worst = std::max(worst, rank(error.info().exit_code));
    }
    return severity.at(worst);
}

RunOutcome run_once(const config::Configuration& configuration, const keystore::WorkerProgram& worker,
                    const Clock& clock, observe::Log& log) {
    std::vector<Error> errors;
    for (const config::Finding& finding : configuration.findings) {
        errors.push_back(finding.error);
    }
    const auto refused = [&](const Error& error) {
        errors.push_back(Error(error).about("agent"));
        return outcome_of(std::move(errors));
    };
    store::HistoryLimits history;
    history.keep = configuration.agent.history_keep;
    auto store = store::Store::open(configuration.agent.state_dir, history);
    if (!store) {
        return refused(store.error());
    }
    if (const Status ours = check_machine(*store); !ours) {
        return refused(ours.error());
    }
    EventLoop* stopping = nullptr;
    bool stopped = false;
    auto loop = EventLoop::make([&] {
        stopped = true;
        stopping->stop();
    });
    if (!loop) {
        return refused(loop.error());
    }
    stopping = loop->get();
    std::map<std::string, std::optional<Error>> outcomes;
    // In the journal each alert and failure is a record of its own. Elsewhere the identity's outcome says the same in
    // one line, unless all is well with it by then.
    const bool in_journal = log.target() == observe::Log::Target::journal;
    std::vector<observe::LogRecord> told_at_the_end;
    AlertCommand alerts(**loop, configuration.agent.on_alert, [&](const Error& error) { log.write(error, {}); });
    Agent agent(**loop, *store, clock, log, worker,
                {[&](const std::string& identity, const IdentityNews& news) {
                     if (news.alert) {
                         alerts.raise({identity, news.record.text});
                         if (!in_journal) {
                             told_at_the_end.push_back(news.record);
                         }
                     }
                     if (in_journal && (news.alert || news.failure)) {
                         log.write(news.record);
                     }
                 },
                 [&](const std::string& identity, const std::optional<Error>& error) { outcomes[identity] = error; },
                 [&] { alerts.when_idle([&] { stopping->stop(); }); },
                 [&](const std::string& authority, const std::string& text) {
                     const observe::LogRecord record = observe::authority_alert(authority, text);
                     log.write(record);
                     alerts.raise({{}, record.text});
                 }});
    agent.adopt(configuration);
    const Status worked = configuration.identities.empty() ? Status() : (*loop)->run();
    const std::size_t left = agent.busy();
    for (const observe::LogRecord& alert : told_at_the_end) {
        if (!outcomes[alert.identity]) {
            log.write(alert);
        }
    }
    for (const auto& [identity, error] : outcomes) {
        if (error) {
            errors.push_back(*error);
        }
    }
    for (const Error& error : failed_searches(configuration, agent)) {
        errors.push_back(error);
    }
    if (stopped) {
        agent.interrupt(login_patience);
        errors.push_back(Error(ErrorCode::interrupted,
                               std::to_string(left) + " identities were under way when a signal ended the run")
                             .about("agent"));
    }
    return worked ? outcome_of(std::move(errors)) : refused(worked.error());
}

}  // namespace hwenroll::runtime
