// key.pem: of a PKCS#11 key a reference that pkcs11-provider loads like a key file, of a TPM the wrapped key.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hwenroll::publish {

/// A persistent object of a TPM, `handle:0x81000010`, as tpm2-openssl names it. No file leads to it.
bool is_handle_uri(std::string_view uri);

/// PEM of label `PKCS#11 PROVIDER URI` around SEQUENCE { VisibleString "PKCS#11 Provider URI v1.0", UTF8String uri }
/// (pkcs11-provider, docs of its URI files). `uri` must be a pkcs11: URI of printable ASCII without a PIN; what is
/// refused is not repeated. Error code: publish_write.
Result<std::string> key_reference_pem(std::string_view uri);

/// One PEM of label `TSS2 PRIVATE KEY` and nothing else.
bool is_wrapped_key(std::string_view pem);

/// `pem` if that is what a TPM has wrapped, one PEM of label `TSS2 PRIVATE KEY` and nothing else: no other private key
/// is ever published; what is refused is not repeated. Error code: publish_write.
Result<std::string> wrapped_key_pem(const std::string& pem);

}  // namespace hwenroll::publish
