// What a TPM says about itself (TPM2_CAP_TPM_PROPERTIES, TPM 2.0 part 2 §6.13). Internal to keystore/tpm2.
#pragma once

#include <vector>

#include "keystore/token.h"
#include "keystore/tpm2/connection.h"
#include "keystore/tpm2/visit.h"

namespace hwenroll::keystore::tpm2 {

/// Up to `count` properties from `first` on.
Outcome<std::vector<TPMS_TAGGED_PROPERTY>> read_properties(Connection& connection, TPM2_PT first, UINT32 count);

/// 0 for a property that is not among them.
std::uint32_t value_of(const std::vector<TPMS_TAGGED_PROPERTY>& properties, TPM2_PT wanted);

/// Maker and model as the TPM spells them. Its serial is made of the name of `root`: it changes when the TPM is cleared
/// or another one is in its place, and with nothing else (P8, P10).
Outcome<TokenDescription> read_description(Connection& connection, const std::string& label, const StorageRoot& root);

}  // namespace hwenroll::keystore::tpm2
