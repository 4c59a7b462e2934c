#include <algorithm>
#include <cctype>
#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "agent/cli/commands.h"
#include "agent/cli/proposed_command.h"
#include "agent/config/suggestion.h"

namespace hwenroll::cli {
namespace {

nlohmann::json to_json(const ErrorInfo& info) {
    return {{"code", info.name},
            {"exit_code", info.exit_code},
            {"meaning", info.meaning},
            {"next", info.next},
            {"explanation", info.explanation}};
}

/// `text` in lines of at most `width` characters, each after `indent`.
std::string wrapped(std::string_view text, std::size_t width, std::string_view indent) {
    std::string out;
    std::string line;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(' '), text.size());
        const std::string_view word = text.substr(0, end);
        if (!line.empty() && indent.size() + line.size() + 1 + word.size() > width) {
            out += fmt::format("{}{}\n", indent, line);
            line.clear();
        }
        line += (line.empty() ? "" : " ") + std::string(word);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return line.empty() ? out : out + fmt::format("{}{}\n", indent, line);
}

void print(const ErrorInfo& info, const ProposalGround& ground) {
    std::fputs(fmt::format("{}: {} (exit code {})\n\n{}\nNext: {}.\n", info.name, info.meaning, info.exit_code,
                           wrapped(with_proposed_commands(ground, info.explanation), 80, "  "),
                           with_proposed_commands(ground, info.next))
                   .c_str(),
               stdout);
}

int list_codes(const CommandContext& context) {
    if (context.output.json) {
        nlohmann::json body{{"codes", nlohmann::json::array()}};
        for (const ErrorInfo& info : error_table()) {
            body["codes"].push_back(to_json(info));
        }
        print_json("explain", std::move(body));
        return 0;
    }
    std::vector<std::vector<std::string>> rows;
    for (const ErrorInfo& info : error_table()) {
        rows.push_back({std::string(info.name), std::to_string(info.exit_code), std::string(info.meaning)});
    }
    std::fputs(table({"CODE", "EXIT", "MEANING"}, rows).c_str(), stdout);
    return 0;
}

}  // namespace

int explain(const CommandContext& context, const std::optional<std::string>& code) {
    if (!code) {
        return list_codes(context);
    }
    std::string wanted = *code;
    std::ranges::transform(wanted, wanted.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    std::vector<std::string> names;
    for (const ErrorInfo& info : error_table()) {
        if (info.name == wanted) {
            if (context.output.json) {
                print_json("explain", {{"codes", nlohmann::json::array({to_json(info)})}});
            } else {
                print(info, proposal_ground(context.paths));
            }
            return 0;
        }
        names.emplace_back(info.name);
    }
    const std::string near = config::nearest(wanted, names);
    return report(context,
                  Error(ErrorCode::unknown_name, fmt::format("there is no error code '{}'", *code), {},
                        near.empty() ? "'hwenroll explain' lists them" : fmt::format("did you mean '{}'?", near)));
}

}  // namespace hwenroll::cli
