#include <cstdio>

#include <nlohmann/json.hpp>

#include "agent/cli/agent_access.h"
#include "agent/cli/commands.h"
#include "agent/cli/plan_text.h"
#include "agent/cli/proposed_command.h"
#include "agent/runtime/system_clock.h"

namespace hwenroll::cli {
namespace {

nlohmann::json to_json(const PlanText& plan) {
    nlohmann::json out{{"name", plan.identity}, {"summary", plan.summary}, {"sends", plan.sends}};
    if (plan.at) {
        out["at"] = to_iso8601(*plan.at);
    }
    for (const PlanField& field : plan.fields) {
        out[field.key] = field.list ? nlohmann::json(field.values) : nlohmann::json(field.values.front());
    }
    return out;
}

Error fault_of(const config::Configuration& configuration, const std::string& identity) {
    for (const config::Finding& finding : configuration.findings) {
        if (finding.part == config::Part::identity && finding.name == identity) {
            return finding.error;
        }
    }
    return Error(ErrorCode::unknown_name, "there is no identity '" + identity + "'");
}

/// With commands that work as they stand.
PlanText proposed(const ProposalGround& ground, PlanText plan) {
    for (PlanField& field : plan.fields) {
        for (std::string& value : field.values) {
            value = with_proposed_commands(ground, value);
        }
    }
    return plan;
}

/// Whether an agent runs. One that this user may not ask runs all the same.
bool agent_runs(const config::AgentSettings& agent) {
    const auto client = connect_if_running(agent);
    return !client || *client;
}

Result<std::vector<PlanText>> plans_of(const config::Configuration& configuration,
                                       const std::optional<std::string>& identity) {
    if (const Status known = identity ? check_known(configuration, *identity) : Status(); !known) {
        return fail(known.error());
    }
    auto store = open_store(configuration);
    const auto clock = store ? runtime::make_clock() : fail(store.error());
    if (!clock) {
        return fail(clock.error());
    }
    const TimePoint now = (*clock)->now();
    const PlanSurroundings around{configuration, now, agent_runs(configuration.agent)};
    std::vector<PlanText> plans;
    for (const std::string& name : identity ? std::set<std::string>{*identity} : all_names(configuration)) {
        const auto found = configuration.identities.find(name);
        if (found == configuration.identities.end()) {
            plans.push_back(disabled_plan(name, fault_of(configuration, name)));
            continue;
        }
        const auto stored = runtime::read_stored(configuration, found->second, *store ? &**store : nullptr, now);
        if (!stored) {
            return fail(stored.error());
        }
        plans.push_back(
            plan_text(around, found->second, *stored, runtime::forecast(configuration, found->second, *stored, now)));
    }
    return plans;
}

}  // namespace

int plan(const CommandContext& context, const std::optional<std::string>& identity) {
    const auto configuration = load(context);
    if (!configuration) {
        return report(context, configuration.error());
    }
    const auto plans = plans_of(*configuration, identity);
    if (!plans) {
        return report(context, plans.error());
    }
    if (context.output.json) {
        nlohmann::json body{{"identities", nlohmann::json::array()}};
        for (const PlanText& one : *plans) {
            body["identities"].push_back(to_json(one));
        }
        print_json("plan", std::move(body));
        return 0;
    }
    if (plans->empty()) {
        std::puts(no_identity_text(proposal_ground(context.paths)).c_str());
    }
    const ProposalGround ground = proposal_ground(context.paths);
    for (const PlanText& one : *plans) {
        std::fputs(((&one == &plans->front() ? "" : "\n") + to_text(proposed(ground, one))).c_str(), stdout);
    }
    return 0;
}

}  // namespace hwenroll::cli
