#include "tests/scep/reply/ec_forge.h"

#include <algorithm>
#include <stdexcept>

#include "tests/lab_ca/asn1_reader.h"
#include "tests/scep/reply/asn1_forge.h"

namespace hwenroll::test {
namespace {

void require(bool good, const char* what) {
    if (!good) {
        throw std::runtime_error(std::string(what) + ": " + take_openssl_errors());
    }
}

Bytes finished(const OpenSslPtr<CMS_ContentInfo>& cms, ByteView content) {
    const OpenSslPtr<BIO> in(BIO_new_mem_buf(content.data(), static_cast<int>(content.size())));
    require(CMS_final(cms.get(), in.get(), nullptr, CMS_BINARY) == 1, "CMS_final");
    return der_of([&](unsigned char** out) { return i2d_CMS_ContentInfo(cms.get(), out); });
}

OpenSslPtr<CMS_ContentInfo> begun() {
    OpenSslPtr<CMS_ContentInfo> cms(
        CMS_encrypt(nullptr, nullptr, EVP_aes_128_cbc(), CMS_PARTIAL | CMS_BINARY | CMS_STREAM));
    require(cms != nullptr, "CMS_encrypt");
    return cms;
}

Bytes cbc(const char* name, const Bytes& key, ByteView iv, ByteView blocks, bool padded) {
    const OpenSslPtr<EVP_CIPHER> cipher(EVP_CIPHER_fetch(nullptr, name, nullptr));
    const OpenSslPtr<EVP_CIPHER_CTX> context(EVP_CIPHER_CTX_new());
    Bytes out(blocks.size() + 32);
    int size = 0;
    int tail = 0;
    require(
        EVP_EncryptInit_ex2(context.get(), cipher.get(), key.data(), iv.data(), nullptr) == 1 &&
            EVP_CIPHER_CTX_set_padding(context.get(), padded ? 1 : 0) == 1 &&
            EVP_EncryptUpdate(context.get(), out.data(), &size, blocks.data(), static_cast<int>(blocks.size())) == 1 &&
            EVP_EncryptFinal_ex(context.get(), out.data() + size, &tail) == 1,
        "CBC");
    out.resize(static_cast<std::size_t>(size + tail));
    return out;
}

Bytes whole_integer(int number) {
    return asn1::value(0x02, {Bytes{0, static_cast<std::uint8_t>(number >> 16), static_cast<std::uint8_t>(number >> 8),
                                    static_cast<std::uint8_t>(number)}});
}

}  // namespace

Bytes cms_by_password(ByteView content, std::string_view password, int iterations) {
    const auto cms = begun();
    auto* const copy = static_cast<unsigned char*>(OPENSSL_memdup(password.data(), password.size()));
    require(CMS_add0_recipient_password(cms.get(), iterations, NID_id_alg_PWRI_KEK, NID_id_pbkdf2, copy,
                                        static_cast<ossl_ssize_t>(password.size()), EVP_aes_128_cbc()) != nullptr,
            "recipient by password");
    return finished(cms, content);
}

Bytes cms_by_agreement(ByteView content, const Certificate& recipient, bool by_key) {
    const auto cms = begun();
    require(CMS_add1_recipient_cert(cms.get(), recipient.get(), by_key ? CMS_USE_KEYID : 0U) != nullptr,
            "recipient by key agreement");
    return finished(cms, content);
}

Bytes only_recipient(ByteView envelope) {
    const auto tree = lab_ca::read_asn1(envelope).value();
    const auto& recipients = tree.children.at(1).children.at(0).children.at(1);
    require(recipients.children.size() == 1, "one recipient");
    return to_bytes(recipients.children.at(0).whole);
}

Bytes with_recipients(ByteView envelope, const std::vector<Bytes>& recipients) {
    const auto tree = lab_ca::read_asn1(envelope).value();
    const auto& data = tree.children.at(1).children.at(0);
    return asn1::sequence(
        {tree.children.at(0).whole,
         asn1::tagged(0, {asn1::sequence({data.children.at(0).whole, asn1::set({asn1::joined(recipients)}),
                                          data.children.at(2).whole})})});
}

ForgedPasswordEnvelope::ForgedPasswordEnvelope() : plaintext(degenerate({issued_leaf().der()})) {}

Bytes ForgedPasswordEnvelope::recipient(const Bytes& content_key) const {
    const OpenSslPtr<EVP_CIPHER> method(EVP_CIPHER_fetch(nullptr, cipher, nullptr));
    const OpenSslPtr<EVP_MD> hash(EVP_MD_fetch(nullptr, digest.c_str(), nullptr));
    Bytes key(static_cast<std::size_t>(EVP_CIPHER_get_key_length(method.get())));
    require(PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), salt.data(),
                              static_cast<int>(salt.size()), iterations, hash.get(), static_cast<int>(key.size()),
                              key.data()) == 1,
            "PBKDF2");
    // RFC 3211 §2.3.1
    Bytes blocks{static_cast<std::uint8_t>(content_key.size()), static_cast<std::uint8_t>(~content_key[0]),
                 static_cast<std::uint8_t>(~content_key[1]), static_cast<std::uint8_t>(~content_key[2])};
    blocks.insert(blocks.end(), content_key.begin(), content_key.end());
    blocks.resize(std::max<std::size_t>(32, (blocks.size() + 15) / 16 * 16), 0x77);
    if (unwrapped) {
        unwrapped(blocks);
    }
    const Bytes iv(16, 0x33);
    const Bytes inner = cbc(cipher, key, iv, blocks, false);
    const Bytes outer = cbc(cipher, key, ByteView(inner).last(16), inner, false);
    const Bytes function = function_absent ? Bytes{} : asn1::algorithm(function_oid);
    const Bytes parameters =
        asn1::sequence({asn1::octet_string(salt), iterations_encoded.value_or(whole_integer(iterations)),
                        key_length.value_or(Bytes{}), function});
    const Bytes derivation = derivation_absent ? Bytes{} : asn1::tagged(0, {asn1::oid(derivation_oid), parameters});
    const Bytes inner_cipher = asn1::sequence({asn1::oid(cipher_oid), vector.value_or(asn1::octet_string(iv))});
    return asn1::tagged(3, {asn1::integer(0), derivation, asn1::sequence({asn1::oid(wrap_oid), inner_cipher}),
                            asn1::octet_string(wrapped_key.value_or(outer))});
}

Bytes ForgedPasswordEnvelope::build() const {
    const Bytes key(16, 0x42);
    const Bytes iv(16, 0x24);
    const Bytes content = cbc("AES-128-CBC", key, iv, plaintext, true);
    const Bytes info = asn1::sequence({asn1::oid("1.2.840.113549.1.7.1"),
                                       asn1::sequence({asn1::oid("2.16.840.1.101.3.4.1.2"), asn1::octet_string(iv)}),
                                       asn1::value(0x80, {content})});
    const Bytes data = asn1::sequence({asn1::integer(3), asn1::set({recipient(key)}), info});
    return asn1::sequence({asn1::oid("1.2.840.113549.1.7.3"), asn1::tagged(0, {data})});
}

}  // namespace hwenroll::test
