// A key with its certificate in two files: NAME.pem and NAME.key (0600).
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "base/certificate.h"

namespace hwenroll::lab_ca {

/// A key with its certificate.
struct SigningIdentity {
    OpenSslPtr<EVP_PKEY> key;
    Certificate certificate;
};

/// The certificate is written last: without it the key was never in use. Error codes: input_file, crypto.
Status save_identity(const std::filesystem::path& directory, const std::string& name, const SigningIdentity& identity);

/// The key must be that of the certificate. Error code: input_file.
Result<SigningIdentity> load_identity(const std::filesystem::path& directory, const std::string& name);

/// What is there under `name`, or what `make` makes, saved. Error codes: input_file, and those of `make`.
Result<SigningIdentity> load_or_make(const std::filesystem::path& directory, const std::string& name,
                                     const std::function<Result<SigningIdentity>()>& make);

}  // namespace hwenroll::lab_ca
