// The built-in provider over a key on SoftHSM2: what an enrollment does, checked by the default provider.
#include <gtest/gtest.h>

#include "keystore/openssl/key_provider.h"
#include "keystore/openssl/self_test.h"
#include "keystore/pkcs11/pkcs11_token.h"
#include "tests/keystore/openssl/messages.h"
#include "tests/keystore/public_half.h"
#include "tests/keystore/software_token.h"
#include "tests/keystore/try_login.h"
#include "tests/support/softhsm.h"

namespace hwenroll::keystore::test {
namespace {

class TokenKey : public ::testing::TestWithParam<KeySpec> {
 protected:
    void SetUp() override {
        hsm_.init_token("lab");
        Pkcs11Options options;
        options.name = "lab";
        options.module = hsm_.module();
        options.uri = hsm_.token_uri("lab");
        options.pin = hsm_.pin_file();
        token_ = std::make_shared<Pkcs11Token>(options, PinSource::parse(options.pin).value());
        ASSERT_EQ(try_login(*token_).result, LoginOutcome::Result::accepted);
        const auto made = token_->generate(GetParam(), KeyId{Bytes(16, 7)}, "web");
        ASSERT_TRUE(made) << made.error().line();
        reference_ = made->key;
        auto key = to_evp_pkey(token_, *reference_);
        ASSERT_TRUE(key) << key.error().line();
        key_ = *std::move(key);
    }

    [[nodiscard]] EVP_PKEY* key() const { return key_.get(); }

    ::hwenroll::test::SoftHsm hsm_;
    std::shared_ptr<Pkcs11Token> token_;
    std::optional<KeyReference> reference_;
    OpenSslPtr<EVP_PKEY> key_;
};

class AnyTokenKey : public TokenKey {};

TEST_P(AnyTokenKey, TOK_1_makes_what_an_enrollment_needs) {
    const auto request = make_request(key());
    ASSERT_TRUE(request) << take_openssl_errors();
    EXPECT_EQ(X509_REQ_verify(request.get(), reference_->public_key.get()), 1);
    const auto certificate = make_certificate(key(), key());
    ASSERT_TRUE(certificate) << take_openssl_errors();
    EXPECT_EQ(X509_verify(certificate.get(), reference_->public_key.get()), 1);
    const Bytes message = make_signed_data(certificate.get(), key(), "message");
    ASSERT_FALSE(message.empty()) << take_openssl_errors();
    EXPECT_EQ(verified_content(message), "message");
    EXPECT_TRUE(opening_self_test(*token_, *reference_));
}

class RsaTokenKey : public TokenKey {};

TEST_P(RsaTokenKey, opens_enveloped_data) {
    EXPECT_EQ(decrypt(key(), encrypt(key(), "content key")), "content key") << take_openssl_errors();
    const auto made = make_certificate(key(), key());
    ASSERT_TRUE(made);
    // As the CA has it: what was parsed holds a public key of the default provider.
    const Certificate certificate =
        Certificate::from_der(der_of([&](unsigned char** out) { return i2d_X509(made.get(), out); })).value();
    const OpenSslPtr<STACK_OF(X509)> recipients(sk_X509_new_null());
    X509_up_ref(certificate.get());
    sk_X509_push(recipients.get(), certificate.get());
    const OpenSslPtr<BIO> content(BIO_new_mem_buf("content", 7));
    const OpenSslPtr<CMS_ContentInfo> envelope(
        CMS_encrypt(recipients.get(), content.get(), EVP_aes_128_cbc(), CMS_BINARY));
    ASSERT_TRUE(envelope);
    const OpenSslPtr<BIO> opened(BIO_new(BIO_s_mem()));
    ASSERT_EQ(CMS_decrypt(envelope.get(), key(), certificate.get(), nullptr, opened.get(), 0), 1)
        << take_openssl_errors();
    char* data = nullptr;
    const long size = BIO_get_mem_data(opened.get(), &data);
    EXPECT_EQ(std::string_view(data, static_cast<std::size_t>(size)), "content");
}

// CMS_decrypt hides why it failed (token-stack part 1 §8).
TEST_P(TokenKey, tells_of_a_key_that_has_gone) {
    ASSERT_TRUE(token_->destroy(reference_->id));
    EXPECT_FALSE(make_request(key()));
    ASSERT_TRUE(last_key_error(key()));
    EXPECT_EQ(last_key_error(key())->code(), ErrorCode::token_key_missing);
}

TEST_P(RsaTokenKey, tells_of_a_key_that_has_gone) {
    ASSERT_TRUE(token_->destroy(reference_->id));
    EXPECT_FALSE(decrypt(key(), encrypt(key(), "x")));
    ASSERT_TRUE(last_key_error(key()));
    EXPECT_EQ(last_key_error(key())->code(), ErrorCode::token_key_missing);
}

std::string kind(const testing::TestParamInfo<KeySpec>& test) {
    return (is_ec(test.param) ? "p" : "") + std::to_string(bits_of(test.param));
}

// RSA 4096 once: SoftHSM takes seconds to make such a key.
INSTANTIATE_TEST_SUITE_P(Kinds, AnyTokenKey,
                         ::testing::Values(KeySpec::rsa_2048, KeySpec::rsa_3072, KeySpec::rsa_4096, KeySpec::ec_p256,
                                           KeySpec::ec_p384),
                         kind);
INSTANTIATE_TEST_SUITE_P(Kinds, TokenKey, ::testing::Values(KeySpec::rsa_2048, KeySpec::ec_p256), kind);
INSTANTIATE_TEST_SUITE_P(Kinds, RsaTokenKey, ::testing::Values(KeySpec::rsa_2048, KeySpec::rsa_3072), kind);

}  // namespace
}  // namespace hwenroll::keystore::test
