// The keys in use as `hwenroll doctor` tests them, or has them tested.
#include <algorithm>

#include <fmt/format.h>

#include "agent/cli/agent_access.h"
#include "agent/cli/doctor_checks.h"
#include "agent/runtime/queries.h"

namespace hwenroll::cli {
namespace {

using config::TokenSettings;

void report_key(DoctorReport& report, const runtime::TestedKey& key) {
    const std::string about = "key of identity " + key.identity;
    key.outcome ? report.ok(about, key.key + " signs and opens, as software confirms")
                : report.fail(about, key.outcome.error());
}

const std::optional<config::SecretSource>& secret_of(const TokenSettings& token) {
    return token.type == config::TokenType::tpm2 ? token.auth : token.pin;
}

/// Why the keys are not tested by this command, and what to type; nothing: they may be.
struct Untested {
    std::string why;
    std::string next;
};
std::optional<Untested> why_not(const Examination& examination, const TokenSettings& token) {
    const auto& source = secret_of(token);
    if (!examination.store) {
        return Untested{"no login was made: there is no record of logins before the agent's first start",
                        "hwenrolld --once"};
    }
    if (source && !examination.may_log_in) {
        return Untested{"no login was made: 'hwenroll doctor' makes one", "hwenroll doctor"};
    }
    if (source && examination.agent_runs) {
        return Untested{"no login was made: the agent runs and could not be asked to test its keys",
                        "sudo hwenroll doctor"};
    }
    if (source && source->kind == config::SecretSource::Kind::credential) {
        return Untested{fmt::format("no login was made: {} is read by hwenroll-token@{}.service alone, and the agent "
                                    "that could use it does not run",
                                    source->text(), token.name),
                        "systemctl start hwenrolld; hwenroll doctor"};
    }
    return std::nullopt;
}

/// Whether an identity's key was, or would have been, tested on this token.
bool is_on(const Examination& examination, const control::KeyTestView& test, const TokenSettings& token) {
    const auto identity = examination.configuration.identities.find(test.identity);
    return test.token.empty()
               ? identity != examination.configuration.identities.end() && identity->second.token == token.name
               : test.token == token.name;
}

void report_test(DoctorReport& report, const control::KeyTestView& test) {
    const std::string about = "key of identity " + test.identity;
    if (test.outcome == "tested") {
        report.ok(about, test.key + " signs and opens, as the agent has just tried");
    } else if (test.outcome == "failed") {
        report.fail(test.error.value_or(ErrorCode::token_self_test), about, test.reason, test.next);
    } else {
        report.untested(about, "the agent did not try it: " + test.reason, test.next);
    }
}

/// An agent that was not restarted since an upgrade does not know the question.
std::string next_after(const Error& error) {
    return error.code() == ErrorCode::control_protocol ? "systemctl restart hwenrolld"
           : error.code() == ErrorCode::control_denied ? "sudo hwenroll doctor"
                                                       : "hwenroll doctor";
}

}  // namespace

config::EnvelopeMode envelope_of(const config::Configuration& configuration, const config::IdentitySettings& identity) {
    const auto authority = configuration.authorities.find(identity.ca);
    return authority == configuration.authorities.end()
               ? config::EnvelopeMode::automatic
               : config::envelope_for(identity.key, authority->second.envelope);
}

void ask_for_tests(Examination& examination) {
    if (!examination.health || !examination.may_log_in || examination.configuration.tokens.empty()) {
        return;
    }
    auto agent = connect_if_running(examination.configuration.agent);
    if (agent && *agent) {
        examination.tests = (*agent)->test_keys({});
    } else if (!agent) {
        examination.tests = fail(agent.error());
    }
}

void report_agents_tests(Examination& examination, const TokenSettings& token) {
    if (!examination.tests) {
        return;
    }
    DoctorReport& report = examination.report;
    if (!*examination.tests) {
        const Error& error = examination.tests->error();
        return report.untested("keys on token " + token.name, "the agent did not try them: " + error.what(),
                               next_after(error));
    }
    bool any = false;
    for (const control::KeyTestView& test : **examination.tests) {
        if (is_on(examination, test, token)) {
            report_test(report, test);
            any = true;
        }
    }
    if (!any) {
        report.ok("token " + token.name, "no key is in use on it yet, so none was tested");
    }
}

bool serves_the_agent(const Examination& examination, const TokenSettings& token) {
    return examination.tests && *examination.tests &&
           std::ranges::any_of(**examination.tests, [&](const control::KeyTestView& test) {
               return test.outcome == "tested" && test.token == token.name;
           });
}

void test_keys(Examination& examination, const TokenSettings& token) {
    DoctorReport& report = examination.report;
    const std::string about = "token " + token.name;
    if (const auto untested = why_not(examination, token)) {
        return report.untested(about, untested->why, untested->next);
    }
    std::vector<runtime::KeyToTest> wanted;
    for (const auto& [name, identity] : examination.configuration.identities) {
        wanted.push_back(
            {name, identity.token, envelope_of(examination.configuration, identity) == config::EnvelopeMode::agree});
    }
    observe::Log log(observe::Log::Target::quiet);
    const keystore::WorkerProgram worker = runtime::worker_beside_this_program();
    const auto tested =
        runtime::test_keys({token, examination.configuration.agent.state_dir, worker, examination.clock, log}, wanted);
    if (!tested && tested.error().code() == ErrorCode::state_locked) {
        return report.untested(about, "no login was made: another command is at work", "hwenroll doctor");
    }
    if (!tested) {
        return report.fail(about, tested.error());
    }
    for (const runtime::TestedKey& key : *tested) {
        report_key(report, key);
    }
    if (tested->empty()) {
        report.ok(about, "no key is in use on it yet, so none was tested");
    }
}

}  // namespace hwenroll::cli
