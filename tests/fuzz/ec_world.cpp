#include "tests/fuzz/ec_world.h"

#include <stdexcept>

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "tests/fuzz/recorded_key.h"
#include "tests/fuzz/signed_world.h"
#include "tests/scep/reply/asn1_forge.h"

namespace hwenroll::fuzz {
namespace {

namespace asn1 = test::asn1;

constexpr const char* oid_data = "1.2.840.113549.1.7.1";
constexpr const char* oid_enveloped_data = "1.2.840.113549.1.7.3";
constexpr const char* oid_pbkdf2 = "1.2.840.113549.1.5.12";
constexpr const char* oid_hmac_sha256 = "1.2.840.113549.2.9";
constexpr const char* oid_pwri_kek = "1.2.840.113549.1.9.16.3.9";
constexpr const char* oid_aes128_cbc = "2.16.840.1.101.3.4.1.2";
constexpr const char* oid_aes128_wrap = "2.16.840.1.101.3.4.1.5";
constexpr const char* oid_ec_public_key = "1.2.840.10045.2.1";
constexpr const char* oid_p256 = "1.2.840.10045.3.1.7";
constexpr const char* oid_std_dh_sha256 = "1.3.132.1.11.1";
constexpr int iterations = 1000;

void require_done(bool done, const char* what) {
    if (!done) {
        throw std::runtime_error(what);
    }
}

Bytes encrypted(const EVP_CIPHER* cipher, ByteView key, const std::uint8_t* iv, ByteView plain, bool padded) {
    const OpenSslPtr<EVP_CIPHER_CTX> context(EVP_CIPHER_CTX_new());
    EVP_CIPHER_CTX_set_flags(context.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    Bytes out(plain.size() + 32);
    int size = 0;
    int tail = 0;
    require_done(
        EVP_EncryptInit_ex2(context.get(), cipher, key.data(), iv, nullptr) == 1 &&
            EVP_CIPHER_CTX_set_padding(context.get(), padded ? 1 : 0) == 1 &&
            EVP_EncryptUpdate(context.get(), out.data(), &size, plain.data(), static_cast<int>(plain.size())) == 1 &&
            EVP_EncryptFinal_ex(context.get(), out.data() + size, &tail) == 1,
        "encrypt");
    out.resize(static_cast<std::size_t>(size + tail));
    return out;
}

EcWorld make_world() {
    const SignedWorld& authority = signed_world();
    const test::Key key = recorded_key("ec_client.pem");
    test::CertificateSpec spec;
    spec.subject = "CN=web01.example.com,O=Example";
    spec.serial = 0x5353;
    spec.extensions = {{"subjectKeyIdentifier", "hash"}};
    return {key, recorded_key("ec_sender.pem"), test::issued(spec, key, authority.authority, authority.key),
            Bytes(16, 0x42), asn1::octet_string(Bytes(300, 0x5A))};
}

Bytes point_of(const test::Key& key) {
    return PublicKey::of(key.get()).value().point();
}

Bytes shared_secret() {
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, ec_world().other.get(), nullptr));
    Bytes out(32);
    std::size_t size = out.size();
    require_done(EVP_PKEY_derive_init(context.get()) == 1 &&
                     EVP_PKEY_derive_set_peer(context.get(), ec_world().key.get()) == 1 &&
                     EVP_PKEY_derive(context.get(), out.data(), &size) == 1 && size == out.size(),
                 "ECDH");
    return out;
}

/// RFC 5753 §7.2 under ANSI X9.63's derivation.
Bytes agreed_key(ByteView material) {
    const Bytes entity = material.empty() ? Bytes() : asn1::tagged(0, {asn1::octet_string(material)});
    const Bytes shared_info = asn1::sequence({asn1::sequence({asn1::oid(oid_aes128_wrap)}), entity,
                                              asn1::tagged(2, {asn1::octet_string(Bytes{0, 0, 0, 128})})});
    Bytes key = sha256(asn1::joined({shared_secret(), Bytes{0, 0, 0, 1}, shared_info}));
    key.resize(16);
    return key;
}

}  // namespace

const EcWorld& ec_world() {
    static const EcWorld made = make_world();
    return made;
}

Bytes envelope_for(ByteView recipients) {
    static const Bytes iv(16, 0x24);
    static const Bytes content =
        encrypted(EVP_aes_128_cbc(), ec_world().content_key, iv.data(), ec_world().plaintext, true);
    const Bytes info =
        asn1::sequence({asn1::oid(oid_data), asn1::sequence({asn1::oid(oid_aes128_cbc), asn1::octet_string(iv)}),
                        asn1::value(0x80, {content})});
    const Bytes data = asn1::sequence({asn1::integer(3), asn1::set({recipients}), info});
    return asn1::sequence({asn1::oid(oid_enveloped_data), asn1::tagged(0, {data})});
}

Bytes wrapped_content_key() {
    const Bytes& key = ec_world().content_key;
    Bytes blocks{static_cast<std::uint8_t>(key.size()), static_cast<std::uint8_t>(~key[0]),
                 static_cast<std::uint8_t>(~key[1]), static_cast<std::uint8_t>(~key[2])};
    blocks.insert(blocks.end(), key.begin(), key.end());
    blocks.resize(32, 0x77);
    return blocks;
}

Bytes by_password(const std::optional<Bytes>& wrapped) {
    static const Bytes salt(8, 0x5A);
    static const Bytes iv(16, 0x33);
    static const Bytes key = [] {
        Bytes derived(16);
        require_done(PKCS5_PBKDF2_HMAC(challenge.data(), static_cast<int>(challenge.size()), salt.data(),
                                       static_cast<int>(salt.size()), iterations, EVP_sha256(),
                                       static_cast<int>(derived.size()), derived.data()) == 1,
                     "PBKDF2");
        return derived;
    }();
    const Bytes inner = encrypted(EVP_aes_128_cbc(), key, iv.data(), wrapped.value_or(wrapped_content_key()), false);
    const Bytes outer = encrypted(EVP_aes_128_cbc(), key, ByteView(inner).last(16).data(), inner, false);
    const Bytes count = asn1::value(0x02, {Bytes{iterations >> 8, iterations & 0xFF}});
    const Bytes parameters = asn1::sequence({asn1::octet_string(salt), count, asn1::algorithm(oid_hmac_sha256)});
    return asn1::tagged(
        3,
        {asn1::integer(0), asn1::tagged(0, {asn1::oid(oid_pbkdf2), parameters}),
         asn1::sequence({asn1::oid(oid_pwri_kek), asn1::sequence({asn1::oid(oid_aes128_cbc), asn1::octet_string(iv)})}),
         asn1::octet_string(outer)});
}

Bytes by_agreement(const std::optional<Bytes>& wrapped, ByteView material) {
    const EcWorld& world = ec_world();
    static const Bytes plain_key = agreed_key({});
    const Bytes key = material.empty() ? plain_key : agreed_key(material);
    const Bytes encrypted_key = encrypted(EVP_aes_128_wrap(), key, nullptr, wrapped.value_or(world.content_key), false);
    Bytes point{0};  // no unused bits
    const Bytes sender = point_of(world.other);
    point.insert(point.end(), sender.begin(), sender.end());
    const Bytes originator = asn1::tagged(
        0, {asn1::tagged(
               1, {asn1::sequence({asn1::oid(oid_ec_public_key), asn1::oid(oid_p256)}), asn1::value(0x03, {point})})});
    const Bytes serial = der_of(
        [&](unsigned char** out) { return i2d_ASN1_INTEGER(X509_get0_serialNumber(world.certificate.get()), out); });
    const Bytes recipient =
        asn1::sequence({asn1::sequence({world.certificate.issuer().der(), serial}), asn1::octet_string(encrypted_key)});
    return asn1::tagged(
        1, {asn1::integer(3), originator, material.empty() ? Bytes() : asn1::tagged(1, {asn1::octet_string(material)}),
            asn1::sequence({asn1::oid(oid_std_dh_sha256), asn1::sequence({asn1::oid(oid_aes128_wrap)})}),
            asn1::sequence({recipient})});
}

std::optional<Bytes> opened_by_libcrypto(ByteView envelope, bool with_password) {
    const std::uint8_t* at = envelope.data();
    const OpenSslPtr<CMS_ContentInfo> cms(d2i_CMS_ContentInfo(nullptr, &at, static_cast<long>(envelope.size())));
    const OpenSslPtr<BIO> out(BIO_new(BIO_s_mem()));
    bool done = cms != nullptr;
    if (done && with_password) {
        std::string password(challenge);
        done = CMS_decrypt_set1_password(cms.get(), reinterpret_cast<unsigned char*>(password.data()),
                                         static_cast<ossl_ssize_t>(password.size())) == 1;
    }
    EVP_PKEY* const key = with_password ? nullptr : ec_world().key.get();
    X509* const certificate = with_password ? nullptr : ec_world().certificate.get();
    done = done && CMS_decrypt(cms.get(), key, certificate, nullptr, out.get(), 0) == 1;
    ERR_clear_error();
    char* octets = nullptr;
    const long size = BIO_get_mem_data(out.get(), &octets);
    return done ? std::optional(Bytes(octets, octets + size)) : std::nullopt;
}

}  // namespace hwenroll::fuzz
