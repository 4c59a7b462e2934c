#include "tests/lab_ca/forged_certificate.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <stdexcept>

#include <openssl/rsa.h>

#include "tests/lab_ca/asn1_reader.h"
#include "tests/lab_ca/der_writer.h"

namespace hwenroll::lab_ca {
namespace {

constexpr std::string_view sha256_with_rsa = "1.2.840.113549.1.1.11";
constexpr std::string_view ecdsa_with_sha256 = "1.2.840.10045.4.3.2";
constexpr std::uint8_t bit_string = 0x03;
constexpr std::uint8_t extensions_octet = 0xa3;

void require(bool good, const char* what) {
    if (!good) {
        throw std::runtime_error(std::string("a mutator cannot ") + what + ": " + take_openssl_errors());
    }
}

OpenSslPtr<EVP_PKEY> rsa_with_exponent_3() {
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
    const OpenSslPtr<BIGNUM> three(BN_new());
    EVP_PKEY* key = nullptr;
    require(BN_set_word(three.get(), 3) == 1 && EVP_PKEY_keygen_init(context.get()) == 1 &&
                EVP_PKEY_CTX_set_rsa_keygen_bits(context.get(), 2048) == 1 &&
                EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context.get(), three.get()) == 1 &&
                EVP_PKEY_generate(context.get(), &key) == 1,
            "make a key");
    return OpenSslPtr<EVP_PKEY>(key);
}

OpenSslPtr<EVP_PKEY> make(SpareKey which) {
    constexpr unsigned usual_bits = 2048;
    constexpr unsigned weak_bits = 1024;
    switch (which) {
        case SpareKey::exponent_3:
            return rsa_with_exponent_3();
        case SpareKey::rsa_1024:
            return OpenSslPtr<EVP_PKEY>(EVP_RSA_gen(weak_bits));
        case SpareKey::ec_p256:
            return OpenSslPtr<EVP_PKEY>(EVP_EC_gen("P-256"));
        default:
            return OpenSslPtr<EVP_PKEY>(EVP_RSA_gen(usual_bits));
    }
}

Bytes time_of(TimePoint time) {
    const OpenSslPtr<ASN1_TIME> encoded = to_asn1_time(time);
    return der_of([&](unsigned char** out) { return i2d_ASN1_TIME(encoded.get(), out); });
}

Bytes name_of(std::string_view text) {
    return DistinguishedName::from_text(std::string(text)).value().der();
}

Bytes bits_of(ByteView octets) {
    const Bytes no_unused{0};
    return der::element(bit_string, {no_unused, octets});
}

Bytes signature_of(EVP_PKEY* key, ByteView data) {
    const OpenSslPtr<EVP_MD_CTX> context(EVP_MD_CTX_new());
    std::size_t size = 0;
    require(EVP_DigestSignInit_ex(context.get(), nullptr, "SHA256", nullptr, nullptr, key, nullptr) == 1 &&
                EVP_DigestSign(context.get(), nullptr, &size, data.data(), data.size()) == 1,
            "sign");
    Bytes out(size);
    require(EVP_DigestSign(context.get(), out.data(), &size, data.data(), data.size()) == 1, "sign");
    out.resize(size);
    return out;
}

Bytes extension(std::string_view type, bool critical, ByteView value) {
    const Bytes yes{asn1_tag::boolean, 1, 0xff};
    return der::sequence({der::object(type), critical ? ByteView(yes) : ByteView(), der::octet_string(value)});
}

Bytes algorithm_for(EVP_PKEY* key) {
    return EVP_PKEY_is_a(key, "EC") == 1 ? der::algorithm(ecdsa_with_sha256)
                                         : der::algorithm(sha256_with_rsa, der::null());
}

}  // namespace

EVP_PKEY* spare_key(SpareKey which) {
    static std::mutex mutex;
    static std::map<SpareKey, OpenSslPtr<EVP_PKEY>> keys;
    const std::lock_guard lock(mutex);
    OpenSslPtr<EVP_PKEY>& key = keys[which];
    if (!key) {
        key = make(which);
        require(key != nullptr, "make a key");
    }
    return key.get();
}

ForgedCertificate ForgedCertificate::of(const Certificate& certificate) {
    const Asn1Node root = read_asn1(certificate.der()).value();
    const std::vector<Asn1Node>& parts = root.children.at(0).children;
    const auto whole = [](const Asn1Node& node) { return to_bytes(node.whole); };
    // version [0], serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo, extensions [3]
    ForgedCertificate out{.serial = whole(parts.at(1)),
                          .signature_algorithm = whole(parts.at(2)),
                          .issuer = whole(parts.at(3)),
                          .not_before = whole(parts.at(4).children.at(0)),
                          .not_after = whole(parts.at(4).children.at(1)),
                          .subject = whole(parts.at(5)),
                          .key = whole(parts.at(6)),
                          .extensions = {},
                          .outer_algorithm = {}};
    for (const Asn1Node& one : parts.at(7).children.at(0).children) {
        out.extensions.push_back(whole(one));
    }
    return out;
}

ForgedCertificate ForgedCertificate::issued_by(const Certificate& issuer, std::string_view subject,
                                               EVP_PKEY* subject_key) {
    constexpr std::uint8_t serial_number = 0x51;
    ForgedCertificate out{.serial = der::integer(serial_number),
                          .signature_algorithm = der::algorithm(sha256_with_rsa, der::null()),
                          .issuer = issuer.subject().der(),
                          .not_before = time_of(issuer.not_before()),
                          .not_after = time_of(issuer.not_after()),
                          .subject = name_of(subject),
                          .key = PublicKey::of(subject_key).value().spki(),
                          .extensions = {},
                          .outer_algorithm = {}};
    return out;
}

ForgedCertificate ForgedCertificate::root(std::string_view subject, EVP_PKEY* own_key, const Certificate& model) {
    ForgedCertificate out = issued_by(model, subject, own_key);
    out.issuer = out.subject;
    out.signature_algorithm = algorithm_for(own_key);
    out.make_ca();
    return out;
}

void ForgedCertificate::set_subject(std::string_view text) {
    subject = name_of(text);
}

void ForgedCertificate::set_validity(TimePoint from, TimePoint to) {
    not_before = time_of(from);
    not_after = time_of(to);
}

void ForgedCertificate::set_serial(ByteView content) {
    serial = der::integer(content);
}

void ForgedCertificate::set_extension(std::string_view type, bool critical, ByteView value) {
    remove_extension(type);
    extensions.push_back(extension(type, critical, value));
}

void ForgedCertificate::remove_extension(std::string_view type) {
    const Bytes wanted = der::object(type);
    std::erase_if(extensions,
                  [&](const Bytes& one) { return equal(read_asn1(one).value().children.at(0).whole, wanted); });
}

void ForgedCertificate::make_ca(std::optional<std::uint8_t> path_length) {
    const Bytes yes{asn1_tag::boolean, 1, 0xff};
    set_extension(extension_type::basic_constraints, true,
                  der::sequence({yes, path_length ? der::integer(*path_length) : Bytes{}}));
    // digitalSignature, keyEncipherment, keyCertSign, cRLSign
    set_extension(extension_type::key_usage, true, Bytes{bit_string, 2, 1, 0xa6});
}

void ForgedCertificate::make_ra(RaDuty duty) {
    constexpr std::string_view cmc_ra = "1.3.6.1.5.5.7.3.28";
    set_extension(extension_type::extended_key_usage, false, der::sequence({der::object(cmc_ra)}));
    const bool signs_only = duty == RaDuty::sign;  // digitalSignature; else keyEncipherment too
    set_extension(extension_type::key_usage, true,
                  signs_only ? Bytes{bit_string, 2, 7, 0x80} : Bytes{bit_string, 2, 5, 0xa0});
}

Bytes ForgedCertificate::signed_by(EVP_PKEY* issuer_key) const {
    const Bytes version_3 = der::context_0({der::integer(2)});
    const Bytes listed =
        extensions.empty() ? Bytes{} : der::element(extensions_octet, {der::element(0x30, extensions)});
    const Bytes covered = der::sequence(
        {version_3, serial, signature_algorithm, issuer, der::sequence({not_before, not_after}), subject, key, listed});
    return der::sequence(
        {covered, outer_algorithm.value_or(signature_algorithm), bits_of(signature_of(issuer_key, covered))});
}

Certificate ForgedCertificate::certificate(EVP_PKEY* issuer_key) const {
    const auto read = Certificate::from_der(signed_by(issuer_key));
    if (!read) {
        throw std::runtime_error(read.error().line());
    }
    return *read;
}

Bytes rsa_key_info(ByteView modulus, ByteView exponent) {
    constexpr std::string_view rsa = "1.2.840.113549.1.1.1";
    return der::sequence(
        {der::algorithm(rsa, der::null()), bits_of(der::sequence({der::integer(modulus), der::integer(exponent)}))});
}

Bytes empty_crl(const Authority& issuer, TimePoint now) {
    const OpenSslPtr<X509_CRL> crl(X509_CRL_new());
    require(X509_CRL_set_version(crl.get(), 1) == 1 &&
                X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(issuer.certificate().get())) == 1 &&
                X509_CRL_set1_lastUpdate(crl.get(), to_asn1_time(now).get()) == 1 &&
                X509_CRL_set1_nextUpdate(crl.get(), to_asn1_time(now + std::chrono::days(7)).get()) == 1 &&
                X509_CRL_sign(crl.get(), issuer.key(), EVP_sha256()) > 0,
            "make a CRL");
    return der_of([&](unsigned char** out) { return i2d_X509_CRL(crl.get(), out); });
}

}  // namespace hwenroll::lab_ca
