#include "tests/lab_ca/lab_ca.h"

#include <fmt/format.h>

#include "tests/lab_ca/get_message.h"

namespace hwenroll::lab_ca {
namespace {

constexpr const char* pki_message_type = "application/x-pki-message";
constexpr const char* ca_certificate_type = "application/x-x509-ca-cert";

HttpReply reply_of(const char* content_type, Bytes body) {
    HttpReply reply;
    reply.content_type = content_type;
    reply.body = std::move(body);
    return reply;
}

HttpReply method_not_allowed(const char* allowed) {
    HttpReply reply = text_reply(405, fmt::format("this operation needs {}", allowed));
    reply.headers.push_back({"Allow", allowed});
    return reply;
}

AdmissionPolicy admission_of(const LabCaOptions& options) {
    AdmissionPolicy policy = options.admission;
    policy.renewal = options.capabilities.has("Renewal");
    return policy;
}

tl::unexpected<Rejection> passed_on(const Rejection& rejection) {
    return tl::unexpected<Rejection>(rejection);
}

}  // namespace

LabCa::LabCa(LabCaOptions options, const Clock& clock, Authority authority, AlgorithmFloor floor)
    : options_(std::move(options)),
      clock_(clock),
      authority_(std::move(authority)),
      floor_(std::move(floor)),
      authorization_(options_.challenge.copy(), admission_of(options_)),
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
    auto authority = Authority::open(options.directory, clock.now());
    if (!authority) {
        return fail(authority.error());
    }
    return std::unique_ptr<LabCa>(new LabCa(std::move(options), clock, *std::move(authority), *std::move(floor)));
}

HttpReply LabCa::answer(const HttpRequest& request) {
    Exchange exchange{request, clock_.now(), {}};
    exchange.record.time = exchange.now;
    exchange.record.request = &request;
    exchange.record.findings = lint_http(request, options_.capabilities);
    HttpReply reply = dispatch(exchange);
    exchange.record.http_status = reply.status;
    if (const Status logged = log_.append(exchange.record); !logged) {
        return text_reply(500, logged.error().line());
    }
    return reply;
}

void LabCa::refused(const HttpRequest& understood, int status) {
    LintRecord record;
    record.time = clock_.now();
    record.request = &understood;
    record.http_status = status;
    record.findings = lint_http(understood, options_.capabilities);
    record.findings.push_back({"HTTP-18", fmt::format("the request was refused with status {}", status)});
    (void)log_.append(record);  // the client is answered in any case, and there is nobody else to tell
}

HttpReply LabCa::dispatch(Exchange& exchange) {
    const HttpRequest& http = exchange.http;
    const std::string operation = percent_decoded(http.parameter("operation").value_or(""));
    if (operation == "PKIOperation" || (operation.empty() && http.method == "POST")) {
        return pki_operation(exchange);
    }
    if (http.method != "GET") {
        return method_not_allowed("GET");
    }
    if (operation == "GetCACaps") {
        return reply_of("text/plain", to_bytes(as_bytes(options_.capabilities.text())));
    }
    if (operation == "GetCACert") {
        return reply_of(ca_certificate_type, authority_.certificate().der());
    }
    if (operation == "GetNextCACert") {
        return text_reply(404, "this CA has no next certificate");
    }
    return text_reply(404, "scep-lab-ca does not know this operation");
}

HttpReply LabCa::pki_operation(Exchange& exchange) {
    const HttpRequest& http = exchange.http;
    if (http.method == "POST") {
        return options_.capabilities.has("POSTPKIOperation") ? answer_message(exchange, http.body)
                                                             : method_not_allowed("GET");
    }
    if (http.method != "GET") {
        return method_not_allowed("GET, POST");
    }
    const GetMessage message = decode_get_message(http.parameter("message").value_or(""));
    return message.octets ? answer_message(exchange, *message.octets)
                          : text_reply(400, "'message' is missing or no base64");
}

HttpReply LabCa::answer_message(Exchange& exchange, ByteView message) {
    LintRecord& record = exchange.record;
    const auto request = read_scep_request(message);
    if (!request) {
        record.findings.push_back({"MSG-1", request.error().line()});
        return text_reply(400, request.error().line());
    }
    record.message_type = request->message_type_text;
    record.transaction_id = request->transaction_id;
    append(record.findings, lint_signed_data(*request, options_.capabilities));
    append(record.findings, freshness_.check_nonce(request->sender_nonce));

    auto outcome = process(exchange, *request, message);
    const CertRep reply =
        outcome ? *std::move(outcome) : failure(request->transaction_id, request->sender_nonce, outcome.error());
    record.pki_status = static_cast<int>(reply.status);
    record.rejection = reply.rejection;
    if (!reply.certificates.empty()) {
        record.serial = to_hex(reply.certificates.front().serial());
    }
    auto der = write_cert_rep(reply, authority_.certificate(), authority_.key(), exchange.now);
    return der ? reply_of(pki_message_type, *std::move(der)) : text_reply(500, der.error().line());
}

/// The order is that in which a message can be believed: signature, time, envelope, content.
Outcome<CertRep> LabCa::process(Exchange& exchange, const ScepRequest& request, ByteView message) {
    Findings& findings = exchange.record.findings;
    const auto signer = verify_request(request, authority_.certificate(), floor_);
    if (!signer) {
        return passed_on(signer.error());
    }
    append(findings, lint_signer(request, *signer, exchange.now));
    if (const auto timely = check_signing_time(request, exchange.now, options_.signing_time_window); !timely) {
        return passed_on(timely.error());
    }
    const auto envelope = read_envelope(request);
    if (!envelope) {
        return passed_on(envelope.error());
    }
    append(findings, lint_envelope(*envelope, authority_.certificate(), options_.capabilities));
    if (envelope->iv) {
        append(findings, freshness_.check_iv(*envelope->iv));
    }
    const auto content = open_message(*envelope, authority_.certificate(), authority_.key(), floor_);
    if (!content) {
        return passed_on(content.error());
    }
    if (!request.message_type) {
        return reject(FailInfo::bad_request, "the messageType is unknown");
    }
    switch (*request.message_type) {
        case MessageType::pkcs_req:
        case MessageType::renewal_req:
            return enroll(exchange, request, *signer, *content, message);
        case MessageType::cert_poll:
            return poll(exchange, request, *content);
        case MessageType::get_cert:
        case MessageType::get_crl:
            break;
    }
    return reject(FailInfo::bad_request, "GetCert and GetCRL are not enabled");
}

Outcome<CertRep> LabCa::enroll(Exchange& exchange, const ScepRequest& request, SignerKind signer, ByteView csr_der,
                               ByteView message) {
    Findings& findings = exchange.record.findings;
    auto csr = CertificationRequest::from_der(csr_der);
    if (!csr) {
        return passed_on(csr.error());
    }
    append(findings, lint_certification_request(*csr, request, signer));
    append(findings, lint_renewal(*csr, request, signer, options_.capabilities));
    append(findings, lint_secrecy(*csr, message));
    if (const auto possession = csr->verify(floor_); !possession) {
        return passed_on(possession.error());
    }
    // A CertRep can only be encrypted to the signer by key transport so far (ENV-10).
    if (!request.signer_certificate->public_key().is_rsa()) {
        return reject(FailInfo::bad_alg, "a reply cannot be encrypted to the signer's key");
    }
    if (const auto accepted = authorization_.accept_signer(request, signer, exchange.now); !accepted) {
        return passed_on(accepted.error());
    }
    // Before the challenge: a request that was answered already may come again though its challenge was used up.
    if (Transaction* known = ledger_.find(request.transaction_id); known != nullptr) {
        if (known->request.public_key() == csr->public_key()) {
            return proceed(request, *known, exchange.now);
        }
        return reject(FailInfo::bad_request, "the transactionID belongs to a request for another key");
    }
    if (const auto admitted = authorization_.admit(request, *csr, signer); !admitted) {
        return passed_on(admitted.error());
    }
    Transaction& transaction = ledger_.record(
        request.transaction_id,
        Transaction{*std::move(csr), request.signer_certificate->public_key(), options_.pending, std::nullopt});
    return proceed(request, transaction, exchange.now);
}

/// A request that is sent again while it is undecided is answered like a poll (draft-nourse-scep-11 appendix E).
Outcome<CertRep> LabCa::proceed(const ScepRequest& request, Transaction& transaction, TimePoint now) {
    if (transaction.pending > 0) {
        --transaction.pending;
        CertRep reply;
        reply.transaction_id = request.transaction_id;
        reply.recipient_nonce = request.sender_nonce;
        reply.status = PkiStatus::pending;
        return reply;
    }
    if (!transaction.decision) {
        transaction.decision = decide(transaction.request, now);
    }
    if (!*transaction.decision) {
        return passed_on(transaction.decision->error());
    }
    return success(request, **transaction.decision);
}

Outcome<Certificate> LabCa::decide(const CertificationRequest& csr, TimePoint now) {
    return options_.refusal ? passed_on(*options_.refusal) : authority_.issue(csr, options_.issue, now);
}

Outcome<CertRep> LabCa::poll(Exchange& exchange, const ScepRequest& request, ByteView content) {
    Transaction* known = ledger_.find(request.transaction_id);
    const auto names = read_issuer_and_subject(content);
    if (names) {
        append(exchange.record.findings,
               lint_poll(*names, authority_.certificate(), known == nullptr ? nullptr : &known->request.subject()));
    }
    if (known == nullptr) {  // SRV-7, whatever else the poll says
        return reject(FailInfo::bad_cert_id, "no transaction of this transactionID is known");
    }
    if (!names) {
        return passed_on(names.error());
    }
    if (known->signer_key != request.signer_certificate->public_key()) {
        return reject(FailInfo::bad_request, "the transaction was begun by another signer");
    }
    return proceed(request, *known, exchange.now);
}

CertRep LabCa::success(const ScepRequest& request, const Certificate& issued) const {
    CertRep reply;
    reply.transaction_id = request.transaction_id;
    reply.recipient_nonce = request.sender_nonce;
    reply.status = PkiStatus::success;
    reply.certificates = {issued};
    if (options_.issuer_in_reply) {
        reply.certificates.push_back(authority_.certificate());
    }
    reply.encryption_for = request.signer_certificate;
    return reply;
}

}  // namespace hwenroll::lab_ca
