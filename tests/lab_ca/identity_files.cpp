#include "tests/lab_ca/identity_files.h"

#include <fmt/format.h>
#include <openssl/pem.h>

#include "base/pem.h"
#include "tests/lab_ca/files.h"

namespace hwenroll::lab_ca {

Status save_identity(const std::filesystem::path& directory, const std::string& name, const SigningIdentity& identity) {
    const OpenSslPtr<BIO> pem(BIO_new(BIO_s_mem()));
    char* text = nullptr;
    if (PEM_write_bio_PKCS8PrivateKey(pem.get(), identity.key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
        return fail(openssl_error("cannot encode a key of the lab CA"));
    }
    const auto size = static_cast<std::size_t>(BIO_get_mem_data(pem.get(), &text));
    Status written = write_file(directory / (name + ".key"), {text, size}, 0600);
    return written ? write_file(directory / (name + ".pem"), to_pem(identity.certificate), 0644) : written;
}

Result<SigningIdentity> load_identity(const std::filesystem::path& directory, const std::string& name) {
    const auto key_text = read_file(directory / (name + ".key"));
    const auto certificate_text = read_file(directory / (name + ".pem"));
    if (!key_text || !certificate_text) {
        return fail(key_text ? certificate_text.error() : key_text.error());
    }
    const OpenSslPtr<BIO> in(BIO_new_mem_buf(key_text->data(), static_cast<int>(key_text->size())));
    OpenSslPtr<EVP_PKEY> key(PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr));
    const auto certificates = certificates_from_pem(*certificate_text);
    if (!key || !certificates) {
        return fail(ErrorCode::input_file, fmt::format("cannot read the CA '{}' in '{}'", name, directory.string()),
                    take_openssl_errors(), "start with an empty directory to make a new CA");
    }
    if (X509_check_private_key(certificates->front().get(), key.get()) != 1) {
        return fail(ErrorCode::input_file,
                    fmt::format("{0}.key and {0}.pem in '{1}' do not belong together", name, directory.string()), {},
                    "start with an empty directory to make a new CA");
    }
    return SigningIdentity{std::move(key), certificates->front()};
}

Result<SigningIdentity> load_or_make(const std::filesystem::path& directory, const std::string& name,
                                     const std::function<Result<SigningIdentity>()>& make) {
    if (std::filesystem::exists(directory / (name + ".pem"))) {
        return load_identity(directory, name);
    }
    auto made = make();
    if (!made) {
        return made;
    }
    if (const Status saved = save_identity(directory, name, *made); !saved) {
        return fail(saved.error());
    }
    return made;
}

}  // namespace hwenroll::lab_ca
