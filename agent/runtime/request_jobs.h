// What runs on a token's thread: values in, values out, no store, no loop.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/config/configuration.h"
#include "agent/lifecycle/step.h"
#include "agent/runtime/authority_access.h"
#include "agent/runtime/ca_answer.h"
#include "agent/runtime/signer.h"
#include "keystore/token.h"

namespace hwenroll::runtime {

using SharedToken = std::shared_ptr<keystore::Token>;
using SharedAuthority = std::shared_ptr<const Authority>;

/// A key that find_or_generate() has brought.
struct ReadyKey {
    keystore::KeyDescription key;
    std::optional<std::chrono::milliseconds> generation;  ///< how long its making took; nothing: it was there
};

/// The key as its token wants to be told of it. Error code: scep_structure, for a record that holds no public key.
Result<keystore::KeyReference> reference_of(const lifecycle::KeyRecord& record);

/// Finds the key under `id`, or makes it there, in place of one of another kind or one that could leave the token
/// (T21). A half pair that a crash left is removed first (T17, T18). Error codes: those of keystore::Token.
Result<ReadyKey> find_or_generate(keystore::Token& token, const keystore::KeyId& id, keystore::KeySpec spec,
                                  const std::string& label);

/// A key that was there before: `existing:…` of the configuration, which is no config::KeyType.
using NamedKey = config::KeyChoice;

/// Whether `choice`, an `existing:…`, names this key; a config::KeyType names none.
bool is_named_by(const config::KeyChoice& choice, const keystore::KeyDescription& key);

/// The label of every key that is made for an identity.
std::string own_label(std::string_view identity);

/// Finds the key that the configuration names and removes what an earlier configuration had made under `id`, which is
/// ours. The named key is never destroyed, whatever is wrong with it. Errors: token_key_missing, token_ambiguous (more
/// than one key fits), token_key_policy (it could leave the token, or could have), config_unsupported (no RSA key of
/// 2048 bits or more), those of keystore::Token.
Result<keystore::KeyDescription> adopt(keystore::Token& token, const NamedKey& wanted, const keystore::KeyId& id);

/// The one key on the token that the configuration names. Errors: token_key_missing, token_ambiguous, those of
/// keystore::Token.
Result<keystore::KeyDescription> find_named(keystore::Token& token, const NamedKey& wanted);

/// An id that a key must have to be found again, and what SCEP and our floor ask of one that was there before. `name`
/// begins the errors' text. Errors: token_key_policy, token_key_missing, config_unsupported.
Status check_existing(const std::string& name, const keystore::KeyDescription& key);

/// What a request is built from.
struct RequestPlan {
    config::IdentitySettings identity;
    std::optional<config::SecretSource> challenge;
    config::ChallengeEncoding challenge_encoding{};
    scep::LegacyPermissions legacy;
    scep::AlgorithmChoice algorithms;  ///< what the configuration fixes
    SharedAuthority authority;
    lifecycle::KeyRecord key;
    config::TransactionIdRule transaction_id_rule;
    scep::TransactionId transaction_id;  ///< drawn at random, for where the rule says so
    Bytes certificate_serial;            ///< 16 random octets for the self-signed certificate
    TimePoint now;
    lifecycle::Purpose purpose = lifecycle::Purpose::first;
    bool by_renewal_req = true;                             ///< PrepareRequest::by_renewal_req
    config::RenewalType renewal_type{};                     ///< `renewal_type`
    bool renewal_sends_challenge = false;                   ///< `renewal_challenge`
    std::optional<lifecycle::Credential> current = {};      ///< signs a renewal and a shadow's request
    std::optional<Signer> signer = {};                      ///< signs every other request; nothing: the new key does
    config::EnvelopeMode envelope{};                        ///< config::envelope_for() the key
    std::optional<lifecycle::KeyRecord> envelope_key = {};  ///< signs every request in place of all others (ENV-14)
};

/// A request, and what an operator should read about it.
struct PreparedRequest {
    lifecycle::RequestPrepared event;
    std::vector<std::string> warnings;
};

/// Reads the challenge, signs and verifies the CSR, tests the opening of replies, signs the certificate and seals:
/// three uses of the key (two signatures, one decryption or agreement); with an envelope key one of it, and two of
/// that. What the current certificate or a manufacturer's signs needs no other certificate, and no challenge unless the
/// configuration says so (REN-3, REN-6, SIG-4) or something is encrypted under it (ENV-13). Errors: challenge_source,
/// ca_algorithm, ca_no_recipient, token_self_test, those of the token.
Result<PreparedRequest> prepare_request(const SharedToken& token, const RequestPlan& plan);

/// What a message is signed from.
struct MessagePlan {
    scep::MessageType type = scep::MessageType::pkcs_req;
    lifecycle::Transaction transaction;
    lifecycle::KeyRecord signer;  ///< the key that signs: Transaction::signer_key, or the enrollment's own
    SharedAuthority authority;    ///< a CertPoll's recipient and issuer
    scep::KeyTransport key_transport = scep::KeyTransport::pkcs1;  ///< of a CertPoll
    std::optional<TimePoint> signing_time;                         ///< none while the clock is not trusted
    std::optional<config::SecretSource> challenge = {};  ///< what a CertPoll to a CA without an RSA key is sealed under
};

/// One use of the signer's key (one signature), on the token that holds it. Errors: those of the token, crypto.
Result<Bytes> sign_request(const SharedToken& token, const MessagePlan& plan);

/// What a reply is judged by.
struct ReplyPlan {
    config::IdentitySettings identity;
    scep::LegacyPermissions legacy;
    scep::ParseLimits limits;
    lifecycle::Transaction transaction;
    lifecycle::KeyRecord signer;  ///< the key that the reply is encrypted to
    Bytes spki;                   ///< of the key that was asked for
    SharedAuthority authority;
    RequestForm form;
    http::Response response;
    TimePoint now;
    lifecycle::Purpose purpose = lifecycle::Purpose::first;
    std::optional<lifecycle::IssuedRecord> current = {};  ///< a renewal must better it; nothing: anything goes
    std::optional<config::SecretSource> challenge = {};   ///< opens what is encrypted under it (`password`); read then
};

/// A judged reply: the event for the machine, and what an operator should read about it.
struct ReplyVerdict {
    lifecycle::Event event;
    std::vector<std::string> warnings;
};

/// A reply that verifies counts whatever its HTTP status; of one that does not, an HTTP error is the better explanation
/// (HTTP-21). Verifies, opens (one decryption or agreement, or the challenge read, SUCCESS only) and accepts or
/// refuses. Never an error: a refusal is the event.
Result<ReplyVerdict> judge_reply(const SharedToken& token, const ReplyPlan& plan);

}  // namespace hwenroll::runtime
