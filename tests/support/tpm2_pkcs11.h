// A token of tpm2-pkcs11, the PKCS#11 module for a TPM.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/support/software_tpm.h"
#include "tests/support/tpm_broker.h"

namespace hwenroll::test {

/// A store with one token, `lab`, whose keys are in a software TPM behind a broker, since tpm2-pkcs11 needs room for
/// more objects than a TPM has. Its processes end with it.
class Tpm2Pkcs11 {
 public:
    /// What this machine lacks to run one, with the package's name; nothing when all is there.
    static std::optional<std::string> missing();

    /// The shared object, libtpm2_pkcs11.so in the directory of the machine's architecture.
    static std::string module();

    /// Makes the store with tpm2_ptool; throws std::runtime_error with its output when it fails.
    explicit Tpm2Pkcs11(const std::string& pin = "123456");

    /// `NAME=value`, what a process that loads the module needs: the store, the way to the TPM, and the bus to its
    /// broker.
    [[nodiscard]] const std::vector<std::string>& environment() const { return environment_; }

    /// A directory that lives as long as this object.
    [[nodiscard]] const TemporaryDirectory& directory() const { return tpm_.directory(); }

    [[nodiscard]] const SoftwareTpm& tpm() const { return tpm_; }

    /// The broker ends, so that the module finds no TPM; and comes back.
    void take_away() { broker_.stop(); }
    void bring_back() { broker_.start(); }

    /// Runs a program in environment() that must succeed: its output; throws std::runtime_error with what it printed
    /// otherwise.
    std::string must(std::vector<std::string> arguments) const;

 private:
    SoftwareTpm tpm_;
    TpmBroker broker_{tpm_};
    std::vector<std::string> environment_;
};

}  // namespace hwenroll::test
