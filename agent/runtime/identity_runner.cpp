#include "agent/runtime/identity_runner.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "agent/observe/identity_record.h"
#include "agent/observe/status_words.h"
#include "agent/publish/file_names.h"
#include "agent/runtime/issue_expectation.h"
#include "agent/runtime/policy.h"
#include "agent/runtime/published_files.h"
#include "agent/runtime/system_clock.h"
#include "base/failpoint.h"
#include "transport/scep/operation_url.h"

namespace hwenroll::runtime {
namespace {

/// Between two tries to read a state that could not be read.
constexpr Seconds load_pause{60};

/// The crash point behind a commit, by what the commit led to.
FailpointName committed_point(const lifecycle::Transition& transition) {
    struct Name {
        FailpointName operator()(const lifecycle::MakeKey& effect) const {
            return effect.envelope ? FailpointName("envelope-key-id-committed") : FailpointName("key-id-committed");
        }
        FailpointName operator()(const lifecycle::PrepareRequest&) const { return "key-committed"; }
        FailpointName operator()(const lifecycle::SendRequest&) const { return "request-committed"; }
        FailpointName operator()(const lifecycle::SendPoll&) const { return "poll-committed"; }
        FailpointName operator()(const lifecycle::ReconsiderAuthority&) const { return "refusal-committed"; }
        FailpointName operator()(const lifecycle::PublishGeneration&) const { return "issue-committed"; }
        FailpointName operator()(const lifecycle::SeekSuccessor&) const { return "seek-committed"; }
        FailpointName operator()(const lifecycle::Deliver&) const { return "delivery-committed"; }
        FailpointName operator()(const lifecycle::DestroyKey&) const { return "publish-committed"; }
        FailpointName operator()(const lifecycle::RaiseAlert&) const { return "alert-committed"; }
    };
    if (transition.effects.empty()) {
        return transition.state.phase == lifecycle::Phase::valid ? FailpointName("publish-committed")
                                                                 : FailpointName("wait-committed");
    }
    return std::visit(Name{}, transition.effects.front());
}

/// A refusal that is followed by another message is not how the run ends (REN-6, RT-3).
bool asks_again(const lifecycle::Transition& transition) {
    return std::ranges::any_of(transition.effects, [](const lifecycle::Effect& effect) {
        return std::holds_alternative<lifecycle::PrepareRequest>(effect) ||
               std::holds_alternative<lifecycle::SendRequest>(effect) ||
               std::holds_alternative<lifecycle::SendPoll>(effect);
    });
}

/// The last failure as an Error again, for the exit code of a run that finds it still standing.
Error recorded(const lifecycle::IdentityState& state) {
    const lifecycle::FailureRecord& failure = *state.failure;
    std::string next = "correct the cause; a changed configuration or challenge is tried at once";
    if (lifecycle::attempt_phase(state) == lifecycle::Phase::need_submit && state.wait.retry_after) {
        next = "the CA asked for no request before " + to_iso8601(state.wait.retry_after->until) +
               "; a changed configuration or 'hwenroll resume' ends the wait";
    }
    return Error(failure.code, "not well since " + to_iso8601(failure.at), failure.line, std::move(next));
}

}  // namespace

IdentityRunner::IdentityRunner(const Surroundings& surroundings, observe::Progress& progress,
                               publish::Publisher& publisher, const TokenDirectory& all_tokens, Tokens tokens,
                               std::shared_ptr<AuthorityAccess> authority, http::Client& client,
                               std::shared_ptr<const Places> places, config::IdentitySettings settings)
    : at_(surroundings),
      client_(client),
      progress_(progress),
      publisher_(publisher),
      all_tokens_(all_tokens),
      token_(std::move(tokens.own)),
      signer_token_(std::move(tokens.signer)),
      authority_(std::move(authority)),
      places_(std::move(places)),
      settings_(std::move(settings)) {}

IdentitySections IdentityRunner::sections() const {
    return {settings_, authority_->settings(), token_->settings(), authority_->limits(),
            signer_token_ ? &signer_token_->settings() : nullptr};
}

lifecycle::Policy IdentityRunner::policy() const {
    lifecycle::Policy policy = policy_of(sections(), marks(), at_.clock.now());
    policy.authority = authority_->facts();
    policy.clock_trusted = at_.clock_trust.trusted();
    return policy;
}

PolicyMarks IdentityRunner::marks() const {
    KnownMarks now{authority_->revision(), {challenge_file(authority_->settings())}, {}};
    if (settings_.signer) {
        now.files[1] = facts_of(settings_.signer->certificate);
        now.files[2] = facts_of(settings_.signer->chain);
    }
    if (!marks_ || marks_->revision != now.revision || marks_->files != now.files) {
        PolicyMarks marks = marks_of(sections());
        std::size_t at = 0;
        for (const Bytes* const mark :
             {&marks.configuration, &marks.request, &marks.name, &marks.content, &marks.signer}) {
            std::ranges::copy(*mark, now.marks[at++].begin());
        }
        marks_ = now;
        return marks;
    }
    const auto& known = marks_->marks;
    return {to_bytes(known[0]), to_bytes(known[1]), to_bytes(known[2]), to_bytes(known[3]),
            settings_.signer ? to_bytes(known[4]) : Bytes()};
}

Status IdentityRunner::load() {
    auto stored = at_.store.identity(name());
    if (!stored) {
        return fail(stored.error());
    }
    state_ = *std::move(stored);
    read_crl_scopes(state_);
    loaded_ = true;
    return {};
}

void IdentityRunner::start(Settled settled, News news) {
    settled_ = std::move(settled);
    news_ = std::move(news);
    busy_ = true;
    if (const Status loaded = load(); !loaded) {
        // What cannot be read is never written over: it is looked at again instead.
        load_again_ = at_.clock.now() + load_pause;
        return undo(loaded.error());
    }
    at_.loop.post([this] { begin(); });
}

void IdentityRunner::begin() {
    begun_ = at_.clock.now();
    const auto published = publisher_.inspect(name());
    const bool unseen = !published && published.error().code() == ErrorCode::publish_unseen;
    if (!published && (unseen || state_.phase == lifecycle::Phase::valid)) {
        look_later();
        return undo(published.error());
    }
    if (published && *published) {
        if (const auto unknown = unknown_successor(**published)) {
            return examine(*unknown, **published);
        }
    }
    begin_with(published ? *published : std::nullopt);
}

void IdentityRunner::begin_with(const std::optional<publish::PublishedState>& published) {
    // What is not published yet can go on; the publishing itself will say what is wrong.
    lifecycle::Started event = started_with(state_, published, key_place());
    event.shown = event.shown || (published && is_of_former_token(*published));
    dispatch(event);
}

/// Its configuration has changed, to another token perhaps: what is published stays as it is, whole and usable, until
/// the enrollment that this begins has brought another certificate.
bool IdentityRunner::is_of_former_token(const publish::PublishedState& published) const {
    const auto& current = state_.current;
    return current && !state_.next && published.defect.empty() && published.certificate == current->issued.leaf &&
           published.current == current->generation && !current->name_mark.empty() &&
           current->name_mark != name_mark(settings_, token_->settings());
}

void IdentityRunner::tick() {
    if (busy_) {
        return;
    }
    if (!loaded_) {
        return start(std::move(settled_), std::move(news_));
    }
    busy_ = true;
    error_.reset();
    if (!look_at_files()) {
        dispatch(lifecycle::Due{});
    }
}

/// F6: between two looks at what consumers see lies an hour, so there is no more than one repair in one. The first one
/// comes somewhere in the first hour: thousands of identities are not to be looked at at once. Nothing while another
/// generation is on its way.
std::optional<TimePoint> IdentityRunner::files_due() const {
    constexpr Seconds hour{3600};
    if (!state_.current || state_.next) {
        return std::nullopt;
    }
    const Seconds pause = lifecycle::scaled(hour, lifecycle::lifetime(state_.current->issued));
    const auto share = static_cast<std::int64_t>(state_.current->jitter);
    return files_seen_ == TimePoint()
               ? std::max(begun_, state_.current->published_at) + Seconds((pause.count() * share) >> 32)
               : files_seen_ + pause;
}

KeyPlace IdentityRunner::key_place() const {
    return {token_->settings().uri, publisher_.current(name()) / publish::key_file};
}

/// With its CRL, which the database keeps as long as a certificate is published with it.
Result<publish::Generation> IdentityRunner::generation_to_show(const lifecycle::Credential& credential) const {
    auto made = generation_of(name(), credential, key_place());
    if (!made || credential.crl.empty()) {
        return made;
    }
    auto crl = at_.store.crl_document(credential.crl);
    if (!crl) {
        return fail(crl.error());
    }
    made->crl = *std::move(crl);
    return made;
}

/// Another program's changes are published over, but for what ends later than all that is known (O10). False if it is
/// not time to look, or all is well.
bool IdentityRunner::look_at_files() {
    const TimePoint now = at_.clock.now();
    const auto due = files_due();
    // K3: a clock that went back does not put it off.
    if (!due || (now < *due && now >= files_seen_)) {
        return false;
    }
    files_seen_ = now;
    const auto published = publisher_.inspect(name());
    if (published && *published && is_of_former_token(**published)) {
        return false;
    }
    const auto wanted = generation_to_show(*state_.current);
    const auto difference = wanted ? publisher_.difference(*wanted) : fail(wanted.error());
    const std::string unseen = !difference ? difference.error().line() : !published ? published.error().line() : "";
    if (std::exchange(unseen_, unseen) != unseen && !unseen.empty()) {
        alert(unseen);
    }
    if (!unseen.empty() || difference->empty()) {
        return false;
    }
    if (*published) {
        if (const auto unknown = unknown_successor(**published)) {
            alert("what consumers see was changed by somebody else: " + *difference);
            examine(*unknown, **published);
            return true;
        }
    }
    alert("what consumers see was changed by somebody else, it is published again: " + *difference);
    lifecycle::Started event = started_with(state_, *published, key_place());
    event.shown = false;
    event.fresh = false;
    dispatch(event);
    return true;
}

void IdentityRunner::post(lifecycle::Event event) {
    if (busy_ || !loaded_) {
        // O6: a wish for what is under way is that. After its end it would begin another one, or end a hold that the
        // refusal of this one has begun.
        if (loaded_ && !state_.current && !state_.hold &&
            (std::holds_alternative<lifecycle::EnrollmentWanted>(event) ||
             std::holds_alternative<lifecycle::RenewalWanted>(event))) {
            return;
        }
        // O6: the same wish twice is one.
        std::erase_if(posted_, [&](const lifecycle::Event& other) { return other.index() == event.index(); });
        posted_.push_back(std::move(event));
        return;
    }
    busy_ = true;
    error_.reset();
    dispatch(event);
}

void IdentityRunner::adopt_certificate(std::vector<Certificate> certificates, control::ControlService::Accepted done) {
    if (adoption_) {
        return done(control::Acceptance{false, "another certificate is being looked at"});
    }
    adoption_ = WantedAdoption{std::move(certificates), std::move(done)};
    if (!busy_) {
        busy_ = true;
        begin_adoption();
    }
}

void IdentityRunner::begin_adoption() {
    adoption_->begun = true;
    if (!loaded_) {
        return end_adoption(Error(ErrorCode::state_database, "the state cannot be read now", undone_));
    }
    if (!lifecycle::may_adopt(state_)) {
        const bool pending = lifecycle::attempt_phase(state_) == lifecycle::Phase::pending;
        answer_adoption(control::Acceptance{
            false, pending ? "the CA is deciding its request; 'hwenroll cancel " + name() + "' ends that, then adopt"
                           : "it has a certificate; 'hwenroll renew " + name() + "' gets another one"});
        return settle(outcome());
    }
    progress_.begin(name() + ": asking CA '" + settings_.ca + "' for its certificates");
    authority_->need([this](const Result<SharedAuthority>& authority) {
        return authority ? judge_adoption_by(*authority) : end_adoption(authority.error());
    });
}

void IdentityRunner::judge_adoption_by(const SharedAuthority& authority) {
    const TimePoint now = at_.clock.now();
    AdoptionPlan plan{settings_,
                      token_->settings().type,
                      permissions_of(authority_->settings().legacy, now, at_.clock_trust.trusted()),
                      parse_limits(authority_->limits(), at_.clock_trust.trusted()),
                      authority,
                      std::move(adoption_->certificates),
                      now};
    progress_.begin(fmt::format("{}: looking for the certificate's key on token '{}'", name(), settings_.token));
    token_->use([plan = std::move(plan)](const SharedToken& token) { return judge_adoption(*token, plan); },
                [this](const Result<Adoption>& adoption) {
                    if (!adoption) {
                        return end_adoption(adoption.error());
                    }
                    for (const std::string& warning : adoption->warnings) {
                        warn(warning);
                    }
                    const keystore::KeyDescription& key = adoption->key;
                    dispatch(lifecycle::CertificateAdopted{{key.key.id.value, key.key.public_key.spki(), true,
                                                            key.key.pem, settings_.token, other_name(key)},
                                                           adoption->issued});
                });
}

void IdentityRunner::end_adoption(const Error& error) {
    answer_adoption(fail(Error(error).about(name())));
    settle(outcome());
}

void IdentityRunner::answer_adoption(const Result<control::Acceptance>& answer) {
    const auto done = std::move(adoption_->done);
    adoption_.reset();
    done(answer);
}

std::optional<TimePoint> IdentityRunner::decision_due() const {
    if (!busy_ && !loaded_) {
        return load_again_;
    }
    if (busy_) {
        return std::nullopt;
    }
    if (!due_) {
        due_ = lifecycle::next_due(state_, policy());
    }
    return *due_;
}

std::optional<TimePoint> IdentityRunner::next_due() const {
    const auto decision = decision_due();
    const auto look = busy_ || !loaded_ ? std::nullopt : files_due();
    return decision && look ? std::min(*decision, *look) : decision ? decision : look;
}

void IdentityRunner::dispatch(const lifecycle::Event& event) {
    due_.reset();
    auto drawn = draw();
    if (!drawn) {
        return undo(event, drawn.error());
    }
    const TimePoint now = at_.clock.now();
    auto transition = lifecycle::step(state_, event, *drawn, policy(), now);
    failpoint("decision-made");
    const std::string_view message_id = observe::message_id_of(event, state_, transition.state);
    ended_ = std::nullopt;
    if (state_.enrollment && state_.enrollment->transaction) {
        ended_ = state_.enrollment->transaction->id;
    }
    if (transition.state != state_) {
        const Status committed = at_.store.commit(name(), settings_.token, transition.state, transition.note, now);
        if (!committed) {
            return undo(event, committed.error());
        }
        undone_.clear();
        failpoint(committed_point(transition));
        state_ = std::move(transition.state);
    }
    if (const auto* const adopted = std::get_if<lifecycle::CertificateAdopted>(&event)) {
        error_.reset();
        answer_adoption(control::Acceptance{
            true, "the certificate is adopted, valid until " + to_iso8601(adopted->issued.not_after)});
    }
    if (std::holds_alternative<lifecycle::RequestRejected>(event) && asks_again(transition)) {
        error_.reset();
    }
    if (!alert_names_failure(transition)) {
        tell_failure();
    }
    if (std::holds_alternative<lifecycle::PublishedFound>(event) && !transition.note.empty()) {
        alert(transition.note);
    } else if (!error_) {
        say(transition.note, message_id);
    }
    bool works = false;
    for (const lifecycle::Effect& effect : transition.effects) {
        works = works || !std::holds_alternative<lifecycle::RaiseAlert>(effect);
        if (std::holds_alternative<lifecycle::RaiseAlert>(effect)) {
            run(std::get<lifecycle::RaiseAlert>(effect));
        }
    }
    if (!works) {
        return settle(outcome());
    }
    for (const lifecycle::Effect& effect : transition.effects) {
        if (!std::holds_alternative<lifecycle::RaiseAlert>(effect)) {
            return std::visit([this](const auto& alternative) { run(alternative); }, effect);
        }
    }
}

void IdentityRunner::failed(const Error& error, bool answered) {
    conclude(lifecycle::EffectFailed{error, answered});
}

/// Ends what an effect began. A failure becomes the run's. A doubt is committed before the outcome: the other way
/// round, a crash between the two would have the refused request compared with what is known of the CA already.
void IdentityRunner::conclude(lifecycle::Event outcome) {
    if (auto* failure = std::get_if<lifecycle::EffectFailed>(&outcome)) {
        failure->error = std::move(failure->error).about(name());
        error_ = failure->error;
        untold_ = UntoldFailure{*error_, observe::message_id_of(error_->code())};
    } else if (auto* rejected = std::get_if<lifecycle::RequestRejected>(&outcome)) {
        rejected->error = std::move(rejected->error).about(name());
        error_ = rejected->error;
        untold_ = UntoldFailure{*error_, observe::failed_message_id};
    }
    if (lifecycle::doubts_authority(outcome)) {
        if (const Status doubted = authority_->doubt(); !doubted) {
            return undo(doubted.error());
        }
    }
    dispatch(outcome);
}

/// What was learned of the published files is learned once more: without it something older would be published over
/// them.
void IdentityRunner::undo(const lifecycle::Event& event, const Error& error) {
    if (says_what_consumers_see(event)) {
        look_later();
    }
    undo(error);
}

/// S1, S10: a decision that cannot be kept is as good as not made, alerts included; it is made again later. People are
/// told once for each cause.
void IdentityRunner::undo(const Error& error) {
    tell_failure();
    const Error named = Error(error).about(name());
    if (std::exchange(undone_, named.line()) != named.line()) {
        tell({named.line(), named, true}, observe::alert_message_id);
    }
    if (adoption_ && adoption_->begun) {
        answer_adoption(fail(named));
    }
    settle(named);
}

void IdentityRunner::settle(const std::optional<Error>& error) {
    progress_.clear();
    if (loaded_ && !posted_.empty()) {
        const lifecycle::Event event = std::move(posted_.front());
        posted_.erase(posted_.begin());
        error_.reset();
        return dispatch(event);
    }
    if (adoption_) {
        error_.reset();
        return begin_adoption();
    }
    busy_ = false;
    settled_(error);
}

std::optional<Error> IdentityRunner::outcome() const {
    if (error_) {
        return error_;
    }
    const TimePoint now = at_.clock.now();
    const lifecycle::Phase phase = lifecycle::attempt_phase(state_);
    if (phase == lifecycle::Phase::pending && !state_.failure) {
        return Error(ErrorCode::ca_pending, "the CA has not decided yet", {},
                     "asked again from " + to_iso8601(state_.wait.until) + " on")
            .about(name());
    }
    if (state_.hold && state_.hold->reason == lifecycle::HoldReason::cancelled && !state_.current) {
        return Error(ErrorCode::interrupted, "cancelled by an operator", {},
                     "'hwenroll resume " + name() + "' tries again; by itself it does so from " +
                         to_iso8601(state_.wait.until) + " on")
            .about(name());
    }
    if (phase != lifecycle::Phase::valid && state_.failure) {
        return recorded(state_).about(name());
    }
    if (state_.current && now >= state_.current->issued.not_after) {
        return Error(ErrorCode::identity_expired,
                     "the certificate expired at " + to_iso8601(state_.current->issued.not_after))
            .about(name());
    }
    if (state_.delivery && state_.delivery->failure) {
        const lifecycle::DeliveryFailure& failure = *state_.delivery->failure;
        return Error(failure.code, "consumers were told in vain since " + to_iso8601(failure.since), failure.line,
                     "told again from " + to_iso8601(state_.delivery->next_try) + " on, or by 'hwenroll resume'")
            .about(name());
    }
    if (state_.current) {
        return std::nullopt;
    }
    return Error(ErrorCode::internal, "nothing is left to do in phase " + observe::status_word(state_, now))
        .about(name());
}

observe::LogRecord IdentityRunner::record(observe::Level level, std::string text, std::string_view message_id) const {
    const auto next = loaded_ ? lifecycle::next_due(state_, policy()) : std::optional(load_again_);
    auto made =
        observe::record_about({name(), settings_.ca, state_, ended_, next, at_.clock.now()}, level, std::move(text));
    made.message_id = message_id;
    return made;
}

void IdentityRunner::say(const std::string& note, std::string_view message_id) {
    if (!note.empty()) {
        progress_.clear();
        at_.log.write(record(observe::Level::info, name() + ": " + note, message_id));
        news_({note, {}, false});
    }
}

void IdentityRunner::tell(IdentityNews news, std::string_view message_id) {
    news.record = news.alert ? record(observe::Level::error, name() + ": " + news.text, message_id)
                             : record(observe::Level::warning, news.text, message_id);
    news.record.alert = news.alert;
    if (news.failure) {
        news.record.error = news.failure->info().name;
    } else if (state_.failure) {
        news.record.error = error_info(state_.failure->code).name;
    }
    news_(news);
}

/// The alert of a hold tells the failure that has begun it, once.
bool IdentityRunner::alert_names_failure(const lifecycle::Transition& transition) const {
    const bool held = std::ranges::any_of(transition.effects, [](const lifecycle::Effect& effect) {
        const auto* const alert = std::get_if<lifecycle::RaiseAlert>(&effect);
        return alert != nullptr && alert->kind == lifecycle::RaiseAlert::Kind::held;
    });
    return held && untold_ && state_.failure && state_.failure->line == untold_->error.line();
}

void IdentityRunner::tell_failure() {
    if (untold_) {
        const UntoldFailure failure = *untold_;
        untold_.reset();
        tell({failure.error.line(), failure.error, false}, failure.message_id);
    }
}

void IdentityRunner::warn(const std::string& warning) {
    progress_.clear();
    at_.log.write(record(observe::Level::warning, name() + ": " + warning, {}));
}

}  // namespace hwenroll::runtime
