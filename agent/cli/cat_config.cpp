#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "agent/cli/commands.h"
#include "agent/config/effective_configuration.h"
#include "agent/config/toml_text.h"

namespace hwenroll::cli {
namespace {

nlohmann::json plain(const config::Value& value) {
    struct Plain {
        nlohmann::json operator()(const std::string& text) const { return text; }
        nlohmann::json operator()(std::int64_t number) const { return number; }
        nlohmann::json operator()(double number) const { return number; }
        nlohmann::json operator()(bool flag) const { return flag; }
        nlohmann::json operator()(const std::chrono::year_month_day& day) const {
            return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(day.year()), static_cast<unsigned>(day.month()),
                               static_cast<unsigned>(day.day()));
        }
        nlohmann::json operator()(const config::OtherValue&) const { return nullptr; }
        nlohmann::json operator()(const config::Array& array) const {
            nlohmann::json list = nlohmann::json::array();
            for (const config::Value& element : array) {
                list.push_back(plain(element));
            }
            return list;
        }
        nlohmann::json operator()(const config::Table&) const { return nullptr; }
    };
    return value.visit(Plain{});
}

/// Each key as `{"value": …, "from": "hwenroll.toml:12:3"}`; sections and inner tables as objects.
nlohmann::json annotated(const config::Table& table) {
    nlohmann::json object = nlohmann::json::object();
    for (const config::Entry& entry : table) {
        if (const auto* const inner = entry.value.get<config::Table>()) {
            object[entry.key] = annotated(*inner);
        } else {
            object[entry.key] = {{"value", plain(entry.value)}, {"from", entry.value.at().text()}};
        }
    }
    return object;
}

}  // namespace

int cat_config(const CommandContext& context) {
    const auto configuration = load(context);
    if (!configuration) {
        return report(context, configuration.error());
    }
    const config::Table document = config::effective(*configuration);
    int exit_code = 0;
    nlohmann::json disabled = nlohmann::json::array();
    for (const config::Finding& finding : configuration->findings) {
        exit_code = report(context, finding.error);
        disabled.push_back({{"part", config::to_text(finding.part)}, {"name", finding.name}});
    }
    if (context.output.json) {
        print_json("cat-config", {{"configuration", annotated(document)}, {"disabled", std::move(disabled)}});
    } else {
        std::fputs(config::to_toml(document).c_str(), stdout);
    }
    return exit_code;
}

}  // namespace hwenroll::cli
