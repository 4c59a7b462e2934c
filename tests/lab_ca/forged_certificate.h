// Certificates in parts, each of which can be replaced before they are signed.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "tests/lab_ca/authority.h"

namespace hwenroll::lab_ca {

/// Keys that belong to nobody of the lab.
enum class SpareKey {
    stranger,    ///< RSA 2048: who has nothing to do with the CA
    client,      ///< RSA 2048: another client of the CA
    ra,          ///< RSA 2048: an RA
    exponent_3,  ///< RSA 2048 with e = 3
    rsa_1024,
    ec_p256,
};

/// A key that is made when it is first needed and stays the same in this process. Borrowed. Any thread. Throws
/// std::runtime_error when it cannot be made.
EVP_PKEY* spare_key(SpareKey which);

enum class RaDuty { sign_and_receive, sign };

/// A version 3 certificate. Every field is encoded.
struct ForgedCertificate {
    Bytes serial;
    Bytes signature_algorithm;  ///< of the part that is signed
    Bytes issuer;
    Bytes not_before;
    Bytes not_after;
    Bytes subject;
    Bytes key;  ///< SubjectPublicKeyInfo
    std::vector<Bytes> extensions;
    std::optional<Bytes> outer_algorithm;  ///< beside the signature, instead of the same

    /// The parts of `certificate`, without what is not listed above.
    static ForgedCertificate of(const Certificate& certificate);

    /// One that `issuer` would issue to `subject_key`, without extensions, for as long as `issuer` lives.
    static ForgedCertificate issued_by(const Certificate& issuer, std::string_view subject, EVP_PKEY* subject_key);

    /// A CA of its own that lives as long as `model`. Sign it by `own_key`.
    static ForgedCertificate root(std::string_view subject, EVP_PKEY* own_key, const Certificate& model);

    void set_subject(std::string_view text);
    void set_validity(TimePoint from, TimePoint to);
    void set_serial(ByteView content);

    /// Takes the place of an extension of that type.
    void set_extension(std::string_view type, bool critical, ByteView value);
    void remove_extension(std::string_view type);
    void make_ca(std::optional<std::uint8_t> path_length = std::nullopt);

    /// extendedKeyUsage id-kp-cmcRA, and keyUsage digitalSignature, with keyEncipherment for one that receives.
    void make_ra(RaDuty duty = RaDuty::sign_and_receive);

    /// Signed with SHA-256 by a key that need not be the issuer's. Throws std::runtime_error.
    [[nodiscard]] Bytes signed_by(EVP_PKEY* issuer_key) const;

    /// The same, read again. Throws std::runtime_error when it is no certificate.
    [[nodiscard]] Certificate certificate(EVP_PKEY* issuer_key) const;
};

/// SubjectPublicKeyInfo of RSA with that modulus and exponent, whatever they are.
Bytes rsa_key_info(ByteView modulus, ByteView exponent);

/// A CRL of `issuer` with nothing on it. Throws std::runtime_error.
Bytes empty_crl(const Authority& issuer, TimePoint now);

namespace extension_type {
constexpr std::string_view subject_key_identifier = "2.5.29.14";
constexpr std::string_view key_usage = "2.5.29.15";
constexpr std::string_view subject_alt_name = "2.5.29.17";
constexpr std::string_view basic_constraints = "2.5.29.19";
constexpr std::string_view authority_key_identifier = "2.5.29.35";
constexpr std::string_view extended_key_usage = "2.5.29.37";
}  // namespace extension_type

}  // namespace hwenroll::lab_ca
