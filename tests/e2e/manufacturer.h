// A manufacturer of devices: a root CA in files, and device certificates for keys that are on tokens (IEEE 802.1AR).
#pragma once

#include <filesystem>
#include <string>

#include "tests/support/temporary_directory.h"

namespace hwenroll::test {

/// Which key of a SoftHSM2 token a device was born with.
struct DeviceKey {
    std::string token = "maker";  ///< label; made before
    std::string pin = "2222";
    std::string id = "0a";  ///< CKA_ID in hexadecimal
    std::string type = "rsa:2048";
};

/// openssl(1) and pkcs11-tool(1) do the work; what fails throws std::runtime_error with their output.
class Manufacturer {
 public:
    explicit Manufacturer(const std::string& name = "Maker");

    /// The root's certificate, for `--manufacturer-ca`.
    [[nodiscard]] std::filesystem::path root() const { return directory_ / "root.pem"; }

    /// An intermediate CA's certificate; certify() uses it from now on.
    std::filesystem::path make_intermediate();

    /// Makes the key pair on its token.
    static void make_key(const DeviceKey& key);

    /// A certificate for the key, valid for `days` from the real today on.
    std::filesystem::path certify(const DeviceKey& key, int days = 3650);

    /// The same for the public key in a PEM file, as of a TPM's key.
    std::filesystem::path certify_public_key(const std::filesystem::path& spki, int days = 3650);

    /// The public key as OpenSC reads it from the token; empty when it is not there.
    static std::string public_key(const DeviceKey& key);

    /// Private keys on the token.
    static int private_keys(const std::string& token, const std::string& pin);

 private:
    TemporaryDirectory directory_;
    std::string issuer_ = "root";
    int serial_ = 1;
};

}  // namespace hwenroll::test
