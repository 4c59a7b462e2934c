// A SCEP client for the lab CA's tests, made with plain libcrypto calls and a software key. It can also do things
// wrong.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/certificate.h"

namespace hwenroll::lab_ca::test {

/// A key with a self-signed certificate as SIG-1 wants it.
struct ClientIdentity {
    OpenSslPtr<EVP_PKEY> key;
    std::optional<Certificate> certificate;
    std::string subject;

    /// RSA of `bits`, or EC P-256 when 0. Valid from a day before `now` to a week after it. `digest` signs it.
    static ClientIdentity make(const std::string& subject, TimePoint now, int bits = 2048,
                               const EVP_MD* digest = EVP_sha256());

    /// Replaces the certificate by one that names `issuer_subject` as its issuer and is signed by `issuer`'s key.
    void certify(const ClientIdentity& issuer, const std::string& issuer_subject, TimePoint now);
};

/// How to make a request. The defaults are what RFC 8894 wants.
struct RequestRecipe {
    std::string message_type = "19";
    std::string transaction_id = "00112233445566778899AABBCCDDEEFF";
    Bytes sender_nonce;  ///< empty: 16 random octets
    const EVP_MD* digest = EVP_sha256();
    const EVP_CIPHER* cipher = EVP_aes_128_cbc();
    std::optional<std::string> challenge = "lab-secret";
    int challenge_type = V_ASN1_PRINTABLESTRING;
    std::vector<std::pair<int, std::string>> extensions;  ///< NID and value as in x509v3_config(5)
    int attribute_type = V_ASN1_PRINTABLESTRING;          ///< of transactionID and messageType
    bool break_csr_signature = false;
    bool break_signature = false;
    bool with_certificate = true;
    std::optional<Bytes> content;               ///< messageData instead of a PKCS#10
    std::optional<std::string> password;        ///< encrypts in place of the recipient's key, by libcrypto's defaults
    const ClientIdentity* requested = nullptr;  ///< whose key and subject the PKCS#10 has; nullptr: the signer's
};

/// A message from `identity` to `recipient`, signed with signingTime `now`.
Bytes make_request(const RequestRecipe& recipe, const ClientIdentity& identity, const Certificate& recipient,
                   TimePoint now);

/// The PKCS#10 in DER.
Bytes make_csr(const RequestRecipe& recipe, const ClientIdentity& identity);

/// The messageData of a CertPoll.
Bytes make_issuer_and_subject(const DistinguishedName& issuer, const DistinguishedName& subject);

/// The messageData of GetCert and GetCRL for a certificate.
Bytes make_issuer_and_serial(const Certificate& certificate);

/// A CertRep as opened by libcrypto's CMS.
struct OpenedReply {
    struct Value {
        int type;  ///< V_ASN1_…
        std::string text;
    };
    bool signature_good = false;
    bool has_content = false;
    std::map<std::string, Value> attributes;  ///< by dotted OID
    std::vector<Certificate> certificates;    ///< of the decrypted content
    std::vector<Bytes> crls;                  ///< likewise, DER

    /// Value of one of SCEP's attributes by its last arc, e.g. 3 for pkiStatus; empty when absent.
    [[nodiscard]] std::string scep(int arc) const;

    /// pkiStatus, and failInfo behind a slash if there is one: `0`, `2/4`.
    [[nodiscard]] std::string status() const;
};

/// Opens `der` as a reply of `signer` for `identity`, or under `password`; throws std::runtime_error when it is no CMS.
OpenedReply open_reply(ByteView der, const Certificate& signer, const ClientIdentity& identity,
                       const std::optional<std::string>& password = std::nullopt);

}  // namespace hwenroll::lab_ca::test
