#include "agent/runtime/request_jobs.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "agent/runtime/issue_expectation.h"
#include "agent/runtime/message_envelope.h"
#include "agent/runtime/rejection.h"
#include "agent/runtime/request_rules.h"
#include "agent/runtime/secret_reading.h"
#include "agent/runtime/transaction_algorithms.h"
#include "agent/runtime/transaction_id.h"
#include "keystore/openssl/key_provider.h"
#include "keystore/openssl/self_test.h"
#include "transport/scep/cert_rep.h"
#include "transport/scep/certification_request.h"
#include "transport/scep/pki_message.h"

namespace hwenroll::runtime {
namespace {

/// SIG-2: a day before for wrong clocks, the longest poll and a week after.
constexpr Seconds signer_margin_before{86400};
constexpr Seconds signer_margin_after{7 * 86400};

/// libcrypto reports a failed private operation only as its own failure; the token knows why.
Error cause(const Error& error, EVP_PKEY* key) {
    return error.code() == ErrorCode::crypto ? keystore::last_key_error(key).value_or(error) : error;
}

scep::ChallengeString challenge_string(config::ChallengeEncoding encoding) {
    switch (encoding) {
        case config::ChallengeEncoding::printable:
            return scep::ChallengeString::printable;
        case config::ChallengeEncoding::utf8:
            return scep::ChallengeString::utf8;
        case config::ChallengeEncoding::automatic:
            break;
    }
    return scep::ChallengeString::automatic;
}

Result<scep::CertificationRequest> request_of(const RequestPlan& plan, scep::Digest digest) {
    const config::IdentitySettings& identity = plan.identity;
    scep::CertificationRequest request;
    request.subject = identity.subject;
    request.subject_alt_names = identity.subject_alt_names;
    request.key_usage = identity.key_usage;
    request.extended_key_usage = identity.extended_key_usage;
    request.digest = digest;
    request.challenge_string = challenge_string(plan.challenge_encoding);
    if (const Status checked = scep::check(request); !checked) {
        return fail(checked.error());
    }
    return request;
}

Result<scep::IssueExpectation> expectation_of(const ReplyPlan& plan) {
    auto key = PublicKey::from_spki(plan.spki);
    if (!key) {
        return fail(key.error());
    }
    scep::IssueExpectation expected =
        issue_expectation(plan.identity, plan.authority->set, *std::move(key), plan.now, plan.legacy, plan.limits);
    if (plan.current) {
        auto current = Certificate::from_der(plan.current->leaf);
        if (!current) {
            return fail(current.error());
        }
        expected.current = *std::move(current);
    }
    if (plan.purpose == lifecycle::Purpose::shadow && !plan.authority->predecessor_signers.empty()) {
        expected.rollover = scep::IssueExpectation::Rollover{plan.authority->predecessor_signers};
    }
    return expected;
}

/// A key as its operator named it.
std::string name_of(const NamedKey& wanted) {
    return "the key " + config::to_text(wanted).substr(std::string_view("existing:").size());
}

lifecycle::EffectFailed refusal(const ReplyPlan& plan, const Error& error, bool issued) {
    return {error, plan.response.status == 200, issued};
}

/// HTTP-21: what does not verify is explained by an HTTP error, if there is one.
Error explain(const ReplyPlan& plan, const Error& error) {
    const bool succeeded = plan.response.status >= 200 && plan.response.status < 300;
    return succeeded ? error : status_error(plan.form, plan.response);
}

ReplyVerdict take_certificate(const SharedToken& token, const ReplyPlan& plan, const scep::CertRep& reply,
                              std::vector<std::string> warnings) {
    auto key = reference_of(plan.signer);
    auto signer = Certificate::from_der(plan.transaction.signer_certificate);
    auto expected = expectation_of(plan);
    if (!key || !signer || !expected) {
        const Error& error = !key ? key.error() : !signer ? signer.error() : expected.error();
        return {refusal(plan, error, false), std::move(warnings)};
    }
    const auto opened =
        open_reply(token, reply.envelope, {*std::move(key), *signer, plan.challenge, plan.legacy, plan.limits});
    if (!opened || !opened->envelope) {
        return {refusal(plan, opened ? reason_of(*opened) : opened.error(), true), std::move(warnings)};
    }
    warnings.insert(warnings.end(), opened->envelope->warnings.begin(), opened->envelope->warnings.end());
    auto received = scep::read_degenerate(opened->envelope->content.reveal(), plan.limits);
    if (!received) {
        return {refusal(plan, received.error(), true), std::move(warnings)};
    }
    auto issued = scep::accept_certificate(*received, *expected);
    if (!issued) {
        return {refusal(plan, issued.error(), true), std::move(warnings)};
    }
    warnings.insert(warnings.end(), issued->warnings.begin(), issued->warnings.end());
    return {lifecycle::CertificateIssued{
                record_of(*issued, plan.authority->set.anchor),
                reply_text(reply.digest, scep::algorithms_of(reply.envelope, *signer, plan.limits))},
            std::move(warnings)};
}

/// Of the request: what proves who asks, and what the messages may be encrypted under.
struct Challenge {
    Secret in_request;  ///< empty: none
    Secret password;    ///< empty: nothing is encrypted under it
    std::vector<std::string> warnings;
};

Result<Challenge> challenge_of(const RequestPlan& plan) {
    const bool stated = states_challenge(plan);
    if (!stated && !needs_challenge(plan)) {
        return Challenge{};
    }
    auto read = read_secret(plan.challenge);
    if (!read) {
        return fail(read.error());
    }
    if (read->empty() && needs_challenge(plan)) {  // ENV-9
        return fail(ErrorCode::challenge_source, "there is no challenge, and this request cannot do without one",
                    plan.envelope_key               ? "its reply goes to an RSA key that proves nothing else"
                    : is_answered_by_password(plan) ? "its reply is encrypted under the challenge"
                                                    : "the CA has no RSA key that it could be encrypted for");
    }
    Challenge challenge{stated ? read->copy() : Secret(), Secret(), {}};
    if (is_sealed_by_password(*plan.authority) || is_answered_by_password(plan)) {
        if (read->size() < scep::least_password) {
            challenge.warnings.push_back(
                fmt::format("the challenge has fewer than {} characters, and messages are encrypted under it: whoever "
                            "records one can guess it (RFC 8894 §7.3)",
                            scep::least_password));
        }
        challenge.password = *std::move(read);
    }
    return challenge;
}

/// T20: before anything is sent. Where replies come under the challenge, the CSR's signature is the test.
Status test_opening(const SharedToken& token, const RequestPlan& plan, const keystore::KeyReference& key) {
    if (plan.envelope == config::EnvelopeMode::agree) {
        return keystore::agreement_self_test(*token, key);
    }
    if (!plan.envelope_key) {
        return keystore::opening_self_test(*token, key);
    }
    const auto envelope_key = reference_of(*plan.envelope_key);
    return envelope_key ? keystore::opening_self_test(*token, *envelope_key) : fail(envelope_key.error());
}

/// SIG-1, SIG-2: a certificate that `key` signs for itself.
Status sign_for_itself(const RequestPlan& plan, EVP_PKEY* key, lifecycle::Transaction& transaction) {
    const TimePoint not_after = plan.now + plan.identity.poll.give_up + signer_margin_after;
    auto signer = scep::build_signer_certificate(plan.identity.subject, key, plan.certificate_serial,
                                                 plan.now - signer_margin_before, not_after, transaction.digest);
    if (!signer) {
        return fail(cause(signer.error(), key));
    }
    transaction.signer_certificate = signer->der();
    return {};
}

/// SIG-1 to SIG-4, ENV-14: the current certificate, a manufacturer's, or one that the envelope key or else the new key
/// signs for itself.
Status choose_signer(const SharedToken& token, const RequestPlan& plan, EVP_PKEY* key,
                     lifecycle::Transaction& transaction) {
    if (plan.envelope_key) {
        const auto envelope_key = reference_of(*plan.envelope_key);
        const auto handle = envelope_key ? keystore::to_evp_pkey(token, *envelope_key) : fail(envelope_key.error());
        if (!handle) {
            return fail(handle.error());
        }
        transaction.signer_key = plan.envelope_key;
        return sign_for_itself(plan, handle->get(), transaction);
    }
    if (is_signed_by_current(plan)) {
        transaction.signer_certificate = plan.current->issued.leaf;
        transaction.signer_key = plan.current->key;
        return {};
    }
    if (plan.signer) {
        transaction.signer_certificate = plan.signer->certificate;
        transaction.signer_key = plan.signer->key;
        transaction.signer_chain = plan.signer->chain;
        return {};
    }
    return sign_for_itself(plan, key, transaction);
}

Result<ReadyKey> generate(keystore::Token& token, const keystore::KeyId& id, keystore::KeySpec spec,
                          const std::string& label) {
    const auto begun = std::chrono::steady_clock::now();
    auto made = token.generate(spec, id, label);
    if (!made) {
        return fail(made.error());
    }
    return ReadyKey{*std::move(made),
                    std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun)};
}

}  // namespace

/// A persistent object of a TPM is told by its URI: one that hwenroll itself made has another id than its handle.
bool is_named_by(const config::KeyChoice& wanted, const keystore::KeyDescription& key) {
    if (const auto* const handle = std::get_if<config::PersistentHandle>(&wanted)) {
        return key.uri == fmt::format("handle:{:#010x}", handle->value);
    }
    const auto* const object = std::get_if<config::ExistingKey>(&wanted);
    return object != nullptr && (object->id.empty() || key.key.id.value == object->id) &&
           (object->label.empty() || key.label == object->label);
}

std::string own_label(std::string_view identity) {
    return "hwenroll " + std::string(identity);
}

Result<keystore::KeyReference> reference_of(const lifecycle::KeyRecord& record) {
    auto key = PublicKey::from_spki(record.spki);
    if (!key) {
        return fail(key.error());
    }
    return keystore::KeyReference{{record.id}, *std::move(key), record.pem};
}

Result<ReadyKey> find_or_generate(keystore::Token& token, const keystore::KeyId& id, keystore::KeySpec spec,
                                  const std::string& label) {
    auto found = token.find(id);
    if (!found) {
        return fail(found.error());
    }
    if (found->has_value()) {
        if ((*found)->protection.confined() && keystore::matches(spec, (*found)->key.public_key)) {
            return ReadyKey{**std::move(found), std::nullopt};
        }
        // No certificate was ever asked for with it, or the operator wants another one by now; or the token ended in
        // the middle of making it (SoftHSM 2.6.1 stores an object before its attributes). One that could leave the
        // token goes in any case, and whether the token makes others is seen with the next one (T21).
        if (const Status removed = token.destroy(id); !removed) {
            return fail(removed.error());
        }
    }
    auto made = generate(token, id, spec, label);
    if (made || made.error().code() != ErrorCode::token_key_mismatch) {
        return made;
    }
    // The id is ours alone, so what stands there without a usable pair is what a crash left of one.
    if (const Status removed = token.destroy(id); !removed) {
        return fail(removed.error());
    }
    return generate(token, id, spec, label);
}

Result<keystore::KeyDescription> find_named(keystore::Token& token, const NamedKey& wanted) {
    std::vector<keystore::KeyDescription> fitting;
    if (const auto* const object = std::get_if<config::ExistingKey>(&wanted);
        object != nullptr && !object->id.empty()) {
        // One search instead of all keys' attributes.
        auto found = token.find({object->id});
        if (!found) {
            return fail(found.error());
        }
        if (*found && is_named_by(wanted, **found)) {
            fitting.push_back(**std::move(found));
        }
    }
    if (fitting.empty()) {  // a card may keep a certificate in place of the public half, which the search by id needs
        auto keys = token.list_keys();
        if (!keys) {
            return fail(keys.error());
        }
        std::ranges::copy_if(*keys, std::back_inserter(fitting),
                             [&](const keystore::KeyDescription& key) { return is_named_by(wanted, key); });
    }
    if (fitting.empty()) {
        return fail(ErrorCode::token_key_missing, name_of(wanted) + " is not on the token", {},
                    "correct 'key' or insert the token that holds it; 'hwenroll token keys' lists what is there");
    }
    if (fitting.size() > 1) {
        return fail(ErrorCode::token_ambiguous,
                    std::to_string(fitting.size()) + " private keys on the token fit " + name_of(wanted), {},
                    "add id= to 'key'; 'hwenroll token keys' lists what is there");
    }
    return std::move(fitting.front());
}

Status check_existing(const std::string& name, const keystore::KeyDescription& key) {
    if (!key.protection.confined()) {
        return fail(ErrorCode::token_key_policy, name + " could leave the token, or could have", {},
                    "it was left as it is; use a key that was made on the token, sensitive and never extractable");
    }
    if (key.key.id.value.empty()) {
        return fail(ErrorCode::token_key_missing, name + " has no CKA_ID to find it by", {},
                    "give it one, e.g. with pkcs11-tool --set-id");
    }
    if (!key.key.public_key.is_rsa() || key.key.public_key.bits() < 2048) {
        return fail(ErrorCode::config_unsupported, name + " is " + key.key.public_key.text(), {},
                    "name an RSA key of 2048 bits or more");
    }
    return {};
}

Result<keystore::KeyDescription> adopt(keystore::Token& token, const NamedKey& wanted, const keystore::KeyId& id) {
    auto key = find_named(token, wanted);
    if (!key) {
        return fail(key.error());
    }
    if (const Status good = check_existing(name_of(wanted), *key); !good) {
        return fail(good.error());
    }
    if (key->key.id != id) {
        if (const Status removed = token.destroy(id); !removed) {
            return fail(removed.error());
        }
    }
    return key;
}

Result<PreparedRequest> prepare_request(const SharedToken& token, const RequestPlan& plan) {
    auto key = reference_of(plan.key);
    if (!key) {
        return fail(key.error());
    }
    auto algorithms = scep::choose_algorithms(plan.authority->capabilities, plan.legacy, plan.algorithms);
    if (!algorithms) {
        return fail(algorithms.error());
    }
    auto request = request_of(plan, algorithms->digest);
    if (!request) {
        return fail(request.error());
    }
    const auto type = type_of(plan, algorithms->digest);
    const auto id = transaction_id_of(plan.transaction_id_rule, plan.transaction_id, key->public_key, plan.current);
    if (!type || !id) {
        return fail(!type ? type.error() : id.error());
    }
    auto challenge = challenge_of(plan);
    if (!challenge) {
        return fail(challenge.error());
    }
    auto handle = keystore::to_evp_pkey(token, *key);
    if (!handle) {
        return fail(handle.error());
    }
    auto csr = scep::build_csr(*request, handle->get(), challenge->in_request);
    if (!csr) {
        return fail(cause(csr.error(), handle->get()));
    }
    if (const Status opens = test_opening(token, plan, *key); !opens) {
        return fail(opens.error());
    }
    auto envelope = seal(csr->reveal(), *plan.authority, challenge->password, *algorithms);
    if (!envelope) {
        return fail(envelope.error());
    }
    lifecycle::Transaction transaction;
    transaction.id = *id;
    transaction.type = *type;
    transaction.envelope = *std::move(envelope);
    transaction.subject = plan.identity.subject.der();
    transaction.recipient = plan.authority->set.recipient.fingerprint();
    transaction.authority_generation = plan.authority->generation;
    transaction.digest = algorithms->digest;
    transaction.cipher = algorithms->cipher;
    if (const Status signer = choose_signer(token, plan, handle->get(), transaction); !signer) {
        return fail(signer.error());
    }
    return PreparedRequest{{std::move(transaction), request_text(*algorithms)}, std::move(challenge->warnings)};
}

Result<Bytes> sign_request(const SharedToken& token, const MessagePlan& plan) {
    auto key = reference_of(plan.signer);
    auto signer = Certificate::from_der(plan.transaction.signer_certificate);
    auto subject = DistinguishedName::from_der(plan.transaction.subject);
    if (!key || !signer || !subject) {
        return fail(!key ? key.error() : !signer ? signer.error() : subject.error());
    }
    std::vector<Certificate> chain;
    for (const Bytes& der : plan.transaction.signer_chain) {
        auto certificate = Certificate::from_der(der);
        if (!certificate) {
            return fail(certificate.error());
        }
        chain.push_back(*std::move(certificate));
    }
    Bytes envelope = plan.transaction.envelope;
    if (plan.type == scep::MessageType::cert_poll) {
        auto password = is_sealed_by_password(*plan.authority) ? read_secret(plan.challenge) : Secret();
        if (!password) {
            return fail(password.error());
        }
        auto sealed = seal(scep::cert_poll_data(plan.authority->set.issuer.subject(), *subject), *plan.authority,
                           *password, {plan.transaction.digest, plan.transaction.cipher, plan.key_transport});
        if (!sealed) {
            return fail(sealed.error());
        }
        envelope = *std::move(sealed);
    }
    auto handle = keystore::to_evp_pkey(token, *key);
    if (!handle) {
        return fail(handle.error());
    }
    const scep::PkiMessage message{plan.type, plan.transaction.id,     plan.transaction.nonce, std::move(envelope),
                                   *signer,   plan.transaction.digest, plan.signing_time,      std::move(chain)};
    auto body = scep::sign_message(message, handle->get());
    if (!body) {
        return fail(cause(body.error(), handle->get()));
    }
    return body;
}

Result<ReplyVerdict> judge_reply(const SharedToken& token, const ReplyPlan& plan) {
    scep::ReplyExpectation expected{
        plan.transaction.id, plan.transaction.nonce, plan.authority->set.signers, plan.now, plan.legacy, plan.limits};
    if (!plan.authority->predecessor_signers.empty()) {
        // ROLL-12: the CA in force may sign as well as its successor.
        expected.next_signers = std::exchange(expected.signers, plan.authority->predecessor_signers);
    }
    expected.unused = plan.authority->set.unused;
    auto reply = scep::read_cert_rep(plan.response.body, expected);
    if (!reply) {
        return ReplyVerdict{refusal(plan, explain(plan, reply.error()), false), {}};
    }
    const std::string digest_text = reply_text(reply->digest);
    switch (reply->status) {
        case scep::PkiStatus::failure:
            return ReplyVerdict{
                lifecycle::RequestRejected{
                    reply->fail_info,
                    rejection({reply->fail_info, reply->fail_info_text, reply->hresult, plan.response.date}, plan.now),
                    digest_text},
                reply->warnings};
        case scep::PkiStatus::pending:
            return ReplyVerdict{lifecycle::RequestPending{digest_text}, reply->warnings};
        case scep::PkiStatus::success:
            break;
    }
    return take_certificate(token, plan, *reply, reply->warnings);
}

}  // namespace hwenroll::runtime
