#include "agent/cli/expiry_judgement.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace hwenroll::cli {
namespace {

constexpr Seconds usual_warning = std::chrono::hours(14 * 24);
constexpr Seconds usual_critical = std::chrono::hours(7 * 24);
constexpr std::size_t most_named = 5;  ///< identities in the line

/// How bad: the numbers of the exit codes are in another order.
int severity(CheckLevel level) {
    return level == CheckLevel::critical ? 3 : level == CheckLevel::unknown ? 2 : static_cast<int>(level);
}

CheckLevel worse(CheckLevel a, CheckLevel b) {
    return severity(a) >= severity(b) ? a : b;
}

Seconds span_of(const config::LifetimeSpan& span, Seconds lifetime) {
    const auto* const percent = std::get_if<config::Percent>(&span);
    return percent != nullptr ? lifetime * percent->value / 100 : std::get<Seconds>(span);
}

/// One finding about an identity.
struct Reason {
    CheckLevel level;
    std::string text;
};

/// What the state says, apart from the certificate's end.
std::vector<Reason> reasons_of_state(const control::IdentityView& view) {
    std::vector<Reason> reasons;
    const bool valid = view.certificate && view.at < view.certificate->not_after;
    const std::string code = view.failure ? " " + std::string(error_info(view.failure->code).name) : std::string();
    if (!view.enabled && view.failure && view.failure->code == ErrorCode::unknown_name) {
        reasons.push_back({CheckLevel::warning, "not configured any more and not renewed"});
    } else if (!view.enabled) {
        reasons.push_back({CheckLevel::critical, "disabled by its configuration," + code});
    } else if (view.word.starts_with("HELD")) {
        reasons.push_back({valid ? CheckLevel::warning : CheckLevel::critical, "held, " + view.word + code});
    } else if (view.word == "RETRYING") {
        reasons.push_back({valid ? CheckLevel::warning : CheckLevel::critical, "retrying," + code});
    } else if (view.failure && view.failure->consecutive > 0) {
        reasons.push_back({CheckLevel::warning, "failing," + code});
    }
    if (view.enabled && !view.certificate && reasons.empty()) {
        reasons.push_back({CheckLevel::warning, "no certificate yet, " + view.word});
    }
    // What is under way is on its way; what is not should be.
    if (valid && view.renew_at && view.at >= *view.renew_at && (view.word == "OK" || !view.enabled)) {
        reasons.push_back({CheckLevel::warning, "not renewed since " + to_iso8601(*view.renew_at)});
    }
    return reasons;
}

/// Consumers go on with what they were last told of: as bad as the end of that is near.
std::optional<Reason> reason_of_delivery(const control::IdentityView& view, Seconds critical) {
    if (!view.delivery || view.delivery->attempts == 0) {
        return std::nullopt;
    }
    const control::DeliveryView& delivery = *view.delivery;
    std::string text =
        fmt::format("not delivered{}", delivery.since ? " since " + to_iso8601(*delivery.since) : std::string());
    if (delivery.code) {
        text += fmt::format(", {}", error_info(*delivery.code).name);
    }
    if (!delivery.confirmed_end) {
        return Reason{CheckLevel::warning, text};
    }
    const Seconds left = *delivery.confirmed_end - view.at;
    text += ", what consumers use " +
            (left <= Seconds(0) ? "expired " + to_words(-left) + " ago" : "expires in " + to_words(left));
    return Reason{left <= Seconds(0) || left < critical ? CheckLevel::critical : CheckLevel::warning, text};
}

std::string left_text(Seconds left) {
    return left <= Seconds(0) ? "expired " + to_words(-left) + " ago" : "expires in " + to_words(left);
}

/// Separators of the plugin's line do not occur in it.
std::string plain(std::string text) {
    std::ranges::replace(text, '|', '/');
    return printable(text, 400);
}

std::string text_of(const CheckJudgement& judgement) {
    return plain(fmt::format("{}: {}", judgement.identity, fmt::join(judgement.reasons, ", ")));
}

std::string performance_data(const std::vector<CheckJudgement>& judgements) {
    std::string out;
    for (const CheckJudgement& one : judgements) {
        if (one.left) {
            // `N:` of a threshold: what is below N alarms.
            out += fmt::format(" '{}'={}s;{}:;{}:", one.identity, one.left->count(), one.warning.count(),
                               one.critical.count());
        }
    }
    return out.empty() ? out : " |" + out;
}

std::string summary_of_good(const std::vector<CheckJudgement>& judgements) {
    const auto first = std::ranges::min_element(judgements, {}, [](const CheckJudgement& one) { return *one.left; });
    return fmt::format("{} {}, {} {}", judgements.size(), judgements.size() == 1 ? "identity" : "identities",
                       first->identity, left_text(*first->left));
}

}  // namespace

std::string to_text(CheckLevel level) {
    switch (level) {
        case CheckLevel::ok:
            return "OK";
        case CheckLevel::warning:
            return "WARNING";
        case CheckLevel::critical:
            return "CRITICAL";
        case CheckLevel::unknown:
            break;
    }
    return "UNKNOWN";
}

CheckJudgement judge(const control::IdentityView& view, const CheckThresholds& thresholds) {
    CheckJudgement judgement;
    judgement.identity = view.name;
    std::vector<Reason> reasons = reasons_of_state(view);
    if (view.certificate) {
        const Seconds lifetime = view.certificate->not_after - view.certificate->not_before;
        // Without a known renewal point, that of the default `renew_at`.
        const Seconds left_at_renewal =
            view.renew_at ? std::max(Seconds(0), view.certificate->not_after - *view.renew_at) : lifetime / 4;
        const Seconds left = view.certificate->not_after - view.at;
        judgement.left = left;
        judgement.warning = thresholds.warning ? span_of(*thresholds.warning, lifetime)
                                               : std::min(usual_warning, left_at_renewal * 3 / 4);
        judgement.critical = thresholds.critical ? span_of(*thresholds.critical, lifetime)
                                                 : std::min(usual_critical, left_at_renewal * 3 / 8);
        const CheckLevel level = left <= Seconds(0) || left < judgement.critical ? CheckLevel::critical
                                 : left < judgement.warning                      ? CheckLevel::warning
                                                                                 : CheckLevel::ok;
        reasons.push_back({level, left_text(left)});
    }
    if (auto reason = reason_of_delivery(view, judgement.critical)) {
        reasons.push_back(*std::move(reason));
    }
    std::ranges::stable_sort(reasons,
                             [](const Reason& a, const Reason& b) { return severity(a.level) > severity(b.level); });
    for (const Reason& reason : reasons) {
        judgement.level = worse(judgement.level, reason.level);
        judgement.reasons.push_back(reason.text);
    }
    return judgement;
}

CheckLevel overall(const std::vector<CheckJudgement>& judgements, AgentPresence agent) {
    CheckLevel level = judgements.empty() ? CheckLevel::unknown : CheckLevel::ok;
    for (const CheckJudgement& one : judgements) {
        level = worse(level, one.level);
    }
    return agent == AgentPresence::runs ? level : worse(level, CheckLevel::warning);
}

std::string check_line(const std::vector<CheckJudgement>& judgements, AgentPresence agent) {
    std::vector<const CheckJudgement*> bad;
    for (const CheckJudgement& one : judgements) {
        if (one.level != CheckLevel::ok) {
            bad.push_back(&one);
        }
    }
    std::ranges::stable_sort(
        bad, [](const CheckJudgement* a, const CheckJudgement* b) { return severity(a->level) > severity(b->level); });
    std::vector<std::string> parts;
    if (judgements.empty()) {
        parts.emplace_back("no identity is configured");
    }
    if (agent != AgentPresence::runs) {
        parts.push_back(fmt::format("hwenrolld does not {}, nothing is renewed",
                                    agent == AgentPresence::silent ? "answer" : "run"));
    }
    for (std::size_t i = 0; i < std::min(bad.size(), most_named); ++i) {
        parts.push_back(text_of(*bad[i]));
    }
    if (bad.size() > most_named) {
        parts.push_back(fmt::format("and {} more", bad.size() - most_named));
    }
    if (bad.empty() && !judgements.empty()) {
        parts.push_back(summary_of_good(judgements));
    }
    return fmt::format("HWENROLL {} - {}{}", to_text(overall(judgements, agent)), fmt::join(parts, "; "),
                       performance_data(judgements));
}

}  // namespace hwenroll::cli
