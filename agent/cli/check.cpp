#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "agent/cli/agent_access.h"
#include "agent/cli/commands.h"
#include "agent/cli/expiry_judgement.h"
#include "agent/config/value_syntax.h"

namespace hwenroll::cli {
namespace {

Result<std::optional<config::LifetimeSpan>> threshold_of(const char* option, const std::optional<std::string>& text) {
    if (!text) {
        return std::optional<config::LifetimeSpan>();
    }
    const auto span = config::parse_lifetime_point(*text);
    return span ? Result<std::optional<config::LifetimeSpan>>(*span)
                : fail(Error(ErrorCode::usage, fmt::format("'{}' of {} {}", *text, option, span.error().what()), {},
                             "write a time as 14d or 36h, or a share of the lifetime as 15%"));
}

struct Answer {
    std::vector<CheckJudgement> judgements;
    AgentPresence agent = AgentPresence::runs;
};

Result<Answer> answer_of(const CommandContext& context, const CheckOptions& options) {
    const auto warning = threshold_of("--warning", options.warning);
    const auto critical = warning ? threshold_of("--critical", options.critical) : warning;
    if (!critical) {
        return fail(critical.error());
    }
    auto agent = agent_to_read(context.paths);
    if (!agent) {
        return fail(agent.error());
    }
    Answer answer;
    answer.agent = agent->silence                            ? AgentPresence::silent
                   : agent->client || options.without_daemon ? AgentPresence::runs
                                                             : AgentPresence::absent;
    std::vector<std::optional<std::string>> wanted(options.identities.begin(), options.identities.end());
    if (wanted.empty()) {
        wanted.emplace_back();
    }
    for (const auto& identity : wanted) {
        const auto views = identity_views(context.paths, agent->client, identity);
        if (!views) {
            return fail(views.error());
        }
        for (const control::IdentityView& view : *views) {
            answer.judgements.push_back(judge(view, {*warning, *critical}));
        }
    }
    return answer;
}

nlohmann::json to_json(const CheckJudgement& judgement) {
    nlohmann::json out{
        {"name", judgement.identity}, {"status", to_text(judgement.level)}, {"reasons", judgement.reasons}};
    if (judgement.left) {
        out["seconds_left"] = judgement.left->count();
        out["warning_seconds"] = judgement.warning.count();
        out["critical_seconds"] = judgement.critical.count();
    }
    return out;
}

/// Who calls plugins reads standard output.
int unknown(const CommandContext& context, const Error& error) {
    if (context.output.json) {
        print_json("check", {{"status", to_text(CheckLevel::unknown)},
                             {"error", error.info().name},
                             {"text", error.line()},
                             {"identities", nlohmann::json::array()}});
    } else {
        std::puts(fmt::format("HWENROLL UNKNOWN - {}", error.line()).c_str());
    }
    return static_cast<int>(CheckLevel::unknown);
}

}  // namespace

int check(const CommandContext& context, const CheckOptions& options) {
    const auto answer = answer_of(context, options);
    if (!answer) {
        return unknown(context, answer.error());
    }
    const CheckLevel level = overall(answer->judgements, answer->agent);
    if (context.output.json) {
        nlohmann::json body{{"status", to_text(level)},
                            {"daemon_missing", answer->agent == AgentPresence::absent},
                            {"daemon_silent", answer->agent == AgentPresence::silent},
                            {"text", check_line(answer->judgements, answer->agent)},
                            {"identities", nlohmann::json::array()}};
        for (const CheckJudgement& judgement : answer->judgements) {
            body["identities"].push_back(to_json(judgement));
        }
        print_json("check", std::move(body));
    } else {
        std::string line = check_line(answer->judgements, answer->agent);
        if (answer->judgements.empty()) {
            // Performance data would follow a bar, and there is none.
            line +=
                context.paths.drop_ins.empty() ? "; 'man hwenroll.toml' has examples" : "; 'hwenroll init' makes one";
        }
        std::puts(line.c_str());
    }
    return static_cast<int>(level);
}

int refused_check(const CommandContext& context, const Error& error) {
    return unknown(context, error);
}

}  // namespace hwenroll::cli
