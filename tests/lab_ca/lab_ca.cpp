#include "tests/lab_ca/lab_ca.h"

#include <algorithm>

#include <fmt/format.h>

#include "tests/lab_ca/lab_interface.h"

namespace hwenroll::lab_ca {
namespace {

constexpr const char* ca_certificate_type = "application/x-x509-ca-cert";
constexpr const char* ca_and_ra_type = "application/x-x509-ca-ra-cert";
constexpr const char* next_ca_type = "application/x-x509-next-ca-cert";
constexpr const char* next_ca_keyword = "GetNextCACert";

HttpReply reply_of(const char* content_type, Bytes body) {
    HttpReply reply;
    reply.content_type = content_type;
    reply.body = std::move(body);
    return reply;
}

AdmissionPolicy admission_of(const LabCaOptions& options) {
    AdmissionPolicy policy = options.admission;
    policy.renewal.renewal_req = policy.renewal.renewal_req && options.capabilities.has("Renewal");
    policy.challenge_optional = options.decision.needs_approval;
    return policy;
}

/// Whether GetCACert hands out the RA too.
bool shows_ra(NextCaForm form) {
    return form == NextCaForm::ra_signed || form == NextCaForm::ra_only;
}

}  // namespace

LabCa::LabCa(LabCaOptions options, const Clock& clock, Holdings holdings, AlgorithmFloor floor)
    : options_(std::move(options)),
      clock_(clock),
      generations_(std::move(holdings.generations)),
      hierarchy_(std::move(holdings.hierarchy)),
      ledger_(std::move(holdings.ledger)),
      floor_(std::move(floor)),
      authorization_(options_.challenge.copy(), admission_of(options_), options_.one_time_challenges),
      crls_(options_.directory, options_.crl),
      faults_(options_.faults),
      log_(options_.directory / "lint.jsonl") {}

Result<std::unique_ptr<LabCa>> LabCa::open(LabCaOptions options, const Clock& clock) {
    if (options.challenge.empty()) {
        return fail(ErrorCode::config_value, "the lab CA has no challenge password", {},
                    "give --challenge or --challenge-file");
    }
    auto floor = options.allow_weak_requests ? AlgorithmFloor::with_weak_algorithms()
                                             : Result<AlgorithmFloor>(AlgorithmFloor::modern());
    if (!floor) {
        return fail(floor.error());
    }
    if (options.reply.cipher == "DES-CBC" && !options.allow_weak_requests) {
        return fail(ErrorCode::config_value, "a CA without weak algorithms cannot answer in single DES", {},
                    "add --allow-weak-requests");
    }
    auto holdings = open_holdings(options, clock.now());
    if (!holdings) {
        return fail(holdings.error());
    }
    return std::unique_ptr<LabCa>(new LabCa(std::move(options), clock, *std::move(holdings), *std::move(floor)));
}

Result<LabCa::Holdings> LabCa::open_holdings(const LabCaOptions& options, TimePoint now) {
    auto hierarchy = Hierarchy::open(options.directory, options.hierarchy, options.rollover, now);
    if (!hierarchy) {
        return fail(hierarchy.error());
    }
    auto generations = Generations::open(options.directory, options.rollover, now, hierarchy->first_authority());
    if (!generations) {
        return fail(generations.error());
    }
    if (const Status added = hierarchy->add_ras(options.directory, generations->at(1), now); !added) {
        return fail(added.error());
    }
    auto ledger = Ledger::open(options.directory);
    if (!ledger) {
        return fail(ledger.error());
    }
    return Holdings{*std::move(generations), *std::move(hierarchy), *std::move(ledger)};
}

Capabilities LabCa::capabilities(std::optional<std::size_t> next) const {
    Capabilities out = options_.capabilities;
    const NextCaKeyword rule = options_.shadow.keyword;
    const bool hidden = rule == NextCaKeyword::never || (rule == NextCaKeyword::until_shadow && next);
    if (hidden) {
        std::erase(out.keywords, next_ca_keyword);
    } else if (options_.rollover.auto_rollover && !out.has(next_ca_keyword)) {
        out.keywords.emplace_back(next_ca_keyword);
    }
    return announced(std::move(out), options_.caps.form);
}

LabCa::Exchange LabCa::begin(const HttpRequest& request, TimePoint now) const {
    const std::size_t current = generations_.current(now);
    const auto next = generations_.next(now);
    Exchange exchange{request, now, current, next, current, current, capabilities(next), options_.reply, {}};
    exchange.record.time = now;
    exchange.record.request = &request;
    exchange.record.findings = lint_http(request, exchange.capabilities);
    return exchange;
}

HttpReply LabCa::give_challenge() {
    const auto challenge = authorization_.give_challenge(clock_.now());
    if (!challenge) {
        return text_reply(404, "this CA has no challenges that work once");
    }
    return *challenge ? text_reply(200, **challenge) : text_reply(500, challenge->error().line());
}

HttpReply LabCa::answer(const HttpRequest& request) {
    if (request.path == "/lab/challenge") {
        return give_challenge();
    }
    if (is_lab_request(request)) {
        return answer_about_crls(request);
    }
    const TimePoint now = clock_.now();
    if (const Status advanced = generations_.advance(now); !advanced) {
        return text_reply(500, advanced.error().line());
    }
    if (const auto path = crl_path(request.path); path && request.method == "GET") {
        return crl_by_http(*path, request, now);
    }
    Exchange exchange = begin(request, now);
    auto refused = refused_by(options_.manner, request);
    HttpReply reply = refused ? *std::move(refused) : faults_.any() ? answer_with_faults(exchange) : dispatch(exchange);
    reply = dressed(options_.manner, std::move(reply));
    const Delivery::End end = reply.delivery.end;
    const bool answered = end != Delivery::End::unanswered && end != Delivery::End::reset;
    reply.headers.push_back({"Date", http_date(now)});
    exchange.record.http_status = answered ? reply.status : 0;
    if (const Status logged = log_.append(exchange.record); !logged) {
        return text_reply(500, logged.error().line());
    }
    return reply;
}

void LabCa::refused(const HttpRequest& understood, int status) {
    LintRecord record = begin(understood, clock_.now()).record;
    record.http_status = status;
    record.findings.push_back({"HTTP-18", fmt::format("the request was refused with status {}", status)});
    (void)log_.append(record);  // the client is answered in any case, and there is nobody else to tell
}

HttpReply LabCa::answer_with_faults(Exchange& exchange) {
    const std::string operation = fault_operation(exchange.http);
    const FaultRule* rule = faults_.meet(operation);
    if (rule != nullptr) {
        exchange.record.fault = to_text(*rule);
        if (auto reply = faults_.instead(*rule); reply) {
            return *std::move(reply);
        }
    }
    HttpReply reply = dispatch(exchange);
    const Authority* next = exchange.next ? &generations_.at(*exchange.next) : nullptr;
    const MutationScene scene{exchange.http, exchange.now, generations_.at(exchange.answerer), next, exchange.answer};
    return faults_.spoilt(operation, rule, scene, std::move(reply));
}

HttpReply LabCa::dispatch(Exchange& exchange) {
    const HttpRequest& http = exchange.http;
    const std::string operation = percent_decoded(http.parameter("operation").value_or(""));
    if (operation == "PKIOperation" || (operation.empty() && http.method == "POST")) {
        return pki_operation(exchange);
    }
    if (http.method != "GET") {
        HttpReply reply = text_reply(405, "this operation needs GET");
        reply.headers.push_back({"Allow", "GET"});
        return reply;
    }
    if (operation == "GetCACaps") {
        return caps_reply(exchange.capabilities, options_.caps);
    }
    if (operation == "GetCACert") {
        return ca_certificate(exchange);
    }
    if (operation == "GetNextCACert") {
        return next_ca_certificate(exchange);
    }
    return text_reply(404, "scep-lab-ca does not know this operation");
}

Result<const SigningIdentity*> LabCa::ra_of(const Exchange& exchange) {
    const auto found = ras_.find(exchange.current);
    if (found != ras_.end()) {
        return &found->second;
    }
    auto ra = generations_.at(exchange.current).make_ra(exchange.now);
    if (!ra) {
        return fail(ra.error());
    }
    return &ras_.emplace(exchange.current, *std::move(ra)).first->second;
}

HttpReply LabCa::ca_certificate(const Exchange& exchange) {
    const Certificate& certificate = generations_.at(exchange.current).certificate();
    std::vector<Certificate> shown = hierarchy_.certificates(certificate);
    if (shows_ra(options_.shadow.form)) {
        const auto ra = ra_of(exchange);
        if (!ra) {
            return text_reply(500, ra.error().line());
        }
        shown.push_back((*ra)->certificate);
    }
    if (shown.size() == 1) {
        return reply_of(ca_certificate_type, certificate.der());
    }
    const auto set = write_certificates(shown);
    return set ? reply_of(ca_and_ra_type, *set) : text_reply(500, set.error().line());
}

HttpReply LabCa::next_ca_certificate(const Exchange& exchange) {
    if (!exchange.next) {
        return text_reply(404, "this CA has no next certificate");
    }
    const auto ra = ra_of(exchange);
    const auto der = ra ? write_next_ca(options_.shadow.form, generations_.at(exchange.current),
                                        generations_.at(*exchange.next), **ra, exchange.now)
                        : fail(ra.error());
    return der ? reply_of(next_ca_type, *der) : text_reply(500, der.error().line());
}

}  // namespace hwenroll::lab_ca
