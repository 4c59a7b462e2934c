// CMS that a mutator spoils before it is signed: SignedData and EnvelopedData in parts, each of which can be replaced.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tests/lab_ca/authority.h"
#include "tests/lab_ca/scep_reply.h"

namespace hwenroll::lab_ca {

struct ForgedAttribute {
    std::string oid;
    std::vector<Bytes> values;  ///< encoded
    Bytes type = {};            ///< encoded, instead of `oid`
};

/// A SignedData; by itself without attributes, content and certificates.
struct ForgedSignedData {
    std::vector<ForgedAttribute> attributes;  ///< signed, besides contentType and messageDigest
    std::optional<Bytes> content;             ///< octets of eContent
    std::string content_type = std::string(oid::data);
    std::optional<std::string> content_type_attribute;  ///< instead of the same
    std::optional<Bytes> message_digest;                ///< instead of the right one; empty: no such attribute
    Bytes signer_id;                                    ///< encoded
    EVP_PKEY* key = nullptr;                            ///< borrowed
    std::string digest = "SHA256";                      ///< libcrypto's name
    std::string digest_oid = "2.16.840.1.101.3.4.2.1";
    std::optional<std::string> signature_digest;  ///< that the signature is made with, instead of the same
    std::string signature_oid = "1.2.840.113549.1.1.1";
    Bytes signature_parameters = {0x05, 0x00};
    std::function<Bytes(ByteView covered)> make_signature;  ///< instead of `key`
    std::vector<Bytes> certificates;                        ///< encoded; none: no such field
    int signers = 1;
    bool attributes_unsigned = false;  ///< all of them in unsignedAttrs
    bool no_attributes = false;        ///< the signature is directly over the content
    std::size_t piece = 0;             ///< unless 0: BER of indefinite lengths, the content in pieces of that size
    std::size_t empty_pieces = 0;      ///< before those

    /// The attribute of that type, added when there is none.
    ForgedAttribute& attribute(std::string_view type);
    void remove(std::string_view type);

    /// Names `certificate` by issuer and serial number, embeds it, and signs by `signing_key` (borrowed).
    void sign_as(const Certificate& certificate, EVP_PKEY* signing_key);

    /// The ContentInfo. Throws std::runtime_error when libcrypto refuses.
    [[nodiscard]] Bytes build() const;
};

/// An EnvelopedData with one KeyTransRecipientInfo.
struct ForgedEnvelope {
    Bytes plaintext;
    Bytes recipient_id;       ///< encoded
    PublicKey recipient_key;  ///< RSA
    std::string transport_oid = "1.2.840.113549.1.1.1";
    Bytes transport_parameters = {0x05, 0x00};
    std::string cipher_oid = "2.16.840.1.101.3.4.1.2";
    const char* cipher = "AES-128-CBC";      ///< libcrypto's name
    std::optional<Bytes> sent_key;           ///< content key in the RecipientInfo, instead of the one that is used
    std::optional<Bytes> encrypted_key;      ///< instead of what RSA makes
    std::optional<Bytes> cipher_parameters;  ///< encoded, instead of the IV
    std::optional<Bytes> ciphertext;         ///< instead of what the cipher makes
    std::vector<Bytes> more_recipients;      ///< encoded, before ours
    std::string type = std::string(oid::enveloped_data);

    /// For `recipient`, with `content` inside.
    ForgedEnvelope(const Certificate& recipient, Bytes content);

    /// The ContentInfo. Throws std::runtime_error when libcrypto refuses.
    [[nodiscard]] Bytes build() const;

    /// The RecipientInfo alone, of a content key that is no use.
    [[nodiscard]] Bytes recipient_info(ByteView encrypted) const;
};

/// The SignedData of `reply`, as the lab CA would send it: signed by `signer`, SUCCESS with an envelope.
ForgedSignedData forged(const CertRep& reply, const Authority& signer, TimePoint now);

/// A certificates-only SignedData with these encoded certificate choices and CRLs.
Bytes degenerate(const std::vector<Bytes>& certificates, const std::vector<Bytes>& crls = {});

/// IssuerAndSerialNumber of `certificate`.
Bytes issuer_and_serial_of(const Certificate& certificate);

/// `data` under RSAES-PKCS1-v1_5. Throws std::runtime_error.
Bytes rsa_encrypted(const PublicKey& key, ByteView data);

}  // namespace hwenroll::lab_ca
