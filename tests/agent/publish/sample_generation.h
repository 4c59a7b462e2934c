// Generations for tests, signed by a software CA, and what a consumer sees of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "agent/publish/generation.h"

namespace hwenroll::publish {

/// A root with an intermediate below it, made anew; its keys are EC P-256 in software.
class SampleAuthority {
 public:
    SampleAuthority();

    /// A generation of `identity` with a certificate of its own; its key's URI is `pkcs11:token=lab;id=%NN`.
    [[nodiscard]] Generation generation(std::uint64_t number, const std::string& identity = "web") const;

    [[nodiscard]] const Certificate& root() const { return root_; }

 private:
    OpenSslPtr<EVP_PKEY> root_key_;
    OpenSslPtr<EVP_PKEY> issuer_key_;
    Certificate root_;
    Certificate issuer_;
};

/// The contents of the directory behind `<identity_dir>/current`, read through one descriptor of it, by file name.
/// Throws std::runtime_error when there is none.
std::map<std::string, std::string> read_current_files(const std::filesystem::path& identity_dir);

/// What is inconsistent in such contents; empty when they are one complete generation.
std::string inconsistency(const std::map<std::string, std::string>& files);

/// The number that identity.json of such contents says.
std::uint64_t number_of(const std::map<std::string, std::string>& files);

}  // namespace hwenroll::publish
