// Public keys by their SubjectPublicKeyInfo, the form in which they are compared and stored.
#pragma once

#include <memory>
#include <string>

#include "base/openssl_ptr.h"

namespace hwenroll {

/// A public key. Cheap to copy (shared, immutable); thread-safe to read. Equal when the SPKI DER is.
class PublicKey {
 public:
    /// Reads a DER SubjectPublicKeyInfo (RFC 5280 §4.1.2.7). Error code: scep_structure.
    static Result<PublicKey> from_spki(ByteView der);

    /// The public half of `key`; takes no ownership. Error code: crypto.
    static Result<PublicKey> of(EVP_PKEY* key);

    /// Builds a key of `type`, `RSA` or `EC`, from libcrypto's public parameters for it (EVP_PKEY-RSA(7),
    /// EVP_PKEY-EC(7)); further parameters do not matter. Error code: crypto.
    static Result<PublicKey> from_parameters(const char* type, const OSSL_PARAM parameters[]);

    /// Builds an RSA key from big-endian modulus and exponent. Error code: crypto.
    static Result<PublicKey> from_rsa(ByteView modulus, ByteView exponent);

    /// Builds a key on a named curve from DER ECParameters that hold the curve's OID and from a point as octets,
    /// compressed or not (RFC 5480 §2.1.1, §2.2); the point must be on the curve. Error code: crypto.
    static Result<PublicKey> from_ec(ByteView parameters, ByteView point);

    [[nodiscard]] const Bytes& spki() const { return spki_; }
    [[nodiscard]] bool is_rsa() const;
    [[nodiscard]] bool is_ec() const;

    /// Size of the modulus or of the curve's field, in bits.
    [[nodiscard]] int bits() const;

    /// `P-256`, `P-384`, for other named curves libcrypto's name; empty without a named curve.
    [[nodiscard]] std::string curve() const;

    /// `RSA 2048`, `EC P-256`.
    [[nodiscard]] std::string text() const;

    /// The point of an EC key, uncompressed: 04, x and y, each as long as the field (SEC 1 §2.3.3); empty for any other
    /// key, and where libcrypto does not tell it.
    [[nodiscard]] Bytes point() const;

    /// Borrowed; valid as long as any copy of this PublicKey. Pass it to libcrypto for verification and encryption.
    [[nodiscard]] EVP_PKEY* get() const { return key_.get(); }

    friend bool operator==(const PublicKey& a, const PublicKey& b) { return a.spki_ == b.spki_; }

 private:
    PublicKey(Bytes spki, std::shared_ptr<EVP_PKEY> key) : spki_(std::move(spki)), key_(std::move(key)) {}
    Bytes spki_;
    std::shared_ptr<EVP_PKEY> key_;
};

}  // namespace hwenroll
