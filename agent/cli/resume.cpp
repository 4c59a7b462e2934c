#include "agent/runtime/resume.h"

#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "agent/cli/commands.h"
#include "agent/runtime/system_clock.h"

namespace hwenroll::cli {
namespace {

std::string text_of(const std::string& identity, const config::TokenSettings& token, const runtime::Resumption& done) {
    std::string text;
    if (done.hold_released) {
        text += fmt::format("{}: released, tried again at the next run of hwenrolld\n", identity);
    }
    if (done.pin_file_must_change) {
        text += fmt::format("{}: token '{}' refused the PIN in {}, which is tried again only after that file changes\n",
                            identity, token.name, token.pin->text());
    } else if (done.pin_released) {
        text += fmt::format("{}: the PIN of token '{}' may be tried once more\n", identity, token.name);
    }
    return text.empty() ? identity + ": nothing to resume\n" : text;
}

}  // namespace

int resume(const CommandContext& context, const std::string& identity) {
    const auto configuration = load(context);
    if (!configuration) {
        return report(configuration.error());
    }
    const auto found = configuration->identities.find(identity);
    if (found == configuration->identities.end()) {
        for (const config::Finding& finding : configuration->findings) {
            if (finding.part == config::Part::identity && finding.name == identity) {
                return report(finding.error);
            }
        }
        return report(Error(ErrorCode::unknown_name, "there is no identity '" + identity + "'"));
    }
    const config::TokenSettings& token = configuration->tokens.at(found->second.token);
    const auto clock = runtime::make_clock();
    if (!clock) {
        return report(clock.error());
    }
    const auto done = runtime::resume(configuration->agent, token, found->second, **clock);
    if (!done) {
        return report(Error(done.error()).about(identity));
    }
    if (context.output.json) {
        print_json("resume", {{"identity", identity},
                              {"token", token.name},
                              {"hold_released", done->hold_released},
                              {"pin_released", done->pin_released},
                              {"pin_file_must_change", done->pin_file_must_change}});
    } else {
        std::fputs(text_of(identity, token, *done).c_str(), stdout);
    }
    return 0;
}

}  // namespace hwenroll::cli
