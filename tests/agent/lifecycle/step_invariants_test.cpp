// The invariants of the design over the lives of generated identities: with a token, a CA that is succeeded more than
// once, consumers and operators that answer as real ones do, crashes, wrong clocks and events that make no sense. For
// each invariant a machine with one named fault, which must be found. Invariant 7 (no secret in logs or memory) is not
// step()'s: it is never given one.
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "tests/agent/lifecycle/walk.h"

namespace hwenroll::lifecycle {
namespace {

using Machine = std::function<Transition(const IdentityState&, const Event&, const Draw&, const Policy&, TimePoint)>;

const Machine correct = [](const IdentityState& state, const Event& event, const Draw& draw, const Policy& policy,
                           TimePoint now) { return step(state, event, draw, policy, now); };

/// A manufacturer's key, on a token of its own.
const KeyRecord maker_key{{0xE0}, {0xE1}, true};

/// Of a certificate that was issued elsewhere; it was on the token before.
const KeyRecord brought_key{{0xAD}, {0xAE}, true};

bool is_work(const Effect& effect) {
    return !std::holds_alternative<RaiseAlert>(effect);
}

/// A life of one identity. Everything random comes from `seed`.
class Life {
 public:
    Life(Machine machine, std::uint64_t seed) : machine_(std::move(machine)), random_(seed) {
        life = Seconds(std::vector<long>{60, 3600, 86400, 90L * 86400}[below(4)]);
        operated = one_in(2);
        policy = lifecycle::policy();
        policy.max_messages = 6;
        policy.new_key = std::vector<KeyRule>{KeyRule::require, KeyRule::prefer, KeyRule::reuse}[below(3)];
        policy.switch_at =
            std::vector<SwitchRule>{SwitchRule::authority_end, SwitchRule::not_before, SwitchRule::now}[below(3)];
        policy.delivers = one_in(2);
        policy.retire_after = life / 8;
        policy.poll.give_up = life;
        policy.resync =
            std::vector<std::vector<Resync>>{{Resync::same, Resync::poll, Resync::fresh},
                                             {Resync::poll, Resync::fresh},
                                             {Resync::fresh},
                                             {Resync::poll, Resync::same}}[static_cast<std::size_t>(seed % 4)];
        if (seed % 3 == 0) {
            policy.signer_mark = {0xEE};
        } else {
            policy.envelope_key = seed % 5 == 0;
        }
        has_crls_ = seed % 2 == 0;
        has_window_ = seed % 4 < 2;
        adoption_ = seed % 7 == 0 ? Adoption::first : seed % 7 == 1 ? Adoption::amid : Adoption::none;
    }

    /// What happens next; `check` sees each transition.
    void go_on() {
        policy.authority = authority();
        policy.activation = activation();
        policy.clock_trusted = !one_in(15);
        if (adoption_is_due()) {
            adoption_ = Adoption::none;
            reached["adopted"]++;
            token.insert(brought_key.id);
            dispatch(CertificateAdopted{brought_key,
                                        {{0x30, 0xAD, 0xAD}, {}, {policy.authority.anchor}, now, now + life / 2}});
        } else if (!effect_ && one_in(operated ? 12 : 1000000)) {
            operator_acts();
        } else if (one_in(25)) {
            dispatch(senseless());
        } else if (one_in(20)) {
            kill();
            dispatch(restarted());
        } else if (effect_) {
            const Effect effect = *std::exchange(effect_, std::nullopt);
            dispatch(std::visit([&](const auto& one) { return answer(one); }, effect));
        } else {
            pass_time();
            policy.authority = authority();
            policy.activation = activation();
            dispatch(Due{});
        }
    }

    // What has happened, for the checks.
    IdentityState before;
    Event event = Due{};
    Transition transition;
    Policy policy;
    Draw draw;
    TimePoint now = start;
    Seconds life{};
    bool operated = false;            ///< operators act, and may make certificates end earlier
    bool sensible = true;             ///< the event could happen
    std::set<Bytes> token;            ///< ids of the keys that are on it
    std::optional<Credential> shown;  ///< what consumers see
    std::optional<Credential> lasts;  ///< what they would see after a power failure
    TimePoint shown_since;            ///< by the machine's clock
    Bytes led_back;                   ///< the leaf that was accepted because the current one was not valid yet (K10)
    std::vector<std::pair<TimePoint, RaiseAlert::Kind>> alerts;
    std::uint32_t messages = 0;  ///< answered since the last success
    std::set<std::string> transaction_ids;
    std::map<std::string, int> reached;

    /// What consumers would see by a publication that the last transition asks for.
    [[nodiscard]] Credential to_be_shown(const PublishGeneration& publication) const {
        Credential credential = publication.beside ? *transition.state.current : *transition.state.next;
        credential.generation = publication.generation;
        if (publication.beside) {
            credential.issued.anchors = publication.beside->anchors;
            credential.crl = publication.beside->crl;
        }
        return credential;
    }

    /// What step() has to do next, if anything.
    [[nodiscard]] bool works() const { return std::ranges::any_of(transition.effects, is_work); }

 private:
    std::size_t below(std::size_t end) { return std::uniform_int_distribution<std::size_t>(0, end - 1)(random_); }
    /// Whether an operator brings a certificate: at once, or once a first attempt has failed.
    enum class Adoption : std::uint8_t { none, first, amid };

    [[nodiscard]] bool adoption_is_due() const {
        const IdentityState& state = transition.state;
        return adoption_ != Adoption::none && !effect_ && may_adopt(state) &&
               (adoption_ == Adoption::first || state.failure);
    }

    bool one_in(std::size_t n) { return below(n) == 0; }

    [[nodiscard]] Seconds ca_life() const { return 5 * life; }
    [[nodiscard]] static Bytes anchor_of(std::int64_t index) {
        return {0xCA, static_cast<std::uint8_t>(index >> 8), static_cast<std::uint8_t>(index)};
    }

    /// The CA lives for five certificates and is known to have a successor in its last fifth.
    [[nodiscard]] AuthorityFacts authority() const {
        const std::int64_t index = std::max<std::int64_t>(0, (now - start).count() / ca_life().count());
        AuthorityFacts facts;
        facts.anchor = anchor_of(index);
        facts.not_before = start + index * ca_life();
        facts.not_after = facts.not_before + ca_life();
        for (std::int64_t i = std::max<std::int64_t>(0, index - 4); i < index; ++i) {
            facts.left.push_back(anchor_of(i));
        }
        if (now >= facts.not_after - ca_life() / 5) {
            facts.next = AuthorityFacts::Successor{anchor_of(index + 1), facts.not_after};
            facts.overlaps.push_back(facts.next->anchor);
        }
        for (std::int64_t i = index; has_crls_ && i <= index + 1; ++i) {
            const auto number = static_cast<std::uint8_t>((now - start) / (life / 12));
            facts.crls.push_back({anchor_of(i), {}, {0xC1, static_cast<std::uint8_t>(i), number}});
        }
        return facts;
    }

    /// Where there is a window it opens four times in the life of a certificate, for a second.
    [[nodiscard]] ActivationPolicy activation() const {
        const Seconds period = life / 4;
        const Seconds gone = (now - start) % period;
        return {has_window_ && gone > Seconds(0) ? std::optional(now + (period - gone)) : std::nullopt, {95, {}}};
    }

    void operator_acts() {
        const std::vector<Event> all{RenewalWanted{}, RenewalWanted{true},  EnrollmentWanted{},
                                     Cancelled{},     CertificateRevoked{}, Resumed{}};
        const Event one = all[below(all.size())];
        reached["operator"]++;
        dispatch(one);
    }

    /// An answer to nothing that was asked.
    Event senseless() {
        sensible = false;
        std::vector<Event> all{Delivered{999}, KeyDestroyed{{9}}, GenerationPublished{999}, RequestPending{}};
        const auto& attempt = before_dispatch().enrollment;
        if (!attempt || attempt_phase(before_dispatch()) == Phase::held) {
            all.insert(all.end(), {KeyReady{{1}}, RequestPrepared{prepared()}, CertificateIssued{issued()},
                                   AuthorityReconsidered{true}, rejected(scep::FailInfo::bad_request)});
        }
        if (attempt && attempt->transaction && attempt_phase(before_dispatch()) != Phase::held) {
            all.pop_back();
        }
        return all[below(all.size())];
    }

    [[nodiscard]] const IdentityState& before_dispatch() const { return transition.state; }

    /// Before a publication, or between the switch and its record.
    void kill() {
        const auto* const publication = effect_ ? std::get_if<PublishGeneration>(&*effect_) : nullptr;
        if (publication != nullptr && one_in(2)) {
            reached["killed behind the switch"]++;
            shown = to_be_shown(*publication);
        }
        effect_.reset();
        if (shown != lasts && one_in(3)) {
            reached["power failed"]++;
            shown = lasts;
        }
    }

    Event restarted() {
        const IdentityState& state = transition.state;
        const auto outlasts = [&](const auto& known) {
            return !known ||
                   (known->issued.leaf != shown->issued.leaf && known->issued.not_after < shown->issued.not_after);
        };
        if (shown && state.current && outlasts(state.current) && outlasts(state.next)) {
            reached["older, yet ends later"]++;
            return PublishedFound{shown->key, shown->issued, std::max(shown->generation, state.last_generation)};
        }
        const std::uint64_t seen = shown ? shown->generation : 0;
        const auto is_shown = [&](const auto& credential) {
            return shown && credential->generation == seen && credential->issued.leaf == shown->issued.leaf;
        };
        const bool as_it_should = state.next ? is_shown(state.next) : !state.current || is_shown(state.current);
        const bool next_seen = shown && state.next && state.current &&
                               state.next->issued.leaf != state.current->issued.leaf &&
                               state.next->issued.leaf == shown->issued.leaf;
        const bool current_seen = !state.next || next_seen || (shown && state.current && is_same_leaf(*state.current));
        return Started{std::max(seen, state.last_generation), seen, as_it_should, true, next_seen, current_seen};
    }

    [[nodiscard]] bool is_same_leaf(const Credential& one) const { return one.issued.leaf == shown->issued.leaf; }

    void pass_time() {
        const auto due = next_due(transition.state, policy);
        if (one_in(30)) {
            now += life / static_cast<long>(1 + below(4));  // asleep
        } else if (one_in(60)) {
            now -= life / 20;  // set back
        } else if (due && *due > now) {
            now = *due;
        }
    }

    void dispatch(Event next) {
        before = transition.state;
        event = std::move(next);
        draw = {};
        for (auto& octet : draw.identifier) {
            octet = static_cast<std::uint8_t>(below(256));
        }
        draw.nonce = draw.identifier;
        draw.fraction = static_cast<std::uint32_t>(random_());
        transition = machine_(before, event, draw, policy, now);
        const auto work = std::ranges::find_if(transition.effects, is_work);
        if (work != transition.effects.end()) {
            effect_ = *work;
        }
        for (const Effect& effect : transition.effects) {
            if (const auto* alert = std::get_if<RaiseAlert>(&effect)) {
                alerts.emplace_back(now, alert->kind);
            }
        }
        if (std::holds_alternative<CertificateIssued>(event) && before.current && transition.state.next &&
            now < before.current->issued.not_before) {
            led_back = transition.state.next->issued.leaf;
        }
        const auto& current = transition.state.current;
        if (current && (!before.current || before.current->issued.leaf != current->issued.leaf)) {
            messages = 0;
            shown_since = now;
            reached[!before.current ? "first" : "renewed"]++;
        }
        if (std::holds_alternative<GenerationPublished>(event) && sensible) {
            lasts = shown = current;
        }
        if (const auto* failed = std::get_if<PublicationFailed>(&event); failed != nullptr && failed->seen) {
            reached["not durable"]++;
            shown = before.next;
        }
        if (transition.state.shadow && !before.shadow) {
            messages = 0;
        }
        note_what_was_reached();
    }

    void note_what_was_reached() {
        const IdentityState& state = transition.state;
        reached["shadow"] += state.shadow && !before.shadow ? 1 : 0;
        reached["switch"] += !state.shadow && before.shadow && state.next ? 1 : 0;
        reached["hold"] += state.hold && !before.hold ? 1 : 0;
        reached["pending"] += std::holds_alternative<SendPoll>(effect_.value_or(SendRequest{})) ? 1 : 0;
        reached["re-enrollment"] += state.enrollment && state.enrollment->purpose == Purpose::reenrollment ? 1 : 0;
        const auto* published = effect_ ? std::get_if<PublishGeneration>(&*effect_) : nullptr;
        reached["newer CRL"] += published != nullptr && published->beside ? 1 : 0;
        reached["destroyed"] += std::holds_alternative<KeyDestroyed>(event) && sensible ? 1 : 0;
    }

    Event failed() {
        const std::vector<ErrorCode> codes{ErrorCode::ca_timeout, ErrorCode::token_absent, ErrorCode::token_pin,
                                           ErrorCode::ca_http};
        return failure(codes[below(codes.size())]);
    }

    Event answer(const MakeKey& effect) {
        if (one_in(6)) {
            return one_in(3) ? Event(failure(ErrorCode::token_full)) : failed();
        }
        token.insert(effect.key_id);
        reached["envelope key"] += effect.envelope ? 1 : 0;
        return KeyReady{effect.key_id, {}, {}, {}, {}, effect.envelope};
    }
    Event answer(const PrepareRequest& effect) {
        if (one_in(8)) {
            return failed();
        }
        Transaction transaction = prepared();
        transaction.id = effect.transaction_id;
        const IdentityState& state = transition.state;
        if (state.enrollment->envelope_key) {
            transaction.signer_key = state.enrollment->envelope_key;
        } else if (effect.purpose == Purpose::renewal || effect.purpose == Purpose::shadow) {
            transaction.type = effect.by_renewal_req ? scep::MessageType::renewal_req : scep::MessageType::pkcs_req;
            if (state.enrollment->key.id != state.current->key.id) {
                transaction.signer_key = state.current->key;
            }
        } else if (!policy.signer_mark.empty()) {
            transaction.signer_key = maker_key;
        }
        return RequestPrepared{transaction};
    }
    Event certificate_of(const Enrollment& enrollment) {
        AuthorityFacts facts = authority();
        const bool shadow = enrollment.purpose == Purpose::shadow && facts.next;
        const TimePoint from = shadow ? facts.next->not_before : now;
        const TimePoint end = shadow ? from + life : std::min(now + life, facts.not_after);
        ++leaf_;
        return CertificateIssued{{{0x30, static_cast<std::uint8_t>(leaf_), static_cast<std::uint8_t>(leaf_ >> 8U)},
                                  {},
                                  {shadow ? facts.next->anchor : facts.anchor, {0xEE, 1}},
                                  from,
                                  one_in(8) ? from + life / 3 : end}};
    }
    Event answer(const SendRequest& /*effect*/) {
        const Enrollment& enrollment = *transition.state.enrollment;
        if (one_in(6)) {
            return one_in(3) ? Event(asked_to_wait(120)) : failed();
        }
        if (one_in(40)) {
            return RecipientChanged{};
        }
        ++messages;
        if (one_in(6)) {
            return EffectFailed{Error(ErrorCode::scep_signature, "bad"), true};
        }
        if (one_in(6)) {
            return rejected(one_in(2) ? scep::FailInfo::bad_request : scep::FailInfo::bad_message_check);
        }
        return one_in(5) ? Event(RequestPending{}) : certificate_of(enrollment);
    }
    Event answer(const SendPoll& /*effect*/) {
        if (one_in(4)) {
            return one_in(2) ? failed() : Event(rejected(scep::FailInfo::bad_cert_id));
        }
        return one_in(2) ? Event(RequestPending{}) : certificate_of(*transition.state.enrollment);
    }
    Event answer(const ReconsiderAuthority& /*effect*/) {
        return one_in(4) ? failed() : Event(AuthorityReconsidered{one_in(2)});
    }
    Event answer(const PublishGeneration& effect) {
        if (one_in(6)) {
            const bool seen = !effect.beside && one_in(2);
            return PublicationFailed{Error(ErrorCode::publish_write, "full"), seen};
        }
        return GenerationPublished{effect.generation, effect.beside};
    }
    Event answer(const SeekSuccessor& /*effect*/) { return SuccessorSought{}; }
    Event answer(const Deliver& effect) {
        return one_in(4) ? Delivered{effect.generation, Error(ErrorCode::internal, "exit 1")}
                         : Delivered{effect.generation};
    }
    Event answer(const DestroyKey& effect) {
        if (one_in(6)) {
            return KeyDestroyed{effect.key_id, Error(ErrorCode::token_absent, "gone")};
        }
        token.erase(effect.key_id);
        return KeyDestroyed{effect.key_id};
    }
    Event answer(const RaiseAlert& /*effect*/) { return Due{}; }

    Machine machine_;
    std::mt19937_64 random_;
    Adoption adoption_ = Adoption::none;
    bool has_crls_ = false;
    bool has_window_ = false;
    std::optional<Effect> effect_;
    std::uint16_t leaf_ = 0;
};

/// Empty: it holds. Else what is wrong.
using Invariant = std::function<std::string(const Life&)>;

bool holds(const Invariant& invariant) {
    return rc::check("invariant", [&] {
        Life life(correct, *rc::gen::noShrink(rc::gen::arbitrary<std::uint64_t>()));
        const int length = *rc::gen::inRange(100, 600);
        for (int i = 0; i < length; ++i) {
            life.sensible = true;
            life.go_on();
            const std::string wrong = invariant(life);
            if (!wrong.empty()) {
                RC_FAIL(wrong + " after event " + std::to_string(life.event.index()) + ": " + life.transition.note);
            }
        }
    });
}

/// True when a machine with a fault breaks the invariant. The lives are the same ones each time: a fault that takes a
/// rare life to show is found or not found in every run.
bool is_found(const Invariant& invariant, const Machine& machine) {
    for (std::uint64_t seed = 0; seed < 1000; ++seed) {
        Life life(machine, seed);
        for (int i = 0; i < 400; ++i) {
            life.sensible = true;
            life.go_on();
            if (!invariant(life).empty()) {
                return true;
            }
        }
    }
    return false;
}

/// The machine with one fault, which `alter` puts into each transition.
Machine with(std::function<void(const IdentityState&, const Event&, const Policy&, Transition&)> alter) {
    return [alter = std::move(alter)](const IdentityState& state, const Event& event, const Draw& draw,
                                      const Policy& policy, TimePoint now) {
        Transition transition = step(state, event, draw, policy, now);
        alter(state, event, policy, transition);
        return transition;
    };
}

template <class T>
const T* effect_of(const Life& life) {
    for (const Effect& effect : life.transition.effects) {
        if (const auto* found = std::get_if<T>(&effect)) {
            return found;
        }
    }
    return nullptr;
}

TEST(StepInvariants, generated_lives_reach_all_that_there_is) {
    std::map<std::string, int> reached;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        Life life(correct, seed);
        for (int i = 0; i < 400; ++i) {
            life.sensible = true;
            life.go_on();
        }
        for (const auto& [what, times] : life.reached) {
            reached[what] += times;
        }
    }
    for (const char* what :
         {"first", "renewed", "shadow", "switch", "hold", "pending", "re-enrollment", "destroyed", "operator",
          "envelope key", "newer CRL", "killed behind the switch", "not durable", "power failed"}) {
        EXPECT_GT(reached[what], 20) << what;
    }
}

std::string events_without_sense(const Life& life) {
    return life.sensible || (life.transition.state == life.before && life.transition.effects.empty())
               ? ""
               : "an answer to nothing changed something";
}

TEST(StepInvariants, an_answer_that_nobody_waits_for_changes_nothing) {
    EXPECT_TRUE(holds(events_without_sense));
}

std::string working_pair_stays(const Life& life) {
    if (life.lasts && !life.token.contains(life.lasts->key.id)) {
        return "the key of what a power failure would bring back is gone";
    }
    return !life.shown || life.token.contains(life.shown->key.id) ? "" : "the key that consumers use is gone";
}

TEST(StepInvariants, invariant_1_the_pair_that_consumers_use_works) {
    EXPECT_TRUE(holds(working_pair_stays));
}

TEST(StepInvariants, invariant_1_a_machine_that_destroys_the_old_key_before_it_publishes_is_found) {
    EXPECT_TRUE(
        is_found(working_pair_stays, with([](const IdentityState& before, const Event&, const Policy&, Transition& t) {
                     if (t.state.next && before.current && t.state.next->key.id != before.current->key.id) {
                         t.effects.insert(t.effects.begin(), DestroyKey{before.current->key.id});
                     }
                 })));
}

TEST(StepInvariants, invariant_1_S3_a_machine_that_takes_what_is_seen_for_durable_is_found) {
    EXPECT_TRUE(is_found(working_pair_stays, with([](const IdentityState&, const Event&, const Policy&, Transition& t) {
                             t.state.unproved = false;
                         })));
}

/// What consumers can see of a credential: not when the agent thinks that it published it (K2).
std::optional<Credential> visible(std::optional<Credential> credential) {
    if (credential) {
        credential->published_at = {};
    }
    return credential;
}

bool next_was_seen(const Life& life) {
    const auto* started = std::get_if<Started>(&life.event);
    const auto* failed = std::get_if<PublicationFailed>(&life.event);
    return (started != nullptr && started->next_seen) || (failed != nullptr && failed->seen);
}

std::string one_generation(const Life& life) {
    const IdentityState& after = life.transition.state;
    if (visible(after.current) != visible(life.before.current) &&
        !std::holds_alternative<GenerationPublished>(life.event) && !next_was_seen(life)) {
        return "what consumers see changed without a publication";
    }
    const auto* published = effect_of<PublishGeneration>(life);
    // What was switched to before its record is completed under its number.
    const bool again = published != nullptr && life.shown && published->generation == life.shown->generation &&
                       life.to_be_shown(*published).issued.leaf == life.shown->issued.leaf;
    if (published != nullptr && life.shown && !again && published->generation <= life.shown->generation) {
        return "a generation was used twice";
    }
    const bool other = published != nullptr && (published->beside ? published->generation >= after.next->generation
                                                                  : published->generation != after.next->generation);
    return other ? "another generation" : "";
}

TEST(StepInvariants, invariant_2_each_publication_has_a_generation_of_its_own) {
    EXPECT_TRUE(holds(one_generation));
}

TEST(StepInvariants, invariant_2_a_machine_that_uses_a_generation_twice_is_found) {
    EXPECT_TRUE(is_found(one_generation, with([](const IdentityState&, const Event&, const Policy&, Transition& t) {
                             if (t.state.next && t.state.current) {
                                 t.state.next->generation = t.state.current->generation;
                                 for (Effect& effect : t.effects) {
                                     if (auto* published = std::get_if<PublishGeneration>(&effect)) {
                                         published->generation = t.state.current->generation;
                                     }
                                 }
                             }
                         })));
}

std::string ends_no_earlier(const Life& life) {
    const auto& before = life.before.current;
    const auto& after = life.transition.state.current;
    // K10: by a clock that was ahead consumers were led to what nobody could use yet when this one came. That a failing
    // publication took until then is no reason to drop it: consumers may see it already, where a process was killed
    // between the switch and its record.
    const bool led_back = after && after->issued.leaf == life.led_back;
    return life.operated || led_back || !before || !after || after->issued.not_after >= before->issued.not_after
               ? ""
               : "a published certificate ends earlier than the one before";
}

TEST(StepInvariants, invariant_3_no_published_certificate_ends_earlier_than_the_one_before) {
    EXPECT_TRUE(holds(ends_no_earlier));
}

TEST(StepInvariants, invariant_3_a_machine_that_publishes_an_earlier_end_is_found) {
    EXPECT_TRUE(is_found(ends_no_earlier, [](const IdentityState& state, const Event& event, const Draw& draw,
                                             const Policy& policy, TimePoint now) {
        const auto* issued = std::get_if<CertificateIssued>(&event);
        if (issued == nullptr || !state.current) {
            return step(state, event, draw, policy, now);
        }
        CertificateIssued later = *issued;
        later.issued.not_after = std::max(issued->issued.not_after, state.current->issued.not_after + Seconds(1));
        Transition transition = step(state, later, draw, policy, now);
        if (transition.state.next && transition.state.next->issued.leaf == issued->issued.leaf) {
            transition.state.next->issued.not_after = issued->issued.not_after;
        }
        return transition;
    }));
}

std::string shows_nothing_that_ends_earlier(const Life& life) {
    const auto* published = effect_of<PublishGeneration>(life);
    if (life.operated || published == nullptr || !life.shown) {
        return "";
    }
    const IssuedRecord next = life.to_be_shown(*published).issued;
    return next.leaf == life.led_back || next.not_after >= life.shown->issued.not_after
               ? ""
               : "consumers are led back to a certificate that ends earlier";
}

TEST(StepInvariants, invariant_3_S7_consumers_are_led_back_to_no_certificate_that_ends_earlier) {
    EXPECT_TRUE(holds(shows_nothing_that_ends_earlier));
}

TEST(StepInvariants, invariant_3_S7_a_machine_that_forgets_what_a_killed_process_has_shown_is_found) {
    EXPECT_TRUE(is_found(shows_nothing_that_ends_earlier, [](const IdentityState& state, const Event& event,
                                                             const Draw& draw, const Policy& policy, TimePoint now) {
        const auto* started = std::get_if<Started>(&event);
        if (started == nullptr) {
            return step(state, event, draw, policy, now);
        }
        Started forgetful = *started;
        forgetful.next_seen = false;
        return step(state, forgetful, draw, policy, now);
    }));
}

std::string one_transaction(const Life& life) {
    const auto& before = life.before.enrollment;
    const auto& after = life.transition.state.enrollment;
    if (before && before->transaction && after && after->transaction &&
        (before->transaction->id != after->transaction->id || before->key != after->key ||
         before->transaction->envelope != after->transaction->envelope)) {
        return "an open transaction became another one";
    }
    const bool sends = effect_of<SendRequest>(life) != nullptr || effect_of<SendPoll>(life) != nullptr;
    if (sends && (!after->transaction || !life.token.contains(after->key.id) ||
                  (after->transaction->signer_key && after->transaction->signer_key != maker_key &&
                   !life.token.contains(after->transaction->signer_key->id)))) {
        return "a request without its keys";
    }
    return "";
}

TEST(StepInvariants, invariant_4_a_transaction_keeps_its_id_and_its_keys_until_it_ends) {
    EXPECT_TRUE(holds(one_transaction));
}

TEST(StepInvariants, invariant_4_a_machine_that_takes_another_id_for_each_send_is_found) {
    EXPECT_TRUE(
        is_found(one_transaction, with([](const IdentityState& before, const Event&, const Policy&, Transition& t) {
                     if (t.state.enrollment && t.state.enrollment->transaction && before.enrollment &&
                         before.enrollment->transaction) {
                         t.state.enrollment->transaction->id.value += "x";
                     }
                 })));
}

/// Each life's own: the ids that were prepared.
Invariant fresh_transaction_ids() {
    auto used = std::make_shared<std::pair<const Life*, std::set<std::string>>>();
    return [used](const Life& life) -> std::string {
        if (life.before == IdentityState{}) {
            used->second.clear();
        }
        const auto* request = effect_of<PrepareRequest>(life);
        if (request != nullptr && used->second.contains(request->transaction_id.value)) {
            return "a transaction id for the second time";
        }
        const auto& attempt = life.transition.state.enrollment;
        if (attempt && attempt->transaction) {
            used->second.insert(attempt->transaction->id.value);
        }
        return "";
    };
}

TEST(StepInvariants, invariant_4_no_two_transactions_have_one_id) {
    EXPECT_TRUE(holds(fresh_transaction_ids()));
}

TEST(StepInvariants, invariant_4_a_machine_that_uses_a_transaction_id_again_is_found) {
    EXPECT_TRUE(
        is_found(fresh_transaction_ids(), with([](const IdentityState&, const Event&, const Policy&, Transition& t) {
                     for (Effect& effect : t.effects) {
                         if (auto* request = std::get_if<PrepareRequest>(&effect)) {
                             request->transaction_id.value = "A";
                         }
                     }
                 })));
}

std::string within_the_caps(const Life& life) {
    const IdentityState& after = life.transition.state;
    const bool failed =
        std::holds_alternative<EffectFailed>(life.event) || std::holds_alternative<RequestRejected>(life.event);
    if (failed && after.enrollment && life.messages >= life.policy.max_messages &&
        attempt_phase(after) != Phase::held) {
        return "more messages than the cap without a hold";
    }
    return "";
}

TEST(StepInvariants, invariant_5_over_the_cap_every_failure_ends_in_a_hold) {
    EXPECT_TRUE(holds(within_the_caps));
}

TEST(StepInvariants, invariant_5_a_machine_that_forgets_to_count_is_found) {
    EXPECT_TRUE(is_found(within_the_caps, with([](const IdentityState&, const Event&, const Policy&, Transition& t) {
                             t.state.counters.messages = 0;
                         })));
}

std::string refused_pin_rests(const Life& life) {
    const auto* failed = std::get_if<EffectFailed>(&life.event);
    if (failed == nullptr || failed->error.code() != ErrorCode::token_pin || !life.transition.state.enrollment ||
        life.transition.state == life.before || life.transition.state.hold) {
        return "";
    }
    const Wait& wait = life.transition.state.wait;
    const bool touches_token = effect_of<MakeKey>(life) != nullptr || effect_of<PrepareRequest>(life) != nullptr ||
                               effect_of<SendRequest>(life) != nullptr;
    return wait.reason == WaitingFor::pin && wait.until > life.now && !touches_token ? "" : "a refused PIN again";
}

TEST(StepInvariants, invariant_6_after_a_refused_pin_the_attempt_rests) {
    EXPECT_TRUE(holds(refused_pin_rests));
}

TEST(StepInvariants, invariant_6_a_machine_that_tries_a_refused_pin_again_is_found) {
    EXPECT_TRUE(
        is_found(refused_pin_rests, with([](const IdentityState&, const Event& event, const Policy&, Transition& t) {
                     if (std::holds_alternative<EffectFailed>(event) && t.state.enrollment) {
                         t.effects = {MakeKey{t.state.enrollment->key.id}};
                     }
                 })));
}

std::string every_wait_ends(const Life& life) {
    const IdentityState& after = life.transition.state;
    if (life.works() || !std::holds_alternative<Due>(life.event)) {
        return "";
    }
    const auto due = next_due(after, life.policy);
    if (due && *due <= life.now) {
        return "it spins: due at once after a Due that did nothing";
    }
    // K1, K2: a wait that the right clock began lasts while a clock that went back is not trusted. Were it shortened,
    // each start in 1970 would be one more message of a hold; that it ends is looked at by the first trusted clock.
    const bool endless = !due || (life.policy.clock_trusted && *due > life.now + 2 * day);
    if (after.enrollment && (after.wait.reason == WaitingFor::nothing || endless)) {
        return "it waits without end";
    }
    if (after.current && !due && life.policy.clock_trusted) {
        return "it is valid and nothing is ever due";
    }
    return "";
}

TEST(StepInvariants, invariant_8_every_wait_is_visible_and_ends_and_none_spins) {
    EXPECT_TRUE(holds(every_wait_ends));
}

TEST(StepInvariants, invariant_8_a_machine_that_waits_for_ever_is_found) {
    EXPECT_TRUE(is_found(every_wait_ends, with([](const IdentityState&, const Event&, const Policy&, Transition& t) {
                             if (t.state.wait.reason == WaitingFor::network) {
                                 t.state.wait.until += 36500 * day;
                             }
                         })));
}

TEST(StepInvariants, invariant_8_a_machine_that_does_not_say_what_it_waits_for_is_found) {
    EXPECT_TRUE(
        is_found(every_wait_ends, with([](const IdentityState&, const Event& event, const Policy&, Transition& t) {
                     if (std::holds_alternative<Due>(event) && t.effects.empty()) {
                         t.state.wait = {};
                     }
                 })));
}

std::string every_key_is_listed(const Life& life) {
    const IdentityState& state = life.transition.state;
    std::set<Bytes> listed{brought_key.id};  // not ours
    for (const RetiredKey& one : state.retired) {
        listed.insert(one.key.id);
    }
    for (const auto* one :
         {state.next ? &state.next->key : nullptr, state.current ? &state.current->key : nullptr,
          state.shadow ? &state.shadow->credential.key : nullptr, state.enrollment ? &state.enrollment->key : nullptr,
          state.enrollment && state.enrollment->envelope_key ? &*state.enrollment->envelope_key : nullptr}) {
        if (one != nullptr) {
            listed.insert(one->id);
        }
    }
    return std::ranges::includes(listed, life.token) ? "" : "a key on the token that nobody knows";
}

TEST(StepInvariants, invariant_9_no_key_on_the_token_is_unlisted) {
    EXPECT_TRUE(holds(every_key_is_listed));
}

TEST(StepInvariants, invariant_9_a_machine_that_forgets_retired_keys_is_found) {
    EXPECT_TRUE(is_found(every_key_is_listed, with([](const IdentityState&, const Event&, const Policy&,
                                                      Transition& t) { t.state.retired.clear(); })));
}

TEST(StepInvariants, invariant_9_ENV_14_a_machine_that_forgets_an_envelope_key_is_found) {
    EXPECT_TRUE(is_found(
        every_key_is_listed, with([](const IdentityState& before, const Event& event, const Policy&, Transition& t) {
            if (std::holds_alternative<CertificateIssued>(event) && before.enrollment &&
                before.enrollment->envelope_key) {
                std::erase_if(t.state.retired,
                              [&](const RetiredKey& one) { return one.key.id == before.enrollment->envelope_key->id; });
            }
        })));
}

std::string manufacturer_s_key_stays(const Life& life) {
    const auto* destroyed = effect_of<DestroyKey>(life);
    const auto& retired = life.transition.state.retired;
    const bool listed = std::ranges::any_of(retired, [](const RetiredKey& one) { return one.key.id == maker_key.id; });
    return listed || (destroyed != nullptr && destroyed->key_id == maker_key.id) ? "the manufacturer's key is to go"
                                                                                 : "";
}

TEST(StepInvariants, SIG_4_the_manufacturer_s_key_is_never_destroyed) {
    EXPECT_TRUE(holds(manufacturer_s_key_stays));
}

TEST(StepInvariants, SIG_4_a_machine_that_retires_what_signed_a_request_is_found) {
    EXPECT_TRUE(is_found(manufacturer_s_key_stays,
                         with([](const IdentityState& before, const Event&, const Policy&, Transition& t) {
                             const auto& was = before.enrollment;
                             if (was && was->transaction && was->transaction->signer_key && !t.state.enrollment) {
                                 t.state.retired.push_back({*was->transaction->signer_key, {}, 0});
                             }
                         })));
}

std::string brought_key_stays(const Life& life) {
    const auto* destroyed = effect_of<DestroyKey>(life);
    const auto& retired = life.transition.state.retired;
    const bool listed =
        std::ranges::any_of(retired, [](const RetiredKey& one) { return one.key.id == brought_key.id; });
    return listed || (destroyed != nullptr && destroyed->key_id == brought_key.id) ? "an adopted key is to go" : "";
}

TEST(StepInvariants, an_adopted_key_is_never_destroyed) {
    EXPECT_TRUE(holds(brought_key_stays));
}

TEST(StepInvariants, a_machine_that_takes_an_adopted_key_for_its_own_is_found) {
    EXPECT_TRUE(is_found(brought_key_stays, with([](const IdentityState&, const Event&, const Policy&, Transition& t) {
                             if (t.state.current) {
                                 t.state.current->key.adopted = false;
                             }
                         })));
}

std::string only_known_anchors(const Life& life) {
    const IdentityState& after = life.transition.state;
    const AuthorityFacts& ca = life.policy.authority;
    const auto from_reply = [](const Bytes& one) { return one.at(0) != 0xCA; };
    const auto* published = effect_of<PublishGeneration>(life);
    if ((after.next && after.next != life.before.next && std::ranges::any_of(after.next->issued.anchors, from_reply)) ||
        (published != nullptr && published->beside && std::ranges::any_of(published->beside->anchors, from_reply))) {
        return "an anchor that only a reply told of";
    }
    const auto& attempt = after.enrollment;
    if (attempt && attempt->purpose == Purpose::shadow && !life.before.enrollment &&
        (!ca.next || attempt->authority != ca.next->anchor)) {
        return "a request to a CA that was not authenticated";
    }
    return "";
}

TEST(StepInvariants, invariant_10_no_reply_makes_consumers_trust_another_ca) {
    EXPECT_TRUE(holds(only_known_anchors));
}

TEST(StepInvariants, invariant_10_a_machine_that_takes_anchors_from_a_reply_is_found) {
    EXPECT_TRUE(is_found(
        only_known_anchors, with([](const IdentityState&, const Event& event, const Policy&, Transition& t) {
            if (const auto* issued = std::get_if<CertificateIssued>(&event); issued != nullptr && t.state.next) {
                t.state.next->issued.anchors = issued->issued.anchors;
            }
        })));
}

std::string failure_is_loud(const Life& life) {
    const IdentityState& after = life.transition.state;
    if (!std::holds_alternative<Due>(life.event) || !after.current || after.shadow ||
        (after.next && after.publish_after == TimePoint{})) {
        return "";
    }
    const IssuedRecord& current = after.current->issued;
    const TimePoint since = current.not_before + lifetime(current) * 3 / 4 + scaled(minute, lifetime(current));
    // C9: what came late has not failed yet.
    const TimePoint late =
        life.shown_since + std::min(lifetime(current) / 50, Seconds(current.not_after - life.shown_since) / 2);
    const bool waits = life.now < std::max(since, late + scaled(minute, lifetime(current)));
    const Seconds remaining = current.not_after - life.now;
    const Seconds longest = remaining > 7 * day ? 7 * day : day;
    const bool told = std::ranges::any_of(life.alerts, [&](const auto& alert) {
        return alert.first >= since && alert.first > life.now - longest - hour;
    });
    return waits || told ? "" : "overdue in silence";
}

TEST(StepInvariants, invariant_11_an_overdue_renewal_is_told_and_told_again) {
    EXPECT_TRUE(holds(failure_is_loud));
}

TEST(StepInvariants, invariant_11_a_machine_that_drops_alerts_is_found) {
    EXPECT_TRUE(is_found(failure_is_loud, with([](const IdentityState&, const Event&, const Policy&, Transition& t) {
                             std::erase_if(t.effects, [](const Effect& effect) { return !is_work(effect); });
                         })));
}

TEST(StepInvariants, invariant_11_a_machine_that_tells_once_only_is_found) {
    EXPECT_TRUE(
        is_found(failure_is_loud, with([](const IdentityState& before, const Event&, const Policy&, Transition& t) {
                     if (before.alerted_at) {
                         std::erase_if(t.effects, [](const Effect& effect) { return !is_work(effect); });
                     }
                 })));
}

std::string jitter_is_drawn(const Life& life) {
    const auto* issued = std::get_if<CertificateIssued>(&life.event);
    const auto& next = life.transition.state.next;
    const bool accepted = issued != nullptr && next && next->issued.leaf == issued->issued.leaf;
    return accepted && next->jitter != life.draw.fraction ? "the jitter is not what was drawn" : "";
}

TEST(StepInvariants, the_jitter_of_a_certificate_is_drawn_once_and_kept) {
    EXPECT_TRUE(holds(jitter_is_drawn));
}

TEST(StepInvariants, a_machine_that_forgets_the_jitter_is_found) {
    EXPECT_TRUE(is_found(jitter_is_drawn, with([](const IdentityState&, const Event&, const Policy&, Transition& t) {
                             if (t.state.next) {
                                 t.state.next->jitter = 0;
                             }
                         })));
}

std::string untrusted_clock_takes_nothing(const Life& life) {
    const auto* published = effect_of<PublishGeneration>(life);
    const IdentityState& after = life.transition.state;
    if (life.policy.clock_trusted) {
        return "";
    }
    if (effect_of<DestroyKey>(life) != nullptr) {
        return "a key is destroyed by an untrusted clock";
    }
    if (published != nullptr && !published->beside && after.current &&
        after.next->issued.leaf != after.current->issued.leaf) {
        return "a working certificate is replaced by an untrusted clock";
    }
    return "";
}

TEST(StepInvariants, K1_an_untrusted_clock_destroys_and_switches_nothing) {
    EXPECT_TRUE(holds(untrusted_clock_takes_nothing));
}

TEST(StepInvariants, K1_a_machine_without_a_clock_floor_is_found) {
    EXPECT_TRUE(is_found(untrusted_clock_takes_nothing, [](const IdentityState& state, const Event& event,
                                                           const Draw& draw, const Policy& policy, TimePoint now) {
        Policy credulous = policy;
        credulous.clock_trusted = true;
        return step(state, event, draw, credulous, now);
    }));
}

}  // namespace
}  // namespace hwenroll::lifecycle
