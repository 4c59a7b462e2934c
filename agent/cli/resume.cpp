#include "agent/runtime/resume.h"

#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "agent/cli/agent_access.h"
#include "agent/cli/commands.h"
#include "agent/control/view_codec.h"
#include "agent/runtime/system_clock.h"

namespace hwenroll::cli {
namespace {

/// `when`: when a released identity is tried again, and consumers are told.
std::string text_of(const std::string& identity, const config::TokenSettings& token,
                    const control::ResumptionView& done, std::string_view when) {
    std::string text;
    if (done.hold_released) {
        text += fmt::format("{}: released, tried again {}\n", identity, when);
    }
    if (done.delivery_retried) {
        text += fmt::format("{}: its consumers are told again {}\n", identity, when);
    }
    if (done.pin_file_must_change) {
        text += fmt::format("{}: token '{}' refused the PIN in {}, which is tried again only after that file changes\n",
                            identity, token.name, pin_text(token).empty() ? "its source" : pin_text(token));
    } else if (done.pin_released) {
        text += fmt::format("{}: the PIN of token '{}' may be tried once more\n", identity, token.name);
    }
    return text.empty() ? identity + ": nothing to resume\n" : text;
}

/// Without an agent the command acts in its place (ADR 0007).
Result<control::ResumptionView> resume_here(const config::Configuration& configuration,
                                            const config::IdentitySettings& identity) {
    const auto clock = runtime::make_clock();
    if (!clock) {
        return fail(clock.error());
    }
    const auto done = runtime::resume(configuration.agent, configuration.tokens, identity, **clock);
    if (!done) {
        return fail(Error(done.error()).about(identity.name));
    }
    return control::ResumptionView{done->token, done->hold_released, done->pin_released, done->pin_file_must_change,
                                   done->delivery_retried};
}

}  // namespace

int resume(const CommandContext& context, const std::string& identity) {
    const auto configuration = load(context);
    if (!configuration) {
        return report(context, configuration.error());
    }
    const auto found = configuration->identities.find(identity);
    if (found == configuration->identities.end()) {
        for (const config::Finding& finding : configuration->findings) {
            if (finding.part == config::Part::identity && finding.name == identity) {
                return report(context, finding.error);
            }
        }
        return report(context, check_known(*configuration, identity).error());
    }
    auto client = connect_if_running(configuration->agent);
    if (!client) {
        return report(context, client.error());
    }
    const auto done = *client ? (*client)->resume(identity) : resume_here(*configuration, found->second);
    if (!done) {
        return report(context, done.error());
    }
    if (context.output.json) {
        nlohmann::json body = control::to_json(*done);
        body["identity"] = identity;
        print_json("resume", std::move(body));
    } else {
        const auto named = configuration->tokens.find(done->token);
        const config::TokenSettings& token =
            named == configuration->tokens.end() ? configuration->tokens.at(found->second.token) : named->second;
        std::fputs(text_of(identity, token, *done, *client ? "now" : "at the next run of hwenrolld").c_str(), stdout);
    }
    return 0;
}

}  // namespace hwenroll::cli
