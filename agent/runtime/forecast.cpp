#include "agent/runtime/forecast.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>

#include "agent/runtime/message_envelope.h"
#include "agent/runtime/policy.h"
#include "agent/runtime/request_rules.h"
#include "agent/runtime/transaction_algorithms.h"
#include "base/pem.h"
#include "transport/scep/next_ca.h"

namespace hwenroll::runtime {
namespace {

/// What no clock or CA of a plan ever needs more of; alerts are steps of the machine too.
constexpr int max_steps = 256;

/// Stands for a key that is not made yet.
const Bytes some_key{0x30, 0x00};

const config::TokenSettings* signer_token_of(const config::Configuration& configuration,
                                             const config::IdentitySettings& identity) {
    const auto found = identity.signer ? configuration.tokens.find(identity.signer->token) : configuration.tokens.end();
    return found == configuration.tokens.end() ? nullptr : &found->second;
}

/// The machine on its way through steps that all go well.
class Walk {
 public:
    Walk(const StoredIdentity& stored, TimePoint now) : state_(stored.state), policy_(stored.policy), now_(now) {}

    Forecast run() {
        lifecycle::Event event = lifecycle::Due{};
        for (int i = 0; i < max_steps && !done_; ++i) {
            auto transition = lifecycle::step(state_, event, lifecycle::Draw{}, policy_, now_);
            state_ = std::move(transition.state);
            const auto effect = std::ranges::find_if(transition.effects, [](const lifecycle::Effect& one) {
                return !std::holds_alternative<lifecycle::RaiseAlert>(one);
            });
            if (effect != transition.effects.end()) {
                event = std::visit([this](const auto& one) { return outcome_of(one); }, *effect);
                continue;
            }
            const auto due = lifecycle::next_due(state_, policy_);
            if (!due) {
                break;
            }
            now_ = std::max(*due, now_ + Seconds(*due <= now_ ? 1 : 0));
            event = lifecycle::Due{};
        }
        return std::move(forecast_);
    }

    [[nodiscard]] const lifecycle::IdentityState& state() const { return state_; }
    [[nodiscard]] const std::optional<lifecycle::PrepareRequest>& prepares() const { return prepares_; }

 private:
    using Kind = ForecastStep::Kind;

    void note(Kind kind) { forecast_.steps.push_back({kind, now_}); }

    lifecycle::Event ends(Kind kind) {
        note(kind);
        done_ = true;
        if (state_.enrollment) {
            forecast_.purpose = state_.enrollment->purpose;
            forecast_.transaction = state_.enrollment->transaction;
        }
        return lifecycle::Due{};
    }

    lifecycle::Event outcome_of(const lifecycle::MakeKey& effect) {
        note(effect.envelope ? Kind::make_envelope_key : Kind::make_key);
        lifecycle::KeyReady ready;
        ready.spki = some_key;
        ready.token = policy_.token;
        ready.envelope = effect.envelope;
        return ready;
    }
    lifecycle::Event outcome_of(const lifecycle::PrepareRequest& effect) {
        prepares_ = effect;
        return ends(Kind::request);
    }
    lifecycle::Event outcome_of(const lifecycle::SendRequest&) { return ends(Kind::send_again); }
    lifecycle::Event outcome_of(const lifecycle::SendPoll&) { return ends(Kind::poll); }
    lifecycle::Event outcome_of(const lifecycle::ReconsiderAuthority&) {
        note(Kind::ask_ca_again);
        return lifecycle::AuthorityReconsidered{true};
    }
    lifecycle::Event outcome_of(const lifecycle::PublishGeneration& effect) {
        note(Kind::publish);
        return lifecycle::GenerationPublished{effect.generation, effect.beside};
    }
    lifecycle::Event outcome_of(const lifecycle::SeekSuccessor&) {
        // What comes of it is not known, and everything after depends on it.
        return ends(Kind::seek_successor);
    }
    lifecycle::Event outcome_of(const lifecycle::Deliver& effect) {
        note(Kind::deliver);
        return lifecycle::Delivered{effect.generation, {}};
    }
    lifecycle::Event outcome_of(const lifecycle::DestroyKey& effect) {
        note(Kind::destroy_key);
        return lifecycle::KeyDestroyed{effect.key_id, {}};
    }
    lifecycle::Event outcome_of(const lifecycle::RaiseAlert&) { return lifecycle::Due{}; }

    lifecycle::IdentityState state_;
    lifecycle::Policy policy_;
    TimePoint now_;
    Forecast forecast_;
    std::optional<lifecycle::PrepareRequest> prepares_;
    bool done_ = false;
};

/// The CA as it is stored, or why there is none.
Result<SharedAuthority> stored_authority(const config::AuthoritySettings& settings, const config::LimitSettings& limits,
                                         const lifecycle::AuthorityState& state, bool successor, TimePoint now) {
    const auto& record = successor ? state.next : state.current;
    if (!record || state.phase == lifecycle::AuthorityPhase::untrusted) {
        return SharedAuthority();
    }
    scep::CaExpectation expected{{record->anchor_fingerprint},
                                 std::max(now, record->not_before),
                                 parse_limits(limits, true),
                                 ra_rule(settings),
                                 permissions_of(settings.legacy, now, true),
                                 settings.envelope == config::EnvelopeMode::password};
    auto set = scep::restore_next_ca(record->certificates, std::move(expected));
    if (!set) {
        return fail(Error(set.error()).about("ca " + settings.name));
    }
    return std::make_shared<const Authority>(Authority{
        *std::move(set), scep::parse_capabilities(as_bytes(state.current->capabilities)), record->generation, {}});
}

/// The manufacturer's certificate; its key is not looked for.
Result<Signer> manufacturer_of(const config::SignerSettings& settings) {
    std::ifstream file(settings.certificate);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    auto certificates = certificates_from_pem(text);
    if (!certificates || certificates->empty()) {
        return fail(ErrorCode::signer_certificate,
                    "there is no manufacturer's certificate in " + settings.certificate.string(),
                    certificates ? std::string() : std::string(certificates.error().what()));
    }
    return Signer{{}, certificates->front().der(), {}};
}

RequestForecast::Signer signer_of(const RequestPlan& plan) {
    return plan.envelope_key            ? RequestForecast::Signer::envelope_key
           : is_signed_by_current(plan) ? RequestForecast::Signer::current
           : plan.signer                ? RequestForecast::Signer::manufacturer
                                        : RequestForecast::Signer::new_key;
}

/// What depends on what the CA has announced and sent.
void add_authority(RequestForecast& request, const RequestPlan& plan, const config::AuthoritySettings& settings) {
    const auto algorithms = scep::choose_algorithms(plan.authority->capabilities, plan.legacy, plan.algorithms);
    if (!algorithms) {
        request.obstacle = algorithms.error();
        return;
    }
    request.algorithms = *algorithms;
    const auto type = type_of(plan, algorithms->digest);
    if (!type) {
        request.obstacle = type.error();
        return;
    }
    request.type = *type;
    request.post = settings.http == config::HttpMethod::post ||
                   (settings.http == config::HttpMethod::automatic && plan.authority->capabilities.allows_post());
    request.recipient = plan.authority->set.recipient.subject().text();
    request.sealed_by_password = is_sealed_by_password(*plan.authority);
    if (needs_challenge(plan) && !plan.challenge) {
        request.obstacle =
            Error(ErrorCode::challenge_source, "there is no challenge, and this request cannot do without one", {},
                  "set 'challenge' of [ca." + settings.name + "]");
    }
}

RequestForecast request_forecast(const config::AuthoritySettings& settings, const config::LimitSettings& limits,
                                 const config::IdentitySettings& identity, const StoredIdentity& stored,
                                 const lifecycle::IdentityState& then, const lifecycle::PrepareRequest& effect,
                                 TimePoint at) {
    RequestPlan plan;
    plan.identity = identity;
    plan.challenge = settings.challenge;
    plan.legacy = permissions_of(settings.legacy, at, true);
    plan.algorithms = algorithm_choice(settings);
    plan.now = at;
    plan.purpose = effect.purpose;
    plan.by_renewal_req = effect.by_renewal_req;
    plan.renewal_type = settings.renewal_type;
    plan.renewal_sends_challenge = settings.renewal_sends_challenge;
    plan.current = current_that_receives(identity, settings, then.current);
    plan.envelope = config::envelope_for(identity.key, settings.envelope);
    plan.envelope_key = then.enrollment ? then.enrollment->envelope_key : std::nullopt;
    RequestForecast request;
    const bool by_current =
        effect.purpose == lifecycle::Purpose::renewal || effect.purpose == lifecycle::Purpose::shadow;
    if (!by_current && identity.signer) {
        auto manufacturer = manufacturer_of(*identity.signer);
        if (manufacturer) {
            plan.signer = *std::move(manufacturer);
        } else {
            request.obstacle = manufacturer.error();
            plan.signer = Signer{};
        }
    }
    request.signer = signer_of(plan);
    request.reply = plan.envelope;
    request.states_challenge = states_challenge(plan) && plan.challenge.has_value();
    if (request.obstacle) {
        return request;
    }
    auto authority =
        stored_authority(settings, limits, stored.authority, effect.purpose == lifecycle::Purpose::shadow, at);
    if (!authority) {
        request.obstacle = authority.error();
    } else if (*authority) {
        plan.authority = *std::move(authority);
        add_authority(request, plan, settings);
    } else if (!is_vouched_for(plan)) {
        request.type = scep::MessageType::pkcs_req;  // whatever the CA announces
    }
    return request;
}

}  // namespace

Result<StoredIdentity> read_stored(const config::Configuration& configuration, const config::IdentitySettings& identity,
                                   store::Store* store, TimePoint now) {
    StoredIdentity stored;
    if (store != nullptr) {
        auto state = store->identity(identity.name);
        auto authority = state ? store->authority(identity.ca) : fail(state.error());
        if (!authority) {
            return fail(authority.error());
        }
        stored.state = *std::move(state);
        stored.authority = *std::move(authority);
    }
    const IdentitySections sections{identity, configuration.authorities.at(identity.ca),
                                    configuration.tokens.at(identity.token), configuration.limits,
                                    signer_token_of(configuration, identity)};
    stored.policy = policy_of(sections, marks_of(sections), now);
    stored.policy.authority = lifecycle::facts_of(stored.authority, now);
    return stored;
}

Forecast forecast(const config::Configuration& configuration, const config::IdentitySettings& identity,
                  const StoredIdentity& stored, TimePoint now) {
    Walk walk(stored, now);
    Forecast forecast = walk.run();
    if (walk.prepares()) {
        forecast.request = request_forecast(configuration.authorities.at(identity.ca), configuration.limits, identity,
                                            stored, walk.state(), *walk.prepares(), forecast.steps.back().at);
    }
    return forecast;
}

}  // namespace hwenroll::runtime
