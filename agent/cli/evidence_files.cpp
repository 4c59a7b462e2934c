#include "agent/cli/evidence_files.h"

#include <array>
#include <system_error>

#include "agent/cli/output_file.h"
#include "base/pem.h"
#include "keystore/evidence_signature.h"

namespace hwenroll::cli {
namespace {

constexpr std::array names{"nonce",  "certify-info", "certify-signature", "certify-signature.der", "key.pub", "ak.pub",
                           "ak.pem", "ek.der"};

Error not_written(const std::filesystem::path& path, int number) {
    return Error(ErrorCode::output_file, "cannot write '" + path.string() + "'",
                 std::generic_category().message(number), "name a directory that this user can write to");
}

Error is_there(const std::filesystem::path& path) {
    return Error(ErrorCode::output_file, "'" + path.string() + "' is there already", "evidence is never replaced",
                 "name another directory");
}

std::string text_of(const Bytes& octets) {
    return std::string(as_text(octets));
}

}  // namespace

Result<std::vector<EvidenceFile>> evidence_files(const keystore::KeyEvidence& evidence, ByteView nonce) {
    const auto signature = keystore::evidence_signature_value(evidence.signature);
    if (!signature) {
        return fail(signature.error());
    }
    std::vector<EvidenceFile> files{{"nonce", std::string(as_text(nonce))},
                                    {"certify-info", text_of(evidence.certify_info)},
                                    {"certify-signature", text_of(evidence.signature)},
                                    {"certify-signature.der", text_of(*signature)},
                                    {"key.pub", text_of(evidence.key_public)},
                                    {"ak.pub", text_of(evidence.attestation_public)},
                                    {"ak.pem", to_pem("PUBLIC KEY", evidence.attestation_key)}};
    if (!evidence.ek_certificate.empty()) {
        files.push_back({"ek.der", text_of(evidence.ek_certificate)});
    }
    return files;
}

Status check_no_evidence_in(const std::filesystem::path& directory) {
    for (const char* name : names) {
        std::error_code failure;
        const auto status = std::filesystem::symlink_status(directory / name, failure);
        if (std::filesystem::exists(status)) {
            return fail(is_there(directory / name));
        }
        if (status.type() == std::filesystem::file_type::none) {
            return fail(not_written(directory / name, failure.value()));
        }
    }
    return {};
}

Status write_evidence(const std::filesystem::path& directory, const std::vector<EvidenceFile>& files) {
    std::error_code failure;
    const bool made = std::filesystem::create_directory(directory, failure);
    if (failure) {
        return fail(not_written(directory, failure.value()));
    }
    for (auto file = files.begin(); file != files.end(); ++file) {
        if (Status written = write_output(directory / file->name, file->content, {Existing::keep}); !written) {
            std::error_code ignored;
            for (auto before = files.begin(); before != file; ++before) {
                std::filesystem::remove(directory / before->name, ignored);
            }
            if (made) {
                std::filesystem::remove(directory, ignored);
            }
            return written;
        }
    }
    return {};
}

}  // namespace hwenroll::cli
