// PKIOperation (RFC 8894 §4.3): from the octets of a message to those of its CertRep.
#include <algorithm>

#include <fmt/format.h>

#include "tests/lab_ca/get_message.h"
#include "tests/lab_ca/lab_ca.h"
#include "tests/lab_ca/password_request.h"

namespace hwenroll::lab_ca {
namespace {

HttpReply method_not_allowed(const char* allowed) {
    HttpReply reply = text_reply(405, fmt::format("this operation needs {}", allowed));
    reply.headers.push_back({"Allow", allowed});
    return reply;
}

HttpReply pki_message(Bytes body) {
    HttpReply reply;
    reply.content_type = "application/x-pki-message";
    reply.body = std::move(body);
    return reply;
}

tl::unexpected<Rejection> passed_on(const Rejection& rejection) {
    return tl::unexpected<Rejection>(rejection);
}

tl::unexpected<Rejection> internal(const Error& error) {
    return reject(FailInfo::bad_request, "internal error: " + error.line());
}

bool names(const EnvelopedDataSyntax& envelope, const Certificate& certificate) {
    const IssuerAndSerial name = name_of(certificate);
    return std::any_of(envelope.recipients.begin(), envelope.recipients.end(),
                       [&](const RecipientSyntax& recipient) { return recipient.id == name; });
}

bool undecided(const Transaction& transaction, TimePoint now) {
    return !transaction.decision &&
           (transaction.pending > 0 || now < transaction.undecided_until || transaction.approval == Approval::awaited);
}

/// Clients that make the transactionID of their key renew that key under the transactionID of its first request.
bool renews_result(const ScepRequest& request, const Transaction& known) {
    return known.decision && *known.decision && **known.decision == *request.signer_certificate;
}

CertRep pending_reply(const ScepRequest& request) {
    CertRep reply;
    reply.transaction_id = request.transaction_id;
    reply.recipient_nonce = request.sender_nonce;
    reply.status = PkiStatus::pending;
    return reply;
}

}  // namespace

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
        const int status = options_.undecodable_status == 0 ? 400 : options_.undecodable_status;
        return text_reply(status, request.error().line());
    }
    record.message_type = request->message_type_text;
    record.transaction_id = request->transaction_id;
    append(record.findings, lint_signed_data(*request, exchange.capabilities));
    append(record.findings, freshness_.check_nonce(request->sender_nonce));

    follow_digest(exchange.shape, request->signer().digest);
    auto outcome = process(exchange, *request, message);
    if (!outcome && outcome.error().fail_info == FailInfo::bad_message_check && options_.undecodable_status != 0) {
        return text_reply(options_.undecodable_status, outcome.error().text);
    }
    exchange.answer =
        outcome ? *std::move(outcome) : failure(request->transaction_id, request->sender_nonce, outcome.error());
    const CertRep& reply = *exchange.answer;
    record.pki_status = static_cast<int>(reply.status);
    record.rejection = reply.rejection;
    if (!reply.certificates.empty()) {
        record.serial = to_hex(reply.certificates.front().serial());
    }
    auto octets = write_reply(exchange, reply);
    return octets ? pki_message(*std::move(octets)) : text_reply(500, octets.error().line());
}

Result<Bytes> LabCa::write_reply(const Exchange& exchange, const CertRep& reply) const {
    ReplyShape shape = exchange.shape;
    const ReplyShape usual;
    shape.cipher = shape.cipher.empty() ? usual.cipher : shape.cipher;
    shape.digest = shape.digest.empty() ? usual.digest : shape.digest;
    const Authority& ca = generations_.at(exchange.answerer);
    const SigningIdentity* ra = hierarchy_.signer();
    return write_cert_rep(reply, ra == nullptr ? ca.certificate() : ra->certificate,
                          ra == nullptr ? ca.key() : ra->key.get(), exchange.now, shape, floor_.context());
}

/// The order is that in which a message can be believed: signature, time, envelope, content.
Outcome<CertRep> LabCa::process(Exchange& exchange, const ScepRequest& request, ByteView message) {
    const auto signer = verify(exchange, request);
    if (!signer) {
        return passed_on(signer.error());
    }
    append(exchange.record.findings, lint_signer(request, *signer, exchange.now));
    if (const auto timely = check_signing_time(request, exchange.now, options_.signing_time_window); !timely) {
        return passed_on(timely.error());
    }
    const auto envelope = read_envelope(request);
    if (!envelope) {
        return passed_on(envelope.error());
    }
    const auto content = open_for_us(exchange, request, *envelope);
    if (!content) {
        return passed_on(content.error());
    }
    if (!request.message_type) {
        return reject(FailInfo::bad_request, "the messageType is unknown");
    }
    switch (*request.message_type) {
        case MessageType::pkcs_req:
        case MessageType::renewal_req: {
            auto application = read_application(exchange, request, *signer, *content, message);
            return application ? enroll(exchange, request, *std::move(application)) : passed_on(application.error());
        }
        case MessageType::cert_poll:
            return poll(exchange, request, *content);
        case MessageType::get_cert:
            return get_certificate(exchange, request, *content);
        case MessageType::get_crl:
            return get_crl(exchange, request, *content);
    }
    return reject(FailInfo::bad_request, "the messageType is unknown");
}

Outcome<SignerKind> LabCa::verify(const Exchange& exchange, const ScepRequest& request) {
    Outcome<SignerKind> kind = verify_request(request, generations_.certificates(), floor_);
    const bool of_manufacturer =
        kind && *kind == SignerKind::other && is_of_manufacturer(request, options_.manufacturers, exchange.now);
    return of_manufacturer ? Outcome<SignerKind>(SignerKind::manufacturer) : kind;
}

/// RFC 8894 §5.1: the recipientInfo says which CA is meant.
Outcome<Bytes> LabCa::open_for_us(Exchange& exchange, const ScepRequest& request, const EnvelopedDataSyntax& envelope) {
    if (exchange.next && names(envelope, generations_.at(*exchange.next).certificate())) {
        exchange.recipient = *exchange.next;
    }
    const Authority& ca = generations_.at(exchange.recipient);
    const SigningIdentity* ra = hierarchy_.recipient();
    const Certificate& recipient = ra == nullptr ? ca.certificate() : ra->certificate;
    follow_cipher(exchange.shape, envelope.cipher);
    Findings& findings = exchange.record.findings;
    const bool by_password = is_by_password(envelope);
    append(findings, by_password ? lint_password_envelope(*request.signed_data.content, recipient)
                                 : lint_envelope(envelope, recipient, exchange.capabilities));
    if (envelope.iv) {
        append(findings, freshness_.check_iv(*envelope.iv));
    }
    if (by_password) {
        return open_password_envelope(*request.signed_data.content, options_.challenge);
    }
    return open_message(envelope, recipient, ra == nullptr ? ca.key() : ra->key.get(), floor_);
}

Outcome<LabCa::Application> LabCa::read_application(Exchange& exchange, const ScepRequest& request, SignerKind signer,
                                                    ByteView csr_der, ByteView message) {
    auto csr = CertificationRequest::from_der(csr_der);
    if (!csr) {
        return passed_on(csr.error());
    }
    Findings& findings = exchange.record.findings;
    append(findings, lint_certification_request(*csr, request, signer));
    append(findings, lint_renewal(*csr, request, signer, exchange.capabilities));
    append(findings, lint_secrecy(*csr, message));
    if (const auto possession = csr->verify(floor_); !possession) {
        return passed_on(possession.error());
    }
    return Application{*std::move(csr), signer};
}

Outcome<CertRep> LabCa::enroll(Exchange& exchange, const ScepRequest& request, Application application) {
    const CertificationRequest& csr = application.csr;
    if (const auto accepted = authorization_.accept_signer(request, application.signer, exchange.now); !accepted) {
        return passed_on(accepted.error());
    }
    if (application.signer == SignerKind::issued_here && ledger_.revoked(*request.signer_certificate)) {
        return reject(FailInfo::bad_request, "the signer's certificate is revoked");
    }
    // Before the challenge: a request that was answered already may come again though its challenge was used up.
    if (Transaction* known = ledger_.find(request.transaction_id);
        known != nullptr && !renews_result(request, *known)) {
        if (const auto fresh = check_transaction(options_.repetition, known); !fresh) {
            return passed_on(fresh.error());
        }
        if (known->request.public_key() == csr.public_key()) {
            return proceed(exchange, request, *known);
        }
        return reject(FailInfo::bad_request, "the transactionID belongs to a request for another key");
    }
    if (const auto admitted = authorization_.admit(request, csr, application.signer, exchange.now); !admitted) {
        return passed_on(admitted.error());
    }
    if (const auto free =
            check_subject(options_.repetition, ledger_, csr.subject(), *request.signer_certificate, exchange.now);
        !free) {
        return passed_on(free.error());
    }
    const DecisionPolicy& policy = options_.decision;
    const bool no_progress = makes_no_progress(request, application);
    Transaction& transaction =
        ledger_.record(request.transaction_id,
                       Transaction{std::move(application.csr), request.signer_certificate->public_key(),
                                   exchange.recipient, policy.pending, exchange.now + policy.delay,
                                   policy.needs_approval ? Approval::awaited : Approval::not_needed, std::nullopt});
    if (no_progress) {
        transaction.decision = *request.signer_certificate;
    }
    return proceed(exchange, request, transaction);
}

bool LabCa::makes_no_progress(const ScepRequest& request, const Application& application) const {
    if (application.signer != SignerKind::issued_here || options_.no_progress == NoProgress::never) {
        return false;
    }
    return options_.no_progress == NoProgress::always ||
           application.csr.public_key() == request.signer_certificate->public_key();
}

/// A request that is sent again while it is undecided is answered like a poll (draft-nourse-scep-11 appendix E).
Outcome<CertRep> LabCa::proceed(Exchange& exchange, const ScepRequest& request, Transaction& transaction) {
    const bool still_pending = undecided(transaction, exchange.now);
    if (still_pending) {
        transaction.pending -= transaction.pending > 0 ? 1 : 0;
    } else if (!transaction.decision) {
        transaction.decision = decide(exchange, request.transaction_id, transaction);
    }
    if (const Status saved = ledger_.save(request.transaction_id); !saved) {
        return internal(saved.error());
    }
    if (options_.shadow.answered_by_next && exchange.next == transaction.generation) {
        exchange.answerer = transaction.generation;
    }
    if (still_pending) {
        return pending_reply(request);
    }
    if (!*transaction.decision) {
        return passed_on(transaction.decision->error());
    }
    return success(exchange, request, **transaction.decision, transaction.generation);
}

/// By the CA that the request was enveloped for, unless that one has ended in the meantime.
Outcome<Certificate> LabCa::decide(const Exchange& exchange, const std::string& transaction_id,
                                   Transaction& transaction) {
    if (options_.decision.refusal) {
        return passed_on(*options_.decision.refusal);
    }
    const bool shadow = exchange.next == transaction.generation;
    if (!shadow || options_.shadow.issued_by_current) {
        transaction.generation = exchange.current;
    }
    IssuePolicy policy = options_.issue;
    policy.crl_points = crls_.points(transaction.generation, ledger_.issued().size() + 1,
                                     exchange.http.header("Host").value_or("localhost"));
    TimePoint from = exchange.now;
    if (transaction.generation != exchange.current && !options_.shadow.valid_at_once) {
        policy.backdate = Seconds(0);
        from = generations_.at(exchange.current).certificate().not_after();
    }
    auto issued = generations_.at(transaction.generation).issue(transaction.request, policy, from);
    if (!issued) {
        return issued;
    }
    if (const Status filed = ledger_.file({*issued, transaction_id, transaction.generation}); !filed) {
        return internal(filed.error());
    }
    return issued;
}

Outcome<CertRep> LabCa::poll(Exchange& exchange, const ScepRequest& request, ByteView content) {
    Transaction* known = ledger_.find(request.transaction_id);
    const auto names = read_issuer_and_subject(content);
    if (names) {
        // A poll that began before the switch may go on naming either CA (ROLL-12).
        const std::size_t meant = known == nullptr ? exchange.recipient : known->generation;
        const Certificate& current = generations_.at(exchange.current).certificate();
        append(exchange.record.findings,
               lint_poll(*names, names->issuer == current.subject() ? current : generations_.at(meant).certificate(),
                         known == nullptr ? nullptr : &known->request.subject()));
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
    return proceed(exchange, request, *known);
}

Outcome<CertRep> LabCa::success(const Exchange& exchange, const ScepRequest& request, const Certificate& issued,
                                std::size_t generation) const {
    auto certificates =
        reply_certificates(exchange.shape, issued, generations_.at(generation).certificate(), hierarchy_.root());
    if (!certificates) {
        return internal(certificates.error());
    }
    CertRep reply;
    reply.transaction_id = request.transaction_id;
    reply.recipient_nonce = request.sender_nonce;
    reply.status = PkiStatus::success;
    reply.certificates = *std::move(certificates);
    reply.encryption_for = request.signer_certificate;
    const bool ec_signer = request.signer_certificate->public_key().is_ec();
    if (options_.reply_envelope == ReplyEnvelope::always_password ||
        (options_.reply_envelope == ReplyEnvelope::by_password && ec_signer)) {
        reply.password = &options_.challenge;
        reply.iterations = options_.reply_iterations;
    }
    return reply;
}

}  // namespace hwenroll::lab_ca
