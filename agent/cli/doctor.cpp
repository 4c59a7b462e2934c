// `hwenroll doctor`: looks at everything that the agent depends on, and says what to type where something is wrong.
#include <cstdio>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "agent/cli/agent_access.h"
#include "agent/cli/doctor_checks.h"
#include "agent/runtime/clock_trust.h"
#include "agent/runtime/system_clock.h"
#include "agent/store/state_directory.h"
#include "transport/scep/library_version.h"

namespace hwenroll::cli {
namespace {

/// The running agent, as far as this user may ask it.
void find_agent_of(Examination& examination) {
    DoctorReport& report = examination.report;
    report.begin("agent");
    auto agent = agent_to_read(examination.configuration.agent);
    if (!agent) {
        examination.agent_runs = true;
        return agent.error().code() == ErrorCode::control_denied ? report.unseen("hwenrolld", agent.error().what())
                                                                 : report.fail("hwenrolld", agent.error());
    }
    examination.agent_runs = agent->client || agent->silence;
    if (agent->silence) {
        return report.fail(agent->silence->code(), "hwenrolld", agent->silence->what() + ": nothing is renewed",
                           "systemctl restart hwenrolld");
    }
    if (!agent->client) {
        return report.warn("hwenrolld", "it does not run: nothing is renewed", "systemctl start hwenrolld");
    }
    auto health = agent->client->health();
    if (!health) {
        return report.warn("hwenrolld", "it runs, but does not say how it is: " + health.error().line(),
                           "systemctl restart hwenrolld");
    }
    examination.health = *std::move(health);
}

void open_store(Examination& examination) {
    const auto& state_dir = examination.configuration.agent.state_dir;
    std::error_code hidden;
    const bool there = std::filesystem::exists(store::database_path(state_dir), hidden);
    if (hidden) {
        return examination.report.unseen("state", state_dir.string() + ": " + hidden.message());
    }
    if (!there) {
        return examination.report.ok("state", "none yet: the agent has not run here");
    }
    auto store = store::Store::open_read_only(state_dir);
    if (store) {
        examination.store.emplace(*std::move(store));
    } else if (::access(store::database_path(state_dir).c_str(), R_OK) != 0) {
        examination.report.unseen("state", store.error().what());
    } else {
        examination.report.fail("state", store.error());
    }
}

void check_clock(Examination& examination) {
    DoctorReport& report = examination.report;
    std::string why = examination.health ? examination.health->clock : std::string();
    if (!examination.health && examination.store) {
        // What it would keep cannot be kept here; the judgement stands all the same.
        runtime::ClockTrust trust(*examination.store, examination.clock);
        static_cast<void>(trust.look());
        why = trust.why();
    }
    const std::string now = to_iso8601(examination.clock.now());
    if (why.empty()) {
        report.ok("clock", now);
    } else {
        report.warn("clock", now + " is not trusted: " + why, "timedatectl set-ntp true");
    }
}

int print(const CommandContext& context, const DoctorReport& report, bool against_ca) {
    if (context.output.json) {
        nlohmann::json body = report.json();
        body["against_ca"] = against_ca;
        print_json("doctor", std::move(body));
    } else {
        std::fputs(report.text(context.output.screen).c_str(), stdout);
    }
    return report.exit_code();
}

}  // namespace

void check_agent(Examination& examination) {
    DoctorReport& report = examination.report;
    find_agent_of(examination);
    open_store(examination);
    check_clock(examination);
    if (!examination.health) {
        return;
    }
    const control::Health& health = *examination.health;
    if (health.version == HWENROLL_VERSION) {
        report.ok("hwenrolld", "runs, version " + health.version);
    } else {
        report.warn("hwenrolld", fmt::format("runs as version {}, this is {}", health.version, HWENROLL_VERSION),
                    "systemctl restart hwenrolld");
    }
    if (!health.notice.empty()) {
        report.warn("hwenrolld", health.notice, "hwenroll check-config");
    }
    if (health.configuration == to_hex(examination.configuration.digest)) {
        report.ok("hwenrolld", "the configuration on disk is in force");
    } else {
        report.warn("hwenrolld", "the configuration on disk is not in force yet", "systemctl reload hwenrolld");
    }
}

void check_library(DoctorReport& report) {
    report.begin("library");
    const scep::LibraryVersion version = scep::running_library();
    const auto faults = scep::known_faults(version);
    for (const std::string& fault : faults) {
        report.warn("OpenSSL " + version.text(), fault + ", unless the distribution has mended it under this number",
                    "apt changelog libssl3 | grep " + fault.substr(0, fault.find(':')));
    }
    if (faults.empty()) {
        report.ok("OpenSSL " + version.text(), "nothing is known against it");
    }
}

DoctorReport examine(const CommandContext& context, bool against_ca, bool may_log_in) {
    DoctorReport report(proposal_ground(context.paths));
    check_library(report);
    const auto configuration = load(context);
    const auto clock = runtime::make_clock();
    if (!configuration || !clock) {
        report.begin("configuration");
        const Error& error = !configuration ? configuration.error() : clock.error();
        if (::access(context.paths.main.c_str(), R_OK) != 0 && ::access(context.paths.main.c_str(), F_OK) == 0) {
            report.unseen(context.paths.main.string(), "this user may not read it");
        } else if (::access(context.paths.main.c_str(), F_OK) != 0 && !configuration) {
            report.fail(error.code(), {}, error.what() + " (" + error.why() + ")", "hwenroll init");
        } else {
            report.fail({}, error);
        }
        return report;
    }
    Examination examination{context, *configuration, **clock, false, {}, {}, against_ca, may_log_in, {}, report};
    check_configuration(examination);
    check_agent(examination);
    check_files(examination);
    check_tokens(examination);
    check_authorities(examination);
    check_consumers(examination);
    return report;
}

int doctor(const CommandContext& context, bool against_ca) {
    return print(context, examine(context, against_ca, true), against_ca);
}

}  // namespace hwenroll::cli
