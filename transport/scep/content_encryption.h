// Encryption of what a message carries (RFC 5652 §6.1, §6.3), whoever its recipient is.
#pragma once

#include "base/secret.h"
#include "transport/scep/reply_algorithms.h"

namespace hwenroll::scep {

/// An encrypted content and what it was encrypted with.
struct EncryptedContent {
    Secret key;
    Bytes iv;
    Bytes octets;
};

/// Encrypts under a key that libcrypto draws. libcrypto's own CMS_encrypt is not used for it: it frees buffers with the
/// plaintext, hence with the challenge, without overwriting them. Error code: crypto.
Result<EncryptedContent> encrypt_content(ByteView plaintext, const CipherInfo& info);

/// ContentInfo(EnvelopedData) with one recipient, `recipient_info`, encoded. DER.
Bytes enveloped_data(std::uint8_t version, ByteView recipient_info, const EncryptedContent& content,
                     const CipherInfo& info);

}  // namespace hwenroll::scep
