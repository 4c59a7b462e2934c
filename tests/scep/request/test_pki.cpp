#include "tests/scep/request/test_pki.h"

#include <filesystem>
#include <map>
#include <stdexcept>
#include <unistd.h>

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/pem.h>

#include "tests/support/temporary_directory.h"
#include "tests/support/test_paths.h"
#include "transport/scep/der_writer.h"

namespace hwenroll::test {
namespace {

void require(bool good, const char* what) {
    if (!good) {
        throw std::runtime_error(std::string(what) + ": " + take_openssl_errors());
    }
}

DistinguishedName name_of(const std::string& subject) {
    auto name = DistinguishedName::from_text(subject);
    require(name.has_value(), "name");
    return *name;
}

void add_extensions(X509* certificate, X509* issuer, const CertificateSpec& spec) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    for (const auto& [name, value] : spec.extensions) {
        const OpenSslPtr<X509_EXTENSION> extension(X509V3_EXT_nconf(nullptr, &context, name.c_str(), value.c_str()));
        require(extension && X509_add_ext(certificate, extension.get(), -1) == 1, name.c_str());
    }
}

Certificate make(const CertificateSpec& spec, const Key& key, const Certificate* issuer, const Key& issuer_key) {
    const OpenSslPtr<X509> x509(X509_new());
    const OpenSslPtr<X509_NAME> subject = name_of(spec.subject).to_x509_name();
    const OpenSslPtr<X509_NAME> issuer_name = (issuer ? issuer->subject() : name_of(spec.subject)).to_x509_name();
    X509_set_version(x509.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x509.get()), spec.serial);
    X509_set_subject_name(x509.get(), subject.get());
    X509_set_issuer_name(x509.get(), issuer_name.get());
    X509_set1_notBefore(x509.get(), to_asn1_time(spec.not_before).get());
    X509_set1_notAfter(x509.get(), to_asn1_time(spec.not_after).get());
    X509_set_pubkey(x509.get(), key.get());
    add_extensions(x509.get(), issuer ? issuer->get() : x509.get(), spec);
    require(X509_sign(x509.get(), issuer_key.get(), spec.digest) > 0, "X509_sign");
    auto certificate = Certificate::from_der(der_of([&](unsigned char** out) { return i2d_X509(x509.get(), out); }));
    require(certificate.has_value(), "certificate");
    return *certificate;
}

Key read_key(const std::filesystem::path& file) {
    const OpenSslPtr<BIO> in(BIO_new_file(file.c_str(), "r"));
    return {in ? PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr) : nullptr, EVP_PKEY_free};
}

/// The key in `file`; made and written there where there is none. Programs that make it at the same time keep the one
/// that was renamed last, and use their own meanwhile.
Key kept_rsa_key(const std::filesystem::path& file) {
    if (Key kept = read_key(file)) {
        return kept;
    }
    Key key = new_rsa_key();
    std::filesystem::create_directories(file.parent_path());
    const std::filesystem::path fresh = fmt::format("{}.{}", file.native(), getpid());
    write_file(fresh, private_pem(key), 0600);
    std::filesystem::rename(fresh, file);
    return key;
}

struct Value {
    std::uint8_t tag = 0;
    ByteView content;
    ByteView whole;
};

/// The value at the front of `input`, or why its header is not DER.
std::string read_header(ByteView input, Value& out) {
    if (input.size() < 2) {
        return "it ends within a header";
    }
    out.tag = input[0];
    std::size_t header = 2;
    std::size_t length = input[1];
    if ((out.tag & 0x1FU) == 0x1F) {
        return "it has a long tag";
    }
    if (length == 0x80) {
        return "it has an indefinite length";
    }
    if (length > 0x80) {
        const std::size_t count = length & 0x7FU;
        if (count > 4 || input.size() < 2 + count || input[2] == 0) {
            return "it has a length that is not minimal";
        }
        length = 0;
        for (std::size_t i = 0; i < count; ++i) {
            length = length << 8U | input[2 + i];
        }
        header += count;
        if (length < 0x80) {
            return "it has a long length for a short value";
        }
    }
    if (length > input.size() - header) {
        return "it is truncated";
    }
    out.content = input.subspan(header, length);
    out.whole = input.first(header + length);
    return {};
}

std::string primitive_fault(const Value& value) {
    const ByteView content = value.content;
    if (value.tag == 0x01 && (content.size() != 1 || (content[0] != 0 && content[0] != 0xFF))) {
        return "it has a BOOLEAN that is neither 00 nor FF";
    }
    if (value.tag == 0x02 &&
        (content.empty() || (content.size() > 1 &&
                             ((content[0] == 0 && content[1] < 0x80) || (content[0] == 0xFF && content[1] >= 0x80))))) {
        return "it has an INTEGER that is not minimal";
    }
    return {};
}

std::string members_fault(const Value& value) {
    const std::uint8_t number = value.tag & 0x1FU;
    const bool universal = value.tag < 0x40;
    if (universal && number != 0x10 && number != 0x11) {
        return "it has a constructed string";
    }
    ByteView rest = value.content;
    Bytes previous;
    while (!rest.empty()) {
        Value member;
        if (std::string fault = read_header(rest, member); !fault.empty()) {
            return fault;
        }
        if (std::string fault = der_fault(member.whole); !fault.empty()) {
            return fault;
        }
        if (value.tag == 0x31 && to_bytes(member.whole) < previous) {
            return "it has a SET that is not sorted";
        }
        previous = to_bytes(member.whole);
        rest = rest.subspan(member.whole.size());
    }
    return {};
}

}  // namespace

Key new_rsa_key(unsigned bits) {
    // By name: once a token key was used, libcrypto may take the token's provider for one without a name.
    Key key(EVP_PKEY_Q_keygen(nullptr, "provider=default", "RSA", static_cast<std::size_t>(bits)), EVP_PKEY_free);
    require(key != nullptr, "RSA key");
    return key;
}

Key faulty_rsa_key(const Key& key) {
    OpenSslPtr<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
    std::vector<OpenSslPtr<BIGNUM>> numbers;
    for (const char* name : {OSSL_PKEY_PARAM_RSA_N, OSSL_PKEY_PARAM_RSA_E, OSSL_PKEY_PARAM_RSA_D}) {
        BIGNUM* number = nullptr;
        require(EVP_PKEY_get_bn_param(key.get(), name, &number) == 1, name);
        numbers.emplace_back(number);
    }
    BN_sub_word(numbers[2].get(), 2);
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, numbers[0].get());
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, numbers[1].get());
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_D, numbers[2].get());
    const OpenSslPtr<OSSL_PARAM> parameters(OSSL_PARAM_BLD_to_param(builder.get()));
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", "provider=default"));
    EVP_PKEY* made = nullptr;
    require(EVP_PKEY_fromdata_init(context.get()) == 1 &&
                EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_KEYPAIR, parameters.get()) == 1,
            "faulty key");
    return {made, EVP_PKEY_free};
}

Key new_ec_key(const char* curve) {
    Key key(EVP_PKEY_Q_keygen(nullptr, "provider=default", "EC", curve), EVP_PKEY_free);
    require(key != nullptr, "EC key");
    return key;
}

Key rsa_key(int number) {
    static std::map<int, Key> keys;
    Key& key = keys[number];
    if (!key) {
        key = kept_rsa_key(test_key_file(number));
    }
    return key;
}

TimePoint present() {
    using namespace std::chrono;
    return sys_days(year(2026) / 11 / 23) + hours(18);
}

CertificateSpec ca_spec(std::string subject, const std::string& basic_constraints) {
    CertificateSpec spec;
    spec.subject = std::move(subject);
    spec.extensions = {{"basicConstraints", basic_constraints},
                       {"keyUsage", "critical,digitalSignature,keyEncipherment,keyCertSign,cRLSign"},
                       {"subjectKeyIdentifier", "hash"}};
    return spec;
}

CertificateSpec ra_spec(std::string subject, const std::string& key_usage, const std::string& purpose) {
    CertificateSpec spec;
    spec.subject = std::move(subject);
    spec.extensions = {{"basicConstraints", "critical,CA:FALSE"}};
    if (!key_usage.empty()) {
        spec.extensions.emplace_back("keyUsage", key_usage);
    }
    if (!purpose.empty()) {
        spec.extensions.emplace_back("extendedKeyUsage", purpose);
    }
    return spec;
}

Certificate self_signed(const CertificateSpec& spec, const Key& key) {
    return make(spec, key, nullptr, key);
}

Certificate issued(const CertificateSpec& spec, const Key& key, const Certificate& issuer, const Key& issuer_key) {
    return make(spec, key, &issuer, issuer_key);
}

Bytes certificates_only(const std::vector<Certificate>& certificates) {
    namespace der = scep::der;
    Bytes list;
    for (const Certificate& certificate : certificates) {
        list.insert(list.end(), certificate.der().begin(), certificate.der().end());
    }
    const Bytes content = der::constructed(der::tag_sequence, {der::object_identifier("1.2.840.113549.1.7.1")});
    const Bytes data =
        der::constructed(der::tag_sequence, {der::small_integer(1), der::value(der::tag_set, {}), content,
                                             der::value(der::tag_context(0), list), der::value(der::tag_set, {})});
    return der::constructed(der::tag_sequence,
                            {der::object_identifier("1.2.840.113549.1.7.2"), der::value(der::tag_context(0), data)});
}

std::string der_fault(ByteView input) {
    Value value;
    if (std::string fault = read_header(input, value); !fault.empty()) {
        return fault;
    }
    if (value.whole.size() != input.size()) {
        return "it is followed by something";
    }
    return (value.tag & 0x20U) != 0 ? members_fault(value) : primitive_fault(value);
}

Bytes capture(const std::string& name) {
    const std::string text = read_file(test::test_data("captures/" + name));
    return to_bytes(as_bytes(text));
}

std::string private_pem(const Key& key) {
    const OpenSslPtr<BIO> out(BIO_new(BIO_s_mem()));
    require(PEM_write_bio_PrivateKey(out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1, "PEM");
    char* data = nullptr;
    const long size = BIO_get_mem_data(out.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

}  // namespace hwenroll::test
