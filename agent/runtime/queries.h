// Questions that a command asks of a CA or a token without the daemon: each starts what it needs and ends it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "agent/config/configuration.h"
#include "agent/observe/log.h"
#include "agent/runtime/orphan_keys.h"
#include "base/certificate.h"
#include "base/clock.h"
#include "keystore/worker/worker_token.h"
#include "transport/scep/capabilities.h"

namespace hwenroll::runtime {

/// What a CA says of itself, unauthenticated: for an operator to compare, never to trust (CACERT-8).
struct CaAnswer {
    std::string url;
    scep::Capabilities capabilities;
    std::vector<Certificate> certificates;
    std::optional<TimePoint> date = {};  ///< what its clock says (HTTP's Date), for diagnosis only
};

/// GetCACaps and GetCACert at the first of `settings.urls` that answers; the fingerprints of `settings` are not looked
/// at. Blocks up to the exchange time-outs. Errors: those of http::Client, ca_http, ca_http_refused, ca_not_scep,
/// scep_structure, ca_certificate.
Result<CaAnswer> ask_ca(const config::AuthoritySettings& settings, const config::LimitSettings& limits);

/// What the questions about a token's keys need. The references outlive the call.
struct TokenQuery {
    const config::TokenSettings& settings;
    const std::filesystem::path& state_dir;
    const keystore::WorkerProgram& worker;
    const Clock& clock;
    observe::Log& log;
};

/// The private keys of one token. Logs in by the PIN rules, so it takes the state directory's lock and records the
/// outcome. Errors: state_locked (a daemon runs), those of keystore::Token.
Result<std::vector<keystore::KeyDescription>> list_keys(const TokenQuery& query);

/// The keys of one token that nothing needs; the owners of `needs` are read here. Errors as list_keys().
Result<std::vector<OrphanKey>> list_orphans(const TokenQuery& query, KeyNeeds needs);

/// What purge_orphans() has done.
struct Purge {
    std::vector<OrphanKey> destroyed;  ///< each is in the token's history
    std::optional<Error> failure;      ///< that ended it; the next call goes on with what is left
};

/// Destroys the orphans that `choice` fits, and forgets the state of the identities whose they were, and of the chosen
/// one, once no key of theirs is left on this token. Errors as list_keys(), before anything was destroyed.
Result<Purge> purge_orphans(const TokenQuery& query, KeyNeeds needs, const OrphanChoice& choice);

/// The key that an identity publishes, and the evidence that its token holds it.
struct AttestedKey {
    lifecycle::KeyRecord record;
    keystore::KeyEvidence evidence;
};

/// Token::certify() of the key that `identity` publishes. Where the token has an `auth`, its value may be refused, so
/// that the state directory's lock is taken and the outcome recorded. Without one there is nothing to record: state.db
/// is only read, and a worker of its own asks the TPM beside the daemon's. Errors: token_attest (no `type = "tpm2"`),
/// token_key_missing (nothing is published yet), state_locked (a daemon runs, and there is an `auth`), those of
/// keystore::Token.
Result<AttestedKey> attest_key(const TokenQuery& query, const std::string& identity, ByteView nonce);

/// An identity whose key is to be tested.
struct KeyToTest {
    std::string identity;
    std::string token;    ///< where a key that was made under this configuration is
    bool agrees = false;  ///< replies reach it by ECDH
};

/// Whether a token's key does what SCEP asks of it.
struct TestedKey {
    std::string identity;
    std::string key;  ///< `RSA 2048`
    Status outcome;   ///< one signature, and one decryption or, where replies come by it, one agreement
};

/// Tests the key that each of `identities` publishes, as far as it is on this token; those without one are left out. A
/// login is made once, by the PIN rules, which takes the state directory's lock; a token that is used without a secret
/// is used beside the daemon. Nothing is made: without a state.db there is nothing to test. Errors: state_locked (a
/// daemon runs, and a login is needed), those of the login.
Result<std::vector<TestedKey>> test_keys(const TokenQuery& query, const std::vector<KeyToTest>& identities);

/// How what consumers see of an identity differs from what state.db says of it; empty: not at all. Errors: those of the
/// store, publish_unseen.
Result<std::string> published_difference(store::Store& store, const config::Configuration& configuration,
                                         const config::IdentitySettings& identity);

/// The hwenroll-token of the running program (worker_of).
keystore::WorkerProgram worker_beside_this_program();

}  // namespace hwenroll::runtime
