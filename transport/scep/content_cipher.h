// Decryption of an envelope's content (RFC 5652 §6.3).
#pragma once

#include "base/secret.h"
#include "transport/scep/reply_algorithms.h"

namespace hwenroll::scep {

/// A content cipher that libcrypto has ready. Single DES lives in a library context of its own with the legacy
/// provider, so that nothing else in the process can use it. Move-only.
class ContentDecryptor {
 public:
    /// Error code: scep_algorithm when libcrypto has no such cipher (no legacy provider installed).
    static Result<ContentDecryptor> load(const CipherInfo& info);

    /// Decrypts CBC with PKCS#7 padding; empty when the padding or the length is wrong. `key` and `iv` have the sizes
    /// that CipherInfo says.
    [[nodiscard]] Secret decrypt(ByteView key, ByteView iv, ByteView encrypted) const;

 private:
    ContentDecryptor() = default;
    OpenSslPtr<EVP_CIPHER> cipher_;
};

}  // namespace hwenroll::scep
