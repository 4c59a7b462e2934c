// Invariants over generated event sequences, with an environment that answers as a real one could.
#include <set>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "agent/lifecycle/step.h"

namespace hwenroll::lifecycle {
namespace {

Event any_event(IdentityState& state) {
    Transaction transaction;
    transaction.id.value = "T" + std::to_string(*rc::gen::inRange(0, 1'000'000));
    const TimePoint now(Seconds(*rc::gen::inRange(1'800'000'000, 1'900'000'000)));
    switch (*rc::gen::inRange(0, 15)) {
        case 0:
        case 1:
            return Started{*rc::gen::inRange<std::uint64_t>(0, 6), *rc::gen::inRange<std::uint64_t>(0, 6),
                           *rc::gen::arbitrary<bool>()};
        case 2:
            return Due{};
        case 3:
            return KeyReady{{1, 2}};
        case 4:
            return RequestPrepared{transaction};
        case 5:
            return CertificateIssued{{{0x30}, {}, {{0x32}}, now, now + Seconds(86400)}};
        case 6:
            return RequestPending{};
        case 7:
            return RequestRejected{*rc::gen::element(scep::FailInfo::bad_request, scep::FailInfo::bad_message_check),
                                   Error(ErrorCode::ca_rejected, "no")};
        case 8:
            return GenerationPublished{state.last_generation};
        case 9:
            return RecipientChanged{};
        case 10:
            return Resumed{};
        case 11:
            return AuthorityReconsidered{*rc::gen::arbitrary<bool>()};
        case 12:
            return EffectFailed{Error(ErrorCode::ca_http, "503").retry_after(Seconds(*rc::gen::inRange(1, 86400)))};
        case 13:
            return CertificateAdopted{{{0xAD}, {1}, true}, {{0x60}, {}, {{0x32}}, now, now + Seconds(86400)}};
        case 14:
            return PublishedFound{{{0xBA}, {2}},
                                  {{0x61}, {}, {{0x32}}, now, now + Seconds(*rc::gen::inRange(1, 172800))}};
        default:
            return EffectFailed{Error(ErrorCode::scep_signature, "bad"), *rc::gen::arbitrary<bool>(),
                                *rc::gen::arbitrary<bool>()};
    }
}

Draw any_draw() {
    Draw draw;
    const auto octets = *rc::gen::container<std::vector<std::uint8_t>>(32, rc::gen::arbitrary<std::uint8_t>());
    std::copy_n(octets.begin(), 16, draw.identifier.begin());
    std::copy_n(octets.begin() + 16, 16, draw.nonce.begin());
    draw.fraction = *rc::gen::arbitrary<std::uint32_t>();
    return draw;
}

/// Runs a random sequence and hands each transition to `check`.
template <class Check>
bool over_sequences(const char* what, Check check) {
    return rc::check(what, [&] {
        IdentityState state;
        TimePoint now(Seconds(1'800'000'000));
        Policy policy;
        const int length = *rc::gen::inRange(1, 60);
        for (int i = 0; i < length; ++i) {
            now += Seconds(*rc::gen::inRange(0, 200'000));
            policy.configuration_mark = {static_cast<std::uint8_t>(*rc::gen::inRange(0, 2))};
            policy.request_mark = {static_cast<std::uint8_t>(*rc::gen::inRange(0, 2))};
            const Event event = any_event(state);
            const Transition transition = step(state, event, any_draw(), policy, now);
            check(state, event, transition, policy, now);
            state = transition.state;
        }
    });
}

TEST(StepProperties, the_phase_always_follows_from_what_is_committed) {
    EXPECT_TRUE(over_sequences("phase", [](const auto&, const Event&, const Transition& t, const Policy&, TimePoint) {
        const IdentityState& state = t.state;
        RC_ASSERT(state.phase == overall_phase(state));
    }));
}

TEST(StepProperties, invariant_1_a_published_credential_is_replaced_only_by_a_published_one) {
    EXPECT_TRUE(over_sequences(
        "current", [](const IdentityState& before, const Event& event, const Transition& t, const Policy&, TimePoint) {
            if (before.current != t.state.current) {
                // A restored state learns from PublishedFound what was published.
                RC_ASSERT(std::holds_alternative<GenerationPublished>(event) ||
                          std::holds_alternative<PublishedFound>(event));
                RC_ASSERT(t.state.current.has_value());
            }
        }));
}

TEST(StepProperties, invariant_4_MSG_25_one_transaction_at_a_time_with_one_id_until_it_ends) {
    EXPECT_TRUE(over_sequences("transaction", [](const IdentityState& before, const Event& event, const Transition& t,
                                                 const Policy&, TimePoint) {
        if (!before.enrollment || !before.enrollment->transaction || !t.state.enrollment ||
            !t.state.enrollment->transaction) {
            return;
        }
        RC_ASSERT(before.enrollment->transaction->id == t.state.enrollment->transaction->id);
        RC_ASSERT(before.enrollment->key == t.state.enrollment->key);
        RC_ASSERT(before.enrollment->transaction->envelope == t.state.enrollment->transaction->envelope);
        RC_ASSERT(!std::holds_alternative<RequestPrepared>(event) || before == t.state);
    }));
}

TEST(StepProperties, FI_2_a_refused_request_is_gone_and_nothing_is_sent_before_the_ca_was_asked_again) {
    EXPECT_TRUE(over_sequences("refused", [](const IdentityState& before, const Event& event, const Transition& t,
                                             const Policy&, TimePoint) {
        if (std::holds_alternative<RequestRejected>(event) && t.state != before && t.state.enrollment->transaction) {
            // RT-3, RT-4: what the refusal is about may have been granted before. Each way of `resync` comes once.
            RC_ASSERT(t.state.enrollment->transaction->recovery > before.enrollment->transaction->recovery);
        }
        if (t.state.enrollment && t.state.enrollment->refused) {
            RC_ASSERT(!t.state.enrollment->transaction);
            for (const Effect& effect : t.effects) {
                // An alert, or what is published meanwhile, may come beside it.
                RC_ASSERT(!std::holds_alternative<SendRequest>(effect) && !std::holds_alternative<SendPoll>(effect) &&
                          !std::holds_alternative<PrepareRequest>(effect));
            }
        }
    }));
}

/// What a CA whose certificates are others each time it is asked, and which opens no request, makes of an effect.
Event answer_of_a_changing_ca(const Effect& effect) {
    const bool fails = *rc::gen::arbitrary<bool>();
    Transaction transaction;
    transaction.id.value = "T";
    if (std::holds_alternative<MakeKey>(effect)) {
        return KeyReady{{1, 2}};
    }
    if (fails) {
        return EffectFailed{Error(ErrorCode::ca_timeout, "late")};
    }
    if (std::holds_alternative<PrepareRequest>(effect)) {
        return RequestPrepared{transaction};
    }
    if (std::holds_alternative<ReconsiderAuthority>(effect)) {
        return AuthorityReconsidered{true};
    }
    return RequestRejected{scep::FailInfo::bad_message_check, Error(ErrorCode::ca_rejected, "no")};
}

TEST(StepProperties, FI_1_a_ca_that_changes_each_time_gets_two_requests_from_one_hold_to_the_next) {
    EXPECT_TRUE(rc::check("once", [] {
        IdentityState state;
        std::vector<Effect> effects;
        TimePoint now(Seconds(1'800'000'000));
        int refusals = 0;
        for (int i = 0; i < 60; ++i) {
            now += Seconds(*rc::gen::inRange(0, 20'000));
            const Event event = effects.empty() ? Event(Started{}) : answer_of_a_changing_ca(effects.front());
            const Transition t = step(state, event, any_draw(), Policy{}, now);
            refusals += std::holds_alternative<RequestRejected>(event) ? 1 : 0;
            RC_ASSERT(refusals <= 2);
            RC_ASSERT(t.state.phase != Phase::held || refusals == 2 || t.state == state);
            refusals = t.state.phase == Phase::held ? 0 : refusals;
            state = t.state;
            effects = t.effects;
        }
    }));
}

TEST(StepProperties, HTTP_28_no_start_sends_a_request_before_the_time_that_the_ca_asked_for) {
    EXPECT_TRUE(over_sequences("retry-after", [](const IdentityState& before, const Event& event, const Transition& t,
                                                 const Policy& policy, TimePoint now) {
        const auto& asked = before.wait.retry_after;
        if (std::holds_alternative<Started>(event) && before.phase == Phase::need_submit && asked &&
            now < asked->until && asked->configuration_mark == policy.configuration_mark &&
            before.enrollment->request_mark == policy.request_mark) {
            RC_ASSERT(t.effects.empty());
        }
    }));
}

TEST(StepProperties, S12_every_certificate_gets_a_higher_generation_than_all_before) {
    EXPECT_TRUE(over_sequences("generation", [](const IdentityState& before, const Event& event, const Transition& t,
                                                const Policy&, TimePoint) {
        RC_ASSERT(t.state.last_generation >= before.last_generation);
        if (t.state.next && !before.next) {
            RC_ASSERT(t.state.last_generation > before.last_generation);
        }
        if (const auto* started = std::get_if<Started>(&event)) {
            RC_ASSERT(t.state.last_generation >= started->highest_generation);
        }
    }));
}

TEST(StepProperties, MSG_7_no_nonce_is_sent_twice) {
    EXPECT_TRUE(rc::check("nonces", [] {
        IdentityState state;
        TimePoint now(Seconds(1'800'000'000));
        std::set<std::array<std::uint8_t, 16>> seen;
        std::uint8_t counter = 0;
        for (int i = 0; i < 60; ++i) {
            now += Seconds(*rc::gen::inRange(0, 100'000));
            Draw draw;
            draw.nonce[0] = ++counter;
            const Transition transition = step(state, any_event(state), draw, Policy{}, now);
            for (const Effect& effect : transition.effects) {
                if (std::holds_alternative<SendRequest>(effect) || std::holds_alternative<SendPoll>(effect)) {
                    RC_ASSERT(seen.insert(transition.state.enrollment->transaction->nonce.value).second);
                }
            }
            state = transition.state;
        }
    }));
}

TEST(StepProperties, invariant_5_a_failure_over_the_caps_always_ends_in_a_hold) {
    EXPECT_TRUE(over_sequences("caps", [](const IdentityState& before, const Event& event, const Transition& t,
                                          const Policy& policy, TimePoint) {
        // Without an attempt it is a publication that failed: what was issued is published all the same.
        const bool worked = std::holds_alternative<EffectFailed>(event) && t.state != before && before.enrollment;
        if (worked && (t.state.counters.messages >= policy.max_messages ||
                       t.state.counters.certificates >= policy.max_certificates)) {
            RC_ASSERT(attempt_phase(t.state) == Phase::held);
        }
    }));
}

TEST(StepProperties, invariant_8_what_neither_works_nor_is_valid_has_a_time_of_its_next_try) {
    EXPECT_TRUE(over_sequences(
        "deadline", [](const IdentityState& before, const Event&, const Transition& t, const Policy&, TimePoint now) {
            const bool waits = t.effects.empty() && t.state != before;
            if (waits && t.state.phase != Phase::valid) {
                RC_ASSERT(t.state.wait.reason != WaitingFor::nothing);
                RC_ASSERT(t.state.wait.until > now);
            }
        }));
}

}  // namespace
}  // namespace hwenroll::lifecycle
