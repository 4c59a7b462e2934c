#include "tests/lab_ca/forged_reply.h"

#include <algorithm>
#include <stdexcept>

#include <openssl/rand.h>
#include <openssl/rsa.h>

#include "tests/lab_ca/der_writer.h"
#include "tests/lab_ca/reply_envelope.h"
#include "tests/lab_ca/scep_request.h"

namespace hwenroll::lab_ca {
namespace {

constexpr std::uint8_t set_octet = 0x31;
constexpr std::uint8_t attributes_octet = 0xa0;
constexpr std::uint8_t unsigned_octet = 0xa1;
constexpr std::uint8_t sequence_octet = 0x30;
constexpr std::uint8_t constructed_string = 0x24;

void require(bool good, const char* what) {
    if (!good) {
        throw std::runtime_error(std::string("a mutator cannot ") + what + ": " + take_openssl_errors());
    }
}

Bytes digest_of(const std::string& name, ByteView data) {
    Bytes out(EVP_MAX_MD_SIZE);
    std::size_t size = 0;
    require(EVP_Q_digest(nullptr, name.c_str(), nullptr, data.data(), data.size(), out.data(), &size) == 1, "digest");
    out.resize(size);
    return out;
}

Bytes signature_by(EVP_PKEY* key, const std::string& digest, ByteView data) {
    const OpenSslPtr<EVP_MD_CTX> context(EVP_MD_CTX_new());
    std::size_t size = 0;
    require(EVP_DigestSignInit_ex(context.get(), nullptr, digest.c_str(), nullptr, nullptr, key, nullptr) == 1 &&
                EVP_DigestSign(context.get(), nullptr, &size, data.data(), data.size()) == 1,
            "sign");
    Bytes out(size);
    require(EVP_DigestSign(context.get(), out.data(), &size, data.data(), data.size()) == 1, "sign");
    out.resize(size);
    return out;
}

Bytes encrypted(const EVP_CIPHER* cipher, const Bytes& key, const Bytes& iv, ByteView data) {
    constexpr std::size_t room = 64;
    const OpenSslPtr<EVP_CIPHER_CTX> context(EVP_CIPHER_CTX_new());
    Bytes out(data.size() + room);
    int size = 0;
    int tail = 0;
    require(EVP_EncryptInit_ex2(context.get(), cipher, key.data(), iv.data(), nullptr) == 1 &&
                EVP_EncryptUpdate(context.get(), out.data(), &size, data.data(), static_cast<int>(data.size())) == 1 &&
                EVP_EncryptFinal_ex(context.get(), out.data() + size, &tail) == 1,
            "encrypt");
    out.resize(static_cast<std::size_t>(size + tail));
    return out;
}

Bytes encoded(const ForgedAttribute& attribute) {
    return der::sequence({attribute.type.empty() ? der::object(attribute.oid) : attribute.type,
                          der::element(set_octet, attribute.values)});
}

Bytes in_pieces(ByteView content, std::size_t piece, std::size_t empty) {
    std::vector<Bytes> pieces(empty, der::octet_string({}));
    for (std::size_t at = 0; at < content.size(); at += piece) {
        pieces.push_back(der::octet_string(content.subspan(at, std::min(piece, content.size() - at))));
    }
    return der::indefinite(constructed_string, {der::joined(pieces)});
}

std::vector<Bytes> all_attributes(const ForgedSignedData& data) {
    std::vector<Bytes> members;
    for (const ForgedAttribute& one : data.attributes) {
        members.push_back(encoded(one));
    }
    members.push_back(encoded(
        {std::string(oid::content_type), {der::object(data.content_type_attribute.value_or(data.content_type))}}));
    const Bytes digest = data.message_digest.value_or(digest_of(data.digest, data.content.value_or(Bytes{})));
    if (!digest.empty()) {
        members.push_back(encoded({std::string(oid::message_digest), {der::octet_string(digest)}}));
    }
    std::sort(members.begin(), members.end());  // as DER wants a SET OF
    return members;
}

Bytes signer_info(const ForgedSignedData& data) {
    const std::vector<Bytes> members = all_attributes(data);
    const bool none_signed = data.no_attributes || data.attributes_unsigned;
    const Bytes covered = none_signed ? data.content.value_or(Bytes{}) : der::element(set_octet, members);
    const Bytes signature = data.make_signature
                                ? data.make_signature(covered)
                                : signature_by(data.key, data.signature_digest.value_or(data.digest), covered);
    return der::sequence({der::integer(1), data.signer_id, der::algorithm(data.digest_oid, der::null()),
                          none_signed ? Bytes{} : der::element(attributes_octet, members),
                          der::algorithm(data.signature_oid, data.signature_parameters), der::octet_string(signature),
                          data.attributes_unsigned ? der::element(unsigned_octet, members) : Bytes{}});
}

}  // namespace

ForgedAttribute& ForgedSignedData::attribute(std::string_view type) {
    const auto found = std::find_if(attributes.begin(), attributes.end(),
                                    [&](const ForgedAttribute& attribute) { return attribute.oid == type; });
    return found == attributes.end() ? attributes.emplace_back(ForgedAttribute{std::string(type), {}}) : *found;
}

void ForgedSignedData::remove(std::string_view type) {
    std::erase_if(attributes, [&](const ForgedAttribute& attribute) { return attribute.oid == type; });
}

void ForgedSignedData::sign_as(const Certificate& certificate, EVP_PKEY* signing_key) {
    signer_id = issuer_and_serial_of(certificate);
    certificates = {certificate.der()};
    key = signing_key;
}

Bytes ForgedSignedData::build() const {
    const bool ber = piece != 0;
    const auto constructed = [&](std::uint8_t identifier, std::initializer_list<ByteView> parts) {
        return ber ? der::indefinite(identifier, parts) : der::element(identifier, parts);
    };
    const std::vector<Bytes> signer_infos(static_cast<std::size_t>(signers),
                                          signers > 0 ? signer_info(*this) : Bytes{});
    Bytes wrapped;
    if (content) {
        wrapped = constructed(attributes_octet,
                              {ber ? in_pieces(*content, piece, empty_pieces) : der::octet_string(*content)});
    }
    const Bytes certificate_set =
        certificates.empty() ? Bytes{} : constructed(attributes_octet, {der::joined(certificates)});
    const Bytes body =
        constructed(sequence_octet, {der::integer(1), der::set({der::algorithm(digest_oid, der::null())}),
                                     constructed(sequence_octet, {der::object(content_type), wrapped}), certificate_set,
                                     constructed(set_octet, {der::joined(signer_infos)})});
    return constructed(sequence_octet, {der::object(oid::signed_data), constructed(attributes_octet, {body})});
}

ForgedEnvelope::ForgedEnvelope(const Certificate& recipient, Bytes content)
    : plaintext(std::move(content)),
      recipient_id(issuer_and_serial_of(recipient)),
      recipient_key(recipient.public_key()) {}

Bytes ForgedEnvelope::recipient_info(ByteView encrypted) const {
    return der::sequence({der::integer(0), recipient_id, der::algorithm(transport_oid, transport_parameters),
                          der::octet_string(encrypted)});
}

Bytes ForgedEnvelope::build() const {
    constexpr std::uint8_t implicit_content = 0x80;
    const OpenSslPtr<EVP_CIPHER> method(EVP_CIPHER_fetch(nullptr, cipher, nullptr));
    require(method != nullptr, "find the cipher");
    Bytes key(static_cast<std::size_t>(EVP_CIPHER_get_key_length(method.get())));
    Bytes iv(static_cast<std::size_t>(EVP_CIPHER_get_iv_length(method.get())));
    require(RAND_bytes(key.data(), static_cast<int>(key.size())) == 1 &&
                RAND_bytes(iv.data(), static_cast<int>(iv.size())) == 1,
            "draw a key");
    const Bytes secret = ciphertext ? *ciphertext : encrypted(method.get(), key, iv, plaintext);
    const Bytes wrapped = encrypted_key ? *encrypted_key : rsa_encrypted(recipient_key, sent_key.value_or(key));
    const Bytes recipients = der::set({der::joined(more_recipients), recipient_info(wrapped)});
    const Bytes content = der::sequence({der::object(oid::data),
                                         der::algorithm(cipher_oid, cipher_parameters.value_or(der::octet_string(iv))),
                                         der::element(implicit_content, {secret})});
    return der::content_info(type, der::sequence({der::integer(0), recipients, content}));
}

namespace {

/// By key transport, or by libcrypto's key agreement for an EC key.
Bytes envelope_of(const Bytes& content, const Certificate& recipient) {
    if (recipient.public_key().is_rsa()) {
        return ForgedEnvelope(recipient, content).build();
    }
    auto agreed = write_envelope(content, recipient, {}, nullptr);
    if (!agreed) {
        throw std::runtime_error(agreed.error().line());
    }
    return *std::move(agreed);
}

}  // namespace

ForgedSignedData forged(const CertRep& reply, const Authority& signer, TimePoint now) {
    const OpenSslPtr<ASN1_TIME> time = to_asn1_time(now);
    const Bytes signing_time = der_of([&](unsigned char** out) { return i2d_ASN1_TIME(time.get(), out); });
    const auto number = [](int value) { return der::printable(std::to_string(value)); };
    constexpr int cert_rep = 3;
    ForgedSignedData data;
    data.attributes = {{std::string(oid::message_type), {number(cert_rep)}},
                       {std::string(oid::pki_status), {number(static_cast<int>(reply.status))}},
                       {std::string(oid::recipient_nonce), {der::octet_string(reply.recipient_nonce)}},
                       {std::string(oid::transaction_id), {der::printable(reply.transaction_id)}},
                       {std::string(oid::signing_time), {signing_time}}};
    if (reply.rejection) {
        data.attribute(oid::fail_info).values = {number(static_cast<int>(reply.rejection->fail_info))};
    }
    if (reply.status == PkiStatus::success) {
        std::vector<Bytes> certificates;
        for (const Certificate& certificate : reply.certificates) {
            certificates.push_back(certificate.der());
        }
        data.content = envelope_of(degenerate(certificates), *reply.encryption_for);
    }
    data.sign_as(signer.certificate(), signer.key());
    return data;
}

Bytes degenerate(const std::vector<Bytes>& certificates, const std::vector<Bytes>& crls) {
    const Bytes body = der::sequence({der::integer(1), der::set({}), der::sequence({der::object(oid::data)}),
                                      der::context_0({der::joined(certificates)}),
                                      crls.empty() ? Bytes{} : der::context_1({der::joined(crls)}), der::set({})});
    return der::content_info(oid::signed_data, body);
}

Bytes issuer_and_serial_of(const Certificate& certificate) {
    const Bytes serial =
        der_of([&](unsigned char** out) { return i2d_ASN1_INTEGER(X509_get0_serialNumber(certificate.get()), out); });
    return der::sequence({certificate.issuer().der(), serial});
}

Bytes rsa_encrypted(const PublicKey& key, ByteView data) {
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
    Bytes out(static_cast<std::size_t>(EVP_PKEY_get_size(key.get())));
    std::size_t size = out.size();
    require(EVP_PKEY_encrypt_init(context.get()) == 1 &&
                EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) == 1 &&
                EVP_PKEY_encrypt(context.get(), out.data(), &size, data.data(), data.size()) == 1,
            "encrypt a key");
    out.resize(size);
    return out;
}

}  // namespace hwenroll::lab_ca
