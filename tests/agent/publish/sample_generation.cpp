#include "tests/agent/publish/sample_generation.h"

#include <algorithm>
#include <array>
#include <fcntl.h>
#include <stdexcept>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <openssl/x509v3.h>

#include "agent/publish/file_names.h"
#include "agent/publish/key_reference.h"
#include "base/pem.h"

namespace hwenroll::publish {
namespace {

OpenSslPtr<EVP_PKEY> make_key() {
    return OpenSslPtr<EVP_PKEY>(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
}

void add_ca_constraint(X509* certificate) {
    const OpenSslPtr<X509_EXTENSION> extension(
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, "critical,CA:TRUE"));
    X509_add_ext(certificate, extension.get(), -1);
}

/// A certificate of `key` for 2026; signed by `signer` in the name `issuer`.
Certificate issue(const std::string& subject, EVP_PKEY* key, const std::string& issuer, EVP_PKEY* signer, bool is_ca,
                  long serial) {
    const OpenSslPtr<X509> certificate(X509_new());
    const auto subject_name = DistinguishedName::from_text(subject)->to_x509_name();
    const auto issuer_name = DistinguishedName::from_text(issuer)->to_x509_name();
    X509_set_version(certificate.get(), X509_VERSION_3);
    const OpenSslPtr<ASN1_INTEGER> number(ASN1_INTEGER_new());
    ASN1_INTEGER_set(number.get(), serial);
    X509_set_serialNumber(certificate.get(), number.get());
    X509_set_subject_name(certificate.get(), subject_name.get());
    X509_set_issuer_name(certificate.get(), issuer_name.get());
    const TimePoint start{Seconds(1'767'225'600)};
    X509_set1_notBefore(certificate.get(), to_asn1_time(start).get());
    X509_set1_notAfter(certificate.get(), to_asn1_time(start + Seconds(365 * 86'400)).get());
    X509_set_pubkey(certificate.get(), key);
    if (is_ca) {
        add_ca_constraint(certificate.get());
    }
    if (X509_sign(certificate.get(), signer, EVP_sha256()) == 0) {
        throw std::runtime_error(take_openssl_errors());
    }
    return Certificate::of(certificate.get()).value();
}

constexpr const char* root_name = "CN=Sample Root";
constexpr const char* issuer_name = "CN=Sample Issuer";

std::string read_at(int directory, const std::string& name) {
    const int fd = openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        throw std::runtime_error(fmt::format("{} is missing", name));
    }
    std::string content;
    std::array<char, 4096> buffer{};
    for (ssize_t size = 1; size > 0;) {
        size = read(fd, buffer.data(), buffer.size());
        content.append(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    }
    close(fd);
    return content;
}

}  // namespace

SampleAuthority::SampleAuthority()
    : root_key_(make_key()),
      issuer_key_(make_key()),
      root_(issue(root_name, root_key_.get(), root_name, root_key_.get(), true, 1)),
      issuer_(issue(issuer_name, issuer_key_.get(), root_name, root_key_.get(), true, 2)) {}

Generation SampleAuthority::generation(std::uint64_t number, const std::string& identity) const {
    const auto key = make_key();
    const auto serial = static_cast<long>(0x1000 + number);
    return Generation{identity,
                      number,
                      issue("CN=" + identity + ",O=Example", key.get(), issuer_name, issuer_key_.get(), false, serial),
                      {issuer_},
                      {root_},
                      fmt::format("pkcs11:token=lab;id=%{:02X}", number % 256)};
}

std::map<std::string, std::string> read_current_files(const std::filesystem::path& identity_dir) {
    const std::filesystem::path current = identity_dir / current_link;
    const int directory = open(current.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) {
        throw std::runtime_error("there is no current generation");
    }
    std::map<std::string, std::string> files;
    try {
        for (const std::string_view name : generation_files) {
            files.emplace(name, read_at(directory, std::string(name)));
        }
    } catch (...) {
        close(directory);
        throw;
    }
    close(directory);
    return files;
}

std::string inconsistency(const std::map<std::string, std::string>& files) {
    const auto document = nlohmann::json::parse(files.at("identity.json"), nullptr, false);
    if (document.is_discarded()) {
        return "identity.json is no JSON";
    }
    const auto leaf = certificates_from_pem(files.at("cert.pem"));
    const auto anchors = certificates_from_pem(files.at("ca.pem"));
    if (!leaf || leaf->size() != 1 || !anchors) {
        return "cert.pem or ca.pem is not complete";
    }
    if (document["fingerprint_sha256"] != to_hex(leaf->front().fingerprint(), ':')) {
        return "identity.json is of another certificate";
    }
    if (files.at("fullchain.pem") != files.at("cert.pem") + files.at("chain.pem")) {
        return "fullchain.pem is not cert.pem and chain.pem";
    }
    const std::string uri = document["key_uri"];
    const auto number = document["generation"].get<std::uint64_t>();
    if (files.at("key.uri") != uri + "\n" || files.at("key.pem") != key_reference_pem(uri).value() ||
        uri != fmt::format("pkcs11:token=lab;id=%{:02X}", number % 256)) {
        return "key.uri or key.pem is of another key";
    }
    return {};
}

std::uint64_t number_of(const std::map<std::string, std::string>& files) {
    return nlohmann::json::parse(files.at("identity.json"))["generation"].get<std::uint64_t>();
}

}  // namespace hwenroll::publish
