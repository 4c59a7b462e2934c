#include "agent/runtime/query_jobs.h"

#include <utility>

#include "agent/runtime/message_envelope.h"
#include "agent/runtime/rejection.h"
#include "agent/runtime/secret_reading.h"
#include "keystore/openssl/key_provider.h"
#include "transport/scep/certification_request.h"
#include "transport/scep/pki_message.h"
#include "transport/scep/query.h"

namespace hwenroll::runtime {
namespace {

/// SIG-2: a day before for wrong clocks; a query is answered at once.
constexpr Seconds signer_margin{86400};

/// libcrypto reports a failed private operation only as its own failure; the token knows why.
Error cause(const Error& error, EVP_PKEY* key) {
    return error.code() == ErrorCode::crypto ? keystore::last_key_error(key).value_or(error) : error;
}

Result<OpenSslPtr<EVP_PKEY>> key_of(const SharedToken& token, const lifecycle::KeyRecord& record) {
    const auto reference = reference_of(record);
    if (!reference) {
        return fail(reference.error());
    }
    return keystore::to_evp_pkey(token, *reference);
}

Result<Certificate> signer_of(const QueryPlan& plan, EVP_PKEY* key, scep::Digest digest) {
    if (!plan.certificate.empty()) {
        return Certificate::from_der(plan.certificate);
    }
    auto made = scep::build_signer_certificate(plan.subject, key, plan.certificate_serial, plan.now - signer_margin,
                                               plan.now + signer_margin, digest);
    return made ? made : fail(cause(made.error(), key));
}

}  // namespace

Result<SignedQuery> sign_query(const SharedToken& token, const QueryPlan& plan) {
    const auto algorithms = scep::choose_algorithms(plan.authority->capabilities, plan.legacy, plan.algorithms);
    const auto password = is_sealed_by_password(*plan.authority) ? read_secret(plan.challenge) : Secret();
    if (!algorithms || !password) {
        return fail(!algorithms ? algorithms.error() : password.error());
    }
    auto envelope =
        seal(scep::issuer_and_serial_data(plan.issuer, plan.serial), *plan.authority, *password, *algorithms);
    auto key = key_of(token, plan.key);
    if (!envelope || !key) {
        return fail(!envelope ? envelope.error() : key.error());
    }
    auto signer = signer_of(plan, key->get(), algorithms->digest);
    if (!signer) {
        return fail(signer.error());
    }
    const auto signing_time = plan.clock_trusted ? std::optional(plan.now) : std::nullopt;
    const scep::PkiMessage message{plan.type, plan.transaction_id, plan.nonce,  *std::move(envelope),
                                   *signer,   algorithms->digest,  signing_time};
    auto body = scep::sign_message(message, key->get());
    if (!body) {
        return fail(cause(body.error(), key->get()));
    }
    return SignedQuery{*std::move(body), *std::move(signer)};
}

Result<QueryContent> open_query_reply(const SharedToken& token, const QueryReplyPlan& plan) {
    const QueryPlan& query = plan.query;
    const scep::ReplyExpectation expected{query.transaction_id, query.nonce, query.authority->set.signers, query.now,
                                          query.legacy,         plan.limits};
    auto reply = scep::read_query_reply(plan.response.body, expected);
    if (!reply) {
        const bool succeeded = plan.response.status >= 200 && plan.response.status < 300;
        return fail(succeeded ? reply.error() : status_error(plan.form, plan.response));
    }
    if (reply->status == scep::PkiStatus::failure) {
        return fail(
            rejection({reply->fail_info, reply->fail_info_text, reply->hresult, plan.response.date}, query.now));
    }
    const auto key = reference_of(query.key);
    if (!key) {
        return fail(key.error());
    }
    const auto opened =
        open_reply(token, reply->envelope, {*key, plan.signer, query.challenge, query.legacy, plan.limits});
    if (!opened || !opened->envelope) {
        return fail(opened ? reason_of(*opened) : opened.error());
    }
    QueryContent content{to_bytes(opened->envelope->content.reveal()), std::move(reply->warnings)};
    content.warnings.insert(content.warnings.end(), opened->envelope->warnings.begin(),
                            opened->envelope->warnings.end());
    return content;
}

}  // namespace hwenroll::runtime
