#include "transport/scep/pki_message.h"

#include <string>
#include <utility>

#include <fmt/format.h>
#include <openssl/err.h>

#include "transport/scep/der_writer.h"
#include "transport/scep/digests.h"
#include "transport/scep/object_identifiers.h"
#include "transport/scep/signed_data.h"
#include "transport/scep/string_types.h"

namespace hwenroll::scep {
namespace {

constexpr std::string_view oid_rsa_encryption = "1.2.840.113549.1.1.1";

constexpr std::size_t max_transaction_id = 128;  // MSG-5

const EVP_CIPHER* cipher_of(ContentCipher cipher) {
    switch (cipher) {
        case ContentCipher::des3:
            return EVP_des_ede3_cbc();
        case ContentCipher::aes128:
            return EVP_aes_128_cbc();
        case ContentCipher::aes192:
            return EVP_aes_192_cbc();
        case ContentCipher::aes256:
            return EVP_aes_256_cbc();
        case ContentCipher::des:
            break;  // RFC 8894 §2.9: must not be used
    }
    return nullptr;
}

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
    if (message.signing_time) {
        const OpenSslPtr<ASN1_TIME> time = to_asn1_time(*message.signing_time);
        attributes.push_back(
            attribute(oid_signing_time, der_of([&](unsigned char** out) { return i2d_ASN1_TIME(time.get(), out); })));
    }
    return der::set_of(der::tag_set, std::move(attributes));
}

/// The one private operation.
Result<Bytes> signature_over(ByteView octets, EVP_PKEY* key, const Certificate& signer, Digest digest) {
    const OpenSslPtr<EVP_MD_CTX> context(EVP_MD_CTX_new());
    // The size comes from the public half: asking the key itself could cost a second operation.
    std::size_t size = static_cast<std::size_t>(EVP_PKEY_get_size(signer.public_key().get()));
    Bytes signature(size);
    if (!context || EVP_DigestSignInit(context.get(), nullptr, message_digest(digest), nullptr, key) <= 0 ||
        EVP_DigestSign(context.get(), signature.data(), &size, octets.data(), octets.size()) <= 0) {
        return fail(openssl_error("a message cannot be signed with the key of '" + signer.subject().text() + "'"));
    }
    signature.resize(size);
    return signature;
}

Bytes signature_algorithm(const Certificate& signer, Digest digest) {
    return signer.public_key().is_rsa() ? der::algorithm_with_null(oid_rsa_encryption)  // SIG-7
                                        : der::algorithm(ecdsa_oid(digest));
}

/// SignerInfo version 1 (RFC 5652 §5.3, SIG-7).
Bytes signer_info(const PkiMessage& message, Bytes attributes, ByteView signature) {
    attributes[0] = der::tag_context(0);
    const ASN1_INTEGER* serial = X509_get0_serialNumber(message.signer.get());
    const Bytes identifier = der::constructed(
        der::tag_sequence,
        {message.signer.issuer().der(), der_of([&](unsigned char** out) { return i2d_ASN1_INTEGER(serial, out); })});
    return der::constructed(
        der::tag_sequence,
        {der::small_integer(1), identifier, der::algorithm_with_null(digest_oid(message.digest)), attributes,
         signature_algorithm(message.signer, message.digest), der::value(der::tag_octet_string, signature)});
}

/// ContentInfo(SignedData version 1) with one signer and its certificate (RFC 5652 §5.1, SIG-5, SIG-6).
Bytes signed_data(const PkiMessage& message, ByteView signer_info) {
    const Bytes content = der::constructed(
        der::tag_sequence, {der::object_identifier(oid_data),
                            der::value(der::tag_context(0), der::value(der::tag_octet_string, message.envelope))});
    const Bytes body = der::constructed(
        der::tag_sequence,
        {der::small_integer(1), der::value(der::tag_set, der::algorithm_with_null(digest_oid(message.digest))), content,
         der::value(der::tag_context(0), message.signer.der()), der::value(der::tag_set, signer_info)});
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

Result<Bytes> seal(ByteView message_data, const Certificate& recipient, ContentCipher cipher) {
    if (!recipient.public_key().is_rsa()) {
        return fail(ErrorCode::ca_no_recipient,
                    "the CA's certificate '" + recipient.subject().text() + "' cannot receive an encrypted request",
                    "its key is " + recipient.public_key().text());
    }
    const EVP_CIPHER* algorithm = cipher_of(cipher);
    if (algorithm == nullptr) {
        return fail(ErrorCode::ca_algorithm, fmt::format("a request may not be encrypted in {}", to_text(cipher)));
    }
    ERR_clear_error();
    constexpr unsigned int flags = CMS_BINARY | CMS_PARTIAL;
    const OpenSslPtr<BIO> in(BIO_new_mem_buf(message_data.data(), static_cast<int>(message_data.size())));
    const OpenSslPtr<CMS_ContentInfo> cms(CMS_encrypt(nullptr, nullptr, algorithm, flags));
    if (!in || !cms || CMS_add1_recipient_cert(cms.get(), recipient.get(), 0) == nullptr ||
        CMS_final(cms.get(), in.get(), nullptr, flags) != 1) {
        return fail(openssl_error(
            fmt::format("a request cannot be encrypted for '{}' in {}", recipient.subject().text(), to_text(cipher))));
    }
    Bytes der = der_of([&](unsigned char** out) { return i2d_CMS_ContentInfo(cms.get(), out); });
    if (der.empty()) {
        return fail(openssl_error("an encrypted request cannot be encoded"));
    }
    return der;
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
    auto signature = signature_over(attributes, key, message.signer, message.digest);
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
