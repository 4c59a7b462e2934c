#include "tests/scep/reply/reply_forge.h"

#include <algorithm>
#include <stdexcept>

#include <openssl/rand.h>
#include <openssl/rsa.h>

#include "tests/scep/reply/asn1_forge.h"

namespace hwenroll::test {
namespace {

constexpr const char* oid_signed_data = "1.2.840.113549.1.7.2";

void require(bool good, const char* what) {
    if (!good) {
        throw std::runtime_error(std::string(what) + ": " + take_openssl_errors());
    }
}

Bytes digest_of(const std::string& name, ByteView data) {
    Bytes out(EVP_MAX_MD_SIZE);
    std::size_t size = 0;
    require(EVP_Q_digest(nullptr, name.c_str(), nullptr, data.data(), data.size(), out.data(), &size) == 1, "digest");
    out.resize(size);
    return out;
}

Bytes sign(const Key& key, const std::string& digest, ByteView data) {
    const OpenSslPtr<EVP_MD_CTX> context(EVP_MD_CTX_new());
    std::size_t size = 0;
    require(EVP_DigestSignInit_ex(context.get(), nullptr, digest.c_str(), nullptr, nullptr, key.get(), nullptr) == 1 &&
                EVP_DigestSign(context.get(), nullptr, &size, data.data(), data.size()) == 1,
            "sign");
    Bytes out(size);
    require(EVP_DigestSign(context.get(), out.data(), &size, data.data(), data.size()) == 1, "sign");
    out.resize(size);
    return out;
}

Bytes encrypt_rsa(const Key& key, ByteView data, const EVP_MD* oaep = nullptr) {
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
    Bytes out(static_cast<std::size_t>(EVP_PKEY_get_size(key.get())));
    std::size_t size = out.size();
    require(EVP_PKEY_encrypt_init(context.get()) == 1 &&
                EVP_PKEY_CTX_set_rsa_padding(context.get(),
                                             oaep == nullptr ? RSA_PKCS1_PADDING : RSA_PKCS1_OAEP_PADDING) == 1 &&
                (oaep == nullptr || EVP_PKEY_CTX_set_rsa_oaep_md(context.get(), oaep) == 1) &&
                EVP_PKEY_encrypt(context.get(), out.data(), &size, data.data(), data.size()) == 1,
            "encrypt");
    return out;
}

Bytes encrypt(const EVP_CIPHER* cipher, const Bytes& key, const Bytes& iv, ByteView data) {
    const OpenSslPtr<EVP_CIPHER_CTX> context(EVP_CIPHER_CTX_new());
    Bytes out(data.size() + 64);
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
    return asn1::sequence({asn1::oid(attribute.oid), asn1::value(0x31, attribute.values)});
}

World make_world() {
    const Key ca_key = rsa_key(1);
    const Key ra_key = rsa_key(2);
    const Key client_key = rsa_key(3);
    const Key other_key = rsa_key(4);
    const Certificate ca = self_signed(ca_spec("CN=Test CA,O=Example"), ca_key);
    CertificateSpec ra = ra_spec("CN=Test RA,O=Example", "critical,digitalSignature,keyEncipherment");
    ra.extensions.emplace_back("subjectKeyIdentifier", "hash");
    ra.serial = 2;
    CertificateSpec own;
    own.subject = "CN=web01.example.com,O=Example";
    own.serial = 0x5151;
    own.extensions = {{"subjectKeyIdentifier", "hash"}};
    CertificateSpec other;
    other.subject = "CN=other.example.com";
    other.serial = 77;
    World made{ca_key,
               ra_key,
               client_key,
               other_key,
               ca,
               issued(ra, ra_key, ca, ca_key),
               self_signed(own, client_key),
               issued(other, other_key, ca, ca_key),
               {},
               {.public_key = PublicKey::of(client_key.get()).value(),
                .subject = DistinguishedName::from_text("CN=web01.example.com,O=Example").value(),
                .subject_alt_names = {"dns:web01.example.com", "ip:192.0.2.1"},
                .key_usage = {"digitalSignature", "keyEncipherment"},
                .extended_key_usage = {"serverAuth"},
                .issuer = ca,
                .anchor = ca,
                .intermediates = {},
                .now = present(),
                .current = std::nullopt,
                .legacy = {},
                .limits = {}}};
    made.expectation.transaction_id.value = "00112233445566778899AABBCCDDEEFF";
    made.expectation.sender_nonce.value = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    made.expectation.signers = {made.ca, made.ra};
    made.expectation.now = present();
    return made;
}

/// Members of a SET OF in the order of DER.
std::vector<Bytes> sorted(std::vector<Bytes> members) {
    std::ranges::sort(members);
    return members;
}

}  // namespace

const World& world() {
    static const World made = make_world();
    return made;
}

CertificateSpec leaf_spec() {
    CertificateSpec spec;
    spec.subject = "CN=web01.example.com,O=Example";
    spec.serial = 4711;
    spec.extensions = {{"keyUsage", "critical,digitalSignature,keyEncipherment"},
                       {"extendedKeyUsage", "serverAuth"},
                       {"subjectAltName", "DNS:web01.example.com,IP:192.0.2.1"}};
    return spec;
}

Certificate issued_leaf(const CertificateSpec& spec) {
    return issued(spec, world().client_key, world().ca, world().ca_key);
}

Certificate edited(const Certificate& certificate, const std::function<void(X509*)>& edit, const Key& key) {
    const OpenSslPtr<X509> copy(X509_dup(certificate.get()));
    edit(copy.get());
    require(X509_sign(copy.get(), key.get(), EVP_sha256()) > 0, "sign");
    return Certificate::from_der(der_of([&](unsigned char** out) { return i2d_X509(copy.get(), out); })).value();
}

Bytes issuer_and_serial(const Certificate& certificate) {
    const Bytes serial =
        der_of([&](unsigned char** out) { return i2d_ASN1_INTEGER(X509_get0_serialNumber(certificate.get()), out); });
    return asn1::sequence({certificate.issuer().der(), serial});
}

Bytes subject_key_id(const Certificate& certificate) {
    const auto* id = X509_get0_subject_key_id(certificate.get());
    require(id != nullptr, "subject key identifier");
    return asn1::value(0x80, {ByteView(ASN1_STRING_get0_data(id), static_cast<std::size_t>(ASN1_STRING_length(id)))});
}

Bytes degenerate(const std::vector<Bytes>& certificates, const std::vector<Bytes>& crls) {
    const Bytes certificate_set = asn1::value(0xA0, certificates);
    const Bytes crl_set = crls.empty() ? Bytes{} : asn1::value(0xA1, crls);
    const Bytes data =
        asn1::sequence({asn1::integer(1), asn1::set({}), asn1::sequence({asn1::oid("1.2.840.113549.1.7.1")}),
                        certificate_set, crl_set, asn1::set({})});
    return asn1::sequence({asn1::oid(oid_signed_data), asn1::tagged(0, {data})});
}

ForgedEnvelope::ForgedEnvelope()
    : plaintext(degenerate({issued_leaf().der()})), recipient_id(issuer_and_serial(world().request_signer)) {}

Bytes ForgedEnvelope::build() const {
    const OpenSslPtr<EVP_CIPHER> method(EVP_CIPHER_fetch(nullptr, cipher, nullptr));
    require(method != nullptr, "cipher");
    Bytes key(static_cast<std::size_t>(EVP_CIPHER_get_key_length(method.get())));
    Bytes iv(static_cast<std::size_t>(EVP_CIPHER_get_iv_length(method.get())));
    RAND_bytes(key.data(), static_cast<int>(key.size()));
    RAND_bytes(iv.data(), static_cast<int>(iv.size()));
    const Bytes secret = encrypted_content.value_or(encrypt(method.get(), key, iv, plaintext));
    Bytes wrapped = encrypted_key.value_or(encrypt_rsa(recipient_key, content_key.value_or(key), oaep));
    if (shortened_key) {
        while (wrapped[0] != 0) {
            wrapped = encrypt_rsa(recipient_key, key);
        }
        wrapped.erase(wrapped.begin());
    }
    const Bytes transport = transport_parameters ? asn1::sequence({asn1::oid(transport_oid), *transport_parameters})
                                                 : asn1::algorithm(transport_oid);
    const Bytes recipient = asn1::sequence({asn1::integer(0), recipient_id, transport, asn1::octet_string(wrapped)});
    const Bytes parameters = iv_parameters.value_or(asn1::octet_string(iv));
    const Bytes cipher_id = parameters.empty() ? asn1::sequence({asn1::oid(cipher_oid)})
                                               : asn1::sequence({asn1::oid(cipher_oid), parameters});
    Bytes content = asn1::value(0x80, {secret});
    if (content_in_pieces) {
        content = asn1::octet_string_in_pieces(secret, 100);
        content[0] = 0xA0;
    }
    const Bytes content_info =
        asn1::sequence({asn1::oid("1.2.840.113549.1.7.1"), cipher_id, content_absent ? ByteView() : ByteView(content)});
    const Bytes data =
        asn1::sequence({asn1::integer(0), originator, asn1::set({asn1::joined(more_recipients), recipient}),
                        content_info, unprotected_attributes});
    return asn1::sequence({asn1::oid(content_info_oid), asn1::tagged(0, {data})});
}

ForgedReply::ForgedReply() {
    const auto& nonce = world().expectation.sender_nonce.value;
    attributes = {{"2.16.840.1.113733.1.9.2", {asn1::printable_string("3")}},
                  {"2.16.840.1.113733.1.9.3", {asn1::printable_string("0")}},
                  {"2.16.840.1.113733.1.9.6", {asn1::octet_string(nonce)}},
                  {"2.16.840.1.113733.1.9.7", {asn1::printable_string(world().expectation.transaction_id.value)}}};
    content = ForgedEnvelope().build();
    signer_id = issuer_and_serial(world().ra);
    certificates = {world().ra.der()};
}

ForgedAttribute& ForgedReply::attribute(const std::string& oid) {
    auto found = std::ranges::find(attributes, oid, &ForgedAttribute::oid);
    return found == attributes.end() ? attributes.emplace_back(ForgedAttribute{oid, {}}) : *found;
}

void ForgedReply::remove(const std::string& oid) {
    std::erase_if(attributes, [&](const ForgedAttribute& a) { return a.oid == oid; });
}

Bytes ForgedReply::build() const {
    std::vector<Bytes> members;
    for (const ForgedAttribute& one : attributes) {
        members.push_back(encoded(one));
    }
    members.push_back(encoded({"1.2.840.113549.1.9.3", {asn1::oid(content_type_attribute.value_or(content_type))}}));
    const Bytes digest_value = message_digest.value_or(digest_of(digest, content.value_or(Bytes{})));
    if (!digest_value.empty()) {
        members.push_back(encoded({"1.2.840.113549.1.9.4", {asn1::octet_string(digest_value)}}));
    }
    const std::vector<Bytes> in_order = sorted(members);
    std::vector<Bytes> sent = in_order;
    if (reversed_attributes) {
        std::ranges::reverse(sent);
    }
    const bool none_signed = no_attributes || attributes_unsigned;
    const Bytes covered = none_signed ? content.value_or(Bytes{}) : asn1::value(0x31, sign_sorted ? in_order : sent);
    const Bytes made_signature =
        make_signature ? make_signature(covered) : signature.value_or(sign(signer_key, digest, covered));
    const Bytes signer =
        asn1::sequence({asn1::integer(1), signer_id, asn1::algorithm(digest_oid),
                        none_signed ? Bytes{} : asn1::value(0xA0, sent), asn1::algorithm(signature_oid),
                        asn1::octet_string(made_signature), attributes_unsigned ? asn1::value(0xA1, sent) : Bytes{}});
    Bytes signer_infos;
    for (int i = 0; i < signers; ++i) {
        signer_infos.insert(signer_infos.end(), signer.begin(), signer.end());
    }
    const auto constructed = [&](std::uint8_t tag, std::initializer_list<ByteView> parts) {
        return ber ? asn1::indefinite(tag, parts) : asn1::value(tag, parts);
    };
    Bytes wrapped;
    if (content) {
        wrapped =
            constructed(0xA0, {ber ? asn1::octet_string_in_pieces(*content, piece) : asn1::octet_string(*content)});
    }
    const Bytes certificate_set = certificates.empty() ? Bytes{} : constructed(0xA0, {asn1::joined(certificates)});
    const Bytes data = constructed(0x30, {asn1::integer(1), asn1::set({asn1::algorithm(digest_oid)}),
                                          constructed(0x30, {asn1::oid(content_type), wrapped}), certificate_set,
                                          constructed(0x31, {signer_infos})});
    return constructed(0x30, {asn1::oid(oid_signed_data), constructed(0xA0, {data})});
}

ForgedReply reply_without_envelope(const std::string& status) {
    ForgedReply reply;
    reply.content.reset();
    reply.attribute("2.16.840.1.113733.1.9.3").values = {asn1::printable_string(status)};
    if (status == "2") {
        reply.attribute("2.16.840.1.113733.1.9.4").values = {asn1::printable_string("2")};
    }
    return reply;
}

}  // namespace hwenroll::test
