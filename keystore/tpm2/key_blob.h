// Keys outside their TPM: TSS2 PRIVATE KEY files. Internal to keystore/tpm2.
//
// Format: "ASN.1 Specification for TPM 2.0 Key Files" (draft-woodhouse-cert-best-practice Appendix A), as tpm2-openssl,
// tpm2-tss-engine and openssl_tpm2_engine read and write it:
//
//   TPMKey ::= SEQUENCE {
//     type        OBJECT IDENTIFIER,                      -- 2.23.133.10.1.3, id-loadablekey
//     emptyAuth   [0] EXPLICIT BOOLEAN OPTIONAL,
//     policy      [1], secret [2], authPolicy [3] …       -- refused here
//     description [4] EXPLICIT UTF8String OPTIONAL,       -- skipped
//     rsaParent   [5] EXPLICIT BOOLEAN OPTIONAL,          -- skipped: the parent's handle says it
//     parent      INTEGER,                                -- TPM_RH_OWNER or a persistent handle
//     pubkey      OCTET STRING,                           -- TPM2B_PUBLIC
//     privkey     OCTET STRING }                          -- TPM2B_PRIVATE, wrapped by the parent
#pragma once

#include <string>
#include <string_view>
#include <tss2/tss2_tpm2_types.h>

#include "base/result.h"

namespace hwenroll::keystore::tpm2 {

/// A key that its TPM alone can load.
struct KeyBlob {
    bool empty_auth = true;  ///< its authorization value is empty; so tpm2-openssl takes a missing emptyAuth
    TPM2_HANDLE parent = TPM2_RH_OWNER;  ///< TPM2_RH_OWNER: the primary key of storage_root_template()
    TPM2B_PUBLIC public_area{};
    TPM2B_PRIVATE private_area{};
};

/// Reads the PEM text of one key, of at most max_key_pem octets; blanks around it do not matter, anything else does.
/// Total: every length is checked before it is used. Error code: token_key_file, with the reason.
Result<KeyBlob> parse_key_blob(std::string_view pem);

/// The PEM text; empty if an area is too large, which no TPM makes.
std::string to_pem(const KeyBlob& blob);

}  // namespace hwenroll::keystore::tpm2
