#include "agent/runtime/identity_runner.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "agent/observe/status_words.h"
#include "agent/runtime/configuration_mark.h"
#include "agent/runtime/failpoint.h"
#include "agent/runtime/key_uri.h"
#include "agent/runtime/system_clock.h"
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

lifecycle::Policy policy_of(const config::IdentitySettings& settings, const config::AuthoritySettings& authority,
                            const config::TokenSettings& token, const config::LimitSettings& limits) {
    lifecycle::Policy policy;
    policy.poll = {settings.poll.start, settings.poll.factor, settings.poll.max, settings.poll.give_up};
    policy.configuration_mark = configuration_mark(settings, authority, token, limits);
    policy.request_mark = request_mark(settings, authority, token);
    return policy;
}

Result<std::vector<Certificate>> certificates_of(const std::vector<Bytes>& ders) {
    std::vector<Certificate> certificates;
    certificates.reserve(ders.size());
    for (const Bytes& der : ders) {
        auto certificate = Certificate::from_der(der);
        if (!certificate) {
            return fail(certificate.error());
        }
        certificates.push_back(*std::move(certificate));
    }
    return certificates;
}

/// The crash point behind a commit, by what the commit led to.
std::string_view committed_point(const lifecycle::Transition& transition) {
    if (transition.effects.empty()) {
        return transition.state.phase == lifecycle::Phase::valid ? "publish-committed" : "";
    }
    const lifecycle::Effect& effect = transition.effects.front();
    if (std::holds_alternative<lifecycle::MakeKey>(effect)) {
        return "key-id-committed";
    }
    if (std::holds_alternative<lifecycle::PrepareRequest>(effect)) {
        return "key-committed";
    }
    if (std::holds_alternative<lifecycle::ReconsiderAuthority>(effect)) {
        return refusal_failpoint;
    }
    return std::holds_alternative<lifecycle::PublishGeneration>(effect) ? "issue-committed" : "request-committed";
}

/// A request made now would be encrypted for another certificate or by other algorithms than this one.
bool is_for_another_authority(const lifecycle::RefusedRequest& request, const Authority& authority,
                              const scep::LegacyPermissions& legacy) {
    const auto algorithms = scep::choose_algorithms(authority.capabilities, legacy);
    return request.recipient != authority.set.recipient.fingerprint() ||
           (algorithms && (algorithms->digest != request.digest || algorithms->cipher != request.cipher));
}

/// The last failure as an Error again, for the exit code of a run that finds it still standing.
Error recorded(const lifecycle::IdentityState& state) {
    const lifecycle::FailureRecord& failure = *state.failure;
    std::string next = "correct the cause; a changed configuration or challenge is tried at once";
    if (state.phase == lifecycle::Phase::need_submit && state.wait.retry_after) {
        next = "the CA asked for no request before " + to_iso8601(state.wait.retry_after->until) +
               "; a changed configuration or 'hwenroll resume' ends the wait";
    }
    return Error(failure.code, "not well since " + to_iso8601(failure.at), failure.line, std::move(next));
}

}  // namespace

IdentityRunner::IdentityRunner(const Surroundings& surroundings, observe::Progress& progress,
                               publish::Publisher& publisher, TokenAccess& token, AuthorityAccess& authority,
                               config::IdentitySettings settings)
    : at_(surroundings),
      progress_(progress),
      publisher_(publisher),
      token_(token),
      authority_(authority),
      settings_(std::move(settings)),
      policy_(policy_of(settings_, authority.settings(), token.settings(), authority.limits())) {}

void IdentityRunner::start(Settled settled) {
    settled_ = std::move(settled);
    auto stored = at_.store.identity(name());
    if (!stored) {
        return settle(stored.error());
    }
    state_ = *std::move(stored);
    const auto published = publisher_.inspect(name());
    if (!published && state_.phase == lifecycle::Phase::valid) {
        return settle(published.error());
    }
    // What is not published yet can go on; the publishing itself will say what is wrong.
    dispatch(started(published ? *published : std::nullopt));
}

lifecycle::Started IdentityRunner::started(const std::optional<publish::PublishedState>& published) const {
    lifecycle::Started event;
    const bool publishing = state_.phase == lifecycle::Phase::need_publish;
    const bool wanted = publishing || state_.phase == lifecycle::Phase::valid;
    if (!published) {
        event.shown = !wanted;
        return event;
    }
    event.current_generation = published->current.value_or(0);
    event.highest_generation =
        std::max(event.current_generation, published->generations.empty() ? 0 : published->generations.back());
    if (wanted) {
        const Bytes& leaf = publishing ? state_.enrollment->issued->leaf : state_.current->issued.leaf;
        const Bytes& key_id = publishing ? state_.enrollment->key.id : state_.current->key.id;
        event.shown = published->defect.empty() && published->certificate && published->certificate->der() == leaf &&
                      published->key_uri == key_uri(token_.settings().uri, key_id) &&
                      (publishing || event.current_generation == state_.current->generation);
    }
    return event;
}

void IdentityRunner::dispatch(const lifecycle::Event& event) {
    auto drawn = draw();
    if (!drawn) {
        return settle(drawn.error());
    }
    const TimePoint now = at_.clock.now();
    auto transition = lifecycle::step(state_, event, *drawn, policy_, now);
    if (transition.state != state_) {
        const Status committed = at_.store.commit(name(), settings_.token, transition.state, transition.note, now);
        if (!committed) {
            return settle(committed.error());
        }
        failpoint(committed_point(transition));
        state_ = std::move(transition.state);
    }
    if (!error_) {
        say(transition.note);
    }
    if (transition.effects.empty()) {
        return settle(outcome());
    }
    for (const lifecycle::Effect& effect : transition.effects) {
        std::visit([this](const auto& alternative) { run(alternative); }, effect);
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
    } else if (auto* rejected = std::get_if<lifecycle::RequestRejected>(&outcome)) {
        rejected->error = std::move(rejected->error).about(name());
        error_ = rejected->error;
    }
    if (lifecycle::doubts_authority(outcome)) {
        if (const Status doubted = authority_.doubt(); !doubted) {
            return settle(doubted.error());
        }
    }
    dispatch(outcome);
}

void IdentityRunner::settle(const std::optional<Error>& error) {
    progress_.clear();
    std::exchange(settled_, nullptr)(error);
}

std::optional<Error> IdentityRunner::outcome() const {
    if (error_) {
        return error_;
    }
    switch (state_.phase) {
        case lifecycle::Phase::valid:
            if (at_.clock.now() >= state_.current->issued.not_after) {
                return Error(ErrorCode::identity_expired,
                             "the certificate expired at " + to_iso8601(state_.current->issued.not_after))
                    .about(name());
            }
            return std::nullopt;
        case lifecycle::Phase::pending:
            if (state_.failure) {
                break;
            }
            return Error(ErrorCode::ca_pending, "the CA has not decided yet", {},
                         "asked again from " + to_iso8601(state_.wait.until) + " on")
                .about(name());
        default:
            break;
    }
    if (state_.failure) {
        return recorded(state_).about(name());
    }
    return Error(ErrorCode::internal, "nothing is left to do in phase " + observe::status_word(state_, at_.clock.now()))
        .about(name());
}

void IdentityRunner::say(const std::string& note) {
    if (!note.empty()) {
        progress_.clear();
        at_.log.write(
            {observe::Level::info, name() + ": " + note, name(), observe::status_word(state_, at_.clock.now()), {}});
    }
}

void IdentityRunner::warn(const std::string& warning) {
    progress_.clear();
    at_.log.write({observe::Level::warning, name() + ": " + warning, name(), {}, {}});
}

std::string IdentityRunner::awaiting_answer() const {
    return name() + ": waiting for the answer of CA '" + settings_.ca + "'";
}

void IdentityRunner::run(const lifecycle::MakeKey& effect) {
    if (const auto* const existing = std::get_if<config::ExistingKey>(&settings_.key)) {
        return adopt_key(effect, *existing);
    }
    const auto* const type = std::get_if<config::KeyType>(&settings_.key);
    if (type == nullptr) {
        return failed(Error(ErrorCode::config_unsupported, "the key " + config::to_text(settings_.key)));
    }
    const keystore::KeySpec spec = spec_of(*type);
    progress_.begin(fmt::format("{}: making {} on token '{}'", name(), keystore::to_text(spec), settings_.token));
    token_.use([id = keystore::KeyId{effect.key_id}, spec, label = "hwenroll " + name()](
                   const SharedToken& token) { return find_or_generate(*token, id, spec, label); },
               [this](Result<keystore::KeyDescription> key) {
                   if (!key) {
                       return failed(key.error());
                   }
                   failpoint("key-generated");
                   dispatch(lifecycle::KeyReady{key->key.public_key.spki()});
               });
}

void IdentityRunner::adopt_key(const lifecycle::MakeKey& effect, const config::ExistingKey& existing) {
    progress_.begin(fmt::format("{}: looking for its key on token '{}'", name(), settings_.token));
    token_.use([id = keystore::KeyId{effect.key_id},
                existing](const SharedToken& token) { return adopt(*token, existing, id); },
               [this](Result<keystore::KeyDescription> key) {
                   if (!key) {
                       return failed(key.error());
                   }
                   failpoint("key-generated");
                   dispatch(lifecycle::KeyReady{key->key.public_key.spki(), key->key.id.value});
               });
}

void IdentityRunner::run(const lifecycle::PrepareRequest& effect) {
    progress_.begin(name() + ": asking CA '" + settings_.ca + "' for its certificates");
    authority_.need([this, id = effect.transaction_id](Result<SharedAuthority> authority) {
        if (!authority) {
            return failed(authority.error());
        }
        prepare(id, *authority);
    });
}

void IdentityRunner::prepare(const scep::TransactionId& id, const SharedAuthority& authority) {
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
                     authority_.settings().challenge,
                     permissions_of(authority_.settings().legacy, now),
                     authority,
                     state_.enrollment->key.id,
                     state_.enrollment->key.spki,
                     id,
                     *std::move(serial),
                     now};
    progress_.begin(name() + ": building the request");
    token_.use([plan = std::move(plan)](const SharedToken& token) { return prepare_request(token, plan); },
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
    authority_.need([this, request = effect.request](const Result<SharedAuthority>& authority) {
        if (!authority) {
            return failed(authority.error());
        }
        const bool changed = is_for_another_authority(request, **authority,
                                                      permissions_of(authority_.settings().legacy, at_.clock.now()));
        if (changed && error_) {
            const Error refusal = *std::exchange(error_, std::nullopt);
            say(refusal.line());
        }
        dispatch(lifecycle::AuthorityReconsidered{changed});
    });
}

void IdentityRunner::send(scep::MessageType type) {
    authority_.need([this, type](Result<SharedAuthority> authority) {
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
    MessagePlan plan{type,
                     *state_.enrollment->transaction,
                     state_.enrollment->key.id,
                     state_.enrollment->key.spki,
                     authority,
                     at_.clock.now()};
    token_.use([plan = std::move(plan)](const SharedToken& token) { return sign_request(token, plan); },
               [this, authority](Result<Bytes> message) {
                   if (!message) {
                       return failed(message.error());
                   }
                   exchange(authority, *message);
               });
}

void IdentityRunner::exchange(const SharedAuthority& authority, const Bytes& message) {
    progress_.begin(awaiting_answer());
    const config::HttpMethod method = authority_.settings().http;
    const bool post = method == config::HttpMethod::post ||
                      (method == config::HttpMethod::automatic && authority->capabilities.allows_post());
    const auto form = std::make_shared<RequestForm>();
    form->post = post;
    form->announces_post = authority->capabilities.allows_post();
    authority_.exchange(
        [this, post, message, form](const std::string& url) {
            http::Request request =
                authority_.get(url, scep::Operation::pki_operation, authority_.limits().max_reply_bytes);
            if (post) {
                request.method = http::Request::Method::post;
                request.url = scep::operation_url(url, scep::Operation::pki_operation, {});
                request.content_type = scep::pki_message_content_type;
                request.body = message;
            } else {
                request.url = scep::pki_operation_get_url(url, message);
            }
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
                   permissions_of(authority_.settings().legacy, now),
                   parse_limits(authority_.limits()),
                   *state_.enrollment->transaction,
                   state_.enrollment->key.id,
                   state_.enrollment->key.spki,
                   authority,
                   form,
                   std::move(response),
                   now};
    const bool answered = plan.response.status == 200;
    token_.use([plan = std::move(plan)](const SharedToken& token) { return judge_reply(token, plan); },
               [this, answered](Result<ReplyVerdict> verdict) {
                   if (!verdict) {
                       return failed(verdict.error(), answered);
                   }
                   for (const std::string& warning : verdict->warnings) {
                       warn(warning);
                   }
                   conclude(std::move(verdict->event));
               });
}

Result<publish::Generation> IdentityRunner::generation(std::uint64_t number) const {
    const lifecycle::IssuedRecord& issued = *state_.enrollment->issued;
    auto leaf = Certificate::from_der(issued.leaf);
    auto chain = certificates_of(issued.chain);
    auto anchors = certificates_of(issued.anchors);
    if (!leaf || !chain || !anchors) {
        return fail(!leaf ? leaf.error() : !chain ? chain.error() : anchors.error());
    }
    return publish::Generation{name(),
                               number,
                               *std::move(leaf),
                               *std::move(chain),
                               *std::move(anchors),
                               key_uri(token_.settings().uri, state_.enrollment->key.id)};
}

void IdentityRunner::run(const lifecycle::PublishGeneration& effect) {
    auto made = generation(effect.generation);
    if (!made) {
        return failed(made.error());
    }
    if (const Status published = publisher_.publish(*made, {settings_.mode, settings_.group}); !published) {
        return failed(published.error());
    }
    failpoint("generation-published");
    dispatch(lifecycle::GenerationPublished{effect.generation});
}

}  // namespace hwenroll::runtime
