// The outer layer of SCEP messages and certificate sets: CMS SignedData (RFC 5652 §5) laid open without judging it.
// Read here rather than by libcrypto's CMS code because the verifier needs the signed attributes exactly as they were
// received (MSG-3), because unknown certificate choices must not stop a reader (DEG-6), and because certificates that
// came along are then never even parsed before the signature is good.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/certificate.h"
#include "transport/scep/ber.h"
#include "transport/scep/vocabulary.h"

namespace hwenroll::scep {

inline constexpr std::string_view oid_data = "1.2.840.113549.1.7.1";
inline constexpr std::string_view oid_signed_data = "1.2.840.113549.1.7.2";
inline constexpr std::string_view oid_enveloped_data = "1.2.840.113549.1.7.3";
inline constexpr std::string_view oid_content_type = "1.2.840.113549.1.9.3";
inline constexpr std::string_view oid_message_digest = "1.2.840.113549.1.9.4";
inline constexpr std::string_view oid_signing_time = "1.2.840.113549.1.9.5";

/// AlgorithmIdentifier; the parameters are borrowed.
struct AlgorithmId {
    std::string oid;
    std::optional<BerValue> parameters;
};

/// SignerIdentifier and RecipientIdentifier: one of the two forms; borrowed.
struct CertificateId {
    ByteView issuer;                         ///< encoded Name; empty in the other form
    ByteView serial;                         ///< encoded INTEGER
    std::optional<ByteView> subject_key_id;  ///< SKI form
};

/// A signed attribute; the values are borrowed.
struct Attribute {
    std::string oid;
    std::vector<BerValue> values;
};

struct SignerInfo {
    CertificateId id;
    AlgorithmId digest_algorithm;
    AlgorithmId signature_algorithm;
    std::optional<BerValue> signed_attributes;  ///< as received, tag [0]
    std::vector<Attribute> attributes;          ///< the same, read
    bool has_unsigned_attributes = false;
    Bytes signature;
};

/// Borrowed from the message.
struct SignedData {
    std::vector<std::string> digest_algorithms;
    std::string content_type;            ///< eContentType
    std::optional<Bytes> content;        ///< value octets of eContent
    std::vector<ByteView> certificates;  ///< encodings, the X.509 choice only
    std::size_t other_certificates = 0;  ///< choices that were skipped (DEG-6)
    std::size_t revocation_lists = 0;    ///< entries of crls
    std::vector<ByteView> crls;          ///< encodings of those that are X.509 CRLs
    std::vector<SignerInfo> signers;
};

/// ContentInfo: its type and the value inside [0], borrowed.
struct ContentInfo {
    std::string type;
    BerValue content;
};

/// Reads `input`, which must be exactly one value. Errors: those of check_ber; scep_structure for trailing octets and
/// for anything that is no ContentInfo.
Result<ContentInfo> parse_content_info(ByteView input, const ParseLimits& limits);

/// Reads a ContentInfo that holds SignedData. Errors as above, and too many certificates, signers or attributes.
Result<SignedData> parse_signed_data(ByteView input, const ParseLimits& limits);

/// The certificates of `data`, each once. One that cannot be read, say for its new kind of key, is left out, so that it
/// does not keep us from the others. Fails with scep_structure when there are some and none can be read.
Result<std::vector<Certificate>> certificates_of(const SignedData& data);

AlgorithmId read_algorithm(BerReader& reader, BerFault& fault, std::string_view what);

/// IssuerAndSerialNumber, or a SubjectKeyIdentifier under [0].
CertificateId read_certificate_id(BerReader& reader, BerFault& fault);

/// Whether `id` names `certificate` (issuer compared in libcrypto's canonical form).
bool names(const CertificateId& id, const Certificate& certificate);

/// `serial 1A2B of CN=…` or `subject key 0A…`, for messages.
std::string describe(const CertificateId& id);

}  // namespace hwenroll::scep
