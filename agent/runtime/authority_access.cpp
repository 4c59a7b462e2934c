#include "agent/runtime/authority_access.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "agent/observe/log_ids.h"
#include "agent/runtime/legacy_reminder.h"
#include "agent/runtime/transaction_algorithms.h"
#include "base/failpoint.h"
#include "transport/scep/operation_url.h"

namespace hwenroll::runtime {
namespace {

lifecycle::AuthorityRecord record_of(const scep::CaSet& set) {
    lifecycle::AuthorityRecord record;
    record.anchor_fingerprint = set.anchor.fingerprint();
    record.anchor = set.anchor.der();
    record.not_before = set.issuer.not_before();
    record.not_after = set.issuer.not_after();
    return record;
}

std::string name_of(const lifecycle::AuthorityRecord& record) {
    return "SHA256:" + to_hex(record.anchor_fingerprint, ':');
}

}  // namespace

AuthorityAccess::AuthorityAccess(const Surroundings& surroundings, http::Client& client,
                                 const config::AuthoritySettings& settings, const config::LimitSettings& limits)
    : at_(surroundings), settings_(settings), limits_(limits), urls_(client, settings.urls) {}

Status AuthorityAccess::load() {
    if (loaded_) {
        return {};
    }
    auto stored = at_.store.authority(settings_.name);
    if (!stored) {
        return fail(stored.error());
    }
    state_ = *std::move(stored);
    loaded_ = true;
    return {};
}

void AuthorityAccess::need(std::function<void(Answer)> then) {
    waiting_.push_back(std::move(then));
    if (waiting_.size() > 1) {
        return;
    }
    if (const Status loaded = load(); !loaded) {
        return answer(fail(loaded.error()));
    }
    if (const Status advanced = advance(lifecycle::AuthorityNeeded{}); !advanced) {
        return answer(fail(advanced.error()));
    }
    if (authority_ && (judged_by_time_ != at_.clock_trust.trusted() || judged_under_ != permitted(at_.clock.now()))) {
        authority_.reset();  // who may sign and receive, and how, hangs on the time
    }
    if (refused_for_) {
        return answer(fail(asked_too_soon(*refused_for_)));
    }
    if (must_fetch_ || (!authority_ && !restore())) {
        return fetch_capabilities(false);
    }
    answer(authority_);
}

void AuthorityAccess::need_next(std::function<void(Answer)> then) {
    // Its RAs and capabilities are asked of the CA in force, which must be known and fresh for that.
    need([this, then = std::move(then)](const Answer& current) {
        if (!current) {
            return then(fail(current.error()));
        }
        then(restore_next(**current));
    });
}

void AuthorityAccess::need_for_query(scep::MessageType type, std::function<void(Answer)> then) {
    need([this, type, then = std::move(then)](const Answer& current) {
        const bool refused = !current && current.error().code() == ErrorCode::ca_certificate;
        then(current || refused ? for_query(type, current) : current);
    });
}

/// `current` where that serves, or where nothing else does.
AuthorityAccess::Answer AuthorityAccess::for_query(scep::MessageType type, const Answer& current) const {
    const bool known = state_.current && state_.phase != lifecycle::AuthorityPhase::untrusted;
    scep::CaExpectation expected = expectation(at_.clock.now());
    expected.is_revoked = {};  // set_for_query looks at that
    auto stored = known ? scep::restore_next_ca(state_.current->certificates, expected)
                        : fail(ErrorCode::internal, "no CA is trusted");
    // A refusal for another reason stands.
    if (!stored || (!current && check_not_revoked(*stored, is_revoked_))) {
        return current;
    }
    auto query = set_for_query(*std::move(stored), type, is_revoked_);
    if (!query) {
        return current;
    }
    return std::make_shared<const Authority>(Authority{std::move(query->set),
                                                       scep::parse_capabilities(as_bytes(state_.current->capabilities)),
                                                       state_.current->generation,
                                                       {},
                                                       query->without_challenge});
}

lifecycle::AuthorityPolicy AuthorityAccess::policy() const {
    lifecycle::AuthorityPolicy policy;
    policy.pinned = settings_.fingerprints;
    policy.announces_successor =
        state_.current && scep::parse_capabilities(as_bytes(state_.current->capabilities)).allows_next_ca();
    policy.clock_trusted = at_.clock_trust.trusted();
    policy.operator_accepts = settings_.rollover == config::RolloverRule::operator_;
    return policy;
}

Status AuthorityAccess::advance(const lifecycle::AuthorityEvent& event) {
    const TimePoint now = at_.clock.now();
    auto transition = lifecycle::step(state_, event, policy(), now);
    must_fetch_ = transition.fetch;
    must_seek_ = transition.seek;
    refused_for_ = transition.refused_for;
    if (transition.state == state_ && transition.note.empty()) {
        return {};
    }
    Status committed = at_.store.commit(settings_.name, transition.state, transition.note, now);
    if (!committed) {
        return committed;
    }
    const bool changed = lifecycle::facts_of(state_, now) != lifecycle::facts_of(transition.state, now);
    const bool succeeded = state_.left.size() != transition.state.left.size() ||
                           (state_.current && transition.state.current &&
                            state_.current->anchor_fingerprint != transition.state.current->anchor_fingerprint);
    const bool rolls = transition.state.left.size() > state_.left.size() ||
                       (transition.state.next && transition.state.next != state_.next) ||
                       (transition.state.candidate && transition.state.candidate != state_.candidate);
    state_ = std::move(transition.state);
    if (succeeded) {
        failpoint("authority-switched");
        authority_.reset();
    }
    if (!transition.note.empty()) {
        at_.log.write(observe::record_about_authority(settings_.name, observe::Level::info, transition.note,
                                                      rolls ? observe::rollover_message_id : std::string_view()));
    }
    if (transition.alert && alert_) {
        at_.loop.post([tell = alert_, text = lifecycle::candidate_text(state_, settings_.name)] { tell(text); });
    }
    if (changed && changed_) {
        at_.loop.post(changed_);
    }
    return {};
}

Status AuthorityAccess::doubt() {
    Status doubted = loaded_ ? advance(lifecycle::AuthorityDoubted{}) : Status();
    failpoint("authority-doubted");
    return doubted;
}

Error AuthorityAccess::asked_too_soon(Seconds wait) const {
    return Error(state_.failure->code, fmt::format("the CA asked for {} s without requests", wait.count()),
                 state_.failure->line)
        .about("ca " + settings_.name)
        .retry_after(wait);
}

/// After a rollover the stored successor counts, and the configuration's pins no more, until the operator changes them
/// (design, "State machine").
std::vector<Bytes> AuthorityAccess::pins() const {
    const bool rolled_over = state_.current && state_.phase != lifecycle::AuthorityPhase::untrusted &&
                             !state_.pins_at_switch.empty() && state_.pins_at_switch == settings_.fingerprints;
    return rolled_over ? std::vector<Bytes>{state_.current->anchor_fingerprint} : settings_.fingerprints;
}

scep::LegacyPermissions AuthorityAccess::permitted(TimePoint now) const {
    return permissions_of(settings_.legacy, now, at_.clock_trust.trusted());
}

scep::CaExpectation AuthorityAccess::expectation(TimePoint now) const {
    return {pins(),
            now,
            parse_limits(limits_, at_.clock_trust.trusted()),
            ra_rule(settings_),
            permitted(now),
            settings_.envelope == config::EnvelopeMode::password,
            is_revoked_};
}

/// Works the roles out again from what is stored: they depend on the time.
Status AuthorityAccess::restore() {
    const TimePoint now = at_.clock.now();
    auto set = scep::restore_next_ca(state_.current->certificates, expectation(now));
    if (!set) {
        return fail(set.error());
    }
    tell_of_revoked(*set);
    trust(*std::move(set), scep::parse_capabilities(as_bytes(state_.current->capabilities)), permitted(now));
    return {};
}

/// `judged_under`: what the judgement of `set` went by, not what holds by now, a commit later.
void AuthorityAccess::trust(scep::CaSet set, const scep::Capabilities& capabilities,
                            const scep::LegacyPermissions& judged_under) {
    authority_ = std::make_shared<const Authority>(Authority{std::move(set), capabilities, state_.current->generation});
    judged_by_time_ = at_.clock_trust.trusted();
    judged_under_ = judged_under;
}

Result<std::shared_ptr<const Authority>> AuthorityAccess::restore_next(const Authority& current) {
    if (!state_.next) {
        return fail(Error(ErrorCode::ca_no_next, "no successor of the CA is known").about("ca " + settings_.name));
    }
    const TimePoint now = at_.clock.now();
    scep::CaExpectation expected = expectation(std::max(now, state_.next->not_before));
    expected.pinned = {state_.next->anchor_fingerprint};
    auto set = scep::restore_next_ca(state_.next->certificates, std::move(expected));
    if (!set) {
        return fail(Error(set.error()).about("ca " + settings_.name));
    }
    tell_of_revoked(*set);
    return std::make_shared<const Authority>(
        Authority{*std::move(set), current.capabilities, state_.next->generation, current.set.signers});
}

/// ROLL-17: a CA that shows its successor before its time: known, it takes over. K10: one that shows the CA that it was
/// thought to have been succeeded by now. Anything else is not trusted.
Status AuthorityAccess::take_other(const std::vector<Certificate>& received, const Error& refused) {
    if (refused.code() != ErrorCode::ca_fingerprint || !at_.clock_trust.trusted()) {
        return fail(refused);
    }
    const TimePoint now = at_.clock.now();
    std::vector<Bytes> candidates;
    if (state_.next) {
        candidates.push_back(state_.next->anchor_fingerprint);
    }
    for (const lifecycle::LeftAnchor& left : state_.left) {
        if (lifecycle::may_return_to(state_, left.fingerprint, policy(), now)) {
            candidates.push_back(left.fingerprint);
        }
    }
    scep::CaExpectation expected = expectation(now);
    expected.pinned = std::move(candidates);
    auto set = expected.pinned.empty() ? fail(refused) : scep::authenticate(received, expected);
    if (!set) {
        return fail(refused);
    }
    const bool succeeds = state_.next && state_.next->anchor_fingerprint == set->anchor.fingerprint();
    if (Status kept = check_no_downgrade(*set, succeeds ? *state_.next : *state_.current, expectation(now)); !kept) {
        return kept;
    }
    lifecycle::AuthorityRecord record = record_of(*set);
    for (const Certificate& certificate : received) {
        record.certificates.push_back(certificate.der());
    }
    record.capabilities = state_.current->capabilities;
    lifecycle::AuthorityEvent event = lifecycle::AuthorityFetched{};
    if (succeeds) {
        event = lifecycle::SuccessorInOffice{std::move(record)};
    } else {
        event = lifecycle::AuthorityFetched{std::move(record)};
    }
    const Status advanced = advance(event);
    return advanced ? restore() : advanced;
}

scep::NextCaExpectation AuthorityAccess::successor_expectation(TimePoint now) const {
    scep::NextCaExpectation expected{.current = authority_->set, .now = now};
    expected.rule = settings_.rollover == config::RolloverRule::fingerprint ? scep::RolloverRule::fingerprint
                                                                            : scep::RolloverRule::signature;
    expected.fingerprints = settings_.next_fingerprints;
    for (const lifecycle::LeftAnchor& left : state_.left) {
        expected.used.push_back({left.fingerprint, left.not_after});
    }
    expected.limits = parse_limits(limits_, at_.clock_trust.trusted());
    expected.ras = ra_rule(settings_);
    expected.legacy = permitted(now);
    expected.by_password = settings_.envelope == config::EnvelopeMode::password;
    return expected;
}

void AuthorityAccess::seek_successor(std::function<void()> then) {
    if (!load() || !advance(lifecycle::SuccessorNeeded{}) || !must_seek_) {
        return at_.loop.post(std::move(then));
    }
    fetch_successor(std::move(then));
}

void AuthorityAccess::fetch_successor(std::function<void()> then) {
    seekers_.push_back(std::move(then));
    if (std::exchange(seeking_, true)) {
        return;
    }
    const auto done = [this] {
        seeking_ = false;
        for (auto& seeker : std::exchange(seekers_, {})) {
            seeker();
        }
        if (sought_) {
            at_.loop.post(sought_);
        }
    };
    need([this, done](const Answer& current) {
        if (!current) {
            return done();  // need() has recorded why
        }
        exchange(
            [this](const std::string& url) {
                return get(url, scep::Operation::get_next_ca_cert, limits_.max_reply_bytes);
            },
            [this, done](const Result<http::Response>& response) {
                failpoint("successor-received");
                if (const Status accepted = read_successor(response); !accepted) {
                    const Error named = Error(accepted.error()).about("ca " + settings_.name);
                    if (const Status recorded = advance(lifecycle::SuccessorMissing{named}); !recorded) {
                        at_.log.write(recorded.error(), {});
                    }
                }
                done();
            });
    });
}

Status AuthorityAccess::read_successor(const Result<http::Response>& response) {
    if (!response) {
        return fail(response.error());
    }
    if (response->status != 200) {
        return fail(ErrorCode::ca_no_next, fmt::format("the CA answered GetNextCACert with HTTP {}", response->status));
    }
    if (!authority_) {
        return fail(ErrorCode::ca_no_next, "the CA has changed meanwhile");
    }
    auto next = scep::read_next_ca(response->body, successor_expectation(at_.clock.now()));
    if (!next) {
        return fail(next.error());
    }
    for (const std::string& warning : next->warnings) {
        at_.log.write(observe::record_about_authority(settings_.name, observe::Level::warning, warning));
    }
    lifecycle::AuthorityRecord record = record_of(next->set);
    record.certificates = std::move(next->certificates);
    Status advanced = advance(lifecycle::SuccessorFetched{std::move(record)});
    failpoint("successor-accepted");
    return advanced;
}

std::optional<lifecycle::AuthorityState> AuthorityAccess::known() {
    return load() ? std::optional(state_) : std::nullopt;
}

std::string AuthorityAccess::notice() {
    std::string text = load() ? lifecycle::candidate_text(state_, settings_.name) : std::string();
    if (at_.clock_trust.trusted()) {
        const std::string legacy = legacy_notice(settings_.name, settings_.legacy, at_.clock.now());
        text += (text.empty() || legacy.empty() ? "" : "; ") + legacy;
    }
    return text;
}

/// Each process says it once a day. Under a clock that is not trusted nothing ends.
void AuthorityAccess::remind_of_legacy() {
    const TimePoint now = at_.clock.now();
    const auto due = legacy_notice_due(settings_.legacy, legacy_told_);
    if (!at_.clock_trust.trusted() || !due || now < *due) {
        return;
    }
    legacy_told_ = now;
    at_.log.write({observe::Level::warning, legacy_notice(settings_.name, settings_.legacy, now)});
}

Result<control::Acceptance> AuthorityAccess::accept_successor(const std::optional<Bytes>& wanted) {
    if (const Status loaded = load(); !loaded) {
        return fail(loaded.error());
    }
    const auto nothing = [](std::string why) { return control::Acceptance{false, std::move(why)}; };
    if (!state_.candidate) {
        return nothing(state_.next ? name_of(*state_.next) + " is trusted as its successor already"
                                   : "no successor of it waits to be accepted");
    }
    const std::string candidate = name_of(*state_.candidate);
    if (wanted && *wanted != state_.candidate->anchor_fingerprint) {
        return nothing("the successor that waits is another one, " + candidate);
    }
    if (const Status accepted = advance(lifecycle::SuccessorAccepted{}); !accepted) {
        return fail(accepted.error());
    }
    if (state_.candidate) {
        return nothing("the CA itself is not trusted under the present configuration");
    }
    // It may have to take over at once.
    tick();
    return control::Acceptance{true, candidate + " is trusted as its successor from now on"};
}

void AuthorityAccess::tick() {
    remind_of_legacy();
    if (!load() || !advance(lifecycle::AuthorityTick{}) || !must_seek_) {
        return;
    }
    fetch_successor([] {});
}

std::optional<TimePoint> AuthorityAccess::next_due() {
    const auto due = load() ? lifecycle::next_due(state_, policy()) : std::nullopt;
    const auto reminder = at_.clock_trust.trusted() ? legacy_notice_due(settings_.legacy, legacy_told_) : std::nullopt;
    return due && reminder ? std::min(*due, *reminder) : due ? due : reminder;
}

lifecycle::AuthorityFacts AuthorityAccess::facts() {
    if (!load()) {
        return {};
    }
    lifecycle::AuthorityFacts facts = lifecycle::facts_of(state_, at_.clock.now());
    facts.crls = crls_;
    facts.publishes_crls = settings_.crl != config::CrlSource::off;
    return facts;
}

void AuthorityAccess::show_crls(std::vector<lifecycle::AuthorityFacts::IssuerCrl> crls) {
    if (crls_ == crls) {
        return;
    }
    crls_ = std::move(crls);
    authority_.reset();  // its signers are judged by them
    if (changed_) {
        at_.loop.post(changed_);
    }
}

void AuthorityAccess::tell_of_revoked(const scep::CaSet& set) const {
    for (const Certificate& ra : set.revoked) {
        at_.log.write(observe::record_about_authority(
            settings_.name, observe::Level::warning,
            fmt::format("its RA '{}' is revoked and signs no reply any more", ra.subject().text())));
    }
}

void AuthorityAccess::reconfigure(const config::AuthoritySettings& settings, const config::LimitSettings& limits) {
    settings_ = settings;
    limits_ = limits;
    ++revision_;
    urls_.replace(settings.urls);
    authority_.reset();
}

RequestForm AuthorityAccess::form(const Authority& authority) const {
    RequestForm form;
    form.announces_post = authority.capabilities.allows_post();
    form.post = settings_.http == config::HttpMethod::post ||
                (settings_.http == config::HttpMethod::automatic && form.announces_post);
    return form;
}

http::Request AuthorityAccess::message(const std::string& url, const Bytes& message, std::size_t max_body,
                                       RequestForm& form) const {
    http::Request request = get(url, scep::Operation::pki_operation, max_body);
    if (form.post) {
        request.method = http::Request::Method::post;
        request.url = scep::operation_url(url, scep::Operation::pki_operation, {});
        request.content_type = scep::pki_message_content_type;
        request.body = message;
    } else {
        request.url = scep::pki_operation_get_url(url, message);
    }
    request.once = true;
    form.url_length = request.url.size();
    return request;
}

http::Request AuthorityAccess::get(const std::string& url, scep::Operation operation, std::size_t max_body) const {
    http::Request request;
    request.url = scep::operation_url(url, operation, settings_.identifier);
    request.limits = http_limits(limits_, max_body);
    request.route = {settings_.proxy, settings_.tls_ca.string(), settings_.bind};
    return request;
}

void AuthorityAccess::fetch_capabilities(bool repeated) {
    exchange([this](const std::string& url) { return get(url, scep::Operation::get_ca_caps, limits_.max_caps_bytes); },
             [this, repeated](const Result<http::Response>& response) {
                 failpoint("capabilities-received");
                 const auto capabilities = read_capabilities(response, repeated);
                 if (!capabilities) {
                     return failed(capabilities.error());
                 }
                 return *capabilities ? fetch_certificates(**capabilities) : fetch_capabilities(true);
             });
}

void AuthorityAccess::fetch_certificates(const scep::Capabilities& capabilities) {
    exchange([this](const std::string& url) { return get(url, scep::Operation::get_ca_cert, limits_.max_reply_bytes); },
             [this, capabilities](const Result<http::Response>& response) {
                 failpoint("certificates-received");
                 if (const Status accepted = accept(capabilities, response); !accepted) {
                     return failed(accepted.error());
                 }
                 answer(authority_);
             });
}

Status AuthorityAccess::accept(scep::Capabilities capabilities, const Result<http::Response>& response) {
    auto received = read_certificates(response, parse_limits(limits_, at_.clock_trust.trusted()));
    if (!received) {
        return fail(received.error());
    }
    const TimePoint now = at_.clock.now();
    auto set = scep::authenticate(*received, expectation(now));
    if (!set) {
        return take_other(*received, set.error());
    }
    // What was trusted under other pins promises nothing for this CA, nor does one CA that an operator named for
    // another.
    const Bytes anchor = set->anchor.fingerprint();
    const bool named_beside = state_.current && state_.current->anchor_fingerprint != anchor &&
                              std::ranges::find(settings_.fingerprints, anchor) != settings_.fingerprints.end();
    if (state_.current && state_.phase != lifecycle::AuthorityPhase::untrusted && !named_beside) {
        if (Status kept = check_no_downgrade(*set, *state_.current, expectation(now)); !kept) {
            return kept;
        }
    }
    if (state_.current && state_.current->anchor_fingerprint == set->anchor.fingerprint()) {
        capabilities = scep::without_downgrade(std::move(capabilities),
                                               scep::parse_capabilities(as_bytes(state_.current->capabilities)));
    }
    // What no request could be made from would only stand in the way of a better answer.
    if (auto usable = scep::choose_algorithms(capabilities, permitted(now), algorithm_choice(settings_)); !usable) {
        return fail(usable.error());
    }
    std::vector<std::string> warnings = capabilities.warnings;
    warnings.insert(warnings.end(), set->warnings.begin(), set->warnings.end());
    for (const std::string& warning : warnings) {
        at_.log.write(observe::record_about_authority(settings_.name, observe::Level::warning, warning));
    }
    lifecycle::AuthorityRecord record = record_of(*set);
    record.capabilities = scep::to_text(capabilities);
    for (const Certificate& certificate : *received) {
        record.certificates.push_back(certificate.der());
    }
    Status advanced = advance(lifecycle::AuthorityFetched{std::move(record)});
    failpoint("authority-accepted");
    if (advanced) {
        tell_of_revoked(*set);
        trust(*std::move(set), capabilities, permitted(now));
    }
    return advanced;
}

void AuthorityAccess::failed(const Error& error) {
    Error named = Error(error).about("ca " + settings_.name);
    if (const Status recorded = advance(lifecycle::AuthorityFailed{named}); !recorded) {
        return answer(fail(recorded.error()));
    }
    answer(fail(std::move(named)));
}

void AuthorityAccess::answer(const Answer& answer) {
    std::vector<std::function<void(Answer)>> waiting;
    waiting.swap(waiting_);
    for (auto& then : waiting) {
        then(answer);
    }
}

void AuthorityAccess::exchange(MakeRequest request, Done done) {
    urls_.exchange(std::move(request), std::move(done), weak_from_this());
}

}  // namespace hwenroll::runtime
