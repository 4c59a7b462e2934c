// The evidence of a key as files, each in the form that openssl or tpm2-tools read (docs/attestation.md).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "keystore/key_evidence.h"

namespace hwenroll::cli {

/// A file to be written.
struct EvidenceFile {
    std::string name;
    std::string content;
};

/// Of this evidence over `nonce`; `ek.der` only if there is a certificate. Error code: token_protocol.
Result<std::vector<EvidenceFile>> evidence_files(const keystore::KeyEvidence& evidence, ByteView nonce);

/// Whether `directory` has room for them: no file of any evidence is in it. Error code: usage.
Status check_no_evidence_in(const std::filesystem::path& directory);

/// Writes them, all or none, and makes `directory` if only its last component is missing. What is there is never
/// replaced. Error code: usage.
Status write_evidence(const std::filesystem::path& directory, const std::vector<EvidenceFile>& files);

}  // namespace hwenroll::cli
