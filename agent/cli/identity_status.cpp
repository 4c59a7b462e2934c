#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "agent/cli/agent_access.h"
#include "agent/cli/commands.h"
#include "agent/control/view_codec.h"

namespace hwenroll::cli {
namespace {

using control::HistoryEvent;
using control::IdentityView;

constexpr std::int64_t shown_events = 5;

void print_line(const std::string& label, const std::string& value) {
    std::fputs(fmt::format("{:<12} {}\n", label, printable(value)).c_str(), stdout);
}

void print_time(const std::string& label, const std::optional<TimePoint>& time) {
    if (time) {
        print_line(label, to_iso8601(*time));
    }
}

std::string crl_line(const control::CrlView& crl) {
    std::string line = "none yet";
    if (crl.this_update) {
        line = fmt::format("{}of {}, next update {}, {} entries",
                           crl.number.empty() ? "" : "number " + crl.number + " ", to_iso8601(*crl.this_update),
                           crl.next_update ? to_iso8601(*crl.next_update) : "not said", crl.entries);
    }
    return fmt::format("{}; fetched by {} from {} on{}", line, crl.source, to_iso8601(crl.next_fetch),
                       crl.failure.empty() ? "" : "; " + crl.failure);
}

void print_one(const IdentityView& view, const std::vector<HistoryEvent>& events, const OutputOptions& options) {
    std::fputs(fmt::format("{:<12} {}\n", view.name, colored(view.word, options)).c_str(), stdout);
    print_line("  next", view.next);
    if (!view.notice.empty()) {
        print_line("  notice", view.notice);
    }
    if (view.failure) {
        print_line("  last error", view.failure->line);
    }
    if (view.certificate) {
        print_line("  subject", view.certificate->subject);
        print_line("  issuer", view.certificate->issuer);
        print_line("  serial", view.certificate->serial);
        print_line("  valid",
                   to_iso8601(view.certificate->not_before) + " to " + to_iso8601(view.certificate->not_after));
    }
    print_time("  renewal", view.renew_at);
    if (view.crl) {
        print_line("  CRL", crl_line(*view.crl));
    }
    print_time("  shadow", view.shadow_not_before);
    if (view.generation) {
        print_line("  key id", view.key_id);
        print_line("  published", fmt::format("{} (generation {})", view.published, *view.generation));
    }
    for (const HistoryEvent& event : events) {
        print_line("  " + std::string(&event == &events.front() ? "events" : ""),
                   to_iso8601(event.at) + "  " + event.text);
    }
}

void print_table(control::Overview overview, const OutputOptions& options) {
    constexpr std::size_t state_column = 1;
    std::vector<std::vector<std::string>> rows;
    rows.reserve(overview.rows.size() + 1);
    for (control::OverviewRow& row : overview.rows) {
        const bool fails = row.enabled && !row.failure.empty();
        auto& cells = rows.emplace_back();
        cells.reserve(4);
        cells.push_back(std::move(row.name));
        cells.push_back(std::move(row.word));
        cells.push_back(row.not_after ? to_words(*row.not_after - overview.at) : std::string("-"));
        cells.push_back(std::move(fails ? row.failure : row.next));
    }
    Paint paint;
    if (options.color) {
        paint = [&](std::size_t column, const std::string& cell) {
            return column == state_column ? colored(cell, options) : cell;
        };
    }
    std::string text = table({"IDENTITY", "STATE", "EXPIRES IN", "NEXT"}, std::move(rows), paint);
    // Each CA's once, however many identities it has.
    for (const std::string& notice : overview.notices) {
        text += printable(notice, 2048) + "\n";
    }
    std::fputs(text.c_str(), stdout);
}

int print_overview(const CommandContext& context, std::optional<control::Client>& agent) {
    auto overview = identity_overview(context.paths, agent);
    if (!overview) {
        return report(overview.error());
    }
    if (overview->rows.empty()) {
        std::puts("no identity is configured");
    } else {
        print_table(*std::move(overview), context.output);
    }
    return 0;
}

int print_views(const std::vector<IdentityView>& views) {
    nlohmann::json body{{"identities", nlohmann::json::array()}};
    for (const IdentityView& view : views) {
        body["identities"].push_back(control::to_json(view));
    }
    print_json("status", std::move(body));
    return 0;
}

}  // namespace

int status(const CommandContext& context, const std::optional<std::string>& identity) {
    auto agent = connect_if_running(context.paths);
    if (!agent) {
        return report(agent.error());
    }
    if (!identity && !context.output.json) {
        return print_overview(context, *agent);
    }
    const auto views = identity_views(context.paths, *agent, identity);
    if (!views) {
        return report(views.error());
    }
    if (context.output.json) {
        return print_views(*views);
    }
    if (views->empty()) {
        std::puts("no identity is configured");
        return 0;
    }
    const auto events = history_events(context.paths, *agent, identity, shown_events);
    if (!events) {
        return report(events.error());
    }
    print_one(views->front(), *events, context.output);
    return 0;
}

int list(const CommandContext& context) {
    auto agent = connect_if_running(context.paths);
    if (!agent) {
        return report(agent.error());
    }
    const auto views = identity_views(context.paths, *agent, {});
    if (!views) {
        return report(views.error());
    }
    nlohmann::json body{{"identities", nlohmann::json::array()}};
    std::vector<std::vector<std::string>> rows;
    for (const IdentityView& view : *views) {
        nlohmann::json row{{"name", view.name}, {"enabled", view.enabled}};
        if (view.enabled) {
            row["ca"] = view.ca;
            row["token"] = view.token;
            row["subject"] = view.subject;
            rows.push_back({view.name, view.ca, view.token, view.subject});
        } else {
            rows.push_back({view.name, "-", "-", "disabled by its configuration"});
        }
        body["identities"].push_back(std::move(row));
    }
    if (context.output.json) {
        print_json("list", std::move(body));
    } else {
        std::fputs(table({"IDENTITY", "CA", "TOKEN", "SUBJECT"}, rows).c_str(), stdout);
    }
    return 0;
}

int history(const CommandContext& context, const std::optional<std::string>& identity, std::int64_t limit) {
    auto agent = connect_if_running(context.paths);
    if (!agent) {
        return report(agent.error());
    }
    const auto events = history_events(context.paths, *agent, identity, limit);
    if (!events) {
        return report(events.error());
    }
    if (context.output.json) {
        nlohmann::json body{{"events", nlohmann::json::array()}};
        for (const HistoryEvent& event : *events) {
            body["events"].push_back(control::to_json(event));
        }
        print_json("history", std::move(body));
        return 0;
    }
    std::vector<std::vector<std::string>> rows;
    for (const HistoryEvent& event : *events) {
        rows.push_back({to_iso8601(event.at), event.kind, event.name, event.text});
    }
    std::fputs(rows.empty() ? "nothing has happened yet\n" : table({"TIME", "KIND", "NAME", "EVENT"}, rows).c_str(),
               stdout);
    return 0;
}

}  // namespace hwenroll::cli
