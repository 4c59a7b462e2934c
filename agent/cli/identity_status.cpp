#include <cstdio>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "agent/cli/commands.h"
#include "agent/observe/status_words.h"
#include "agent/runtime/system_clock.h"
#include "agent/store/state_directory.h"
#include "agent/store/store.h"
#include "base/certificate.h"

namespace hwenroll::cli {
namespace {

constexpr std::int64_t shown_events = 5;

/// One identity as configured and as stored.
struct IdentityView {
    std::string name;
    std::string word;  ///< status word
    std::string next;
    lifecycle::IdentityState state;
    std::optional<Certificate> certificate;
    std::string publish_path;
};

/// The store, or nothing when the agent has never run here.
Result<std::optional<store::Store>> open_store(const config::Configuration& configuration) {
    std::error_code failure;
    if (!std::filesystem::exists(store::database_path(configuration.agent.state_dir), failure) && !failure) {
        return std::optional<store::Store>();
    }
    auto store = store::Store::open_read_only(configuration.agent.state_dir);
    if (!store) {
        return fail(store.error());
    }
    return std::optional(*std::move(store));
}

std::set<std::string> all_names(const config::Configuration& configuration) {
    std::set<std::string> names;
    for (const auto& [name, settings] : configuration.identities) {
        names.insert(name);
    }
    for (const config::Finding& finding : configuration.findings) {
        if (finding.part == config::Part::identity) {
            names.insert(finding.name);
        }
    }
    return names;
}

Result<IdentityView> view_of(const std::string& name, const config::Configuration& configuration,
                             std::optional<store::Store>& store, TimePoint now) {
    IdentityView view;
    view.name = name;
    if (store) {
        auto state = store->identity(name);
        if (!state) {
            return fail(state.error());
        }
        view.state = *std::move(state);
    }
    const bool disabled = !configuration.identities.contains(name);
    view.word = disabled ? "DISABLED" : observe::status_word(view.state, now);
    view.next = disabled ? "correct the configuration; 'hwenroll check-config' says where"
                         : observe::next_step(view.state, now);
    if (view.state.current) {
        auto certificate = Certificate::from_der(view.state.current->issued.leaf);
        if (!certificate) {
            return fail(certificate.error());
        }
        view.certificate = *std::move(certificate);
        view.publish_path = (configuration.agent.publish_dir / name / "current").string();
    }
    return view;
}

nlohmann::json to_json(const IdentityView& view) {
    nlohmann::json out{{"name", view.name}, {"state", view.word}, {"next", view.next}};
    out["waiting_for"] = observe::to_text(view.state.wait.reason);
    if (view.certificate) {
        const auto& current = *view.state.current;
        out["certificate"] = {{"subject", view.certificate->subject().text()},
                              {"issuer", view.certificate->issuer().text()},
                              {"serial", to_hex(view.certificate->serial())},
                              {"fingerprint", "SHA256:" + to_hex(view.certificate->fingerprint(), ':')},
                              {"not_before", to_iso8601(view.certificate->not_before())},
                              {"not_after", to_iso8601(view.certificate->not_after())}};
        out["generation"] = current.generation;
        out["published"] = view.publish_path;
        out["key_id"] = to_hex(current.key.id);
    }
    if (view.state.failure) {
        out["last_error"] = {{"error", error_info(view.state.failure->code).name},
                             {"text", view.state.failure->line},
                             {"at", to_iso8601(view.state.failure->at)},
                             {"consecutive", view.state.counters.failures}};
    }
    return out;
}

void print_line(const std::string& label, const std::string& value) {
    std::fputs(fmt::format("{:<12} {}\n", label, printable(value)).c_str(), stdout);
}

void print_one(const IdentityView& view, const std::vector<store::HistoryEntry>& events, const OutputOptions& options) {
    std::fputs(fmt::format("{:<12} {}\n", view.name, colored(view.word, options)).c_str(), stdout);
    print_line("  next", view.next);
    if (view.state.failure) {
        print_line("  last error", view.state.failure->line);
    }
    if (view.certificate) {
        print_line("  subject", view.certificate->subject().text());
        print_line("  issuer", view.certificate->issuer().text());
        print_line("  serial", to_hex(view.certificate->serial()));
        print_line("  valid",
                   to_iso8601(view.certificate->not_before()) + " to " + to_iso8601(view.certificate->not_after()));
        print_line("  key id", to_hex(view.state.current->key.id));
        print_line("  published", fmt::format("{} (generation {})", view.publish_path, view.state.current->generation));
    }
    for (const store::HistoryEntry& event : events) {
        print_line("  " + std::string(&event == &events.front() ? "events" : ""),
                   to_iso8601(event.at) + "  " + event.text);
    }
}

void print_table(const std::vector<IdentityView>& views, const OutputOptions& options, TimePoint now) {
    std::vector<std::vector<std::string>> rows;
    for (const IdentityView& view : views) {
        const std::string expires = view.certificate ? to_words(view.certificate->not_after() - now) : std::string("-");
        rows.push_back({view.name, view.word, expires, view.state.failure ? view.state.failure->line : view.next});
    }
    std::string text = table({"IDENTITY", "STATE", "EXPIRES IN", "NEXT"}, rows);
    if (options.color) {
        for (const IdentityView& view : views) {
            const std::string cell = "  " + view.word + " ";
            if (const auto at = text.find(cell, text.find("\n" + view.name + " ")); at != std::string::npos) {
                text.replace(at + 2, view.word.size(), colored(view.word, options));
            }
        }
    }
    std::fputs(text.c_str(), stdout);
}

int print_views(const CommandContext& context, const std::vector<IdentityView>& views, TimePoint now) {
    if (context.output.json) {
        nlohmann::json body{{"identities", nlohmann::json::array()}};
        for (const IdentityView& view : views) {
            body["identities"].push_back(to_json(view));
        }
        print_json("status", std::move(body));
    } else if (views.empty()) {
        std::puts("no identity is configured");
    } else {
        print_table(views, context.output, now);
    }
    return 0;
}

}  // namespace

int status(const CommandContext& context, const std::optional<std::string>& identity) {
    const auto configuration = load(context);
    if (!configuration) {
        return report(configuration.error());
    }
    auto store = open_store(*configuration);
    if (!store) {
        return report(store.error());
    }
    const auto clock = runtime::make_clock();
    if (!clock) {
        return report(clock.error());
    }
    const TimePoint now = (*clock)->now();
    const std::set<std::string> names = all_names(*configuration);
    if (identity && !names.contains(*identity)) {
        return report(Error(ErrorCode::unknown_name, "there is no identity '" + *identity + "'"));
    }
    std::vector<IdentityView> views;
    for (const std::string& name : identity ? std::set<std::string>{*identity} : names) {
        auto view = view_of(name, *configuration, *store, now);
        if (!view) {
            return report(view.error());
        }
        views.push_back(*std::move(view));
    }
    if (!identity || context.output.json) {
        return print_views(context, views, now);
    }
    std::vector<store::HistoryEntry> events;
    if (*store) {
        auto history = (*store)->history("identity", *identity, shown_events);
        if (!history) {
            return report(history.error());
        }
        events = *std::move(history);
    }
    print_one(views.front(), events, context.output);
    return 0;
}

int list(const CommandContext& context) {
    const auto configuration = load(context);
    if (!configuration) {
        return report(configuration.error());
    }
    if (context.output.json) {
        nlohmann::json body{{"identities", nlohmann::json::array()}};
        for (const std::string& name : all_names(*configuration)) {
            const auto found = configuration->identities.find(name);
            nlohmann::json row{{"name", name}, {"enabled", found != configuration->identities.end()}};
            if (found != configuration->identities.end()) {
                row["ca"] = found->second.ca;
                row["token"] = found->second.token;
                row["subject"] = found->second.subject.text();
            }
            body["identities"].push_back(std::move(row));
        }
        print_json("list", std::move(body));
        return 0;
    }
    std::vector<std::vector<std::string>> rows;
    for (const std::string& name : all_names(*configuration)) {
        const auto found = configuration->identities.find(name);
        if (found == configuration->identities.end()) {
            rows.push_back({name, "-", "-", "disabled by its configuration"});
        } else {
            rows.push_back({name, found->second.ca, found->second.token, found->second.subject.text()});
        }
    }
    std::fputs(table({"IDENTITY", "CA", "TOKEN", "SUBJECT"}, rows).c_str(), stdout);
    return 0;
}

}  // namespace hwenroll::cli
