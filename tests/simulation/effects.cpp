// What the effects of one machine's agent lead to.
#include <algorithm>
#include <utility>

#include "tests/simulation/machine.h"

namespace hwenroll::simulation {
namespace {

using lifecycle::EffectFailed;
using lifecycle::Event;
using lifecycle::Purpose;

constexpr Seconds longest_backoff = 6 * hour + 10 * minute;

EffectFailed failed(ErrorCode code, const char* what) {
    return EffectFailed{Error(code, what)};
}

}  // namespace

Event Machine::carry_out(const lifecycle::MakeKey& effect) {
    if (!token_.is_there(now_)) {
        return failed(ErrorCode::token_absent, "the token is not there");
    }
    if (random_.one_in(300)) {
        return failed(ErrorCode::token_operation, "the token failed");
    }
    const TokenKey* key = token_.find(effect.key_id);
    if (key == nullptr && token_.is_full(now_)) {
        watch_.token_was_full(now_);
        return failed(ErrorCode::token_full, "the token is full");
    }
    return lifecycle::KeyReady{key == nullptr ? token_.generate(effect.key_id).spki : key->spki};
}

Event Machine::carry_out(const lifecycle::PrepareRequest& effect) {
    if (const auto error = refresh_authority()) {
        return EffectFailed{*error};
    }
    const lifecycle::AuthorityRecord* to = recipient();
    if (to == nullptr) {
        return failed(ErrorCode::ca_no_recipient, "the successor is no more");
    }
    if (!token_.is_there(now_)) {
        return failed(ErrorCode::token_absent, "the token is not there");
    }
    if (token_.find(state_.enrollment->key.id) == nullptr) {
        return failed(ErrorCode::token_key_missing, "the key is gone");
    }
    lifecycle::Transaction request;
    request.id = effect.transaction_id;
    request.envelope = {0xE0};
    request.recipient = to->anchor_fingerprint;
    request.authority_generation = to->generation;
    if (effect.purpose == Purpose::renewal || effect.purpose == Purpose::shadow) {
        request.type = effect.by_renewal_req ? scep::MessageType::renewal_req : scep::MessageType::pkcs_req;
        request.signer_certificate = state_.current->issued.leaf;
        if (state_.current->key.id != state_.enrollment->key.id) {
            request.signer_key = state_.current->key;
        }
    }
    return lifecycle::RequestPrepared{std::move(request)};
}

Event Machine::submit(bool poll) {
    if (const auto error = refresh_authority()) {
        return EffectFailed{*error};
    }
    const lifecycle::Transaction& request = *state_.enrollment->transaction;
    const lifecycle::AuthorityRecord* to = recipient();
    if (!poll && (to == nullptr || to->anchor_fingerprint != request.recipient)) {
        return lifecycle::RecipientChanged{};
    }
    if (!token_.is_there(now_)) {
        return failed(ErrorCode::token_absent, "the token is not there");
    }
    const Bytes& signer = request.signer_key ? request.signer_key->id : state_.enrollment->key.id;
    if (token_.find(signer) == nullptr) {
        return failed(ErrorCode::token_key_missing, "the signing key is gone");
    }
    if (!timeline_.reachable(now_)) {
        return EffectFailed{no_answer()};
    }
    const std::uint64_t before = issuing_.issued();
    Answer answer = issuing_.answer(request, poll, now_, random_);
    if (issuing_.issued() != before && counts_in_load_) {
        load_.count(now_);
        if (wished_ && !recovered_ && now_ >= timeline_.outage().end) {
            recovered_ = true;
            load_.recovered(now_);
        }
    }
    if (random_.one_in(200)) {
        return failed(ErrorCode::ca_closed, "the reply was lost");
    }
    messages_ += poll ? 0 : 1;
    if (auto* issued = std::get_if<lifecycle::IssuedRecord>(&answer)) {
        return judge(std::move(*issued), poll);
    }
    if (std::holds_alternative<Pending>(answer)) {
        watch_.undecided({now_, now_ + hour + 10 * minute});  // to the next poll
        return lifecycle::RequestPending{};
    }
    return lifecycle::RequestRejected{std::get<Refusal>(answer).why, Error(ErrorCode::ca_rejected, "the CA refused")};
}

/// The runtime's checks of validity: none by a clock that is not trusted, none of a shadow's beginning.
Event Machine::judge(lifecycle::IssuedRecord issued, bool poll) {
    ++figures_.issued;
    const Seconds least = std::min(hour, lifetime_ / 10);
    const bool ends = issued.not_after - wall() < least;
    const bool begins = issued.not_before > wall() + 5 * minute && state_.enrollment->purpose != Purpose::shadow;
    if (policy_.clock_trusted && (ends || begins)) {
        return EffectFailed{Error(ErrorCode::scep_certificate, "the certificate is not valid long enough"), !poll,
                            true};
    }
    if (options_.plant == Plant::destroy_before_publish && state_.current &&
        state_.current->key.id != state_.enrollment->key.id) {
        token_.destroy(state_.current->key.id);
    }
    return lifecycle::CertificateIssued{std::move(issued)};
}

Event Machine::carry_out(const lifecycle::SendRequest& /*effect*/) {
    return submit(false);
}

Event Machine::carry_out(const lifecycle::SendPoll& /*effect*/) {
    ++figures_.polls;
    return submit(true);
}

Event Machine::carry_out(const lifecycle::ReconsiderAuthority& effect) {
    decide(lifecycle::AuthorityEvent(lifecycle::AuthorityDoubted{}));
    if (const auto error = refresh_authority()) {
        return EffectFailed{*error};
    }
    const lifecycle::AuthorityRecord* to = recipient();
    return lifecycle::AuthorityReconsidered{to == nullptr || to->anchor_fingerprint != effect.request.recipient};
}

/// Consumers are led to another generation. That lasts over a power failure once it is durable_ as well.
void Machine::show(const lifecycle::PublishGeneration& effect) {
    highest_generation_ = std::max(highest_generation_, effect.generation);
    const lifecycle::Credential& next = effect.beside ? *state_.current : *state_.next;
    const Published seen{effect.generation,
                         next.issued.leaf,
                         next.key.id,
                         {next.issued.not_before, next.issued.not_after},
                         lifecycle::point_in(next.issued, has_window_ ? policy_.activation.latest : policy_.renew_at),
                         now_,
                         next.issued};
    watch_.published(published_, seen, now_, misled_ || decided_misled_, token_);
    published_ = seen;
    ++figures_.published;
}

bool Machine::fails_to_last() {
    return now_ < disk_ails_until_ ? !random_.one_in(8) : random_.one_in(500);
}

Event Machine::carry_out(const lifecycle::PublishGeneration& effect) {
    highest_generation_ = std::max(highest_generation_, effect.generation);
    const bool full = random_.one_in(now_ < disk_ails_until_ ? 6 : 500);
    if (full) {
        // The directory may be there; the link is as it was.
        watch_.away({now_, now_ + (state_.counters.failures > 0 ? longest_backoff : 10 * minute)});
    } else {
        show(effect);
    }
    if (!full && !fails_to_last()) {
        durable_ = published_;
        return lifecycle::GenerationPublished{effect.generation, effect.beside};
    }
    // What agent/runtime finds there by the certificate: it may be from a try before.
    const bool seen = !effect.beside && published_ && published_->leaf == state_.next->issued.leaf;
    if (!full) {
        ++figures_.not_durable;
        if (random_.one_in(2)) {
            timer(Timer::disruption) = std::min(timer(Timer::disruption), now_ + random_.between(minute, 3 * day));
        }
    }
    return lifecycle::PublicationFailed{Error(ErrorCode::publish_write, full ? "the disk is full" : "cannot sync"),
                                        seen};
}

Event Machine::carry_out(const lifecycle::SeekSuccessor& /*effect*/) {
    if (decide(lifecycle::AuthorityEvent(lifecycle::SuccessorNeeded{})).seek) {
        seek_successor();
    }
    return lifecycle::SuccessorSought{};
}

Event Machine::carry_out(const lifecycle::Deliver& effect) {
    if (random_.one_in(50)) {
        return lifecycle::Delivered{effect.generation, Error(ErrorCode::publish_write, "a hook failed")};
    }
    return lifecycle::Delivered{effect.generation, {}};
}

Event Machine::carry_out(const lifecycle::DestroyKey& effect) {
    if (!token_.is_there(now_)) {
        return lifecycle::KeyDestroyed{effect.key_id, Error(ErrorCode::token_absent, "the token is not there")};
    }
    token_.destroy(effect.key_id);
    ++figures_.keys_destroyed;
    watch_.destroyed(effect.key_id, published_, durable_, policy_.retire_after, now_, misled_ || decided_misled_);
    return lifecycle::KeyDestroyed{effect.key_id, {}};
}

Event Machine::carry_out(const lifecycle::RaiseAlert& /*effect*/) {
    return lifecycle::Due{};
}

}  // namespace hwenroll::simulation
