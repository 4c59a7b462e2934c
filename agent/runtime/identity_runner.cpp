#include "agent/runtime/identity_runner.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "agent/observe/status_words.h"
#include "agent/publish/file_names.h"
#include "agent/runtime/policy.h"
#include "agent/runtime/published_files.h"
#include "agent/runtime/system_clock.h"
#include "base/failpoint.h"
#include "transport/scep/operation_url.h"

namespace hwenroll::runtime {
namespace {

/// What `key` asks to be generated. The configuration lets no other kind through yet.
keystore::KeySpec spec_of(config::KeyType type) {
    switch (type) {
        case config::KeyType::rsa_3072:
            return keystore::KeySpec::rsa_3072;
        case config::KeyType::rsa_4096:
            return keystore::KeySpec::rsa_4096;
        case config::KeyType::ec_p256:
            return keystore::KeySpec::ec_p256;
        case config::KeyType::ec_p384:
            return keystore::KeySpec::ec_p384;
        case config::KeyType::rsa_2048:
            break;
    }
    return keystore::KeySpec::rsa_2048;
}

/// Between two tries to read a state that could not be read.
constexpr Seconds load_pause{60};

/// The crash point behind a commit, by what the commit led to.
FailpointName committed_point(const lifecycle::Transition& transition) {
    struct Name {
        FailpointName operator()(const lifecycle::MakeKey&) const { return "key-id-committed"; }
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

/// A request made now would be encrypted for another certificate or by other algorithms than this one.
bool is_for_another_authority(const lifecycle::RefusedRequest& request, const Authority& authority,
                              const scep::LegacyPermissions& legacy) {
    const auto algorithms = scep::choose_algorithms(authority.capabilities, legacy);
    return request.recipient != authority.set.recipient.fingerprint() ||
           (algorithms && (algorithms->digest != request.digest || algorithms->cipher != request.cipher));
}

/// An old key whose token the configuration names no more: nothing can reach it.
Error left_behind(const std::string& token, const Bytes& key_id) {
    return Error(
        ErrorCode::token_absent,
        fmt::format("the old key {} is on token '{}', which is not configured any more", to_hex(key_id), token), {},
        fmt::format("configure [token.{0}] again until the key is destroyed", token));
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
        posted_.clear();
        return undo(loaded.error());
    }
    at_.loop.post([this] { begin(); });
}

void IdentityRunner::begin() {
    begun_ = at_.clock.now();
    const auto published = publisher_.inspect(name());
    if (!published && state_.phase == lifecycle::Phase::valid) {
        return settle(published.error());
    }
    // What is not published yet can go on; the publishing itself will say what is wrong.
    lifecycle::Started event = started_with(state_, published ? *published : std::nullopt, key_place());
    event.shown = event.shown || (published && *published && is_of_former_token(**published));
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
    if (const auto changed = look_at_files()) {
        return dispatch(*changed);
    }
    dispatch(lifecycle::Due{});
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

/// The event by which another program's changes are published over; nothing if it is not time to look, or all is well.
std::optional<lifecycle::Started> IdentityRunner::look_at_files() {
    const TimePoint now = at_.clock.now();
    const auto due = files_due();
    // K3: a clock that went back does not put it off.
    if (!due || (now < *due && now >= files_seen_)) {
        return std::nullopt;
    }
    files_seen_ = now;
    const auto published = publisher_.inspect(name());
    if (published && *published && is_of_former_token(**published)) {
        return std::nullopt;
    }
    const auto wanted = generation_of(name(), *state_.current, key_place());
    const auto difference = wanted ? publisher_.difference(*wanted) : fail(wanted.error());
    const std::string unseen = !difference ? difference.error().line() : !published ? published.error().line() : "";
    if (std::exchange(unseen_, unseen) != unseen && !unseen.empty()) {
        news_({unseen, {}, true});
    }
    if (!unseen.empty() || difference->empty()) {
        return std::nullopt;
    }
    news_({"what consumers see was changed by somebody else, it is published again: " + *difference, {}, true});
    lifecycle::Started event = started_with(state_, *published, key_place());
    event.shown = false;
    event.fresh = false;
    return event;
}

void IdentityRunner::post(lifecycle::Event event) {
    if (busy_) {
        // O6: the same wish twice is one.
        std::erase_if(posted_, [&](const lifecycle::Event& other) { return other.index() == event.index(); });
        posted_.push_back(std::move(event));
        return;
    }
    if (!loaded_) {
        return;
    }
    busy_ = true;
    error_.reset();
    dispatch(event);
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
        return undo(drawn.error());
    }
    const TimePoint now = at_.clock.now();
    auto transition = lifecycle::step(state_, event, *drawn, policy(), now);
    failpoint("decision-made");
    if (transition.state != state_) {
        const Status committed = at_.store.commit(name(), settings_.token, transition.state, transition.note, now);
        if (!committed) {
            return undo(committed.error());
        }
        undone_.clear();
        failpoint(committed_point(transition));
        state_ = std::move(transition.state);
    }
    if (std::holds_alternative<lifecycle::RequestRejected>(event) && asks_again(transition)) {
        error_.reset();
    }
    if (!error_) {
        say(transition.note);
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
        news_({error_->line(), error_, false});
    } else if (auto* rejected = std::get_if<lifecycle::RequestRejected>(&outcome)) {
        rejected->error = std::move(rejected->error).about(name());
        error_ = rejected->error;
        news_({error_->line(), error_, false});
    }
    if (lifecycle::doubts_authority(outcome)) {
        if (const Status doubted = authority_->doubt(); !doubted) {
            return undo(doubted.error());
        }
    }
    dispatch(outcome);
}

/// S1, S10: a decision that cannot be kept is as good as not made, alerts included; it is made again later. People are
/// told once for each cause.
void IdentityRunner::undo(const Error& error) {
    const Error named = Error(error).about(name());
    if (std::exchange(undone_, named.line()) != named.line()) {
        news_({named.line(), named, true});
    }
    settle(named);
}

void IdentityRunner::settle(const std::optional<Error>& error) {
    progress_.clear();
    if (!posted_.empty()) {
        const lifecycle::Event event = std::move(posted_.front());
        posted_.erase(posted_.begin());
        error_.reset();
        return dispatch(event);
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
    if (phase != lifecycle::Phase::valid && state_.failure) {
        return recorded(state_).about(name());
    }
    if (state_.current && now >= state_.current->issued.not_after) {
        return Error(ErrorCode::identity_expired,
                     "the certificate expired at " + to_iso8601(state_.current->issued.not_after))
            .about(name());
    }
    if (state_.current) {
        return std::nullopt;
    }
    return Error(ErrorCode::internal, "nothing is left to do in phase " + observe::status_word(state_, now))
        .about(name());
}

void IdentityRunner::say(const std::string& note) {
    if (!note.empty()) {
        progress_.clear();
        at_.log.write(
            {observe::Level::info, name() + ": " + note, name(), observe::status_word(state_, at_.clock.now()), {}});
        news_({note, {}, false});
    }
}

void IdentityRunner::warn(const std::string& warning) {
    progress_.clear();
    at_.log.write({observe::Level::warning, name() + ": " + warning, name(), {}, {}});
}

std::string IdentityRunner::awaiting_answer() const {
    return name() + ": waiting for the answer of CA '" + settings_.ca + "'";
}

/// What a TPM keeps other programs find by its handle, which no id tells.
std::string IdentityRunner::other_name(const keystore::KeyDescription& key) const {
    return token_->settings().type == config::TokenType::tpm2 && key.key.pem.empty() ? key.uri : std::string();
}

void IdentityRunner::run(const lifecycle::MakeKey& effect) {
    const auto* const type = std::get_if<config::KeyType>(&settings_.key);
    if (type == nullptr) {
        return adopt_key(effect);
    }
    const keystore::KeySpec spec = spec_of(*type);
    progress_.begin(fmt::format("{}: making {} on token '{}'", name(), keystore::to_text(spec), settings_.token),
                    usual_time(spec));
    token_->use([id = keystore::KeyId{effect.key_id}, spec, label = "hwenroll " + name()](
                    const SharedToken& token) { return find_or_generate(*token, id, spec, label); },
                [this, spec](const Result<ReadyKey>& ready) {
                    if (!ready) {
                        return failed(ready.error());
                    }
                    failpoint("key-generated");
                    note_generation(spec, *ready);
                    const keystore::KeyDescription& made = ready->key;
                    dispatch(lifecycle::KeyReady{
                        made.key.public_key.spki(), {}, made.key.pem, settings_.token, other_name(made)});
                });
}

std::optional<std::chrono::seconds> IdentityRunner::usual_time(keystore::KeySpec spec) const {
    const auto before = at_.store.generation_time(settings_.token, keystore::to_text(spec));
    return before && *before ? std::optional(std::chrono::round<std::chrono::seconds>(**before)) : std::nullopt;
}

/// Only what a person would wait for is worth a write. What cannot be kept is missed by nobody but who watches.
void IdentityRunner::note_generation(keystore::KeySpec spec, const ReadyKey& ready) {
    constexpr std::chrono::seconds noticed{2};
    if (ready.generation.value_or(std::chrono::milliseconds(0)) < noticed) {
        return;
    }
    const Status kept = at_.store.commit_generation_time(settings_.token, keystore::to_text(spec), *ready.generation);
    if (!kept) {
        at_.log.write(kept.error(), {});
    }
}

void IdentityRunner::adopt_key(const lifecycle::MakeKey& effect) {
    progress_.begin(fmt::format("{}: looking for its key on token '{}'", name(), settings_.token));
    token_->use([id = keystore::KeyId{effect.key_id},
                 wanted = settings_.key](const SharedToken& token) { return adopt(*token, wanted, id); },
                [this](Result<keystore::KeyDescription> key) {
                    if (!key) {
                        return failed(key.error());
                    }
                    failpoint("key-generated");
                    dispatch(lifecycle::KeyReady{key->key.public_key.spki(), key->key.id.value, key->key.pem,
                                                 settings_.token, other_name(*key)});
                });
}

void IdentityRunner::run(const lifecycle::PrepareRequest& effect) {
    progress_.begin(name() + ": asking CA '" + settings_.ca + "' for its certificates");
    need_authority([this, effect](Result<SharedAuthority> authority) {
        if (!authority) {
            return failed(authority.error());
        }
        const bool by_current =
            effect.purpose == lifecycle::Purpose::renewal || effect.purpose == lifecycle::Purpose::shadow;
        if (by_current || !signer_token_) {
            return prepare(effect, *authority, {});
        }
        find_manufacturer(effect, *authority);
    });
}

/// What signs the first request is on a token of its own, which may be absent while the identity's is there.
void IdentityRunner::find_manufacturer(const lifecycle::PrepareRequest& effect, const SharedAuthority& authority) {
    progress_.begin(
        fmt::format("{}: looking for its manufacturer's key on token '{}'", name(), settings_.signer->token));
    SignerPlan plan{*settings_.signer, at_.clock.now(), at_.clock_trust.trusted(),
                    authority_->limits().max_certificates};
    signer_token_->use([plan = std::move(plan)](const SharedToken& token) { return find_signer(token, plan); },
                       [this, effect, authority](Result<Signer> signer) {
                           if (!signer) {
                               return failed(signer.error());
                           }
                           prepare(effect, authority, *std::move(signer));
                       });
}

/// A shadow's request is for the successor, until that is the CA in force (ROLL-9).
void IdentityRunner::need_authority(std::function<void(Result<SharedAuthority>)> then) {
    const bool for_successor = state_.enrollment && state_.enrollment->purpose == lifecycle::Purpose::shadow &&
                               state_.enrollment->authority != authority_->facts().anchor;
    if (for_successor) {
        return authority_->need_next(std::move(then));
    }
    authority_->need(std::move(then));
}

void IdentityRunner::prepare(const lifecycle::PrepareRequest& effect, const SharedAuthority& authority,
                             std::optional<Signer> signer) {
    // S1: no request for a certificate that could not be kept.
    if (const Status room = publisher_.rehearse(name(), {settings_.mode, settings_.group}); !room) {
        return failed(room.error());
    }
    auto serial = random_octets();
    if (!serial) {
        return failed(serial.error());
    }
    const TimePoint now = at_.clock.now();
    RequestPlan plan{settings_,
                     authority_->settings().challenge,
                     permissions_of(authority_->settings().legacy, now, at_.clock_trust.trusted()),
                     authority,
                     state_.enrollment->key,
                     effect.transaction_id,
                     *std::move(serial),
                     now,
                     effect.purpose,
                     effect.by_renewal_req,
                     authority_->settings().renewal_type,
                     authority_->settings().renewal_sends_challenge,
                     state_.current,
                     std::move(signer)};
    progress_.begin(name() + ": building the request");
    token_->use([plan = std::move(plan)](const SharedToken& token) { return prepare_request(token, plan); },
                [this](Result<lifecycle::Transaction> transaction) {
                    if (!transaction) {
                        return failed(transaction.error());
                    }
                    dispatch(lifecycle::RequestPrepared{*std::move(transaction)});
                });
}

void IdentityRunner::run(const lifecycle::SendRequest& /*effect*/) {
    send(state_.enrollment->transaction->type);
}

void IdentityRunner::run(const lifecycle::SendPoll& /*effect*/) {
    send(scep::MessageType::cert_poll);
}

void IdentityRunner::run(const lifecycle::ReconsiderAuthority& effect) {
    progress_.begin(name() + ": asking CA '" + settings_.ca + "' again for its certificates");
    need_authority([this, request = effect.request](const Result<SharedAuthority>& authority) {
        if (!authority) {
            return failed(authority.error());
        }
        const bool changed = is_for_another_authority(
            request, **authority,
            permissions_of(authority_->settings().legacy, at_.clock.now(), at_.clock_trust.trusted()));
        if (changed && error_) {
            const Error refusal = *std::exchange(error_, std::nullopt);
            say(refusal.line());
        }
        dispatch(lifecycle::AuthorityReconsidered{changed});
    });
}

void IdentityRunner::send(scep::MessageType type) {
    need_authority([this, type](Result<SharedAuthority> authority) {
        if (!authority) {
            return failed(authority.error());
        }
        sign(type, *authority);
    });
}

void IdentityRunner::sign(scep::MessageType type, const SharedAuthority& authority) {
    if (type != scep::MessageType::cert_poll &&
        state_.enrollment->transaction->recipient != authority->set.recipient.fingerprint()) {
        return dispatch(lifecycle::RecipientChanged{});
    }
    MessagePlan plan{type, *state_.enrollment->transaction, signer(), authority, std::nullopt};
    if (at_.clock_trust.trusted()) {
        plan.signing_time = at_.clock.now();  // SIG-8: a wrong one would be answered by badTime
    }
    signing_token().use([plan = std::move(plan)](const SharedToken& token) { return sign_request(token, plan); },
                        [this, authority](Result<Bytes> message) {
                            if (!message) {
                                return failed(message.error());
                            }
                            failpoint("request-signed");
                            exchange(authority, *message);
                        });
}

void IdentityRunner::exchange(const SharedAuthority& authority, const Bytes& message) {
    progress_.begin(awaiting_answer());
    const config::HttpMethod method = authority_->settings().http;
    const bool post = method == config::HttpMethod::post ||
                      (method == config::HttpMethod::automatic && authority->capabilities.allows_post());
    const auto form = std::make_shared<RequestForm>();
    form->post = post;
    form->announces_post = authority->capabilities.allows_post();
    authority_->exchange(
        [this, post, message, form](const std::string& url) {
            http::Request request =
                authority_->get(url, scep::Operation::pki_operation, authority_->limits().max_reply_bytes);
            if (post) {
                request.method = http::Request::Method::post;
                request.url = scep::operation_url(url, scep::Operation::pki_operation, {});
                request.content_type = scep::pki_message_content_type;
                request.body = message;
            } else {
                request.url = scep::pki_operation_get_url(url, message);
            }
            request.once = true;
            form->url_length = request.url.size();
            warn_of_long_url(*form);
            return request;
        },
        [this, authority, form](Result<http::Response> response) {
            if (!response) {
                // Invariant 5: a reply that was cut or too large answered the message all the same.
                const ErrorCode code = response.error().code();
                return failed(without_reply(*form, response.error()),
                              code == ErrorCode::ca_truncated || code == ErrorCode::ca_too_big);
            }
            failpoint("reply-received");
            judge(authority, *form, *std::move(response));
        });
}

lifecycle::KeyRecord IdentityRunner::signer() const {
    return state_.enrollment->transaction->signer_key.value_or(state_.enrollment->key);
}

/// A manufacturer's key stays on its own token. Without that, the machine has dropped the request before.
TokenAccess& IdentityRunner::signing_token() const {
    const bool of_manufacturer = !state_.enrollment->transaction->signer_mark.empty();
    return of_manufacturer && signer_token_ ? *signer_token_ : *token_;
}

void IdentityRunner::warn_of_long_url(const RequestForm& form) {
    if (form.post || form.url_length <= long_get_url) {
        return;
    }
    warn(fmt::format("the request's GET URL has {} characters; many servers and proxies take {} (HTTP-12)",
                     form.url_length, long_get_url));
    progress_.begin(awaiting_answer());
}

void IdentityRunner::judge(const SharedAuthority& authority, const RequestForm& form, http::Response response) {
    const TimePoint now = at_.clock.now();
    ReplyPlan plan{settings_,
                   permissions_of(authority_->settings().legacy, now, at_.clock_trust.trusted()),
                   parse_limits(authority_->limits(), at_.clock_trust.trusted()),
                   *state_.enrollment->transaction,
                   signer(),
                   state_.enrollment->key.spki,
                   authority,
                   form,
                   std::move(response),
                   now,
                   state_.enrollment->purpose,
                   {}};
    const lifecycle::Purpose purpose = state_.enrollment->purpose;
    const bool renews = purpose == lifecycle::Purpose::renewal || purpose == lifecycle::Purpose::shadow;
    if (renews && state_.current && !state_.enrollment->forced && !state_.revoked) {
        plan.current = state_.current->issued;
    }
    const bool answered = plan.response.status == 200;
    signing_token().use([plan = std::move(plan)](const SharedToken& token) { return judge_reply(token, plan); },
                        [this, answered](Result<ReplyVerdict> verdict) {
                            failpoint("reply-opened");
                            if (!verdict) {
                                return failed(verdict.error(), answered);
                            }
                            for (const std::string& warning : verdict->warnings) {
                                warn(warning);
                            }
                            conclude(std::move(verdict->event));
                        });
}

void IdentityRunner::run(const lifecycle::PublishGeneration& effect) {
    const auto refused = [this](const Error& error) {
        error_ = Error(error).about(name());
        news_({error_->line(), error_, false});
        dispatch(lifecycle::PublicationFailed{*error_});
    };
    auto made = generation_of(name(), *state_.next, key_place());
    if (!made) {
        return refused(made.error());
    }
    if (const Status published = publisher_.publish(*made, {settings_.mode, settings_.group}); !published) {
        return refused(published.error());
    }
    failpoint("generation-published");
    dispatch(lifecycle::GenerationPublished{effect.generation});
}

void IdentityRunner::run(const lifecycle::SeekSuccessor& /*effect*/) {
    progress_.begin(name() + ": asking CA '" + settings_.ca + "' for its successor");
    authority_->seek_successor([this] { dispatch(lifecycle::SuccessorSought{}); });
}

void IdentityRunner::run(const lifecycle::Deliver& effect) {
    progress_.begin(name() + ": telling its consumers");
    DeliveryPlan plan{name(),
                      effect.generation,
                      places_->publish_dir,
                      places_->runtime_dir,
                      settings_.on_change,
                      settings_.verify_tls,
                      settings_.verify_command,
                      state_.current->issued.leaf};
    delivery_ =
        DeliveryRun::start(at_.loop, client_, std::move(plan), [this, effect](const std::optional<Error>& error) {
            const std::unique_ptr<DeliveryRun> ended = std::move(delivery_);
            failpoint("delivery-ended");
            std::optional<Error> named;
            if (error) {
                named = Error(*error).about(name());
                error_ = named;
                news_({named->line(), named, false});
            }
            dispatch(lifecycle::Delivered{effect.generation, named});
        });
}

void IdentityRunner::run(const lifecycle::DestroyKey& effect) {
    // It stays where it was made when the configuration moves the identity to another token.
    const std::string& place = effect.token.empty() ? settings_.token : effect.token;
    const auto other = all_tokens_.find(place);
    if (place != settings_.token && other == all_tokens_.end()) {
        return destroyed(effect.key_id, fail(left_behind(place, effect.key_id)));
    }
    const std::shared_ptr<TokenAccess>& token = place == settings_.token ? token_ : other->second;
    progress_.begin(name() + ": removing an old key from token '" + place + "'");
    token->use([id = keystore::KeyId{effect.key_id}](const SharedToken& device) { return device->destroy(id); },
               [this, effect](const Status& done) {
                   failpoint("key-destroyed");
                   destroyed(effect.key_id, done ? delete_wrapped(effect.key_id) : done);
               });
}

void IdentityRunner::destroyed(const Bytes& key_id, const Status& done) {
    dispatch(done ? lifecycle::KeyDestroyed{key_id, {}}
                  : lifecycle::KeyDestroyed{key_id, Error(done.error()).about(name())});
}

/// What a TPM has wrapped is destroyed where it is kept: in the older generations, and in the database's log, since the
/// state has let go of it when the key was retired (design, "Keys stay on the device").
Status IdentityRunner::delete_wrapped(const Bytes& key_id) {
    const auto retired =
        std::ranges::find_if(state_.retired, [&](const lifecycle::RetiredKey& one) { return one.key.id == key_id; });
    if (retired == state_.retired.end()) {
        return {};
    }
    // Whatever the configured token is by now: a generation of a TPM has it.
    const auto removed = publisher_.remove_wrapped_key(name(), retired->key.spki);
    if (!removed) {
        return fail(removed.error());
    }
    const bool wrapped = *removed || token_->settings().type == config::TokenType::tpm2;
    return wrapped ? at_.store.truncate_log() : Status();
}

void IdentityRunner::run(const lifecycle::RaiseAlert& effect) {
    news_({observe::alert_text(state_, effect.kind, at_.clock.now()), {}, true});
}

}  // namespace hwenroll::runtime
