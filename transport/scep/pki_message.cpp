#include "transport/scep/pki_message.h"

#include <string>
#include <utility>

#include <fmt/format.h>
#include <openssl/err.h>

#include "transport/scep/content_encryption.h"
#include "transport/scep/der_writer.h"
#include "transport/scep/digests.h"
#include "transport/scep/digital_signature.h"
#include "transport/scep/key_transport.h"
#include "transport/scep/object_identifiers.h"
#include "transport/scep/password_recipient.h"
#include "transport/scep/reply_algorithms.h"
#include "transport/scep/signed_data.h"
#include "transport/scep/string_types.h"

namespace hwenroll::scep {
namespace {

constexpr std::string_view oid_rsa_encryption = "1.2.840.113549.1.1.1";

constexpr std::size_t max_transaction_id = 128;  // MSG-5

Bytes issuer_and_serial(const Certificate& certificate) {
    const ASN1_INTEGER* serial = X509_get0_serialNumber(certificate.get());
    return der::constructed(
        der::tag_sequence,
        {certificate.issuer().der(), der_of([&](unsigned char** out) { return i2d_ASN1_INTEGER(serial, out); })});
}

// ----- EnvelopedData -----

/// ContentInfo(EnvelopedData version 0) with a KeyTransRecipientInfo version 0 (RFC 5652 §6, ENV-3, ENV-4).
Bytes enveloped_for(const Certificate& recipient, const WrappedKey& wrapped, const EncryptedContent& content,
                    const CipherInfo& info) {
    const Bytes recipient_info =
        der::constructed(der::tag_sequence, {der::small_integer(0), issuer_and_serial(recipient), wrapped.algorithm,
                                             der::value(der::tag_octet_string, wrapped.encrypted_key)});
    return enveloped_data(0, recipient_info, content, info);
}

/// What any message carries, encrypted; RFC 8894 §2.9: never in single DES.
Result<EncryptedContent> encrypted(ByteView message_data, ContentCipher cipher) {
    if (cipher == ContentCipher::des) {
        return fail(ErrorCode::ca_algorithm, fmt::format("a request may not be encrypted in {}", to_text(cipher)));
    }
    ERR_clear_error();
    return encrypt_content(message_data, cipher_info(cipher));
}

// ----- SignedData -----

/// Attribute with a single value (MSG-2).
Bytes attribute(std::string_view type, ByteView value) {
    return der::constructed(der::tag_sequence, {der::object_identifier(type), der::value(der::tag_set, value)});
}

Bytes printable_attribute(std::string_view type, std::string_view text) {
    return attribute(type, der::value(der::tag_printable_string, as_bytes(text)));
}

/// The signed attributes of §2.1 of the requirements as the SET OF that is signed (MSG-3); its first octet becomes [0]
/// in the SignerInfo (RFC 5652 §5.4).
Bytes signed_attributes(const PkiMessage& message, ByteView content_digest) {
    std::vector<Bytes> attributes{
        attribute(oid_content_type, der::object_identifier(oid_data)),
        attribute(oid_message_digest, der::value(der::tag_octet_string, content_digest)),
        printable_attribute(oid_transaction_id, message.transaction_id.value),
        printable_attribute(oid_message_type, std::to_string(static_cast<int>(message.type))),
        attribute(oid_sender_nonce, der::value(der::tag_octet_string, message.sender_nonce.value))};
    if (message.signing_time && *message.signing_time >= message.signer.not_before()) {
        const OpenSslPtr<ASN1_TIME> time = to_asn1_time(*message.signing_time);
        attributes.push_back(
            attribute(oid_signing_time, der_of([&](unsigned char** out) { return i2d_ASN1_TIME(time.get(), out); })));
    }
    return der::set_of(der::tag_set, std::move(attributes));
}

Bytes signature_algorithm(const Certificate& signer, Digest digest) {
    return signer.public_key().is_rsa() ? der::algorithm_with_null(oid_rsa_encryption)  // SIG-7
                                        : der::algorithm(ecdsa_oid(digest));
}

/// SignerInfo version 1 (RFC 5652 §5.3, SIG-7).
Bytes signer_info(const PkiMessage& message, Bytes attributes, ByteView signature) {
    attributes[0] = der::tag_context(0);
    return der::constructed(der::tag_sequence, {der::small_integer(1), issuer_and_serial(message.signer),
                                                der::algorithm_with_null(digest_oid(message.digest)), attributes,
                                                signature_algorithm(message.signer, message.digest),
                                                der::value(der::tag_octet_string, signature)});
}

/// ContentInfo(SignedData version 1) with one signer, its certificate and what leads from there to its root (RFC 5652
/// §5.1, SIG-5, SIG-6).
Bytes signed_data(const PkiMessage& message, ByteView signer_info) {
    const Bytes content = der::constructed(
        der::tag_sequence, {der::object_identifier(oid_data),
                            der::value(der::tag_context(0), der::value(der::tag_octet_string, message.envelope))});
    std::vector<Bytes> certificates{message.signer.der()};
    for (const Certificate& certificate : message.chain) {
        certificates.push_back(certificate.der());
    }
    const Bytes body = der::constructed(
        der::tag_sequence,
        {der::small_integer(1), der::value(der::tag_set, der::algorithm_with_null(digest_oid(message.digest))), content,
         der::set_of(der::tag_context(0), std::move(certificates)), der::value(der::tag_set, signer_info)});
    return der::constructed(der::tag_sequence,
                            {der::object_identifier(oid_signed_data), der::value(der::tag_context(0), body)});
}

/// Reads the message back with libcrypto's own CMS code and verifies it with the public key of the embedded
/// certificate. A device that signs wrongly once must not give away the faulty signature: it can betray the key.
Status verify_emitted(ByteView der) {
    const unsigned char* in = der.data();
    const OpenSslPtr<CMS_ContentInfo> cms(d2i_CMS_ContentInfo(nullptr, &in, static_cast<long>(der.size())));
    if (!cms || in != der.data() + der.size()) {
        return fail(openssl_error("a message that was just made cannot be read back"));
    }
    const OpenSslPtr<BIO> content(BIO_new(BIO_s_mem()));
    if (CMS_verify(cms.get(), nullptr, nullptr, nullptr, content.get(), CMS_NO_SIGNER_CERT_VERIFY | CMS_BINARY) != 1) {
        return fail(openssl_error("the signature of a message that was just made does not verify"));
    }
    return {};
}

Status check(const PkiMessage& message, EVP_PKEY* key) {
    const std::string& id = message.transaction_id.value;
    if (id.empty() || id.size() > max_transaction_id || !is_printable_string(id)) {
        return fail(ErrorCode::crypto, "a message cannot be made",
                    fmt::format("its transactionID '{}' is not a PrintableString of 1 to {} characters", printable(id),
                                max_transaction_id));
    }
    if (message.type == MessageType::renewal_req && message.signer.is_self_issued()) {
        return fail(ErrorCode::crypto, "a RenewalReq cannot be made",
                    "its signer '" + message.signer.subject().text() + "' is self-signed instead of issued by a CA");
    }
    if (message.type == MessageType::renewal_req && message.digest == Digest::sha1) {
        return fail(ErrorCode::crypto, "a RenewalReq cannot be made", "it is never signed with SHA-1");
    }
    auto public_key = PublicKey::of(key);
    if (!public_key) {
        return fail(std::move(public_key).error());
    }
    if (*public_key != message.signer.public_key()) {
        return fail(ErrorCode::crypto, "a message cannot be signed",
                    "the key is not that of the signer certificate '" + message.signer.subject().text() + "'");
    }
    if (!public_key->is_rsa() && !public_key->is_ec()) {
        return fail(ErrorCode::crypto, "a message cannot be signed",
                    "keys of kind " + public_key->text() + " are not supported");
    }
    return {};
}

}  // namespace

Result<Bytes> seal(ByteView message_data, const Certificate& recipient, ContentCipher cipher, KeyTransport transport) {
    if (!recipient.public_key().is_rsa()) {
        return fail(ErrorCode::ca_no_recipient,
                    "the CA's certificate '" + recipient.subject().text() + "' cannot receive an encrypted request",
                    "its key is " + recipient.public_key().text());
    }
    auto content = encrypted(message_data, cipher);
    if (!content) {
        return fail(std::move(content).error());
    }
    auto wrapped = wrap_key(content->key, recipient, transport);
    if (!wrapped) {
        return fail(std::move(wrapped).error());
    }
    return enveloped_for(recipient, *wrapped, *content, cipher_info(cipher));
}

Result<Bytes> seal_by_password(ByteView message_data, const Secret& challenge, ContentCipher cipher) {
    if (challenge.empty()) {
        return fail(ErrorCode::challenge_source, "a request cannot be encrypted without a challenge",
                    "the CA has no RSA key that it could be encrypted for");
    }
    auto content = encrypted(message_data, cipher);
    if (!content) {
        return fail(std::move(content).error());
    }
    auto recipient = password_recipient_info(content->key, challenge, cipher);
    if (!recipient) {
        return fail(std::move(recipient).error());
    }
    constexpr std::uint8_t version_with_password = 3;  // RFC 5652 §6.1
    return enveloped_data(version_with_password, *recipient, *content, cipher_info(cipher));
}

Bytes cert_poll_data(const DistinguishedName& issuer, const DistinguishedName& subject) {
    return der::constructed(der::tag_sequence, {issuer.der(), subject.der()});
}

Result<Bytes> sign_message(const PkiMessage& message, EVP_PKEY* key) {
    ERR_clear_error();
    if (Status checked = check(message, key); !checked) {
        return fail(std::move(checked).error());
    }
    auto content_digest = digest_of(message.envelope, message.digest);
    if (!content_digest) {
        return fail(std::move(content_digest).error());
    }
    Bytes attributes = signed_attributes(message, *content_digest);
    auto signature = sign_octets(attributes, key, message.signer.public_key(), message.digest,
                                 "a message of '" + message.signer.subject().text() + "'");
    if (!signature) {
        return fail(std::move(signature).error());
    }
    Bytes der = signed_data(message, signer_info(message, std::move(attributes), *signature));
    if (Status verified = verify_emitted(der); !verified) {
        return fail(std::move(verified).error());
    }
    return der;
}

}  // namespace hwenroll::scep
