#include <cstdio>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "agent/cli/agent_access.h"
#include "agent/cli/commands.h"
#include "agent/cli/next_command.h"
#include "agent/cli/proposed_command.h"
#include "agent/cli/text_layout.h"
#include "agent/control/view_codec.h"

namespace hwenroll::cli {
namespace {

using control::HistoryEvent;
using control::IdentityView;

constexpr std::int64_t shown_events = 10;
constexpr std::size_t label_width = 13;

/// A labelled text; on a terminal it goes on below itself.
void print_line(const std::string& label, const std::string& value, const Screen& screen) {
    const std::string text = printable(value);
    const std::size_t room = screen.width > 2 * label_width ? screen.width - label_width : label_width;
    std::string head = padded(label, label_width);
    for (const std::string& part : screen.terminal ? wrapped(text, room) : std::vector{text}) {
        std::fputs((head + part + '\n').c_str(), stdout);
        head.assign(label_width, ' ');
    }
}

/// Both ways of saying when.
std::string both(TimePoint time, TimePoint now) {
    return to_iso8601(time) +
           (time >= now ? " (in " + to_words(time - now) + ")" : " (" + to_words(now - time) + " ago)");
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

/// What became of telling consumers; empty: they were told.
std::vector<std::string> delivery_lines(const std::optional<control::DeliveryView>& delivery, TimePoint now) {
    if (!delivery || delivery->attempts == 0) {
        return {};
    }
    const std::string since = delivery->since ? "since " + both(*delivery->since, now) + ", " : std::string();
    std::vector<std::string> lines{
        fmt::format("failed {}{} {}", since, delivery->attempts, delivery->attempts == 1 ? "time" : "times in a row")};
    if (!delivery->line.empty()) {
        lines.push_back(delivery->line);
    }
    lines.push_back("tried again " + (delivery->next_try > now ? both(delivery->next_try, now) : std::string("now")));
    lines.push_back(delivery->confirmed_end
                        ? "consumers last took the certificate that ends " + both(*delivery->confirmed_end, now)
                        : std::string("consumers have not taken a certificate yet"));
    return lines;
}

void print_certificate(const control::CertificateView& certificate, TimePoint now, const Screen& screen) {
    print_line("  subject", certificate.subject, screen);
    print_line("  issuer", certificate.issuer, screen);
    print_line("  serial", certificate.serial, screen);
    print_line("  valid", to_iso8601(certificate.not_before) + " to " + to_iso8601(certificate.not_after), screen);
    const bool over = certificate.not_after <= now;
    const std::string left = over ? "expired " + to_words(now - certificate.not_after) + " ago"
                                  : to_words(certificate.not_after - now) + " left";
    print_line("",
               (screen.terminal ? bar_of(certificate.not_before, certificate.not_after, now, screen.unicode) + " "
                                : std::string()) +
                   left,
               screen);
}

void print_one(const IdentityView& view, const std::vector<HistoryEvent>& events, const Screen& screen,
               const ProposalGround& ground) {
    const auto line = [&](const char* label, const std::string& value) {
        if (!value.empty()) {
            print_line(label, with_proposed_commands(ground, value), screen);
        }
    };
    std::fputs((padded(printable(view.name), label_width - 1) + " " + colored(view.word, screen.color) + "\n").c_str(),
               stdout);
    line("  next", view.next);
    line("  notice", view.notice);
    if (view.failure) {
        line("  last error", view.failure->line);
        const auto times = view.failure->consecutive;
        line("", fmt::format("{}{}", both(view.failure->at, view.at),
                             times > 1 ? fmt::format(", {} failures in a row", times) : std::string()));
    }
    const char* label = "  delivery";
    for (const std::string& text : delivery_lines(view.delivery, view.at)) {
        line(std::exchange(label, ""), text);
    }
    line("  CA, token", view.ca.empty() ? std::string() : view.ca + ", " + view.token);
    if (view.certificate) {
        print_certificate(*view.certificate, view.at, screen);
    }
    line("  renewal", view.renew_at ? both(*view.renew_at, view.at) : std::string());
    line("  next step", view.next_at ? both(*view.next_at, view.at) : std::string());
    line("  CRL", view.crl ? crl_line(*view.crl) : std::string());
    line("  shadow", view.shadow_not_before ? both(*view.shadow_not_before, view.at) : std::string());
    if (view.generation) {
        line("  key id", view.key_id);
        line("  published", fmt::format("{} (generation {})", view.published, *view.generation));
    }
    for (const HistoryEvent& event : events) {
        line(&event == &events.front() ? "  events" : "", to_iso8601(event.at) + "  " + event.text);
    }
}

/// That the files on disk are not those in force; empty when they are, or when nobody can tell.
std::string reload_remark(const CommandContext& context, const std::optional<control::Health>& health) {
    if (!health || health->configuration.empty() || !health->notice.empty()) {
        return {};
    }
    const auto digest = config::digest_of(context.paths);
    return digest && to_hex(*digest) != health->configuration
               ? "the configuration on disk is not in force yet: 'systemctl reload hwenrolld'"
               : std::string();
}

std::string next_after(const CommandContext& context, const std::string& identity, ErrorCode code) {
    const auto configuration = config::load(context.paths);
    return "next: " +
           proposed_command(proposal_ground(context.paths),
                            next_command(code, identity, configuration ? &*configuration : nullptr)) +
           "\n";
}

std::optional<ErrorCode> failure_of(const IdentityView& view) {
    const std::optional<ErrorCode> untold = view.delivery ? view.delivery->code : std::nullopt;
    return view.failure ? std::optional(view.failure->code) : untold;
}

/// For the agent that does not run or answer, or the first identity that fails; empty: nothing is to be typed.
std::string next_after(const CommandContext& context, const control::Overview& overview, const FoundAgent& agent) {
    if (!agent.client) {
        const char* const command = agent.silence ? "systemctl restart hwenrolld" : "systemctl start hwenrolld";
        return "next: " + proposed_command(proposal_ground(context.paths), command) + "\n";
    }
    for (const control::OverviewRow& row : overview.rows) {
        const auto code = row.enabled ? code_in(row.failure) : std::nullopt;
        if (code) {
            return next_after(context, row.name, *code);
        }
    }
    return {};
}

std::string absence_remark(const FoundAgent& agent) {
    return fmt::format("hwenrolld does not {}; this is what it has left in its state directory",
                       agent.silence ? "answer" : "run");
}

int print_overview(const CommandContext& context, FoundAgent& agent) {
    auto overview = identity_overview(context.paths, agent.client);
    if (!overview) {
        return report(context, overview.error());
    }
    StatusContent content{*std::move(overview), health(context.paths, agent.client), agent.remark};
    if (content.remark.empty()) {
        content.remark = agent.client ? reload_remark(context, content.health) : absence_remark(agent);
    }
    if (content.overview.rows.empty()) {
        std::puts(no_identity_text(proposal_ground(context.paths)).c_str());
    } else {
        const std::string next = next_after(context, content.overview, agent);
        content.propose = [ground = proposal_ground(context.paths)](const std::string& text) {
            return with_proposed_commands(ground, text);
        };
        std::fputs((screen_of(std::move(content), context.output.screen) + next).c_str(), stdout);
    }
    return 0;
}

int print_views(const CommandContext& context, FoundAgent& agent, const std::vector<IdentityView>& views) {
    nlohmann::json body{{"identities", nlohmann::json::array()}, {"running", agent.client.has_value()}};
    if (!agent.remark.empty()) {
        body["remark"] = agent.remark;
    }
    if (const auto told = health(context.paths, agent.client)) {
        body["agent"] = control::to_json(*told);
    }
    for (const IdentityView& view : views) {
        body["identities"].push_back(control::to_json(view));
    }
    print_json("status", std::move(body));
    return 0;
}

}  // namespace

int status(const CommandContext& context, const std::optional<std::string>& identity) {
    auto agent = find_agent(context.paths);
    if (!agent) {
        return report(context, agent.error());
    }
    if (agent->silence) {
        agent->remark = absence_remark(*agent);
    }
    if (!identity && !context.output.json) {
        return print_overview(context, *agent);
    }
    const auto views = identity_views(context.paths, agent->client, identity);
    if (!views) {
        return report(context, views.error());
    }
    if (context.output.json) {
        return print_views(context, *agent, *views);
    }
    if (views->empty()) {
        std::puts(no_identity_text(proposal_ground(context.paths)).c_str());
        return 0;
    }
    const auto events = history_events(context.paths, agent->client, identity, shown_events);
    if (!events) {
        return report(context, events.error());
    }
    const ProposalGround ground = proposal_ground(context.paths);
    if (!agent->remark.empty()) {
        std::puts(with_proposed_commands(ground, agent->remark).c_str());
    }
    print_one(views->front(), *events, context.output.screen, ground);
    if (agent->silence) {
        std::puts(("next: " + proposed_command(ground, "systemctl restart hwenrolld")).c_str());
    } else if (const auto code = failure_of(views->front())) {
        std::fputs(next_after(context, views->front().name, *code).c_str(), stdout);
    }
    return 0;
}

int list(const CommandContext& context) {
    auto agent = agent_to_read(context.paths);
    if (!agent) {
        return report(context, agent.error());
    }
    report_silence(context, *agent);
    const auto views = identity_views(context.paths, agent->client, {});
    if (!views) {
        return report(context, views.error());
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
            const bool orphan = view.failure && view.failure->code == ErrorCode::unknown_name;
            rows.push_back({view.name, "-", "-", orphan ? "not configured any more" : "disabled by its configuration"});
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
    auto agent = agent_to_read(context.paths);
    if (!agent) {
        return report(context, agent.error());
    }
    report_silence(context, *agent);
    const auto events = history_events(context.paths, agent->client, identity, limit);
    if (!events) {
        return report(context, events.error());
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
