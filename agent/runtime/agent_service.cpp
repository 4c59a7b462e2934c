#include "agent/runtime/agent_service.h"

#include <algorithm>
#include <limits>
#include <set>

#include "agent/config/suggestion.h"
#include "agent/config/value_syntax.h"
#include "agent/control/authority_view.h"
#include "agent/control/identity_view.h"
#include "agent/observe/status_words.h"
#include "agent/runtime/orphan_identities.h"
#include "agent/runtime/policy.h"
#include "agent/runtime/resume.h"
#include "base/pem.h"

namespace hwenroll::runtime {
namespace {

Error unknown(const std::string& identity, const config::Configuration& configuration) {
    std::vector<std::string> names;
    for (const auto& [name, settings] : configuration.identities) {
        names.push_back(name);
    }
    return config::no_such_name("identity", identity, names);
}

Error unknown_authority(const std::string& ca) {
    return Error(ErrorCode::unknown_name, "there is no CA '" + ca + "'", {},
                 "name a [ca.*] section of the configuration");
}

/// A serial number as people write it: hexadecimal, with or without colons and leading zeros.
Result<Bytes> serial_from(std::string text) {
    constexpr std::size_t most_octets = 32;
    std::erase(text, ':');
    if (text.size() % 2 != 0) {
        text.insert(text.begin(), '0');
    }
    auto octets = from_hex(text);
    if (!octets || octets->empty() || octets->size() > most_octets) {
        return fail(Error(ErrorCode::usage, "'" + text + "' is no serial number", {},
                          "write it in hexadecimal, as 'hwenroll status' shows it"));
    }
    const auto first = std::ranges::find_if(*octets, [](std::uint8_t octet) { return octet != 0; });
    return Bytes(first == octets->end() ? first - 1 : first, octets->end());
}

std::string pin_word(const keystore::TokenDescription& token) {
    return token.pin_locked ? "locked" : token.pin_final_try ? "final-try" : token.pin_count_low ? "few-tries" : "ok";
}

control::TokenView token_view(const std::string& name, const TokenCondition& condition) {
    control::TokenView view;
    view.name = name;
    view.logged_in = condition.logged_in;
    if (condition.description) {
        view.pin = pin_word(*condition.description);
    }
    if (condition.busy_since) {
        view.busy =
            std::chrono::duration_cast<Seconds>(std::chrono::steady_clock::now() - *condition.busy_since).count();
    }
    if (condition.failure) {
        view.failure = condition.failure->line();
    }
    const bool locked =
        view.pin == "locked" || (condition.failure && condition.failure->code() == ErrorCode::token_pin_locked);
    view.state = locked                 ? "locked"
                 : condition.busy_since ? "busy"
                 : condition.failure    ? "failed"
                 : condition.used       ? "up"
                                        : "unused";
    return view;
}

/// Nothing is under way, and nothing was asked for.
bool is_idle(const IdentityRunner& runner) {
    return !runner.busy() && runner.state().wish == lifecycle::Wish::nothing;
}

void add_metrics_of(const Agent& agent, observe::Metrics& metrics) {
    metrics.add("hwenroll_up", {}, 1);
    metrics.add("hwenroll_clock_trusted", {}, agent.clock_trust().trusted() ? 1 : 0);
    for (const auto& [name, token] : agent.tokens()) {
        if (const auto reached = token->reached()) {
            metrics.add("hwenroll_token_up", {{"token", name}}, *reached ? 1 : 0);
        }
    }
    const auto add = [&](const char* family, const char* label, const auto& words, auto kind) {
        for (std::size_t i = 0; i < words.size(); ++i) {
            const auto count = agent.counts().of(static_cast<decltype(kind)>(i));
            metrics.add(family, {{label, std::string(words[i])}}, static_cast<std::int64_t>(count));
        }
    };
    add("hwenroll_requests_total", "result", WorkCounts::request_results, RequestResult{});
    add("hwenroll_token_operations_total", "op", WorkCounts::token_operations, TokenOperation{});
}

}  // namespace

void AgentService::adopt(const config::Configuration& configuration) {
    configuration_ = &configuration;
    faults_.clear();
    for (const config::Finding& finding : configuration.findings) {
        if (finding.part == config::Part::identity) {
            faults_.emplace(finding.name, &finding);
        }
    }
    // Without a state that can be read nothing is known of them.
    orphans_ = orphan_identities(store_, configuration).value_or(std::map<std::string, Error>());
}

/// What keeps an identity from running: a fault of its configuration, or that it has none any more; nothing when there
/// is none.
std::optional<Error> AgentService::fault_of(const std::string& identity) const {
    if (const auto found = faults_.find(identity); found != faults_.end()) {
        return found->second->error;
    }
    const auto orphan = orphans_.find(identity);
    return orphan == orphans_.end() ? std::nullopt : std::optional(orphan->second);
}

/// Of all identities, in order, the first `limit` of those after `after`. Each source gives as many, so that what is
/// first in all of them is among what they give.
std::vector<std::string> AgentService::names(const std::string& after, std::size_t limit) const {
    const std::vector<std::string> running = agent_.identities(after, limit);
    std::set<std::string> names(running.begin(), running.end());
    const auto add = [&](const auto& source) {
        std::size_t added = 0;
        for (auto entry = source.upper_bound(after); entry != source.end() && added < limit; ++entry, ++added) {
            names.insert(entry->first);
        }
    };
    add(configuration_->identities);  // of an agent that rests: it would have taken them over
    add(faults_);
    add(orphans_);
    std::vector<std::string> first(names.begin(), names.end());
    first.resize(std::min(first.size(), limit));
    return first;
}

bool AgentService::is_known(const std::string& identity) const {
    return agent_.find(identity) != nullptr || configuration_->identities.contains(identity) ||
           faults_.contains(identity) || orphans_.contains(identity);
}

Result<IdentityRunner*> AgentService::runner(const std::string& identity) {
    if (rest_) {
        return fail(*rest_);
    }
    if (IdentityRunner* const found = agent_.find(identity)) {
        return found;
    }
    if (const auto fault = fault_of(identity)) {
        return fail(*fault);
    }
    return fail(unknown(identity, *configuration_));
}

std::string AgentService::notice_of(const std::string& authority) {
    AuthorityAccess* const found = agent_.find_authority(authority);
    return found == nullptr ? std::string() : found->notice();
}

std::string AgentService::resting_word() const {
    return rest_->code() == ErrorCode::state_machine ? "HELD(machine)" : "HELD(crashes)";
}

control::IdentityView AgentService::resting_view(control::IdentityView view) const {
    view.word = resting_word();
    view.next = rest_->next();
    view.settled = true;
    view.failure = control::FailureView{rest_->code(), rest_->line(), clock_.now(), 0};
    return view;
}

control::OverviewRow AgentService::resting_row(control::OverviewRow row) const {
    row.word = resting_word();
    row.next = rest_->next();
    row.settled = true;
    row.failure = rest_->line();
    return row;
}

Result<control::IdentityView> AgentService::view(const std::string& identity) {
    control::ConfiguredIdentity configured{identity, {}, {}, {}, configuration_->agent.publish_dir, {}};
    const IdentityRunner* const found = agent_.find(identity);
    if (found == nullptr) {
        configured.fault = fault_of(identity);
        const auto stored = store_.identity(identity);
        auto shown = stored ? control::view_of(configured, *stored, clock_.now()) : fail(stored.error());
        return shown && rest_ && !configured.fault ? resting_view(*std::move(shown)) : shown;
    }
    configured.ca = found->settings().ca;
    configured.token = found->settings().token;
    configured.subject = found->settings().subject.text();
    auto view = control::view_of(configured, found->state(), clock_.now());
    if (view) {
        view->notice = notice_of(configured.ca);
        view->settled = view->settled && is_idle(*found);
        view->renew_at = lifecycle::renewal_time(found->state(), found->policy());
        view->next_at = found->decision_due();
        view->crl = crl_view(*found);
    }
    return view;
}

Result<control::OverviewRow> AgentService::row(const std::string& identity, TimePoint now) {
    if (const IdentityRunner* const found = agent_.find(identity)) {
        control::OverviewRow row = control::row_of(identity, {}, found->state(), now);
        row.settled = row.settled && is_idle(*found);
        row.renew_at = lifecycle::renewal_time(found->state(), renewal_policy_of(found->settings()));
        return row;
    }
    const auto fault = fault_of(identity);
    const auto stored = store_.identity(identity);
    if (!stored) {
        return fail(stored.error());
    }
    control::OverviewRow row = control::row_of(identity, fault, *stored, now);
    return rest_ && !fault ? resting_row(std::move(row)) : row;
}

Result<std::vector<control::IdentityView>> AgentService::status(const std::optional<std::string>& identity) {
    if (!identity) {
        return status_page({}, std::numeric_limits<std::size_t>::max());
    }
    if (!is_known(*identity)) {
        return fail(unknown(*identity, *configuration_));
    }
    auto one = view(*identity);
    return one ? Result<std::vector<control::IdentityView>>({*std::move(one)}) : fail(one.error());
}

Result<std::vector<control::IdentityView>> AgentService::status_page(const std::string& after, std::size_t limit) {
    std::vector<control::IdentityView> views;
    for (const std::string& name : names(after, limit)) {
        auto one = view(name);
        if (!one) {
            return fail(one.error());
        }
        views.push_back(*std::move(one));
    }
    return views;
}

Result<control::Overview> AgentService::overview_page(const std::string& after, std::size_t limit) {
    control::Overview overview;
    overview.at = clock_.now();
    std::set<std::string> authorities;
    for (const std::string& name : names(after, limit)) {
        auto one = row(name, overview.at);
        if (!one) {
            return fail(one.error());
        }
        overview.rows.push_back(*std::move(one));
        const IdentityRunner* const running = agent_.find(name);
        if (running != nullptr && authorities.insert(running->settings().ca).second) {
            control::add_notice(overview, notice_of(running->settings().ca));
        }
    }
    return overview;
}

Status AgentService::add_metrics(observe::Metrics& metrics, const std::string& identity, TimePoint now) {
    if (const IdentityRunner* const found = agent_.find(identity)) {
        const lifecycle::Policy policy = found->policy();
        const bool known = !policy.authority.anchor.empty();
        metrics.add({identity, observe::status_word(found->state(), now), &found->state(),
                     lifecycle::renewal_time(found->state(), policy),
                     known ? std::optional(policy.authority.not_after) : std::nullopt});
        return {};
    }
    const auto stored = store_.identity(identity);
    if (!stored) {
        return fail(stored.error());
    }
    const auto fault = fault_of(identity);
    metrics.add({identity, rest_ && !fault ? resting_word() : "DISABLED", &*stored});
    return {};
}

/// What is told of the agent as a whole comes with the first page.
Result<control::MetricsPage> AgentService::metrics_page(const std::string& after, std::size_t limit) {
    observe::Metrics metrics;
    if (after.empty()) {
        add_metrics_of(agent_, metrics);
    }
    const std::vector<std::string> page = names(after, limit);
    for (const std::string& name : page) {
        if (const Status added = add_metrics(metrics, name, clock_.now()); !added) {
            return fail(added.error());
        }
    }
    return control::MetricsPage{metrics.families(), page.empty() ? after : page.back(), page.size() < limit};
}

Result<control::Acceptance> AgentService::want(const std::string& identity, const lifecycle::Event& event,
                                               const std::string& begun) {
    auto found = runner(identity);
    if (!found) {
        return fail(found.error());
    }
    if (const std::string why = (*found)->impediment(); !why.empty()) {
        return control::Acceptance{false, "nothing can begin now: " + why};
    }
    const lifecycle::IdentityState& state = (*found)->state();
    const bool under_way = (state.enrollment && !state.hold) || state.next;
    const auto* const renewal = std::get_if<lifecycle::RenewalWanted>(&event);
    if (under_way && renewal != nullptr && !renewal->rekey) {
        return control::Acceptance{false, "a certificate is on its way already"};  // O6
    }
    (*found)->post(event);
    return control::Acceptance{true, begun};
}

Result<control::Acceptance> AgentService::enroll(const std::string& identity) {
    auto found = runner(identity);
    if (!found) {
        return fail(found.error());
    }
    const lifecycle::IdentityState& state = (*found)->state();
    const bool valid = state.current && clock_.now() < state.current->issued.not_after;
    if (valid && !state.enrollment && !state.hold) {
        return control::Acceptance{false, "it has a certificate; 'hwenroll renew' gets another one"};
    }
    return want(identity, lifecycle::EnrollmentWanted{}, "the enrollment has begun");
}

Result<control::Acceptance> AgentService::renew(const std::string& identity, bool rekey) {
    return want(identity, lifecycle::RenewalWanted{rekey}, "the renewal has begun");
}

Result<control::Acceptance> AgentService::cancel(const std::string& identity) {
    auto found = runner(identity);
    if (!found) {
        return fail(found.error());
    }
    if (const std::string why = (*found)->impediment(); !why.empty()) {
        return control::Acceptance{false, "nothing can end now: " + why};
    }
    if (!(*found)->state().enrollment || (*found)->state().hold) {
        return control::Acceptance{false, "no request is under way"};
    }
    (*found)->post(lifecycle::Cancelled{});
    return control::Acceptance{true, "the request is ended; 'hwenroll resume' begins anew"};
}

Result<control::Acceptance> AgentService::accept_next(const std::string& ca,
                                                      const std::optional<std::string>& fingerprint) {
    if (rest_) {
        return fail(*rest_);
    }
    AuthorityAccess* const authority = agent_.find_authority(ca);
    if (authority == nullptr) {
        return fail(unknown_authority(ca));
    }
    std::optional<Bytes> wanted;
    if (fingerprint) {
        auto parsed = config::parse_fingerprint(*fingerprint);
        if (!parsed) {
            return fail(Error(ErrorCode::usage, "'" + *fingerprint + "' is no fingerprint",
                              std::string(parsed.error().what()), "write it as status shows it, SHA256:…"));
        }
        wanted = *std::move(parsed);
    }
    return authority->accept_successor(wanted);
}

void AgentService::adopt_certificate(const std::string& identity, const std::string& certificates, Accepted done) {
    auto found = runner(identity);
    if (!found) {
        return done(fail(found.error()));
    }
    auto read = certificates_from_pem(certificates);
    if (!read) {
        return done(fail(Error(ErrorCode::input_file, "there is no certificate to adopt",
                               std::string(read.error().what()), "give it as PEM, with its chain below it")
                             .about(identity)));
    }
    (*found)->adopt_certificate(*std::move(read), std::move(done));
}

Result<CrlWatch*> AgentService::crls_of(const std::string& ca) {
    if (rest_) {
        return fail(*rest_);
    }
    CrlWatch* const found = agent_.find_crls(ca);
    return found != nullptr ? Result<CrlWatch*>(found) : fail(unknown_authority(ca));
}

std::optional<control::CrlView> AgentService::crl_view(const IdentityRunner& runner) {
    const CrlWatch* const crls = agent_.find_crls(runner.settings().ca);
    const AuthorityAccess* const authority = agent_.find_authority(runner.settings().ca);
    const auto& current = runner.state().current;
    const lifecycle::CrlState* const state = crls != nullptr && current ? crls->state_for(current->issued) : nullptr;
    if (state == nullptr || authority == nullptr) {
        return std::nullopt;
    }
    control::CrlView view;
    view.source = authority->settings().crl == config::CrlSource::scep ? "scep" : "cdp";
    view.next_fetch = lifecycle::next_fetch(*state, clock_.now());
    view.failure = state->failure ? state->failure->line : std::string();
    if (!state->crl.digest.empty()) {
        view.number = to_hex(state->crl.number);
        view.this_update = state->crl.this_update;
        view.next_update = state->crl.next_update;
        view.entries = static_cast<std::int64_t>(state->crl.entries);
    }
    return view;
}

void AgentService::fetch_crl(const std::string& ca, Accepted done) {
    auto crls = crls_of(ca);
    if (!crls) {
        return done(fail(crls.error()));
    }
    (*crls)->fetch_now(std::move(done));
}

void AgentService::fetch_certificate(const std::string& ca, const std::string& serial, Accepted done) {
    auto crls = crls_of(ca);
    if (!crls) {
        return done(fail(crls.error()));
    }
    auto number = serial_from(serial);
    if (!number) {
        return done(fail(number.error()));
    }
    (*crls)->fetch_certificate(*number, std::move(done));
}

Result<control::ResumptionView> AgentService::resume(const std::string& identity) {
    if (rest_) {
        const auto found = configuration_->identities.find(identity);
        if (found == configuration_->identities.end()) {
            return fail(fault_of(identity).value_or(unknown(identity, *configuration_)));
        }
        const std::string token = found->second.token;
        const auto wake = wake_;  // it takes itself out of here
        const Status awake = wake();
        return awake ? Result<control::ResumptionView>(control::ResumptionView{token, true, false, false})
                     : fail(awake.error());
    }
    auto found = runner(identity);
    if (!found) {
        return fail(found.error());
    }
    const config::IdentitySettings& settings = (*found)->settings();
    Resumption done;
    if (const Status released = release_pins(store_, configuration_->tokens, settings, clock_.now(), done); !released) {
        return fail(released.error());
    }
    const lifecycle::IdentityState& state = (*found)->state();
    const bool waits = state.hold || state.wait.retry_after || state.wait.reason == lifecycle::WaitingFor::pin ||
                       state.wait.reason == lifecycle::WaitingFor::token;
    done.hold_released = waits && (!done.pin_file_must_change || state.hold);
    done.delivery_retried = lifecycle::delivery_failures(state) > 0;
    if (done.hold_released || done.delivery_retried) {
        (*found)->post(lifecycle::Resumed{done.pin_file_must_change});
    }
    return control::ResumptionView{done.token, done.hold_released, done.pin_released, done.pin_file_must_change,
                                   done.delivery_retried};
}

Result<control::Health> AgentService::health() {
    control::Health health;
    health.at = clock_.now();
    health.version = version_;
    health.configuration = to_hex(configuration_->digest);
    health.notice = rest_ ? rest_->line() : refused_reload_ ? refused_reload_() : std::string();
    health.clock = agent_.clock_trust().why();
    for (const auto& [name, authority] : agent_.authorities()) {
        if (const auto state = authority->known()) {
            health.authorities.push_back(control::view_of(name, *state));
        }
    }
    for (const auto& [name, token] : agent_.tokens()) {
        health.tokens.push_back(token_view(name, token->condition()));
    }
    return health;
}

Result<std::vector<control::HistoryEvent>> AgentService::history(const std::optional<std::string>& identity,
                                                                 std::int64_t limit) {
    auto entries = identity ? store_.history("identity", *identity, limit) : store_.history(limit);
    if (!entries) {
        return fail(entries.error());
    }
    std::vector<control::HistoryEvent> events;
    for (const store::HistoryEntry& entry : *entries) {
        events.push_back({entry.kind, entry.name, entry.at, entry.text});
    }
    return events;
}

void AgentService::tell(const std::string& identity, const std::string& text, const std::optional<Error>& failure) {
    if (!sink_) {
        return;
    }
    const auto now = view(identity);
    if (!now) {
        return;
    }
    control::IdentityEvent event = control::event_of(*now);
    if (!text.empty()) {
        event.text = text;
    }
    if (failure) {
        event.error = failure->code();
    }
    sink_(event);
}

}  // namespace hwenroll::runtime
