#include "tests/lab_ca/test_client.h"

#include <array>
#include <stdexcept>

#include <fmt/format.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#include "tests/lab_ca/asn1_reader.h"

namespace hwenroll::lab_ca::test {
namespace {

constexpr const char* scep_arc = "2.16.840.1.113733.1.9.";

void require(bool done, const char* what) {
    if (!done) {
        throw std::runtime_error(fmt::format("{}: {}", what, take_openssl_errors()));
    }
}

Bytes random_octets(std::size_t count) {
    Bytes octets(count);
    require(RAND_bytes(octets.data(), static_cast<int>(count)) == 1, "random octets");
    return octets;
}

OpenSslPtr<X509_EXTENSION> extension(int nid, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, nullptr, nullptr, nullptr, nullptr, 0);
    OpenSslPtr<X509_EXTENSION> made(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
    require(made != nullptr, value);
    return made;
}

Certificate certificate_for(EVP_PKEY* key, const std::string& subject, EVP_PKEY* issuer_key, const std::string& issuer,
                            TimePoint now, const EVP_MD* digest = EVP_sha256()) {
    const OpenSslPtr<X509> x509(X509_new());
    const auto name = DistinguishedName::from_text(subject).value().to_x509_name();
    const auto issuer_name = DistinguishedName::from_text(issuer).value().to_x509_name();
    Bytes serial = random_octets(16);
    serial[0] = 0x55;
    const OpenSslPtr<BIGNUM> number(BN_bin2bn(serial.data(), static_cast<int>(serial.size()), nullptr));
    X509_set_version(x509.get(), X509_VERSION_3);
    X509_set_serialNumber(x509.get(), OpenSslPtr<ASN1_INTEGER>(BN_to_ASN1_INTEGER(number.get(), nullptr)).get());
    X509_set1_notBefore(x509.get(), to_asn1_time(now - std::chrono::days(1)).get());
    X509_set1_notAfter(x509.get(), to_asn1_time(now + std::chrono::days(7)).get());
    X509_set_subject_name(x509.get(), name.get());
    X509_set_issuer_name(x509.get(), issuer_name.get());
    X509_set_pubkey(x509.get(), key);
    const auto usage =
        extension(NID_key_usage, EVP_PKEY_is_a(key, "RSA") == 1 ? "critical,digitalSignature,keyEncipherment"
                                                                : "critical,digitalSignature");
    X509_add_ext(x509.get(), usage.get(), -1);
    require(X509_sign(x509.get(), issuer_key, digest) > 0, "certificate");
    return Certificate::from_der(der_of([&](unsigned char** out) { return i2d_X509(x509.get(), out); })).value();
}

bool add_password(CMS_ContentInfo* cms, const std::string& password, const EVP_CIPHER* cipher) {
    auto* const copy = static_cast<unsigned char*>(OPENSSL_memdup(password.data(), password.size()));
    return CMS_add0_recipient_password(cms, -1, NID_id_alg_PWRI_KEK, NID_id_pbkdf2, copy,
                                       static_cast<ossl_ssize_t>(password.size()), cipher) != nullptr;
}

Bytes envelope(ByteView content, const Certificate& recipient, const RequestRecipe& recipe) {
    const OpenSslPtr<BIO> in(BIO_new_mem_buf(content.data(), static_cast<int>(content.size())));
    const OpenSslPtr<CMS_ContentInfo> cms(CMS_encrypt(nullptr, in.get(), recipe.cipher, CMS_BINARY | CMS_PARTIAL));
    require(cms &&
                (recipe.password ? add_password(cms.get(), *recipe.password, recipe.cipher)
                                 : CMS_add1_recipient_cert(cms.get(), recipient.get(), 0) != nullptr) &&
                CMS_final(cms.get(), in.get(), nullptr, CMS_BINARY) == 1,
            "envelope");
    return der_of([&](unsigned char** out) { return i2d_CMS_ContentInfo(cms.get(), out); });
}

void add_attribute(CMS_SignerInfo* signer, int arc, int type, ByteView value) {
    require(CMS_signed_add1_attr_by_txt(signer, (scep_arc + std::to_string(arc)).c_str(), type, value.data(),
                                        static_cast<int>(value.size())) == 1,
            "attribute");
}

std::string text_of(const ASN1_STRING* string) {
    return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
            static_cast<std::size_t>(ASN1_STRING_length(string))};
}

void read_attributes(CMS_SignerInfo* signer, OpenedReply& out) {
    for (int i = 0; i < CMS_signed_get_attr_count(signer); ++i) {
        auto* attribute = CMS_signed_get_attr(signer, i);
        const auto* value = X509_ATTRIBUTE_get0_type(attribute, 0);
        std::array<char, 80> oid{};
        OBJ_obj2txt(oid.data(), static_cast<int>(oid.size()), X509_ATTRIBUTE_get0_object(attribute), 1);
        const int type = ASN1_TYPE_get(value);
        const auto* string = type == V_ASN1_OBJECT ? nullptr : value->value.asn1_string;
        const bool inserted =
            out.attributes.insert({oid.data(), {type, string == nullptr ? "" : text_of(string)}}).second;
        require(inserted && X509_ATTRIBUTE_count(attribute) == 1, "an attribute is repeated");
    }
}

bool take_password(CMS_ContentInfo* cms, std::string password) {
    return CMS_decrypt_set1_password(cms, reinterpret_cast<unsigned char*>(password.data()),
                                     static_cast<ossl_ssize_t>(password.size())) == 1;
}

void read_content(ByteView content, const ClientIdentity& identity, const std::optional<std::string>& password,
                  OpenedReply& out) {
    const unsigned char* at = content.data();
    const OpenSslPtr<CMS_ContentInfo> cms(d2i_CMS_ContentInfo(nullptr, &at, static_cast<long>(content.size())));
    const OpenSslPtr<BIO> plain(BIO_new(BIO_s_mem()));
    require(cms && (!password || take_password(cms.get(), *password)) &&
                CMS_decrypt(cms.get(), password ? nullptr : identity.key.get(),
                            password ? nullptr : identity.certificate->get(), nullptr, plain.get(), CMS_BINARY) == 1,
            "decryption");
    char* data = nullptr;
    const long size = BIO_get_mem_data(plain.get(), &data);
    const auto* inner_at = reinterpret_cast<const unsigned char*>(data);
    const OpenSslPtr<CMS_ContentInfo> inner(d2i_CMS_ContentInfo(nullptr, &inner_at, size));
    require(inner != nullptr, "inner content");
    const OpenSslPtr<STACK_OF(X509)> certificates(CMS_get1_certs(inner.get()));
    for (int i = 0; i < sk_X509_num(certificates.get()); ++i) {
        out.certificates.push_back(Certificate::of(sk_X509_value(certificates.get(), i)).value());
    }
    const auto tree = read_asn1({reinterpret_cast<const std::uint8_t*>(data), static_cast<std::size_t>(size)});
    require(tree.has_value(), "inner SignedData");
    for (const Asn1Node& field : tree->children.at(1).children.at(0).children) {
        for (const Asn1Node& crl : field.is(asn1_tag::context_1) ? field.children : std::vector<Asn1Node>()) {
            out.crls.push_back(to_bytes(crl.whole));
        }
    }
}

}  // namespace

ClientIdentity ClientIdentity::make(const std::string& subject, TimePoint now, int bits, const EVP_MD* digest) {
    ClientIdentity out;
    out.key.reset(bits == 0 ? EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")
                            : EVP_RSA_gen(static_cast<unsigned int>(bits)));
    require(out.key != nullptr, "key");
    out.certificate = certificate_for(out.key.get(), subject, out.key.get(), subject, now, digest);
    out.subject = subject;
    return out;
}

void ClientIdentity::certify(const ClientIdentity& issuer, const std::string& issuer_subject, TimePoint now) {
    certificate = certificate_for(key.get(), subject, issuer.key.get(), issuer_subject, now);
}

Bytes make_csr(const RequestRecipe& recipe, const ClientIdentity& identity) {
    const OpenSslPtr<X509_REQ> req(X509_REQ_new());
    const auto name = DistinguishedName::from_text(identity.subject).value().to_x509_name();
    X509_REQ_set_version(req.get(), 0);
    X509_REQ_set_subject_name(req.get(), name.get());
    X509_REQ_set_pubkey(req.get(), identity.key.get());
    if (recipe.challenge) {
        require(X509_REQ_add1_attr_by_NID(req.get(), NID_pkcs9_challengePassword, recipe.challenge_type,
                                          reinterpret_cast<const unsigned char*>(recipe.challenge->data()),
                                          static_cast<int>(recipe.challenge->size())) == 1,
                "challenge");
    }
    if (!recipe.extensions.empty()) {
        const OpenSslPtr<STACK_OF(X509_EXTENSION)> stack(sk_X509_EXTENSION_new_null());
        for (const auto& [nid, value] : recipe.extensions) {
            sk_X509_EXTENSION_push(stack.get(), extension(nid, value.c_str()).release());
        }
        require(X509_REQ_add_extensions(req.get(), stack.get()) == 1, "extensions");
    }
    require(X509_REQ_sign(req.get(), identity.key.get(), EVP_sha256()) > 0, "CSR signature");
    Bytes der = der_of([&](unsigned char** out) { return i2d_X509_REQ(req.get(), out); });
    if (recipe.break_csr_signature) {
        der.back() ^= 1U;
    }
    return der;
}

Bytes make_issuer_and_serial(const Certificate& certificate) {
    const Bytes issuer = certificate.issuer().der();
    const Bytes serial =
        der_of([&](unsigned char** out) { return i2d_ASN1_INTEGER(X509_get0_serialNumber(certificate.get()), out); });
    const std::size_t size = issuer.size() + serial.size();
    Bytes der{0x30};
    if (size >= 0x80) {
        der.push_back(0x81);
    }
    der.push_back(static_cast<std::uint8_t>(size));
    der.insert(der.end(), issuer.begin(), issuer.end());
    der.insert(der.end(), serial.begin(), serial.end());
    return der;
}

Bytes make_issuer_and_subject(const DistinguishedName& issuer, const DistinguishedName& subject) {
    const std::size_t size = issuer.der().size() + subject.der().size();
    require(size < 0x100, "names that are too long for this encoder");
    Bytes out{0x30};
    if (size >= 0x80) {
        out.push_back(0x81);
    }
    out.push_back(static_cast<std::uint8_t>(size));
    out.insert(out.end(), issuer.der().begin(), issuer.der().end());
    out.insert(out.end(), subject.der().begin(), subject.der().end());
    return out;
}

Bytes make_request(const RequestRecipe& recipe, const ClientIdentity& identity, const Certificate& recipient,
                   TimePoint now) {
    const Bytes content = envelope(
        recipe.content ? *recipe.content : make_csr(recipe, recipe.requested == nullptr ? identity : *recipe.requested),
        recipient, recipe);
    const OpenSslPtr<BIO> in(BIO_new_mem_buf(content.data(), static_cast<int>(content.size())));
    constexpr unsigned int flags = CMS_BINARY | CMS_NOSMIMECAP | CMS_PARTIAL;
    const OpenSslPtr<CMS_ContentInfo> cms(CMS_sign(nullptr, nullptr, nullptr, nullptr, flags));
    require(cms != nullptr, "SignedData");
    CMS_SignerInfo* signer = CMS_add1_signer(cms.get(), identity.certificate->get(), identity.key.get(), recipe.digest,
                                             flags | (recipe.with_certificate ? 0U : CMS_NOCERTS));
    require(signer != nullptr, "signer");
    const Bytes nonce = recipe.sender_nonce.empty() ? random_octets(16) : recipe.sender_nonce;
    add_attribute(signer, 2, recipe.attribute_type, as_bytes(recipe.message_type));
    add_attribute(signer, 7, recipe.attribute_type, as_bytes(recipe.transaction_id));
    add_attribute(signer, 5, V_ASN1_OCTET_STRING, nonce);
    const auto time = to_asn1_time(now);
    CMS_signed_add1_attr_by_NID(signer, NID_pkcs9_signingTime, ASN1_STRING_type(time.get()), time.get(), -1);
    require(CMS_final(cms.get(), in.get(), nullptr, flags) == 1, "signature");
    Bytes der = der_of([&](unsigned char** out) { return i2d_CMS_ContentInfo(cms.get(), out); });
    if (recipe.break_signature) {
        der.back() ^= 1U;  // the SignerInfo's signature stands last
    }
    return der;
}

std::string OpenedReply::scep(int arc) const {
    const auto found = attributes.find(scep_arc + std::to_string(arc));
    return found == attributes.end() ? "" : found->second.text;
}

std::string OpenedReply::status() const {
    return scep(3) + (scep(4).empty() ? "" : "/" + scep(4));
}

OpenedReply open_reply(ByteView der, const Certificate& signer, const ClientIdentity& identity,
                       const std::optional<std::string>& password) {
    OpenedReply out;
    const unsigned char* at = der.data();
    const OpenSslPtr<CMS_ContentInfo> cms(d2i_CMS_ContentInfo(nullptr, &at, static_cast<long>(der.size())));
    require(cms && at == der.data() + der.size(), "a reply that is no CMS");
    STACK_OF(CMS_SignerInfo)* signers = CMS_get0_SignerInfos(cms.get());
    require(sk_CMS_SignerInfo_num(signers) == 1, "signers");
    read_attributes(sk_CMS_SignerInfo_value(signers, 0), out);
    out.has_content = CMS_is_detached(cms.get()) == 0;
    const OpenSslPtr<BIO> detached(out.has_content ? nullptr : BIO_new_mem_buf("", 0));
    const OpenSslPtr<BIO> content(BIO_new(BIO_s_mem()));
    const OpenSslPtr<STACK_OF(X509)> trusted(sk_X509_new_null());
    X509_up_ref(signer.get());
    sk_X509_push(trusted.get(), signer.get());
    out.signature_good = CMS_verify(cms.get(), trusted.get(), nullptr, detached.get(), content.get(),
                                    CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY | CMS_NOINTERN) == 1;
    if (out.signature_good && out.has_content) {
        char* data = nullptr;
        const long size = BIO_get_mem_data(content.get(), &data);
        read_content({reinterpret_cast<const std::uint8_t*>(data), static_cast<std::size_t>(size)}, identity, password,
                     out);
    }
    return out;
}

}  // namespace hwenroll::lab_ca::test
