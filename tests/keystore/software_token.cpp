#include "tests/keystore/software_token.h"

#include <openssl/rsa.h>

namespace hwenroll::keystore::test {

namespace {

tl::unexpected<Error> not_here() {
    return fail(ErrorCode::internal, "a SoftwareToken only signs, decrypts and agrees");
}

}  // namespace

OpenSslPtr<EVP_PKEY> make_software_key(KeySpec spec) {
    return OpenSslPtr<EVP_PKEY>(
        is_ec(spec) ? EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", spec == KeySpec::ec_p256 ? "P-256" : "P-384")
                    : EVP_RSA_gen(static_cast<std::size_t>(bits_of(spec))));
}

SoftwareToken::SoftwareToken(KeySpec spec)
    : spec_(spec), private_(make_software_key(spec)), key_{KeyId{{1}}, PublicKey::of(private_.get()).value()} {}

void SoftwareToken::swap_key() {
    private_ = make_software_key(spec_);
}

Result<TokenDescription> SoftwareToken::describe() {
    return not_here();
}

Result<LoginPreparation> SoftwareToken::prepare_login() {
    return LoginPreparation{};
}

LoginOutcome SoftwareToken::login(const LoginHistory& /*history*/) {
    return {};
}

Result<std::vector<KeyDescription>> SoftwareToken::list_keys() {
    return not_here();
}

Result<KeyDescription> SoftwareToken::generate(KeySpec /*spec*/, const KeyId& /*id*/, const std::string& /*label*/) {
    return not_here();
}

Result<std::optional<KeyDescription>> SoftwareToken::find(const KeyId& /*id*/) {
    return not_here();
}

Result<Bytes> SoftwareToken::sign(const KeyReference& /*key*/, SignMechanism mechanism, ByteView input) {
    if ((mechanism == SignMechanism::ecdsa) != is_ec(spec_)) {
        return not_here();
    }
    if (error_) {
        return fail(*error_);
    }
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, private_.get(), nullptr));
    Bytes signature(256);
    std::size_t size = signature.size();
    if (EVP_PKEY_sign_init(context.get()) != 1 ||
        (!is_ec(spec_) && EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) != 1) ||
        EVP_PKEY_sign(context.get(), signature.data(), &size, input.data(), input.size()) != 1) {
        return fail(openssl_error("cannot sign"));
    }
    signature.resize(size);
    return signature;
}

Result<Secret> SoftwareToken::decrypt(const KeyReference& /*key*/, DecryptMechanism /*mechanism*/,
                                      ByteView ciphertext) {
    if (error_) {
        return fail(*error_);
    }
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, private_.get(), nullptr));
    Bytes plain(256);
    std::size_t size = plain.size();
    if (EVP_PKEY_decrypt_init(context.get()) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) != 1 ||
        EVP_PKEY_decrypt(context.get(), plain.data(), &size, ciphertext.data(), ciphertext.size()) != 1) {
        return fail(openssl_error("cannot decrypt"));
    }
    return Secret(ByteView(plain).first(size));
}

Result<Secret> SoftwareToken::agree(const KeyReference& /*key*/, const PublicKey& peer) {
    if (error_) {
        return fail(*error_);
    }
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, private_.get(), nullptr));
    Bytes secret(static_cast<std::size_t>(bits_of(spec_)) / 8);
    std::size_t size = secret.size();
    if (EVP_PKEY_derive_init(context.get()) != 1 || EVP_PKEY_derive_set_peer(context.get(), peer.get()) != 1 ||
        EVP_PKEY_derive(context.get(), secret.data(), &size) != 1) {
        return fail(openssl_error("cannot agree"));
    }
    return Secret(std::move(secret));
}

Status SoftwareToken::destroy(const KeyId& /*id*/) {
    return not_here();
}

}  // namespace hwenroll::keystore::test
