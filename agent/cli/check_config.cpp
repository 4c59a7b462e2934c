#include <cstdio>
#include <sys/stat.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "agent/cli/commands.h"
#include "agent/cli/late_renewal.h"
#include "keystore/worker/secret_keeper.h"

namespace hwenroll::cli {
namespace {

nlohmann::json to_json(const config::Finding& finding) {
    return {{"part", config::to_text(finding.part)},
            {"name", finding.name},
            {"file", finding.at.file},
            {"line", finding.at.line},
            {"column", finding.at.column},
            {"error", finding.error.info().name},
            {"text", finding.error.line()}};
}

/// What works, and hardly ever is what somebody wants: it disables nothing.
std::vector<std::string> warnings_of(const config::Configuration& configuration) {
    std::vector<std::string> warnings;
    for (const auto& [name, identity] : configuration.identities) {
        if (const std::string late = late_renewal(identity, {}); !late.empty()) {
            warnings.push_back("identity." + name + ": " + late + "; set it to 75% or 30d");
        }
    }
    return warnings;
}

}  // namespace

Result<config::Configuration> load(const CommandContext& context) {
    auto configuration = config::load(context.paths);
    struct stat state {};
    if (configuration && ::stat(configuration->agent.state_dir.c_str(), &state) == 0) {
        keystore::accept_secrets_of(state.st_uid);
    }
    return configuration;
}

int check_config(const CommandContext& context) {
    const auto configuration = load(context);
    if (!configuration) {
        return report(context, configuration.error());
    }
    const bool good = configuration->findings.empty();
    const auto warnings = warnings_of(*configuration);
    if (context.output.json) {
        nlohmann::json body{{"ok", good}, {"findings", nlohmann::json::array()}, {"warnings", nlohmann::json::array()}};
        for (const config::Finding& finding : configuration->findings) {
            body["findings"].push_back(to_json(finding));
        }
        for (const std::string& warning : warnings) {
            body["warnings"].push_back(warning);
        }
        print_json("check-config", std::move(body));
    } else {
        for (const config::Finding& finding : configuration->findings) {
            report(context, finding.error);
        }
        for (const std::string& warning : warnings) {
            std::fputs(("warning: " + printable(warning) + "\n").c_str(), stderr);
        }
        if (good) {
            std::fputs(fmt::format("configuration is good: {} identities, {} CAs, {} tokens in {} file(s)\n",
                                   configuration->identities.size(), configuration->authorities.size(),
                                   configuration->tokens.size(), configuration->files.size())
                           .c_str(),
                       stdout);
        }
    }
    return good ? 0 : error_info(ErrorCode::config_value).exit_code;
}

}  // namespace hwenroll::cli
