#include "agent/control/identity_view.h"

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

void describe_disabled(IdentityView& view, const Error& fault) {
    view.enabled = false;
    view.word = "DISABLED";
    view.next = "correct the configuration; 'hwenroll check-config' says where";
    view.settled = true;
    view.failure = {fault.code(), fault.line(), view.at, 0};
}

void describe_state(IdentityView& view, const IdentityState& state, TimePoint now) {
    view.word = observe::status_word(state, now);
    view.next = observe::next_step(state, now);
    const Phase phase = lifecycle::attempt_phase(state);
    view.settled = phase == Phase::held || (phase == Phase::valid && !state.delivery);
    if (state.shadow) {
        view.shadow_not_before = state.shadow->credential.issued.not_before;
    }
    if (state.wait.reason != lifecycle::WaitingFor::nothing) {
        view.next_at = state.wait.until;
    }
    if (state.failure) {
        view.failure = {state.failure->code, state.failure->line, state.failure->at, state.counters.failures};
    }
}

}  // namespace

Result<IdentityView> view_of(const ConfiguredIdentity& configured, const IdentityState& state, TimePoint now) {
    IdentityView view;
    view.name = configured.name;
    view.ca = configured.ca;
    view.token = configured.token;
    view.subject = configured.subject;
    view.waiting_for = observe::to_text(state.wait.reason);
    view.at = now;
    if (configured.fault) {
        describe_disabled(view, *configured.fault);
    } else {
        describe_state(view, state, now);
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

IdentityEvent event_of(const IdentityView& view) {
    IdentityEvent event{view.name, view.at, view.word, view.failure ? view.failure->line : view.next, view.settled, {}};
    if (view.failure) {
        event.error = view.failure->code;
    } else if (view.certificate && view.certificate->not_after <= view.at) {
        event.error = ErrorCode::identity_expired;
    }
    return event;
}

}  // namespace hwenroll::control
