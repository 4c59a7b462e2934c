// Replies as a server would make them, and as it should not: built from asn1_forge and plain libcrypto.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tests/scep/request/test_pki.h"
#include "transport/scep/cert_rep.h"

namespace hwenroll::test {

/// The certificates and keys of one small world: a CA, its RA, our client and another client.
struct World {
    Key ca_key, ra_key, client_key, other_key;
    Certificate ca, ra, request_signer, other;
    scep::ReplyExpectation expectation;  ///< of the request to which replies are forged
    scep::IssueExpectation issue;
};

/// Made once in a program.
const World& world();

/// The specification of the certificate that the client asked for.
CertificateSpec leaf_spec();

/// A certificate issued by the world's CA for the client's key.
Certificate issued_leaf(const CertificateSpec& spec = leaf_spec());

/// `certificate` after `edit`, signed anew by `key`.
Certificate edited(const Certificate& certificate, const std::function<void(X509*)>& edit, const Key& key);

/// One signed attribute of a CertRep.
struct ForgedAttribute {
    std::string oid;
    std::vector<Bytes> values;  ///< encoded
};

/// An EnvelopedData with one KeyTransRecipientInfo; every part can be spoiled before build().
struct ForgedEnvelope {
    Bytes plaintext;
    Bytes recipient_id;  ///< issuerAndSerialNumber or [0] SKI, encoded
    Key recipient_key = world().client_key;
    std::string transport_oid = "1.2.840.113549.1.1.1";
    std::optional<Bytes> transport_parameters;  ///< encoded, instead of NULL; empty: none
    const EVP_MD* oaep = nullptr;  ///< the content key is encrypted by OAEP with this hash and MGF1 with it
    std::string cipher_oid = "2.16.840.1.101.3.4.1.2";
    const char* cipher = "AES-128-CBC";
    std::optional<Bytes> content_key;        ///< sent instead of the one used
    std::optional<Bytes> encrypted_key;      ///< instead of what RSA makes
    std::optional<Bytes> iv_parameters;      ///< encoded, instead of the OCTET STRING
    std::optional<Bytes> encrypted_content;  ///< instead of what the cipher makes
    bool shortened_key = false;              ///< encryptedKey without its leading zero: the same number in fewer octets
    bool content_absent = false;
    bool content_in_pieces = false;
    std::vector<Bytes> more_recipients;  ///< encoded RecipientInfos before ours
    Bytes originator;                    ///< encoded originatorInfo
    Bytes unprotected_attributes;        ///< encoded
    std::string content_info_oid = "1.2.840.113549.1.7.3";

    /// For the request's signer, with the issued certificate inside.
    ForgedEnvelope();
    [[nodiscard]] Bytes build() const;
};

/// A CertRep; every part can be spoiled before build().
struct ForgedReply {
    std::vector<ForgedAttribute> attributes;  ///< without contentType and messageDigest
    std::optional<Bytes> content;             ///< of eContent
    std::string content_type = "1.2.840.113549.1.7.1";
    std::optional<std::string> content_type_attribute;  ///< instead of the same
    std::optional<Bytes> message_digest;                ///< instead of the right one; empty: no such attribute
    Bytes signer_id;                                    ///< encoded
    Key signer_key = world().ra_key;
    std::string digest = "SHA256";  ///< libcrypto's name
    std::string digest_oid = "2.16.840.1.101.3.4.2.1";
    std::string signature_oid = "1.2.840.113549.1.1.1";
    std::optional<Bytes> signature;                 ///< instead of the right one
    std::function<Bytes(ByteView)> make_signature;  ///< over what is to be signed, instead of signer_key
    std::vector<Bytes> certificates;                ///< encoded; none: no such field
    bool attributes_unsigned = false;               ///< in unsignedAttrs
    bool no_attributes = false;                     ///< signature directly over the content
    bool reversed_attributes = false;               ///< sent in the reverse of DER's order
    bool sign_sorted = false;                       ///< signed in DER's order whatever is sent
    bool ber = false;                               ///< indefinite lengths and content in pieces
    std::size_t piece = 1000;
    int signers = 1;

    /// A SUCCESS with the world's RA as signer.
    ForgedReply();
    ForgedAttribute& attribute(const std::string& oid);  ///< the one of this type, added when there is none
    void remove(const std::string& oid);
    [[nodiscard]] Bytes build() const;
};

/// FAILURE or PENDING: no content.
ForgedReply reply_without_envelope(const std::string& status);

/// issuerAndSerialNumber of `certificate`, and the SKI form.
Bytes issuer_and_serial(const Certificate& certificate);
Bytes subject_key_id(const Certificate& certificate);

/// A degenerate SignedData with these encoded certificate choices, and with CRLs.
Bytes degenerate(const std::vector<Bytes>& certificates, const std::vector<Bytes>& crls = {});

}  // namespace hwenroll::test
