#include "base/pem.h"

#include <algorithm>

#include <openssl/pem.h>

namespace hwenroll {

std::string to_pem(std::string_view label, ByteView der) {
    const OpenSslPtr<BIO> out(BIO_new(BIO_s_mem()));
    PEM_write_bio(out.get(), std::string(label).c_str(), "", der.data(), static_cast<long>(der.size()));
    char* data = nullptr;
    const long size = BIO_get_mem_data(out.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

std::string to_pem(const Certificate& certificate) {
    return to_pem("CERTIFICATE", certificate.der());
}

std::vector<Bytes> blocks_from_pem(std::string_view text, std::initializer_list<std::string_view> labels) {
    const OpenSslPtr<BIO> in(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    std::vector<Bytes> out;
    char* name = nullptr;
    char* header = nullptr;
    unsigned char* data = nullptr;
    long size = 0;
    while (PEM_read_bio(in.get(), &name, &header, &data, &size) == 1) {
        const OpenSslMemory<char> owned_name(name);
        const OpenSslMemory<char> owned_header(header);
        const OpenSslMemory<unsigned char> owned_data(data);
        if (std::ranges::find(labels, std::string_view(name)) != labels.end()) {
            out.emplace_back(data, data + size);
        }
    }
    take_openssl_errors();  // the end of input leaves "no start line" behind
    return out;
}

Result<std::vector<Bytes>> certificate_ders_from_pem(std::string_view text) {
    std::vector<Bytes> out = blocks_from_pem(text, {PEM_STRING_X509, PEM_STRING_X509_OLD});
    if (out.empty()) {
        return fail(ErrorCode::scep_structure, "the text holds no PEM certificate");
    }
    return out;
}

Result<std::vector<Certificate>> certificates_from_pem(std::string_view text) {
    const auto ders = certificate_ders_from_pem(text);
    if (!ders) {
        return fail(ders.error());
    }
    std::vector<Certificate> out;
    for (const Bytes& der : *ders) {
        auto certificate = Certificate::from_der(der);
        if (!certificate) {
            return fail(certificate.error());
        }
        out.push_back(*std::move(certificate));
    }
    return out;
}

Result<OpenSslPtr<EVP_PKEY>> private_key_from_pem(std::string_view text) {
    const OpenSslPtr<BIO> in(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    // An encrypted key must not make libcrypto ask on the terminal.
    const auto no_password = [](char*, int, int, void*) { return -1; };
    OpenSslPtr<EVP_PKEY> key(PEM_read_bio_PrivateKey(in.get(), nullptr, no_password, nullptr));
    if (!key) {
        return fail(ErrorCode::scep_structure, "the text holds no readable private key", take_openssl_errors(),
                    "give an unencrypted PEM");
    }
    return key;
}

}  // namespace hwenroll
