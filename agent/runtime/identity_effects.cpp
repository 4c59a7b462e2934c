// How each effect of an identity's machine is carried out; when, and what follows, is identity_runner.cpp's.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "agent/observe/identity_record.h"
#include "agent/observe/status_words.h"
#include "agent/runtime/identity_runner.h"
#include "agent/runtime/published_files.h"
#include "agent/runtime/request_rules.h"
#include "agent/runtime/system_clock.h"
#include "agent/runtime/transaction_algorithms.h"
#include "base/failpoint.h"

namespace hwenroll::runtime {
namespace {

/// What `key` asks to be generated.
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

/// A request made now would be encrypted for another certificate or by other algorithms than this one.
bool is_for_another_authority(const lifecycle::RefusedRequest& request, const Authority& authority,
                              const scep::LegacyPermissions& legacy, const scep::AlgorithmChoice& choice) {
    const auto algorithms = scep::choose_algorithms(authority.capabilities, legacy, choice);
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

}  // namespace

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
    const bool envelope = effect.envelope;
    const keystore::KeySpec spec = envelope ? keystore::KeySpec::rsa_2048 : spec_of(*type);
    progress_.begin(fmt::format("{}: making {} on token '{}'", name(), keystore::to_text(spec), settings_.token),
                    usual_time(spec));
    token_->use([id = keystore::KeyId{effect.key_id}, spec, label = own_label(name())](
                    const SharedToken& token) { return find_or_generate(*token, id, spec, label); },
                [this, spec, envelope](const Result<ReadyKey>& ready) {
                    if (!ready) {
                        return failed(ready.error());
                    }
                    failpoint(envelope ? FailpointName("envelope-key-generated") : FailpointName("key-generated"));
                    note_generation(spec, *ready);
                    const keystore::KeyDescription& made = ready->key;
                    dispatch(lifecycle::KeyReady{
                        made.key.public_key.spki(), {}, made.key.pem, settings_.token, other_name(made), envelope});
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
                     authority_->settings().challenge_encoding,
                     permissions_of(authority_->settings().legacy, now, at_.clock_trust.trusted()),
                     algorithm_choice(authority_->settings()),
                     authority,
                     state_.enrollment->key,
                     authority_->settings().transaction_id,
                     effect.transaction_id,
                     *std::move(serial),
                     now,
                     effect.purpose,
                     effect.by_renewal_req,
                     authority_->settings().renewal_type,
                     authority_->settings().renewal_sends_challenge,
                     current_that_receives(settings_, authority_->settings(), state_.current),
                     std::move(signer),
                     config::envelope_for(settings_.key, authority_->settings().envelope),
                     state_.enrollment->envelope_key};
    progress_.begin(name() + ": building the request");
    token_->use([plan = std::move(plan)](const SharedToken& token) { return prepare_request(token, plan); },
                [this](Result<PreparedRequest> prepared) {
                    if (!prepared) {
                        return failed(prepared.error());
                    }
                    for (const std::string& warning : prepared->warnings) {
                        warn(warning);
                    }
                    dispatch(std::move(prepared->event));
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
            permissions_of(authority_->settings().legacy, at_.clock.now(), at_.clock_trust.trusted()),
            algorithm_choice(authority_->settings()));
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
    const lifecycle::Transaction& made = *state_.enrollment->transaction;
    const scep::LegacyPermissions permitted =
        permissions_of(authority_->settings().legacy, at_.clock.now(), at_.clock_trust.trusted());
    if ((made.digest == scep::Digest::sha1 && !permitted.sha1_request) ||
        (made.cipher == scep::ContentCipher::des3 && !permitted.des3)) {
        // ALG-10: the permission ends for what was begun under it as well.
        if (type != scep::MessageType::cert_poll) {
            return dispatch(lifecycle::RecipientChanged{});
        }
        return failed(Error(ErrorCode::ca_algorithm, "the request that is pending was made with weak algorithms",
                            "'legacy' permits them no longer",
                            "'hwenroll cancel " + name() + "' ends it, and the next one is made with others"));
    }
    MessagePlan plan{type,
                     *state_.enrollment->transaction,
                     signer(),
                     authority,
                     algorithm_choice(authority_->settings()).key_transport,
                     std::nullopt,
                     authority_->settings().challenge};
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
    const auto form = std::make_shared<RequestForm>(authority_->form(*authority));
    authority_->exchange(
        [this, message, form](const std::string& url) {
            http::Request request = authority_->message(url, message, authority_->limits().max_reply_bytes, *form);
            warn_of_long_url(*form);
            return request;
        },
        [this, authority, form](Result<http::Response> response) {
            if (!response) {
                // Invariant 5: a reply that was cut or too large answered the message all the same.
                const ErrorCode code = response.error().code();
                count(RequestResult::unanswered);
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
    if (config::envelope_for(settings_.key, authority_->settings().envelope) == config::EnvelopeMode::password) {
        plan.challenge = authority_->settings().challenge;
    }
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
                                count(RequestResult::unusable);
                                return failed(verdict.error(), answered);
                            }
                            count_answer(verdict->event);
                            for (const std::string& warning : verdict->warnings) {
                                warn(warning);
                            }
                            conclude(std::move(verdict->event));
                        });
}

void IdentityRunner::count(RequestResult result) const {
    if (at_.counts != nullptr) {
        at_.counts->count(result);
    }
}

void IdentityRunner::count_answer(const lifecycle::Event& answer) const {
    count(std::holds_alternative<lifecycle::CertificateIssued>(answer) ? RequestResult::granted
          : std::holds_alternative<lifecycle::RequestPending>(answer)  ? RequestResult::pending
          : std::holds_alternative<lifecycle::RequestRejected>(answer) ? RequestResult::rejected
                                                                       : RequestResult::unusable);
}

void IdentityRunner::run(const lifecycle::PublishGeneration& effect) {
    const auto refused = [this](const Error& error, bool seen = false) {
        error_ = Error(error).about(name());
        untold_ = UntoldFailure{*error_, observe::failed_message_id};
        dispatch(lifecycle::PublicationFailed{*error_, seen});
    };
    lifecycle::Credential shown = effect.beside ? *state_.current : *state_.next;
    if (effect.beside) {
        shown.issued.anchors = effect.beside->anchors;
        shown.crl = effect.beside->crl;
    }
    shown.generation = effect.generation;
    auto made = generation_to_show(shown);
    if (!made) {
        return refused(made.error());
    }
    if (const Status published = publisher_.publish(*made, {settings_.mode, settings_.group}); !published) {
        // What failed behind the switch is in front of consumers.
        const auto there = publisher_.inspect(name());
        if (!there) {
            look_later();
        }
        return refused(published.error(),
                       !effect.beside && there && *there && (*there)->certificate == shown.issued.leaf);
    }
    failpoint("generation-published");
    dispatch(lifecycle::GenerationPublished{effect.generation, effect.beside});
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
                untold_ = UntoldFailure{*named, observe::deployment_failed_message_id};
            }
            dispatch(lifecycle::Delivered{effect.generation, named});
        });
}

void IdentityRunner::run(const lifecycle::DestroyKey& effect) {
    const auto another = at_.store.is_needed_by_another(effect.key_id, name());
    if (!another || *another) {
        return destroyed(effect.key_id, another ? Status() : fail(another.error()));  // it is that identity's by now
    }
    // It stays where it was made when the configuration moves the identity to another token.
    const std::string& place = effect.token.empty() ? settings_.token : effect.token;
    const auto other = all_tokens_.find(place);
    if (place != settings_.token && other == all_tokens_.end()) {
        return destroy_left_behind(effect);
    }
    destroying_on_ = place == settings_.token ? token_ : other->second;
    progress_.begin(name() + ": removing an old key from token '" + place + "'");
    destroying_on_->use(
        [id = keystore::KeyId{effect.key_id}](const SharedToken& device) { return device->destroy(id); },
        [this, effect](const Status& done) {
            failpoint("key-destroyed");
            destroyed(effect.key_id, done ? delete_wrapped(effect.key_id) : done);
        });
}

/// Its token's section is gone, or has another name by now: then the key is on the identity's own. What no token keeps
/// needs none.
void IdentityRunner::destroy_left_behind(const lifecycle::DestroyKey& effect) {
    const auto retired = retired_key(effect.key_id);
    const auto wrapped = publisher_.remove_wrapped_key(name(), retired.spki);
    if (!wrapped || *wrapped) {
        return destroyed(effect.key_id, wrapped ? at_.store.truncate_log() : fail(wrapped.error()));
    }
    destroying_on_ = token_;
    token_->use(
        [retired, gone = left_behind(effect.token, effect.key_id)](const SharedToken& device) -> Status {
            const auto found = device->find({retired.id});
            if (!found) {
                return fail(found.error());
            }
            const bool here = *found && (*found)->key.public_key.spki() == retired.spki;
            return here ? device->destroy({retired.id}) : fail(gone);
        },
        [this, effect](const Status& done) { destroyed(effect.key_id, done); });
}

lifecycle::KeyRecord IdentityRunner::retired_key(const Bytes& key_id) const {
    const auto retired =
        std::ranges::find_if(state_.retired, [&](const lifecycle::RetiredKey& one) { return one.key.id == key_id; });
    return retired == state_.retired.end() ? lifecycle::KeyRecord{key_id, {}} : retired->key;
}

void IdentityRunner::destroyed(const Bytes& key_id, const Status& done) {
    // A token that is configured no more ends with its last user, which must not be on its stack then.
    at_.loop.post([ended = std::exchange(destroying_on_, nullptr)] {});
    dispatch(done ? lifecycle::KeyDestroyed{key_id, {}}
                  : lifecycle::KeyDestroyed{key_id, Error(done.error()).about(name())});
}

/// What a TPM has wrapped is destroyed where it is kept: in the older generations, and in the database's log, since the
/// state has let go of it when the key was retired (design, "Keys stay on the device").
Status IdentityRunner::delete_wrapped(const Bytes& key_id) {
    const lifecycle::KeyRecord retired = retired_key(key_id);
    if (retired.spki.empty()) {
        return {};
    }
    // Whatever the configured token is by now: a generation of a TPM has it.
    const auto removed = publisher_.remove_wrapped_key(name(), retired.spki);
    if (!removed) {
        return fail(removed.error());
    }
    const bool wrapped = *removed || token_->settings().type == config::TokenType::tpm2;
    return wrapped ? at_.store.truncate_log() : Status();
}

void IdentityRunner::run(const lifecycle::RaiseAlert& effect) {
    IdentityNews news{observe::alert_text(state_, effect.kind, at_.clock.now()), {}, true};
    if (const auto failure = std::exchange(untold_, std::nullopt)) {
        news.failure = failure->error;
    }
    tell(std::move(news), observe::message_id_of(effect.kind));
}

}  // namespace hwenroll::runtime
