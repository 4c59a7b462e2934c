// The keys of a TPM. Internal to keystore/tpm2.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "keystore/token.h"
#include "keystore/token_options.h"
#include "keystore/tpm2/attestation_key.h"
#include "keystore/tpm2/key_auth.h"
#include "keystore/tpm2/key_blob.h"
#include "keystore/tpm2/visit.h"

namespace hwenroll::keystore::tpm2 {

/// The key operations of a Token, each in a Visit of its own. The contract of each function is Token's. Not
/// thread-safe.
///
/// A key is a blob that the caller keeps (KeyReference::pem), or a persistent object. Persistent objects that are not
/// ours (id_in()) bear their handle as id, four octets; they are used but never removed (P15).
class TpmKeys {
 public:
    /// All three outlive it.
    TpmKeys(const Tpm2Options& options, Port& port, KeyAuth& auth) : options_(options), port_(port), auth_(auth) {}

    Result<TokenDescription> describe();
    Result<std::vector<KeyDescription>> list();
    Result<KeyDescription> generate(KeySpec spec, const KeyId& id);
    Result<std::optional<KeyDescription>> find(const KeyId& id);
    Result<KeyDescription> look_up(const KeyReference& key);
    Result<Bytes> sign(const KeyReference& key, SignMechanism mechanism, ByteView input);
    Result<Secret> decrypt(const KeyReference& key, DecryptMechanism mechanism, ByteView ciphertext);
    Result<Secret> agree(const KeyReference& key, const PublicKey& peer);
    Result<KeyEvidence> certify(const KeyReference& key, ByteView nonce);
    Status destroy(const KeyId& id);

 private:
    /// Why an attempt failed; `rc` is TSS2_RC_SUCCESS when no call did.
    struct Problem {
        Error error;
        TSS2_RC rc = TSS2_RC_SUCCESS;
    };
    template <class T>
    using Attempt = tl::expected<T, Problem>;

    /// A key that is ready, with its authorization value set.
    struct KeyInUse {
        Loaded object;
        TPM2B_PUBLIC public_area;
    };

    /// What TPM2_Create made.
    struct NewKey {
        EsysPtr<TPM2B_PUBLIC> public_area;
        EsysPtr<TPM2B_PRIVATE> private_area;
    };

    [[nodiscard]] tl::unexpected<Problem> problem(const char* doing, const CallFailure& failure) const;
    [[nodiscard]] tl::unexpected<Problem> problem(ErrorCode code, const std::string& what, std::string why = {},
                                                  std::string next = {}) const;
    [[nodiscard]] tl::unexpected<Problem> use_problem(const char* doing, const KeyId& id, const CallFailure& failure);
    [[nodiscard]] tl::unexpected<Problem> foreign_blob(const KeyId& id, const CallFailure& failure) const;
    [[nodiscard]] tl::unexpected<Error> locked_out(const Error& error);

    template <class T>
    Result<T> visiting(const std::function<Attempt<T>(Visit&)>& attempt);
    template <class T>
    Result<T> using_key(const KeyReference& key, const std::function<Attempt<T>(Visit&, const KeyInUse&)>& attempt);

    [[nodiscard]] tl::unexpected<Problem> owner_problem(const char* doing, const CallFailure& failure) const;
    Attempt<void> open_root(Visit& visit, std::optional<TPM2_HANDLE> recorded = std::nullopt);
    [[nodiscard]] tl::unexpected<Problem> root_problem(const char* doing, const Visit& visit,
                                                       const CallFailure& failure);

    Attempt<std::vector<PersistentObject>> persistent_objects(Visit& visit);
    Attempt<std::optional<PersistentObject>> persistent_object(Visit& visit, const KeyId& id);
    Attempt<PersistentObject> expected_object(Visit& visit, const KeyReference& key);
    [[nodiscard]] Attempt<KeyBlob> expected_blob(const KeyReference& key) const;
    Attempt<KeyInUse> open_key(Visit& visit, const KeyReference& key);
    Attempt<KeyInUse> open_blob(Visit& visit, const KeyReference& key);
    Attempt<Loaded> load(Visit& visit, const KeyId& id, const TPM2B_PUBLIC& public_area,
                         const TPM2B_PRIVATE& private_area);
    Attempt<void> set_auth(Visit& visit, const Loaded& object, const Secret& value);

    Attempt<KeyDescription> generate_in(Visit& visit, KeySpec spec, const KeyId& id);
    Attempt<void> require_supported(Visit& visit, KeySpec spec);
    Attempt<NewKey> create(Visit& visit, KeySpec spec, const KeyId& id);
    Attempt<TPM2_HANDLE> persist(Visit& visit, const KeyId& id, const NewKey& made);
    Attempt<void> destroy_in(Visit& visit, const KeyId& id);

    Attempt<Bytes> sign_rsa(Visit& visit, const KeyInUse& key, const KeyReference& reference, ByteView digest_info);
    Attempt<Bytes> sign_ec(Visit& visit, const KeyInUse& key, const KeyReference& reference, ByteView digest);
    Outcome<EsysPtr<TPMT_SIGNATURE>> sign_digest(Visit& visit, const KeyInUse& key, TPM2_ALG_ID scheme,
                                                 TPM2_ALG_ID hash, ByteView digest);
    Outcome<EsysPtr<TPM2B_PUBLIC_KEY_RSA>> rsa_decrypt(Visit& visit, const KeyInUse& key,
                                                       const TPMT_RSA_DECRYPT& scheme, ByteView input);

    Attempt<KeyEvidence> certify_in(Visit& visit, const KeyInUse& key, const KeyId& id, ByteView nonce);
    [[nodiscard]] tl::unexpected<Problem> attestation_problem(const CallFailure& failure) const;

    const Tpm2Options& options_;
    Port& port_;
    KeyAuth& auth_;
    std::optional<TPM2_HANDLE> closed_root_;  ///< a parent that has refused the empty authorization value
};

}  // namespace hwenroll::keystore::tpm2
