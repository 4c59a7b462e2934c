#include "agent/runtime/authority_access.h"

#include <utility>

#include <fmt/format.h>

#include "agent/runtime/ca_answer.h"
#include "transport/scep/operation_url.h"

namespace hwenroll::runtime {
namespace {

constexpr int max_concurrent_exchanges = 2;

bool try_next_url(const Error& error) {
    return error.code() == ErrorCode::ca_unreachable || error.code() == ErrorCode::ca_timeout;
}

}  // namespace

scep::ParseLimits parse_limits(const config::LimitSettings& limits) {
    scep::ParseLimits out;
    out.max_message = limits.max_reply_bytes;
    out.max_depth = limits.max_asn1_depth;
    out.max_certificates = limits.max_certificates;
    out.max_rsa_bits = limits.max_rsa_bits;
    out.max_exponent_bits = limits.max_exponent_bits;
    out.max_path = limits.max_path;
    out.min_lifetime = limits.min_lifetime;
    out.clock_skew = limits.clock_skew;
    return out;
}

scep::RaRule ra_rule(const config::AuthoritySettings& settings) {
    switch (settings.ra) {
        case config::RaRule::pinned:
            return {scep::RaRule::Kind::pinned, settings.ra_fingerprints};
        case config::RaRule::issued_by_ca:
            return {scep::RaRule::Kind::issued_by_ca, {}};
        case config::RaRule::eku:
            break;
    }
    return {};
}

scep::LegacyPermissions permissions_of(const config::LegacySettings& legacy, TimePoint now) {
    if (!legacy.until || now >= *legacy.until) {
        return {};
    }
    return {legacy.des_cbc_reply, legacy.des3, legacy.sha1_reply, legacy.sha1_request};
}

http::Limits http_limits(const config::LimitSettings& limits, std::size_t max_body) {
    http::Limits out;
    out.connect_timeout = limits.connect_timeout;
    out.exchange_timeout = limits.exchange_timeout;
    out.max_body = max_body;
    out.max_redirects = limits.max_redirects;
    out.max_get_url = limits.max_get_url;
    out.retry_after_min = limits.retry_after_min;
    out.retry_after_max = limits.retry_after_max;
    return out;
}

AuthorityAccess::AuthorityAccess(const Surroundings& surroundings, http::Client& client,
                                 const config::AuthoritySettings& settings, const config::LimitSettings& limits)
    : at_(surroundings), client_(client), settings_(settings), limits_(limits) {}

void AuthorityAccess::need(std::function<void(Answer)> then) {
    waiting_.push_back(std::move(then));
    if (waiting_.size() > 1) {
        return;
    }
    if (!loaded_) {
        auto stored = at_.store.authority(settings_.name);
        if (!stored) {
            return answer(fail(stored.error()));
        }
        state_ = *std::move(stored);
        loaded_ = true;
    }
    if (const Status advanced = advance(lifecycle::AuthorityNeeded{}); !advanced) {
        return answer(fail(advanced.error()));
    }
    if (refused_for_) {
        return answer(fail(asked_too_soon(*refused_for_)));
    }
    if (must_fetch_ || (!authority_ && !restore())) {
        return fetch_capabilities(false);
    }
    answer(authority_);
}

Status AuthorityAccess::advance(const lifecycle::AuthorityEvent& event) {
    const lifecycle::AuthorityPolicy policy{settings_.fingerprints};
    const TimePoint now = at_.clock.now();
    auto transition = lifecycle::step(state_, event, policy, now);
    must_fetch_ = transition.fetch;
    refused_for_ = transition.refused_for;
    if (transition.state == state_ && transition.note.empty()) {
        return {};
    }
    const Status committed = at_.store.commit(settings_.name, transition.state, transition.note, now);
    if (committed) {
        state_ = std::move(transition.state);
        if (!transition.note.empty()) {
            at_.log.write({observe::Level::info, "ca " + settings_.name + ": " + transition.note});
        }
    }
    return committed;
}

Status AuthorityAccess::doubt() {
    return loaded_ ? advance(lifecycle::AuthorityDoubted{}) : Status();
}

Error AuthorityAccess::asked_too_soon(Seconds wait) const {
    return Error(state_.failure->code, fmt::format("the CA asked for {} s without requests", wait.count()),
                 state_.failure->line)
        .about("ca " + settings_.name)
        .retry_after(wait);
}

scep::CaExpectation AuthorityAccess::expectation(TimePoint now) const {
    return {settings_.fingerprints, now, parse_limits(limits_), ra_rule(settings_),
            permissions_of(settings_.legacy, now)};
}

/// Works the roles out again from what is stored: they depend on the time.
Status AuthorityAccess::restore() {
    std::vector<Certificate> certificates;
    for (const Bytes& der : state_.current->certificates) {
        auto certificate = Certificate::from_der(der);
        if (!certificate) {
            return fail(certificate.error());
        }
        certificates.push_back(*std::move(certificate));
    }
    auto set = scep::authenticate(certificates, expectation(at_.clock.now()));
    if (!set) {
        return fail(set.error());
    }
    authority_ = std::make_shared<const Authority>(Authority{
        *std::move(set), scep::parse_capabilities(as_bytes(state_.current->capabilities)), state_.current->generation});
    return {};
}

http::Request AuthorityAccess::get(const std::string& url, scep::Operation operation, std::size_t max_body) const {
    http::Request request;
    request.url = scep::operation_url(url, operation, settings_.identifier);
    request.limits = http_limits(limits_, max_body);
    request.route = {settings_.proxy, settings_.tls_ca.string(), settings_.bind};
    return request;
}

void AuthorityAccess::fetch_capabilities(bool repeated) {
    exchange([this](const std::string& url) { return get(url, scep::Operation::get_ca_caps, limits_.max_caps_bytes); },
             [this, repeated](const Result<http::Response>& response) {
                 const auto capabilities = read_capabilities(response, repeated);
                 if (!capabilities) {
                     return failed(capabilities.error());
                 }
                 return *capabilities ? fetch_certificates(**capabilities) : fetch_capabilities(true);
             });
}

void AuthorityAccess::fetch_certificates(const scep::Capabilities& capabilities) {
    exchange([this](const std::string& url) { return get(url, scep::Operation::get_ca_cert, limits_.max_reply_bytes); },
             [this, capabilities](const Result<http::Response>& response) {
                 if (const Status accepted = accept(capabilities, response); !accepted) {
                     return failed(accepted.error());
                 }
                 answer(authority_);
             });
}

Status AuthorityAccess::accept(scep::Capabilities capabilities, const Result<http::Response>& response) {
    auto received = read_certificates(response, parse_limits(limits_));
    if (!received) {
        return fail(received.error());
    }
    const TimePoint now = at_.clock.now();
    auto set = scep::authenticate(*received, expectation(now));
    if (!set) {
        return fail(set.error());
    }
    if (state_.current && state_.current->anchor_fingerprint == set->anchor.fingerprint()) {
        capabilities = scep::without_downgrade(std::move(capabilities),
                                               scep::parse_capabilities(as_bytes(state_.current->capabilities)));
    }
    // What no request could be made from would only stand in the way of a better answer.
    if (auto usable = scep::choose_algorithms(capabilities, permissions_of(settings_.legacy, now)); !usable) {
        return fail(usable.error());
    }
    std::vector<std::string> warnings = capabilities.warnings;
    warnings.insert(warnings.end(), set->warnings.begin(), set->warnings.end());
    for (const std::string& warning : warnings) {
        at_.log.write({observe::Level::warning, "ca " + settings_.name + ": " + warning});
    }
    lifecycle::AuthorityRecord record;
    record.capabilities = scep::to_text(capabilities);
    record.anchor_fingerprint = set->anchor.fingerprint();
    for (const Certificate& certificate : *received) {
        record.certificates.push_back(certificate.der());
    }
    const Status advanced = advance(lifecycle::AuthorityFetched{std::move(record)});
    if (advanced) {
        authority_ =
            std::make_shared<const Authority>(Authority{*std::move(set), capabilities, state_.current->generation});
    }
    return advanced;
}

void AuthorityAccess::failed(const Error& error) {
    Error named = Error(error).about("ca " + settings_.name);
    if (const Status recorded = advance(lifecycle::AuthorityFailed{named}); !recorded) {
        return answer(fail(recorded.error()));
    }
    answer(fail(std::move(named)));
}

void AuthorityAccess::answer(const Answer& answer) {
    std::vector<std::function<void(Answer)>> waiting;
    waiting.swap(waiting_);
    for (auto& then : waiting) {
        then(answer);
    }
}

void AuthorityAccess::exchange(MakeRequest request, Done done) {
    queued_exchanges_.emplace_back(
        [this, request = std::move(request), done = std::move(done)] { start(request, done, 0); });
    next_exchange();
}

void AuthorityAccess::next_exchange() {
    while (running_exchanges_ < max_concurrent_exchanges && !queued_exchanges_.empty()) {
        auto begin = std::move(queued_exchanges_.front());
        queued_exchanges_.pop_front();
        ++running_exchanges_;
        begin();
    }
}

void AuthorityAccess::start(const MakeRequest& request, const Done& done, std::size_t attempt) {
    const std::size_t url = (reachable_url_ + attempt) % settings_.urls.size();
    client_.start(request(settings_.urls[url]), [this, request, done, attempt, url](Result<http::Response> response) {
        if (!response && try_next_url(response.error()) && attempt + 1 < settings_.urls.size()) {
            return start(request, done, attempt + 1);
        }
        if (response) {
            reachable_url_ = url;
        }
        --running_exchanges_;
        next_exchange();
        done(std::move(response));
    });
}

}  // namespace hwenroll::runtime
