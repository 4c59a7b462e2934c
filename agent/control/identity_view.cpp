#include "agent/control/identity_view.h"

#include <algorithm>
#include <utility>

#include "agent/observe/status_words.h"
#include "base/certificate.h"

namespace hwenroll::control {
namespace {

using lifecycle::IdentityState;
using lifecycle::Phase;

CertificateView certificate_view(const CertificateSummary& summary, const Bytes& der) {
    return {summary.subject.text(), summary.issuer.text(), to_hex(summary.serial), "SHA256:" + to_hex(sha256(der), ':'),
            summary.not_before,     summary.not_after};
}

std::optional<FailureView> failure_view(const ConfiguredIdentity& configured, const IdentityState& state,
                                        TimePoint now) {
    if (configured.fault) {
        return FailureView{configured.fault->code(), configured.fault->line(), now, 0};
    }
    if (state.failure) {
        return FailureView{state.failure->code, state.failure->line, state.failure->at, state.counters.failures};
    }
    return std::nullopt;
}

std::optional<DeliveryView> delivery_view(const IdentityState& state) {
    if (!state.delivery) {
        return std::nullopt;
    }
    DeliveryView view;
    view.generation = static_cast<std::int64_t>(state.delivery->generation);
    view.attempts = lifecycle::delivery_failures(state);
    view.next_try = state.delivery->next_try;
    view.confirmed_end = state.delivery->confirmed;
    if (const auto& failure = state.delivery->failure) {
        view.code = failure->code;
        view.line = failure->line;
        view.since = failure->since;
    }
    return view;
}

/// The last failure in a line: of the attempt, else of telling the consumers; empty: there is none.
std::string failure_line(const IdentityState& state) {
    const auto& delivery = state.delivery;
    return state.failure                   ? state.failure->line
           : delivery && delivery->failure ? delivery->failure->line
                                           : std::string();
}

void describe_state(IdentityView& view, const IdentityState& state) {
    view.delivery = delivery_view(state);
    if (state.shadow) {
        view.shadow_not_before = state.shadow->credential.issued.not_before;
    }
    if (state.wait.reason != lifecycle::WaitingFor::nothing) {
        view.next_at = state.wait.until;
    }
}

}  // namespace

OverviewRow row_of(const std::string& name, const std::optional<Error>& fault, const IdentityState& state,
                   TimePoint now) {
    OverviewRow row;
    row.name = name;
    if (fault) {
        row.enabled = false;
        row.word = "DISABLED";
        // Of one that has left the configuration that says nothing.
        row.next = fault->code() == ErrorCode::unknown_name
                       ? std::string(fault->next())
                       : "correct the configuration; 'hwenroll check-config' says where";
        row.settled = true;
        row.failure = fault->line();
    } else {
        row.word = observe::status_word(state, now);
        row.next = observe::next_step(state, now);
        const Phase phase = lifecycle::attempt_phase(state);
        const bool delivered = !state.delivery || lifecycle::is_undelivered(state, now);
        row.settled = phase == Phase::held || (phase == Phase::valid && delivered);
        row.failure = failure_line(state);
    }
    if (state.current) {
        row.not_before = state.current->issued.not_before;
        row.not_after = state.current->issued.not_after;
    }
    return row;
}

Result<IdentityView> view_of(const ConfiguredIdentity& configured, const IdentityState& state, TimePoint now) {
    OverviewRow row = row_of(configured.name, configured.fault, state, now);
    IdentityView view;
    view.name = std::move(row.name);
    view.enabled = row.enabled;
    view.ca = configured.ca;
    view.token = configured.token;
    view.subject = configured.subject;
    view.word = std::move(row.word);
    view.next = std::move(row.next);
    view.settled = row.settled;
    view.waiting_for = observe::to_text(state.wait.reason);
    view.at = now;
    view.failure = failure_view(configured, state, now);
    if (view.enabled) {
        describe_state(view, state);
    }
    if (state.current) {
        const auto summary = summary_of(state.current->issued.leaf);
        if (!summary) {
            return fail(summary.error());
        }
        view.certificate = certificate_view(*summary, state.current->issued.leaf);
        view.generation = static_cast<std::int64_t>(state.current->generation);
        view.published = (configured.publish_dir / configured.name / "current").string();
        view.key_id = to_hex(state.current->key.id);
    }
    return view;
}

void add_notice(Overview& overview, const std::string& notice) {
    if (!notice.empty() && std::ranges::find(overview.notices, notice) == overview.notices.end()) {
        overview.notices.push_back(notice);
    }
}

Overview overview_of(const std::vector<IdentityView>& views) {
    Overview overview;
    overview.rows.reserve(views.size());
    for (const IdentityView& view : views) {
        overview.at = view.at;
        const std::string untold = view.delivery ? view.delivery->line : std::string();
        overview.rows.push_back(
            {view.name, view.enabled, view.word, view.next, view.settled, view.failure ? view.failure->line : untold,
             view.certificate ? std::optional(view.certificate->not_after) : std::nullopt,
             view.certificate ? std::optional(view.certificate->not_before) : std::nullopt, view.renew_at});
        add_notice(overview, view.notice);
    }
    return overview;
}

IdentityEvent event_of(const IdentityView& view) {
    IdentityEvent event{view.name, view.at, view.word, view.failure ? view.failure->line : view.next, view.settled, {}};
    if (view.failure) {
        event.error = view.failure->code;
    } else if (view.certificate && view.certificate->not_after <= view.at) {
        event.error = ErrorCode::identity_expired;
    } else if (view.settled && view.delivery && view.delivery->code) {
        event.error = view.delivery->code;
        event.text = view.delivery->line;
    }
    return event;
}

}  // namespace hwenroll::control
