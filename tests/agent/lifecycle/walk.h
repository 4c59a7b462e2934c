// What the tests of the identity machine share: certificates, a CA and its successor, and a walk through the machine.
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "agent/lifecycle/step.h"

namespace hwenroll::lifecycle {

inline const TimePoint start = TimePoint(Seconds(1'800'000'000));
inline constexpr Seconds minute{60};
inline constexpr Seconds hour{3600};
inline constexpr Seconds day{86400};

inline const Bytes anchor{0x32};          ///< of the CA
inline const Bytes successor{0x42};       ///< of the CA that follows it
inline const Bytes next_successor{0x52};  ///< of the one after that

inline Draw draw_of(std::uint8_t octet) {
    Draw draw;
    draw.identifier.fill(octet);
    draw.nonce.fill(static_cast<std::uint8_t>(octet + 1));
    return draw;
}

inline Policy policy() {
    Policy policy;
    policy.configuration_mark = {1};
    policy.request_mark = {101};
    return policy;
}

inline Transaction prepared() {
    Transaction transaction;
    transaction.id.value = "T1";
    transaction.envelope = {1, 2, 3};
    transaction.signer_certificate = {4};
    transaction.subject = {5};
    transaction.recipient = {6};
    return transaction;
}

inline IssuedRecord certificate(std::uint8_t leaf, TimePoint from, Seconds life, Bytes under = anchor) {
    return {{leaf}, {{0x31}}, {std::move(under)}, from, from + life};
}

/// The certificate of the first enrollment: a day, so that it is renewed after 18 hours.
inline IssuedRecord issued() {
    return certificate(0x30, start, day);
}

inline EffectFailed failure(ErrorCode code) {
    return {Error(code, "it failed")};
}

inline RequestRejected rejected(scep::FailInfo why) {
    return {why, Error(ErrorCode::ca_rejected, "no")};
}

inline EffectFailed asked_to_wait(long seconds) {
    return {Error(ErrorCode::ca_http, "503").retry_after(Seconds(seconds))};
}

/// A CA of 100 days that ends at `end`.
inline AuthorityFacts ca_until(TimePoint end) {
    AuthorityFacts facts;
    facts.anchor = anchor;
    facts.not_before = end - 100 * day;
    facts.not_after = end;
    return facts;
}

/// The same with its successor, which is valid from its end on.
inline AuthorityFacts ca_with_successor(TimePoint end, const Bytes& next = successor) {
    AuthorityFacts facts = ca_until(end);
    facts.next = AuthorityFacts::Successor{next, end};
    facts.overlaps = {next};
    return facts;
}

/// The successor in office.
inline AuthorityFacts ca_after_switch(TimePoint end, const Bytes& now_in_office = successor) {
    AuthorityFacts facts;
    facts.anchor = now_in_office;
    facts.not_before = end;
    facts.not_after = end + 100 * day;
    facts.left = {anchor};
    return facts;
}

/// Walks a machine and keeps its last transition. Each event has a draw of its own, whose fraction is 0.
struct Walk {
    IdentityState state;
    std::vector<Effect> effects;
    std::string note;
    TimePoint now = start;
    Policy rules = policy();
    std::uint8_t octet = 10;

    Walk& on(const Event& event) {
        auto transition = step(state, event, draw_of(octet++), rules, now);
        state = std::move(transition.state);
        effects = std::move(transition.effects);
        note = std::move(transition.note);
        return *this;
    }
    Walk& at(TimePoint time) {
        now = time;
        return *this;
    }
    Walk& due_at(TimePoint time) { return at(time).on(Due{}); }
    Walk& to_key() { return on(Started{}); }
    Walk& to_submit() { return to_key().on(KeyReady{{7}}); }
    Walk& to_sent() { return to_submit().on(RequestPrepared{prepared()}); }
    Walk& to_publish() { return to_sent().on(CertificateIssued{issued()}); }
    Walk& to_valid() { return to_publish().on(GenerationPublished{1}); }
    /// From a new key's MakeKey to the request on its way; with the current key from PrepareRequest on.
    Walk& send(std::uint8_t spki = 8) {
        if (emits<MakeKey>()) {
            on(KeyReady{{spki}});
        }
        Transaction transaction = prepared();
        if (state.current && state.enrollment->key != state.current->key &&
            (state.enrollment->purpose == Purpose::renewal || state.enrollment->purpose == Purpose::shadow)) {
            transaction.signer_key = state.current->key;
        }
        return on(RequestPrepared{transaction});
    }
    /// A published certificate of a day, its renewal begun at its renewal point and sent.
    Walk& to_renewal() { return to_valid().due_at(start + 18 * hour); }
    Walk& to_renewal_sent() { return to_renewal().send(); }
    /// Answers PublishGeneration as long as there is one.
    Walk& published() {
        while (emits<PublishGeneration>()) {
            on(GenerationPublished{state.next->generation});
        }
        return *this;
    }
    /// A certificate that its CA's end at start + 1 d caps, and a shadow for the successor; it is valid from then on.
    Walk& to_shadow() {
        rules.authority = ca_with_successor(start + day);
        to_publish().published().due_at(start + 18 * hour).send();
        return on(CertificateIssued{certificate(0x40, start + day, 10 * day, successor)});
    }

    template <class T>
    [[nodiscard]] bool only() const {
        return effects.size() == 1 && std::holds_alternative<T>(effects.front());
    }
    template <class T>
    [[nodiscard]] bool emits() const {
        for (const Effect& effect : effects) {
            if (std::holds_alternative<T>(effect)) {
                return true;
            }
        }
        return false;
    }
    template <class T>
    [[nodiscard]] const T& effect() const {
        return std::get<T>(effects.at(0));
    }
    /// True when the key with this id is on the list of those to be destroyed.
    [[nodiscard]] const RetiredKey* retired(const Bytes& key_id) const {
        for (const RetiredKey& one : state.retired) {
            if (one.key.id == key_id) {
                return &one;
            }
        }
        return nullptr;
    }
    [[nodiscard]] Purpose purpose() const { return state.enrollment.value().purpose; }
    [[nodiscard]] std::optional<TimePoint> due() const { return next_due(state, rules); }
};

}  // namespace hwenroll::lifecycle
