// Algorithms that replies name, by object identifier, and the floor below which they are refused.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/certificate.h"
#include "transport/scep/vocabulary.h"

namespace hwenroll::scep {

/// Nothing for MD5, SHA-224 and whatever else SCEP replies may not use (SIG-15).
std::optional<Digest> digest_by_oid(std::string_view oid);

/// A signatureAlgorithm. RSASSA-PSS has none: it is not used in SCEP (SIG-7).
struct SignatureScheme {
    bool rsa = true;               ///< PKCS#1 v1.5; otherwise ECDSA
    std::optional<Digest> digest;  ///< absent where the identifier leaves it open (rsaEncryption)
};

std::optional<SignatureScheme> signature_scheme_by_oid(std::string_view oid);

/// A content cipher in CBC mode. Sizes in octets.
struct CipherInfo {
    std::string_view oid;
    ContentCipher cipher;
    const char* libcrypto_name;
    std::size_t key_size;
    std::size_t iv_size;
};

/// Null for everything that is not CBC with DES, 3DES or AES (ENV-17).
const CipherInfo* cipher_by_oid(std::string_view oid);

const CipherInfo& cipher_info(ContentCipher cipher);

/// libcrypto's name for `oid` where it has one, for messages.
std::string name_of_oid(std::string_view oid);

/// Success when `digest` is SHA-256 or better, or SHA-1 and `legacy` says so (SIG-15). Error code: scep_algorithm.
/// `what` names what is signed.
Status check_digest(Digest digest, const LegacyPermissions& legacy, std::string_view what);

/// The same for the signature on `certificate`, which is `what` (CERT-9). What is weaker than SHA-1, MD5 above all, no
/// permission allows. Error code: scep_algorithm.
Status check_signature_algorithm(const Certificate& certificate, const LegacyPermissions& legacy,
                                 std::string_view what);

/// Success for RSA of 2048 bits up to the limits (SEC-11) and for curves of 256 bits or more; otherwise an Error of
/// `code` whose why() says what key it is.
Status check_key_size(const PublicKey& key, const ParseLimits& limits, ErrorCode code, std::string_view what);

}  // namespace hwenroll::scep
