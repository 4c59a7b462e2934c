// A client's pkiMessage (RFC 8894 §3.2) as a typed value, made in the order in which a server may believe it:
// structure, signature, envelope, content.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "base/certificate.h"
#include "tests/lab_ca/algorithms.h"
#include "tests/lab_ca/certification_request.h"

namespace hwenroll::lab_ca {

namespace oid {
constexpr std::string_view message_type = "2.16.840.1.113733.1.9.2";
constexpr std::string_view pki_status = "2.16.840.1.113733.1.9.3";
constexpr std::string_view fail_info = "2.16.840.1.113733.1.9.4";
constexpr std::string_view sender_nonce = "2.16.840.1.113733.1.9.5";
constexpr std::string_view recipient_nonce = "2.16.840.1.113733.1.9.6";
constexpr std::string_view transaction_id = "2.16.840.1.113733.1.9.7";
}  // namespace oid

/// RFC 8894 §3.2.1.2.
enum class MessageType { renewal_req = 17, pkcs_req = 19, cert_poll = 20, get_cert = 21, get_crl = 22 };

/// What a CertPoll asks about (RFC 8894 §3.3.3).
struct IssuerAndSubject {
    DistinguishedName issuer;
    DistinguishedName subject;
};

/// A pkiMessage whose structure and attributes could be read: enough to answer it with a CertRep. Nothing is verified.
struct ScepRequest {
    SignedDataSyntax signed_data;
    std::string transaction_id;
    Bytes sender_nonce;
    std::string message_type_text;            ///< as received
    std::optional<MessageType> message_type;  ///< absent when it is none of a client's
    std::optional<Certificate> signer_certificate;

    [[nodiscard]] const SignerSyntax& signer() const { return signed_data.signers.front(); }
};

/// Reads a message. An Error means that there is nothing that a CertRep could answer: no CMS, not exactly one signer,
/// or no usable transactionID, messageType or senderNonce. Error code: scep_structure.
Result<ScepRequest> read_scep_request(ByteView message);

/// Whose certificate signed a request.
enum class SignerKind { self_signed, issued_here, manufacturer, other };

/// Verifies the message's signature, digest and content type and the signer's own certificate, whose kind it returns:
/// self_signed, issued_here when one of `authorities` signed it, or other. badAlg, badMessageCheck, badRequest.
Outcome<SignerKind> verify_request(const ScepRequest& request, const std::vector<Certificate>& authorities,
                                   const AlgorithmFloor& floor);

/// Whether the signer's certificate chains at `now` to one of `anchors`, through certificates in the message where
/// needed (SIG-4).
bool is_of_manufacturer(const ScepRequest& request, const std::vector<Certificate>& anchors, TimePoint now);

/// badTime when there is a signingTime further than `window` from `now`.
Outcome<void> check_signing_time(const ScepRequest& request, TimePoint now, Seconds window);

/// The signingTime, when it is there and readable.
std::optional<TimePoint> signing_time(const SignerSyntax& signer);

/// Reads the pkcsPKIEnvelope. badMessageCheck when there is none.
Outcome<EnvelopedDataSyntax> read_envelope(const ScepRequest& request);

/// Decrypts the messageData with `key` of `recipient`. badAlg, badMessageCheck (also when the envelope is for another
/// certificate, BADC-7).
Outcome<Bytes> open_message(const EnvelopedDataSyntax& envelope, const Certificate& recipient, EVP_PKEY* key,
                            const AlgorithmFloor& floor);

/// Reads the messageData of a CertPoll. badRequest.
Outcome<IssuerAndSubject> read_issuer_and_subject(ByteView der);

/// Issuer and serial of `certificate` in the form in which messages name it.
IssuerAndSerial name_of(const Certificate& certificate);

}  // namespace hwenroll::lab_ca
