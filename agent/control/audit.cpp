#include "agent/control/audit.h"

#include <fmt/format.h>

#include "agent/observe/log_ids.h"

namespace hwenroll::control {
namespace {

using nlohmann::json;

std::string described(const ChangeAsked& asked) {
    const std::string& subject =
        asked.arguments.ca ? *asked.arguments.ca : asked.arguments.identity.value_or(std::string());
    return fmt::format("{}{}{}", asked.method->name, subject.empty() ? "" : " of '" + subject + "'",
                       asked.arguments.rekey ? " with a new key" : "");
}

std::string word_for(ChangeOutcome outcome) {
    switch (outcome) {
        case ChangeOutcome::done:
            return "done";
        case ChangeOutcome::nothing_to_do:
            return "nothing to do";
        case ChangeOutcome::denied:
            return "not permitted";
        case ChangeOutcome::unanswered:
            return "the agent ended meanwhile";
        case ChangeOutcome::failed:
        case ChangeOutcome::malformed:
            break;
    }
    return "refused";
}

}  // namespace

ChangeOutcome outcome_of(const Reply& reply) {
    if (!reply.error.empty()) {
        return ChangeOutcome::failed;
    }
    const auto changed = reply.parameters.find("changed");
    return changed != reply.parameters.end() && *changed == false ? ChangeOutcome::nothing_to_do : ChangeOutcome::done;
}

observe::LogRecord audit_record(const ChangeAsked& asked, ChangeOutcome outcome, const Reply& reply) {
    const bool smooth = outcome == ChangeOutcome::done || outcome == ChangeOutcome::nothing_to_do;
    observe::LogRecord record{smooth ? observe::Level::notice : observe::Level::warning,
                              fmt::format("control: uid {}, pid {} asked for {}: {}", asked.peer.uid, asked.peer.pid,
                                          described(asked), word_for(outcome)),
                              asked.arguments.identity.value_or(std::string())};
    if (outcome == ChangeOutcome::failed) {
        const Error error = error_of(reply);
        record.text += ": " + error.line();
        record.error = error.info().name;
    } else if (outcome == ChangeOutcome::malformed) {
        record.text += fmt::format(": its parameter '{}' is unknown, missing or wrong",
                                   reply.parameters.value("parameter", std::string()));
    }
    record.message_id = observe::audit_message_id;
    record.authority = asked.arguments.ca.value_or(std::string());
    record.details = {{"UID", std::to_string(asked.peer.uid)},
                      {"PID", std::to_string(asked.peer.pid)},
                      {"EXE", asked.program.empty() ? "unknown" : asked.program},
                      {"METHOD", std::string(asked.method->name)},
                      {"OUTCOME", word_for(outcome)}};
    return record;
}

}  // namespace hwenroll::control
