#include "tests/scep/request/counting_token.h"

#include <stdexcept>

#include <openssl/rsa.h>

namespace hwenroll::test {
namespace {

tl::unexpected<Error> unused() {
    return fail(ErrorCode::token_operation, "this token only signs and decrypts");
}

}  // namespace

Result<keystore::TokenDescription> CountingToken::describe() {
    return keystore::TokenDescription{};
}

Result<keystore::LoginPreparation> CountingToken::prepare_login() {
    return keystore::LoginPreparation{};
}

keystore::LoginOutcome CountingToken::login(const keystore::LoginHistory& /*history*/) {
    return {keystore::LoginOutcome::Result::accepted, std::nullopt, std::nullopt};
}

Result<std::vector<keystore::KeyDescription>> CountingToken::list_keys() {
    return std::vector<keystore::KeyDescription>{};
}

Result<keystore::KeyDescription> CountingToken::generate(keystore::KeySpec /*spec*/, const keystore::KeyId& /*id*/,
                                                         const std::string& /*label*/) {
    return unused();
}

Result<std::optional<keystore::KeyDescription>> CountingToken::find(const keystore::KeyId& /*id*/) {
    return std::optional<keystore::KeyDescription>{};
}

Result<Bytes> CountingToken::sign(const keystore::KeyReference& /*key*/, keystore::SignMechanism /*mechanism*/,
                                  ByteView input) {
    ++signatures;
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(key_.get(), nullptr));
    Bytes signature(static_cast<std::size_t>(EVP_PKEY_get_size(key_.get())));
    std::size_t size = signature.size();
    if (refuse || EVP_PKEY_sign_init(context.get()) <= 0 ||
        EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) <= 0 ||
        EVP_PKEY_sign(context.get(), signature.data(), &size, input.data(), input.size()) <= 0) {
        return fail(ErrorCode::token_operation, "C_Sign failed", "CKR_DEVICE_ERROR");
    }
    return signature;
}

Result<Secret> CountingToken::decrypt(const keystore::KeyReference& /*key*/, keystore::DecryptMechanism /*mechanism*/,
                                      ByteView /*ciphertext*/) {
    ++decryptions;
    return unused();
}

Result<Secret> CountingToken::agree(const keystore::KeyReference& /*key*/, const PublicKey& /*peer*/) {
    return unused();
}

Status CountingToken::destroy(const keystore::KeyId& /*id*/) {
    return unused();
}

OpenSslPtr<EVP_PKEY> token_key(const std::shared_ptr<CountingToken>& token, const Key& key) {
    auto public_key = PublicKey::of(key.get());
    auto handle = public_key ? keystore::to_evp_pkey(token, {{{1}}, *public_key})
                             : Result<OpenSslPtr<EVP_PKEY>>(fail(public_key.error()));
    if (!handle) {
        throw std::runtime_error(handle.error().line());
    }
    return *std::move(handle);
}

}  // namespace hwenroll::test
