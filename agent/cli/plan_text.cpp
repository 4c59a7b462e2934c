#include "agent/cli/plan_text.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "agent/observe/status_words.h"
#include "agent/runtime/transaction_algorithms.h"

namespace hwenroll::cli {
namespace {

using lifecycle::Purpose;
using runtime::ForecastStep;
using runtime::RequestForecast;
using Kind = ForecastStep::Kind;

constexpr std::size_t columns = 80;
constexpr std::size_t indentation = 16;

std::string in(TimePoint time, TimePoint now) {
    return time <= now ? std::string("now") : fmt::format("{} (in {})", to_iso8601(time), to_words(time - now));
}

std::string to_text(Purpose purpose) {
    switch (purpose) {
        case Purpose::first:
            return "first enrollment";
        case Purpose::renewal:
            return "renewal";
        case Purpose::shadow:
            return "enrollment at the CA's successor";
        case Purpose::reenrollment:
            break;
    }
    return "new enrollment";
}

std::string to_text(Kind kind, const config::IdentitySettings& identity) {
    switch (kind) {
        case Kind::make_key:
            return std::holds_alternative<config::KeyType>(identity.key)
                       ? fmt::format("make a key {} on token '{}'", config::to_text(identity.key), identity.token)
                       : fmt::format("find the key {} on token '{}'", config::to_text(identity.key), identity.token);
        case Kind::make_envelope_key:
            return fmt::format("make the RSA key that opens the reply on token '{}'", identity.token);
        case Kind::request:
            return "test the key, build the request and send it";
        case Kind::send_again:
            return "send the request that was not answered once more";
        case Kind::poll:
            return "ask the CA for its decision (CertPoll)";
        case Kind::ask_ca_again:
            return "ask the CA for its certificates again";
        case Kind::seek_successor:
            return "ask the CA for its successor (GetNextCACert)";
        case Kind::publish:
            return "publish the certificate that is there";
        case Kind::deliver:
            return "tell the consumers (on_change, verify)";
        case Kind::destroy_key:
            break;
    }
    return "destroy an old key on its token";
}

bool is_message(const runtime::Forecast& forecast) {
    if (forecast.steps.empty()) {
        return false;
    }
    const Kind last = forecast.steps.back().kind;
    return last == Kind::request || last == Kind::send_again || last == Kind::poll;
}

/// Fields in the order in which they are added.
class Fields {
 public:
    void add(std::string key, std::string label, std::string value) {
        if (!value.empty()) {
            all_.push_back({std::move(key), std::move(label), {std::move(value)}, false});
        }
    }
    void add(std::string key, std::string label, std::vector<std::string> values) {
        if (!values.empty()) {
            all_.push_back({std::move(key), std::move(label), std::move(values), true});
        }
    }
    std::vector<PlanField> take() { return std::move(all_); }

 private:
    std::vector<PlanField> all_;
};

std::string signer_text(const RequestForecast& request, const lifecycle::IdentityState& state,
                        const config::IdentitySettings& identity) {
    switch (request.signer) {
        case RequestForecast::Signer::current:
            return fmt::format("the current certificate's key {} on token '{}'", to_hex(state.current->key.id),
                               state.current->key.token.empty() ? identity.token : state.current->key.token);
        case RequestForecast::Signer::manufacturer:
            return fmt::format("the manufacturer's key {} on token '{}'", config::to_text(identity.signer->key),
                               identity.signer->token);
        case RequestForecast::Signer::envelope_key:
            return "the RSA envelope key, by a certificate that it signs for itself";
        case RequestForecast::Signer::new_key:
            break;
    }
    return "the new key, by a certificate that it signs for itself";
}

std::string key_text(const config::Configuration& configuration, const config::IdentitySettings& identity,
                     const lifecycle::IdentityState& state, bool made) {
    const config::TokenSettings& token = configuration.tokens.at(identity.token);
    const std::string place =
        fmt::format("token '{}' ({})", token.name, token.type == config::TokenType::tpm2 ? token.tcti : token.uri);
    if (!std::holds_alternative<config::KeyType>(identity.key)) {
        return fmt::format("{}, which is on {}", config::to_text(identity.key), place);
    }
    if (made) {
        return fmt::format("a new {} on {}", config::to_text(identity.key), place);
    }
    const Bytes& id = state.enrollment ? state.enrollment->key.id : state.current ? state.current->key.id : Bytes();
    return fmt::format("{} with id {} on {}", config::to_text(identity.key), to_hex(id), place);
}

/// Never its value.
std::string challenge_text(const RequestForecast& request, const config::AuthoritySettings& authority) {
    if (!authority.challenge) {
        return request.signer == RequestForecast::Signer::new_key ||
                       request.signer == RequestForecast::Signer::envelope_key
                   ? "no: [ca." + authority.name +
                         "] has none, so that a person has to approve, or the CA asks for none"
                   : "no: the certificate that signs vouches for it";
    }
    if (!request.states_challenge) {
        return "no: the certificate that signs vouches for it (renewal_challenge = \"omit\")";
    }
    std::string text = "yes, read from " + authority.challenge->text() + " when it is made";
    if (authority.challenge->kind == config::SecretSource::Kind::command) {
        text += "; what a command gives counts as good for one use";
    }
    return text;
}

std::string type_text(const RequestForecast& request, const config::AuthoritySettings& authority) {
    if (request.type) {
        return std::string(scep::to_text(*request.type));
    }
    return authority.renewal_type == config::RenewalType::pkcs_req      ? "PKCSReq"
           : authority.renewal_type == config::RenewalType::renewal_req ? "RenewalReq"
                                                                        : "RenewalReq if the CA announces Renewal, "
                                                                          "else PKCSReq";
}

std::string reply_text(config::EnvelopeMode mode) {
    switch (mode) {
        case config::EnvelopeMode::password:
            return "encrypted under the challenge, since an EC key cannot decrypt (envelope = \"password\")";
        case config::EnvelopeMode::token_rsa:
            return "encrypted to an RSA key beside the EC key, which cannot decrypt (envelope = \"token-rsa\"); each "
                   "renewal is a PKCSReq with a challenge";
        case config::EnvelopeMode::agree:
            return "encrypted by ECDH with the EC key (envelope = \"agree\")";
        case config::EnvelopeMode::automatic:
            break;
    }
    return "encrypted to the RSA key that signs the request, opened on its token";
}

void add_request(Fields& fields, const RequestForecast& request, const config::AuthoritySettings& authority,
                 const config::IdentitySettings& identity, const lifecycle::IdentityState& state) {
    fields.add("message_type", "message", type_text(request, authority));
    fields.add("signed_by", "signed by", signer_text(request, state, identity));
    fields.add("challenge", "challenge", challenge_text(request, authority));
    fields.add(
        "algorithms", "algorithms",
        request.algorithms
            ? runtime::request_text(*request.algorithms)
            : std::string("by what the CA announces (GetCACaps), at least AES-128 and SHA-256 without 'legacy'"));
    fields.add("encrypted_to", "encrypted to",
               request.sealed_by_password.value_or(false)
                   ? "nobody's key: the CA has no RSA key, so it is encrypted under the challenge"
               : request.recipient.empty() ? "the CA's or its RA's certificate, once the fingerprint was compared"
                                           : request.recipient);
    fields.add("reply", "reply", reply_text(request.reply));
}

void add_csr(Fields& fields, const config::IdentitySettings& identity) {
    fields.add("subject", "subject", identity.subject.text());
    fields.add("san", "names", identity.subject_alt_names);
    fields.add("key_usage", "key usage", identity.key_usage);
    fields.add("extended_key_usage", "purposes", identity.extended_key_usage);
}

void add_urls(Fields& fields, const config::AuthoritySettings& authority, const std::optional<bool>& post) {
    const bool fixed = authority.http != config::HttpMethod::automatic;
    const std::string method = post    ? (*post ? "POST" : "GET")
                               : fixed ? (authority.http == config::HttpMethod::post ? "POST" : "GET")
                                       : "POST, or GET where the CA does not announce POST,";
    std::vector<std::string> urls;
    for (const std::string& url : authority.urls) {
        urls.push_back(fmt::format("{} {}", method, url));
    }
    fields.add("urls", "to, in order", std::move(urls));
}

void add_acceptance(Fields& fields, const config::Configuration& configuration,
                    const config::IdentitySettings& identity, const lifecycle::IdentityState& state,
                    const std::optional<Purpose>& purpose) {
    std::vector<std::string> checks{"it is signed by the CA or an RA of its set, and chains to its anchor",
                                    "its public key is the one that was asked for",
                                    "it is no CA's, and has no unknown critical extension"};
    checks.emplace_back(
        identity.accept.subject == config::AcceptSubject::exact ? "its subject is exactly the one asked for"
        : identity.accept.subject == config::AcceptSubject::any ? "its subject may be any (accept.subject = \"any\")"
                                                                : "its subject has the RDNs asked for, in any order");
    checks.emplace_back(identity.accept.alt_names == config::AcceptAltNames::any
                            ? "its names may be any (accept.san = \"any\")"
                            : "its names are at least those asked for");
    checks.emplace_back(identity.accept.usage == config::AcceptUsage::require
                            ? "it has every usage asked for (accept.usage = \"require\")"
                            : "a usage that it lacks is a warning only");
    const bool renews = purpose && (*purpose == Purpose::renewal || *purpose == Purpose::shadow) && state.current;
    checks.push_back(fmt::format("it lives for {}{}", to_words(configuration.limits.min_lifetime),
                                 renews ? ", or a tenth of its predecessor's lifetime, at least" : " at least"));
    if (renews) {
        checks.push_back("it ends later than the current one (" + to_iso8601(state.current->issued.not_after) + ")");
    }
    fields.add("checks", "is accepted if", std::move(checks));
}

std::string files_text(const config::Configuration& configuration, const config::IdentitySettings& identity,
                       const lifecycle::IdentityState& state) {
    const config::TokenSettings& token = configuration.tokens.at(identity.token);
    const bool handle = token.type == config::TokenType::tpm2 &&
                        (token.storage.persistent() || std::holds_alternative<config::PersistentHandle>(identity.key));
    return fmt::format(
        "{}/current becomes generation {}: cert.pem chain.pem fullchain.pem ca.pem {}key.uri "
        "identity.json{}",
        (configuration.agent.publish_dir / identity.name).string(), state.last_generation + 1, handle ? "" : "key.pem ",
        configuration.authorities.at(identity.ca).crl != config::CrlSource::off ? " crl.pem" : "");
}

void add_publication(Fields& fields, const config::Configuration& configuration,
                     const config::IdentitySettings& identity, const lifecycle::IdentityState& state) {
    std::vector<std::string> steps{files_text(configuration, identity, state)};
    if (identity.activate_window && state.current) {
        steps.emplace_back("it waits for activate_window, at most until activate_by");
    }
    for (const config::Command& command : identity.on_change) {
        steps.push_back(fmt::format("run {}", fmt::join(command, " ")));
    }
    if (!identity.verify_tls.empty()) {
        steps.push_back("check that " + identity.verify_tls + " serves it by TLS");
    } else if (!identity.verify_command.empty()) {
        steps.push_back(fmt::format("check by {}", fmt::join(identity.verify_command, " ")));
    } else if (identity.on_change.empty()) {
        steps.emplace_back("no consumer is told: neither on_change nor verify is set");
    }
    if (state.current && std::holds_alternative<config::KeyType>(identity.key) &&
        identity.new_key != config::NewKey::reuse) {
        steps.push_back(fmt::format("the old key is destroyed {} after that", to_words(identity.retire_after)));
    }
    fields.add("publication", "then", std::move(steps));
}

std::string summary(const PlanSurroundings& around, const runtime::StoredIdentity& stored,
                    const runtime::Forecast& forecast) {
    if (forecast.steps.empty()) {
        return "nothing is sent: no time leads to a message";
    }
    const ForecastStep& last = forecast.steps.back();
    const std::string when = in(last.at, around.now);
    const std::string what = forecast.purpose ? to_text(*forecast.purpose) : std::string("enrollment");
    const bool held = stored.state.hold.has_value();
    switch (last.kind) {
        case Kind::request:
        case Kind::send_again:
            return held ? fmt::format("nothing is sent while it is held ({}); one retry: {}",
                                      observe::to_text(stored.state.hold->reason), when)
                        : fmt::format("{}: {}", what, when);
        case Kind::poll:
            return fmt::format("{} is pending, the CA is asked for its decision: {}", what, when);
        case Kind::seek_successor:
            return "only the CA's successor could issue a longer certificate; it is asked for: " + when;
        default:
            return fmt::format("no message is sent; next step: {}", when);
    }
}

std::string wrapped(std::size_t indent, const std::string& text) {
    std::string out;
    std::size_t column = indent;
    std::size_t begin = 0;
    while (begin <= text.size()) {
        const std::size_t end = std::min(text.find(' ', begin), text.size());
        const std::string word = text.substr(begin, end - begin);
        if (column > indent && column + 1 + word.size() > columns) {
            out += '\n' + std::string(indent, ' ');
            column = indent;
        } else if (column > indent) {
            out += ' ';
            ++column;
        }
        out += word;
        column += word.size();
        begin = end + 1;
    }
    return out;
}

}  // namespace

PlanText plan_text(const PlanSurroundings& around, const config::IdentitySettings& identity,
                   const runtime::StoredIdentity& stored, const runtime::Forecast& forecast) {
    const config::AuthoritySettings& authority = around.configuration.authorities.at(identity.ca);
    const lifecycle::IdentityState& state = stored.state;
    PlanText plan{identity.name, summary(around, stored, forecast), is_message(forecast), {}, {}};
    Fields fields;
    if (plan.sends) {
        plan.at = forecast.steps.back().at;
    }
    if (!around.agent_runs) {
        fields.add("agent", "agent", "hwenrolld does not run: nothing is done before it is started");
    }
    if (state.failure) {
        fields.add("last_error", "last error", state.failure->line);
    }
    if (state.hold || (state.enrollment && state.wait.reason != lifecycle::WaitingFor::nothing)) {
        fields.add("waits_for", "waits for", observe::next_step(state, around.now));
    }
    std::vector<std::string> steps;
    for (const ForecastStep& step : forecast.steps) {
        steps.push_back(in(step.at, around.now) + ": " + to_text(step.kind, identity));
    }
    fields.add("steps", "steps", std::move(steps));
    const bool made = std::ranges::any_of(forecast.steps, [](const auto& step) { return step.kind == Kind::make_key; });
    if (plan.sends) {
        fields.add("key", "key", key_text(around.configuration, identity, state, made));
    }
    if (forecast.request) {
        if (forecast.request->obstacle) {
            fields.add("obstacle", "obstacle", forecast.request->obstacle->line());
        }
        add_request(fields, *forecast.request, authority, identity, state);
        add_csr(fields, identity);
    } else if (forecast.transaction && plan.sends) {
        const bool poll = forecast.steps.back().kind == Kind::poll;
        fields.add("message_type", "message",
                   std::string(poll ? scep::to_text(scep::MessageType::cert_poll)
                                    : scep::to_text(forecast.transaction->type)));
        fields.add("transaction", "transaction", forecast.transaction->id.value);
        fields.add("algorithms", "algorithms",
                   fmt::format("{}, {}", scep::to_text(forecast.transaction->digest),
                               scep::to_text(forecast.transaction->cipher)));
    }
    if (plan.sends) {
        add_urls(fields, authority, forecast.request ? forecast.request->post : std::nullopt);
        add_acceptance(fields, around.configuration, identity, state, forecast.purpose);
        add_publication(fields, around.configuration, identity, state);
    }
    plan.fields = fields.take();
    return plan;
}

PlanText disabled_plan(const std::string& identity, const Error& fault) {
    Fields fields;
    fields.add("obstacle", "why", fault.line());
    fields.add("next", "next", "correct the configuration, then run 'hwenroll check-config'");
    return {identity, "nothing is sent: its configuration disables it", false, {}, fields.take()};
}

std::string to_text(const PlanText& plan) {
    std::string out = wrapped(0, printable(plan.identity + ": " + plan.summary, 400)) + "\n";
    for (const PlanField& field : plan.fields) {
        std::string label = field.label;
        for (const std::string& value : field.values) {
            const std::string bullet = field.list && field.values.size() > 1 ? "- " : "";
            out += fmt::format("  {:<{}}{}{}\n", label, indentation - 2, bullet,
                               wrapped(indentation + bullet.size(), printable(value, 2048)));
            label.clear();
        }
    }
    return out;
}

}  // namespace hwenroll::cli
