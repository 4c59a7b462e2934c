#include "tests/fuzz/signed_world.h"

#include <stdexcept>

#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "tests/scep/reply/asn1_forge.h"
#include "tests/scep/reply/captured_exchange.h"

namespace hwenroll::fuzz {
namespace {

namespace asn1 = test::asn1;

constexpr const char* oid_data = "1.2.840.113549.1.7.1";
constexpr const char* oid_signed_data = "1.2.840.113549.1.7.2";
constexpr const char* oid_enveloped_data = "1.2.840.113549.1.7.3";
constexpr const char* oid_rsa = "1.2.840.113549.1.1.1";
constexpr const char* oid_rsa_sha256 = "1.2.840.113549.1.1.11";
constexpr const char* oid_sha256 = "2.16.840.1.101.3.4.2.1";
constexpr const char* oid_aes128_cbc = "2.16.840.1.101.3.4.1.2";
constexpr const char* subject_text = "CN=web01.example.com,O=Example";

void require_done(bool done, const char* what) {
    if (!done) {
        throw std::runtime_error(what);
    }
}

Bytes attribute(const char* oid, ByteView value) {
    return asn1::sequence({asn1::oid(oid), asn1::set({value})});
}

/// PKCS#1 v1.5, which draws nothing.
Bytes sign(ByteView data) {
    const OpenSslPtr<EVP_MD_CTX> context(EVP_MD_CTX_new());
    Bytes out(static_cast<std::size_t>(EVP_PKEY_get_size(signed_world().key.get())));
    std::size_t size = out.size();
    require_done(EVP_DigestSignInit_ex(context.get(), nullptr, "SHA256", nullptr, nullptr, signed_world().key.get(),
                                       nullptr) == 1 &&
                     EVP_DigestSign(context.get(), out.data(), &size, data.data(), data.size()) == 1,
                 "sign");
    out.resize(size);
    return out;
}

Bytes name_and_serial(const Certificate& certificate) {
    const Bytes serial =
        der_of([&](unsigned char** out) { return i2d_ASN1_INTEGER(X509_get0_serialNumber(certificate.get()), out); });
    return asn1::sequence({certificate.issuer().der(), serial});
}

/// `key` under the recipient's public key with PKCS#1's padding of fixed octets.
Bytes wrapped(ByteView key) {
    const EVP_PKEY* recipient = signed_world().key.get();
    Bytes block(static_cast<std::size_t>(EVP_PKEY_get_size(recipient)), 0x5A);
    block[0] = 0;
    block[1] = 2;
    block[block.size() - key.size() - 1] = 0;
    std::ranges::copy(key, block.end() - static_cast<std::ptrdiff_t>(key.size()));
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, signed_world().key.get(), nullptr));
    Bytes out(block.size());
    std::size_t size = out.size();
    require_done(EVP_PKEY_encrypt_init(context.get()) == 1 &&
                     EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_NO_PADDING) == 1 &&
                     EVP_PKEY_encrypt(context.get(), out.data(), &size, block.data(), block.size()) == 1,
                 "encrypt");
    return out;
}

Bytes encrypted(const Bytes& key, const Bytes& iv, ByteView plaintext) {
    const OpenSslPtr<EVP_CIPHER_CTX> context(EVP_CIPHER_CTX_new());
    Bytes out(plaintext.size() + 32);
    int size = 0;
    int tail = 0;
    require_done(EVP_EncryptInit_ex2(context.get(), EVP_aes_128_cbc(), key.data(), iv.data(), nullptr) == 1 &&
                     EVP_EncryptUpdate(context.get(), out.data(), &size, plaintext.data(),
                                       static_cast<int>(plaintext.size())) == 1 &&
                     EVP_EncryptFinal_ex(context.get(), out.data() + size, &tail) == 1,
                 "encrypt");
    out.resize(static_cast<std::size_t>(size + tail));
    return out;
}

SignedWorld make_world() {
    test::Key key(test::captured_key());
    test::CertificateSpec own;
    own.subject = subject_text;
    own.serial = 0x5151;
    const Certificate authority = test::self_signed(test::ca_spec("CN=Fuzz CA,O=Example"), key);
    SignedWorld made{key,
                     authority,
                     test::self_signed(own, key),
                     {},
                     {.public_key = PublicKey::of(key.get()).value(),
                      .subject = DistinguishedName::from_text(subject_text).value(),
                      .subject_alt_names = {"dns:web01.example.com", "ip:192.0.2.1"},
                      .key_usage = {"digitalSignature", "keyEncipherment"},
                      .extended_key_usage = {"serverAuth"},
                      .issuer = authority,
                      .anchor = authority,
                      .intermediates = {},
                      .now = test::present(),
                      .current = std::nullopt,
                      .legacy = {},
                      .limits = {}}};
    made.expectation.transaction_id.value = "00112233445566778899AABBCCDDEEFF";
    made.expectation.sender_nonce.value = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    made.expectation.signers = {authority};
    made.expectation.now = test::present();
    return made;
}

}  // namespace

const SignedWorld& signed_world() {
    static const SignedWorld made = make_world();
    return made;
}

Bytes expected_attributes() {
    const auto& expected = signed_world().expectation;
    return asn1::joined({attribute("2.16.840.1.113733.1.9.2", asn1::printable_string("3")),
                         attribute("2.16.840.1.113733.1.9.3", asn1::printable_string("0")),
                         attribute("2.16.840.1.113733.1.9.6", asn1::octet_string(expected.sender_nonce.value)),
                         attribute("2.16.840.1.113733.1.9.7", asn1::printable_string(expected.transaction_id.value))});
}

Bytes signed_reply(ByteView attributes, ByteView content, ByteView certificates) {
    const Bytes all = asn1::joined({to_bytes(attributes), attribute("1.2.840.113549.1.9.3", asn1::oid(oid_data)),
                                    attribute("1.2.840.113549.1.9.4", asn1::octet_string(sha256(content)))});
    const Bytes signer = asn1::sequence({asn1::integer(1), name_and_serial(signed_world().authority),
                                         asn1::algorithm(oid_sha256), asn1::value(0xA0, {all}),
                                         asn1::algorithm(oid_rsa), asn1::octet_string(sign(asn1::value(0x31, {all})))});
    const Bytes data =
        asn1::sequence({asn1::integer(1), asn1::set({asn1::algorithm(oid_sha256)}),
                        asn1::sequence({asn1::oid(oid_data), asn1::tagged(0, {asn1::octet_string(content)})}),
                        certificates.empty() ? Bytes() : asn1::value(0xA0, {certificates}), asn1::set({signer})});
    return asn1::sequence({asn1::oid(oid_signed_data), asn1::tagged(0, {data})});
}

Bytes sealed(ByteView plaintext) {
    static const Bytes key(16, 0x42);
    static const Bytes iv(16, 0x24);
    static const Bytes recipient = asn1::sequence({asn1::integer(0), name_and_serial(signed_world().request_signer),
                                                   asn1::algorithm(oid_rsa), asn1::octet_string(wrapped(key))});
    const Bytes content =
        asn1::sequence({asn1::oid(oid_data), asn1::sequence({asn1::oid(oid_aes128_cbc), asn1::octet_string(iv)}),
                        asn1::value(0x80, {encrypted(key, iv, plaintext)})});
    const Bytes data = asn1::sequence({asn1::integer(0), asn1::set({recipient}), content});
    return asn1::sequence({asn1::oid(oid_enveloped_data), asn1::tagged(0, {data})});
}

Bytes signed_certificate(ByteView subject, ByteView extensions) {
    const Certificate& like = signed_world().request_signer;
    const Bytes not_before =
        der_of([&](unsigned char** out) { return i2d_ASN1_TIME(X509_get0_notBefore(like.get()), out); });
    const Bytes not_after =
        der_of([&](unsigned char** out) { return i2d_ASN1_TIME(X509_get0_notAfter(like.get()), out); });
    const Bytes key =
        der_of([&](unsigned char** out) { return i2d_X509_PUBKEY(X509_get_X509_PUBKEY(like.get()), out); });
    const Bytes to_sign =
        asn1::sequence({asn1::tagged(0, {asn1::integer(2)}), asn1::integer(77), asn1::algorithm(oid_rsa_sha256),
                        signed_world().authority.subject().der(), asn1::sequence({not_before, not_after}), subject, key,
                        asn1::tagged(3, {asn1::sequence({extensions})})});
    Bytes signature{0};  // no unused bits
    const Bytes made = sign(to_sign);
    signature.insert(signature.end(), made.begin(), made.end());
    return asn1::sequence({to_sign, asn1::algorithm(oid_rsa_sha256), asn1::value(0x03, {signature})});
}

Bytes expected_subject() {
    return signed_world().issue.subject.der();
}

Bytes expected_extensions() {
    test::CertificateSpec spec;
    spec.subject = subject_text;
    spec.extensions = {{"keyUsage", "critical,digitalSignature,keyEncipherment"},
                       {"extendedKeyUsage", "serverAuth"},
                       {"subjectAltName", "DNS:web01.example.com,IP:192.0.2.1"}};
    const Certificate certificate = test::self_signed(spec, signed_world().key);
    Bytes all;
    for (int i = 0; i < X509_get_ext_count(certificate.get()); ++i) {
        X509_EXTENSION* extension = X509_get_ext(certificate.get(), i);
        const Bytes der = der_of([&](unsigned char** out) { return i2d_X509_EXTENSION(extension, out); });
        all.insert(all.end(), der.begin(), der.end());
    }
    return all;
}

Bytes signed_crl(ByteView entries, ByteView extensions) {
    const auto time = [](TimePoint at) {
        const OpenSslPtr<ASN1_TIME> encoded = to_asn1_time(at);
        return der_of([&](unsigned char** out) { return i2d_ASN1_TIME(encoded.get(), out); });
    };
    const TimePoint now = signed_world().issue.now;
    const Bytes to_sign =
        asn1::sequence({asn1::integer(1), asn1::algorithm(oid_rsa_sha256), signed_world().authority.subject().der(),
                        time(now - std::chrono::hours(1)), time(now + std::chrono::hours(24)),
                        asn1::sequence({entries}), asn1::tagged(0, {asn1::sequence({extensions})})});
    Bytes signature{0};  // no unused bits
    const Bytes made = sign(to_sign);
    signature.insert(signature.end(), made.begin(), made.end());
    return asn1::sequence({to_sign, asn1::algorithm(oid_rsa_sha256), asn1::value(0x03, {signature})});
}

Bytes expected_crl_entries() {
    const Bytes date = asn1::value(0x17, {as_bytes("261120000000Z")});
    const Bytes reason = asn1::sequence({asn1::oid("2.5.29.21"), asn1::octet_string(asn1::value(0x0A, {Bytes{1}}))});
    return asn1::joined(
        {asn1::sequence({asn1::integer(7), date, asn1::sequence({reason})}), asn1::sequence({asn1::integer(8), date})});
}

Bytes expected_crl_extensions() {
    return asn1::sequence({asn1::oid("2.5.29.20"), asn1::octet_string(asn1::integer(5))});
}

Bytes certificate_set(const std::vector<Bytes>& certificates) {
    const Bytes data = asn1::sequence({asn1::integer(1), asn1::set({}), asn1::sequence({asn1::oid(oid_data)}),
                                       asn1::value(0xA0, certificates), asn1::set({})});
    return asn1::sequence({asn1::oid(oid_signed_data), asn1::tagged(0, {data})});
}

}  // namespace hwenroll::fuzz
