// RSA and EC key pairs as objects on a token: the templates that make and find them, and how they are read back.
// Internal to keystore/pkcs11.
#pragma once

#include <optional>

#include "keystore/key_spec.h"
#include "keystore/pkcs11/session.h"

namespace hwenroll::keystore::pkcs11 {

/// Every key half of a class, with this CKA_ID unless `id` is null.
Attributes key_search(CK_OBJECT_CLASS half, const KeyId* id);

/// How much a template says of what a key may do. `plain` leaves out what it may not, and that an EC key verifies:
/// tpm2-pkcs11 1.9.0 makes no EC key when told.
enum class TemplateForm : std::uint8_t { exact, plain };

/// A private half that never leaves the token (PKCS#11 v2.40 §4.9): an RSA key signs and decrypts, an EC key signs and
/// agrees on secrets.
Attributes private_half_template(KeySpec spec, const KeyId& id, const std::string& label,
                                 TemplateForm form = TemplateForm::exact);

Attributes public_half_template(KeySpec spec, const KeyId& id, const std::string& label,
                                TemplateForm form = TemplateForm::exact);

/// The mechanism that makes a pair from both templates.
CK_MECHANISM_TYPE generation_mechanism(KeySpec spec);

/// Reads a private key object with one call; a second search serves tokens that keep the public key only in the public
/// object (most do with CKA_EC_POINT). Nothing when it is neither an RSA key nor on a named curve, or when its public
/// key cannot be had.
Outcome<std::optional<KeyDescription>> read_key(Session& session, const CK_TOKEN_INFO& token, CK_OBJECT_HANDLE key);

/// Where a key object lives, as read back.
struct KeyPlacement {
    bool on_token = false;    ///< CKA_TOKEN: outlives the session
    bool is_private = false;  ///< CKA_PRIVATE: not to be seen or used without a login
};
Outcome<KeyPlacement> read_placement(Session& session, CK_OBJECT_HANDLE key);

}  // namespace hwenroll::keystore::pkcs11
