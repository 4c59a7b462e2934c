// PKCS#10 (RFC 2986) as the lab CA needs it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/distinguished_name.h"
#include "base/public_key.h"
#include "base/secret.h"
#include "tests/lab_ca/algorithms.h"

namespace hwenroll::lab_ca {

/// challengePassword (RFC 2985 §5.4.1).
struct ChallengePassword {
    Secret value;
    std::uint8_t tag = 0;    ///< identifier octet of its string
    std::size_t values = 1;  ///< in the attribute
};

/// A certification request. Movable. Parsing verifies nothing.
class CertificationRequest {
 public:
    /// badRequest when it is none; badAlg never.
    static Outcome<CertificationRequest> from_der(ByteView der);

    [[nodiscard]] const DistinguishedName& subject() const { return subject_; }
    [[nodiscard]] const PublicKey& public_key() const { return *public_key_; }
    [[nodiscard]] const std::optional<ChallengePassword>& challenge() const { return challenge_; }
    [[nodiscard]] std::optional<long> version() const { return version_; }
    [[nodiscard]] const AlgorithmSyntax& signature_algorithm() const { return signature_algorithm_; }
    [[nodiscard]] const std::vector<std::string>& attribute_types() const { return attribute_types_; }
    [[nodiscard]] const std::vector<std::string>& deviations() const { return deviations_; }

    /// The self-signature (proof of possession): badAlg, badMessageCheck.
    [[nodiscard]] Outcome<void> verify(const AlgorithmFloor& floor) const;

    /// The requested extension of that NID; nullptr when there is none. Borrowed.
    [[nodiscard]] X509_EXTENSION* extension(int nid) const;

    /// How many requested extensions have that NID.
    [[nodiscard]] int extension_count(int nid) const;

    /// Borrowed.
    [[nodiscard]] X509_REQ* get() const { return req_.get(); }

 private:
    CertificationRequest() = default;
    bool read_structure(ByteView der);
    bool read_attributes(const Asn1Node& attributes);

    OpenSslPtr<X509_REQ> req_;
    OpenSslPtr<STACK_OF(X509_EXTENSION)> extensions_;
    DistinguishedName subject_;
    std::optional<PublicKey> public_key_;
    std::optional<ChallengePassword> challenge_;
    std::optional<long> version_;
    AlgorithmSyntax signature_algorithm_;
    Bytes signed_octets_;
    Bytes signature_;
    std::vector<std::string> attribute_types_;
    std::vector<std::string> deviations_;
};

}  // namespace hwenroll::lab_ca
