// Tokens of this machine that nobody has configured yet.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "keystore/token.h"

namespace hwenroll::cli {

/// A token, or a TPM.
struct FoundToken {
    std::string module;  ///< path of the PKCS#11 module; empty for a TPM
    std::string tcti;    ///< of a TPM; empty otherwise
    keystore::TokenDescription description;

    /// What `--token` takes for it: the token's URI, or the TCTI.
    [[nodiscard]] const std::string& choice() const { return module.empty() ? tcti : description.uri; }
};

struct TokenSearch {
    std::vector<FoundToken> tokens;    ///< that can hold keys; each device once
    std::vector<std::string> modules;  ///< that were asked
    std::vector<std::string> tpms;     ///< that were asked, by their TCTI
    std::vector<Error> failures;       ///< modules and TPMs that could not be asked
};

/// The PKCS#11 module at `module` and the TPM behind `tcti`, whichever are given; without both, modules that p11-kit
/// knows, those at their usual places and the TPM behind /dev/tpmrm0. Each is asked in a worker of its own, without a
/// login. Blocks up to some seconds for each.
TokenSearch find_tokens(const std::optional<std::string>& module, const std::optional<std::string>& tcti);

/// Whether `wanted`, as `--token` has it, means this token: its label, serial number, URI, TCTI, or `tpm2`.
bool is_meant(const FoundToken& token, const std::string& wanted);

}  // namespace hwenroll::cli
