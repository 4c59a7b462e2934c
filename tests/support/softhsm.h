// A SoftHSM2 of its own for one test.
#pragma once

#include <filesystem>
#include <string>

#include "tests/support/temporary_directory.h"

namespace hwenroll::test {

/// An empty SoftHSM2 token store in a temporary directory. Sets SOFTHSM2_CONF in this process's environment, which
/// SoftHSM reads in C_Initialize and children inherit, and restores it at the end. One at a time. Create it before any
/// token that uses it and destroy it after.
class SoftHsm {
 public:
    SoftHsm();
    SoftHsm(const SoftHsm&) = delete;
    SoftHsm& operator=(const SoftHsm&) = delete;
    ~SoftHsm();

    /// The file that SOFTHSM2_CONF names.
    [[nodiscard]] std::filesystem::path config_path() const { return directory_ / "softhsm2.conf"; }

    /// Where the token files are; moving it away removes every token.
    [[nodiscard]] std::filesystem::path token_directory() const { return directory_ / "tokens"; }

    /// A directory that lives as long as this object, e.g. for PIN files.
    [[nodiscard]] const TemporaryDirectory& directory() const { return directory_; }

    /// The shared object, /usr/lib/softhsm/libsofthsm2.so.
    static std::string module();

    /// Makes a token with softhsm2-util; throws std::runtime_error with its output when it fails. Call it while no
    /// module is initialised, since modules do not see tokens made later.
    void init_token(const std::string& label, const std::string& so_pin = "87654321", const std::string& pin = "1234");

    /// Writes `pin` to a 0600 file and returns its `file:` URL, as the configuration has it.
    std::string pin_file(const std::string& pin = "1234", const std::string& name = "pin");

    /// `pkcs11:token=LABEL`.
    static std::string token_uri(const std::string& label);

 private:
    TemporaryDirectory directory_;
    std::string environment_before_;
    bool environment_was_set_ = false;
};

}  // namespace hwenroll::test
