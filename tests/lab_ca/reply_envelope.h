// How the content of a CertRep is encrypted for its client: by its key, or under the challenge where that key cannot
// decrypt (RFC 8894 §3.1, SRV-12). By libcrypto's CMS.
#pragma once

#include "base/certificate.h"
#include "base/secret.h"
#include "tests/lab_ca/reply_shape.h"

namespace hwenroll::lab_ca {

/// Whom a reply is encrypted for.
enum class ReplyEnvelope {
    by_key,           ///< the signer's key: key transport for RSA, key agreement for EC
    by_password,      ///< EC signers under the challenge, RSA signers by key transport
    always_password,  ///< RSA signers too, which is wrong (BAD-101)
};

/// `content` for the key of `recipient`. `context` must have the shape's cipher; nullptr is the default one. Error
/// codes: crypto, scep_structure.
Result<Bytes> write_envelope(ByteView content, const Certificate& recipient, const ReplyShape& shape,
                             OSSL_LIB_CTX* context);

/// The same in AES-128-CBC under `password`: PBKDF2 of so many iterations and id-alg-PWRI-KEK. Error code: crypto.
Result<Bytes> write_password_envelope(ByteView content, const Secret& password, int iterations);

}  // namespace hwenroll::lab_ca
