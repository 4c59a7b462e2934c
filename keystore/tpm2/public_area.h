// TPMT_PUBLIC, the public area of an object (TPM 2.0 part 2 §12.2): what ours say and what is read from any. Internal
// to keystore/tpm2.
#pragma once

#include <optional>
#include <tss2/tss2_tpm2_types.h>

#include "keystore/key_spec.h"

namespace hwenroll::keystore::tpm2 {

/// The template of the storage root key: P-256, AES-128-CFB, noDA, empty unique. The TCG's own template has 32 zeros as
/// unique and leads to another key, under which tpm2-openssl 1.1.1 looks for none of its keys.
TPM2B_PUBLIC storage_root_template();

/// A restricted decryption key on P-256, as storage_root_template() makes them.
bool is_storage_root(const TPM2B_PUBLIC& object);

/// The template of a key: unrestricted, signs and decrypts (EC: agrees on secrets), not subject to dictionary attack
/// protection, cannot leave the TPM. Its authPolicy carries `id`, which must have 16 octets: no session satisfies a
/// policy of that value, and the key itself tells whose it is wherever it is found.
TPM2B_PUBLIC key_template(KeySpec spec, const KeyId& id);

/// Whether an id can be written into a key: 16 octets.
bool is_own_id(const KeyId& id);

/// The id that key_template() wrote; nothing in objects of other makers.
std::optional<KeyId> id_in(const TPM2B_PUBLIC& object);

/// The public key of an RSA object or of an EC object on P-256 or P-384; nothing for others or for a point off its
/// curve.
std::optional<PublicKey> public_key_in(const TPM2B_PUBLIC& object);

/// TPM 2.0 part 2 §8.3: fixedTPM and fixedParent keep a key where it is for its whole life, sensitiveDataOrigin says
/// that the TPM made it. No attribute ever lets a sensitive area out in the clear.
KeyProtection protection_of(const TPM2B_PUBLIC& object);

/// Can be used as a key of an identity: RSA or EC, not restricted to data that the TPM made.
bool is_usable(const TPM2B_PUBLIC& object);

bool can_sign(const TPM2B_PUBLIC& object);
bool can_decrypt(const TPM2B_PUBLIC& object);
bool can_derive(const TPM2B_PUBLIC& object);

/// What of `made` differs from what key_template(spec, id) asked for, as text for an error; empty when nothing does
/// (T21).
std::string difference(const TPM2B_PUBLIC& made, KeySpec spec, const KeyId& id);

}  // namespace hwenroll::keystore::tpm2
