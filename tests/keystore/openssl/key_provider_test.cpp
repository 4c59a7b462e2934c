// The built-in provider over a key in memory: what libcrypto may and may not do with a token key.
#include "keystore/openssl/key_provider.h"

#include <array>

#include <gmock/gmock.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "keystore/openssl/self_test.h"
#include "tests/keystore/openssl/messages.h"
#include "tests/keystore/public_half.h"
#include "tests/keystore/software_token.h"

namespace hwenroll::keystore::test {
namespace {

using ::testing::HasSubstr;

class KeyProvider : public ::testing::Test {
 protected:
    explicit KeyProvider(KeySpec spec = KeySpec::rsa_2048)
        : token_(std::make_shared<SoftwareToken>(spec)), key_(to_evp_pkey(token_, token_->key()).value()) {
        ERR_clear_error();
    }

    [[nodiscard]] EVP_PKEY* key() const { return key_.get(); }
    [[nodiscard]] EVP_PKEY* public_key() const { return public_.get(); }

    std::shared_ptr<SoftwareToken> token_;
    OpenSslPtr<EVP_PKEY> key_;
    PublicKey public_ = token_->key().public_key;
};

class EcKeyProvider : public KeyProvider, public ::testing::WithParamInterface<KeySpec> {
 protected:
    EcKeyProvider() : KeyProvider(GetParam()) {}
};

INSTANTIATE_TEST_SUITE_P(Curves, EcKeyProvider, ::testing::Values(KeySpec::ec_p256, KeySpec::ec_p384),
                         [](const auto& test) { return "p" + std::to_string(bits_of(test.param)); });

/// `use` returns OpenSSL's success value with a context for `key` that `init` has prepared.
template <class Init, class Use>
bool with_context(EVP_PKEY* key, Init init, Use use) {
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
    return init(context.get()) == 1 && use(context.get()) == 1;
}

TEST_F(KeyProvider, presents_an_rsa_key_of_its_size) {
    EXPECT_EQ(EVP_PKEY_is_a(key(), "RSA"), 1);
    EXPECT_EQ(EVP_PKEY_get_base_id(key()), EVP_PKEY_RSA);
    EXPECT_EQ(EVP_PKEY_get_bits(key()), 2048);
    EXPECT_EQ(EVP_PKEY_get_security_bits(key()), 112);
    EXPECT_EQ(EVP_PKEY_get_size(key()), 256);
    EXPECT_EQ(PublicKey::of(key()).value(), public_);
}

TEST_F(KeyProvider, equals_its_public_half_and_no_other) {
    EXPECT_EQ(EVP_PKEY_eq(key(), public_key()), 1);
    EXPECT_EQ(EVP_PKEY_eq(public_key(), key()), 1);
    const SoftwareToken other;
    EXPECT_NE(EVP_PKEY_eq(key(), other.key().public_key.get()), 1);
    const auto certificate = make_certificate(key(), key());
    ASSERT_TRUE(certificate);
    EXPECT_EQ(X509_check_private_key(certificate.get(), key()), 1);
}

TEST_F(KeyProvider, refuses_to_export_the_private_half) {
    OSSL_PARAM* parameters = nullptr;
    EXPECT_NE(EVP_PKEY_todata(key(), EVP_PKEY_KEYPAIR, &parameters), 1);
    EXPECT_EQ(parameters, nullptr);
    BIGNUM* exponent = nullptr;
    EXPECT_NE(EVP_PKEY_get_bn_param(key(), OSSL_PKEY_PARAM_RSA_D, &exponent), 1);
    EXPECT_TRUE(der_of([&](unsigned char** out) { return i2d_PrivateKey(key(), out); }).empty());
    const OpenSslPtr<BIO> pem(BIO_new(BIO_s_mem()));
    EXPECT_NE(PEM_write_bio_PrivateKey(pem.get(), key(), nullptr, nullptr, 0, nullptr, nullptr), 1);

    EXPECT_EQ(EVP_PKEY_todata(key(), EVP_PKEY_PUBLIC_KEY, &parameters), 1);
    const OpenSslPtr<OSSL_PARAM> owned(parameters);
}

TEST_F(KeyProvider, signs_requests_certificates_and_cms) {
    const auto request = make_request(key());
    ASSERT_TRUE(request) << take_openssl_errors();
    EXPECT_EQ(X509_REQ_verify(request.get(), public_key()), 1);
    EXPECT_EQ(X509_REQ_get_signature_nid(request.get()), NID_sha256WithRSAEncryption);
    const auto certificate = make_certificate(key(), key());
    ASSERT_TRUE(certificate) << take_openssl_errors();
    EXPECT_EQ(X509_verify(certificate.get(), public_key()), 1);
    const Bytes message = make_signed_data(certificate.get(), key(), "message");
    ASSERT_FALSE(message.empty()) << take_openssl_errors();
    EXPECT_EQ(verified_content(message), "message");
}

// EVP_PKEY_sign on a finished digest, as some callers do.
TEST_F(KeyProvider, signs_a_digest_and_nothing_that_is_none) {
    const Bytes digest = sha256(as_bytes("data"));
    Bytes signature(256);
    std::size_t size = signature.size();
    const auto sign = [&](ByteView input) {
        return [&, input](EVP_PKEY_CTX* context) {
            return EVP_PKEY_sign(context, signature.data(), &size, input.data(), input.size());
        };
    };
    const auto with_sha256 = [](EVP_PKEY_CTX* context) {
        return EVP_PKEY_sign_init(context) == 1 ? EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) : 0;
    };
    ASSERT_TRUE(with_context(key(), with_sha256, sign(digest)));
    EXPECT_TRUE(with_context(
        public_key(),
        [](EVP_PKEY_CTX* context) {
            return EVP_PKEY_verify_init(context) == 1 ? EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) : 0;
        },
        [&](EVP_PKEY_CTX* context) {
            return EVP_PKEY_verify(context, signature.data(), size, digest.data(), digest.size());
        }));
    // TOK-11
    EXPECT_FALSE(with_context(key(), with_sha256, sign(as_bytes("not a digest"))));
    EXPECT_FALSE(with_context(key(), EVP_PKEY_sign_init, sign(digest)));
}

int by_oaep(EVP_PKEY_CTX* context, const EVP_MD* hash, const EVP_MD* mask_hash) {
    return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) == 1 &&
                   EVP_PKEY_CTX_set_rsa_oaep_md(context, hash) == 1 &&
                   EVP_PKEY_CTX_set_rsa_mgf1_md(context, mask_hash) == 1
               ? 1
               : 0;
}

/// The plaintext of what software encrypts by OAEP with both hashes; empty when it cannot be had.
std::string through_oaep(EVP_PKEY* key, EVP_PKEY* public_key, const EVP_MD* hash, const EVP_MD* mask_hash) {
    Bytes sealed(256);
    std::size_t size = sealed.size();
    const ByteView text = as_bytes("content key");
    const bool encrypted = with_context(
        public_key,
        [&](EVP_PKEY_CTX* context) {
            return EVP_PKEY_encrypt_init(context) == 1 ? by_oaep(context, hash, mask_hash) : 0;
        },
        [&](EVP_PKEY_CTX* context) {
            return EVP_PKEY_encrypt(context, sealed.data(), &size, text.data(), text.size());
        });
    Bytes plain(256);
    size = plain.size();
    const bool decrypted =
        encrypted && with_context(
                         key,
                         [&](EVP_PKEY_CTX* context) {
                             return EVP_PKEY_decrypt_init(context) == 1 ? by_oaep(context, hash, mask_hash) : 0;
                         },
                         [&](EVP_PKEY_CTX* context) {
                             return EVP_PKEY_decrypt(context, plain.data(), &size, sealed.data(), sealed.size());
                         });
    return decrypted ? std::string(as_text(ByteView(plain).first(size))) : std::string();
}

TEST_F(KeyProvider, ENV_18_decrypts_by_OAEP_with_SHA_1_and_SHA_256) {
    EXPECT_EQ(through_oaep(key(), public_key(), EVP_sha1(), EVP_sha1()), "content key");
    EXPECT_EQ(through_oaep(key(), public_key(), EVP_sha256(), EVP_sha256()), "content key");
    EXPECT_EQ(through_oaep(key(), public_key(), EVP_sha256(), EVP_sha1()), "") << "no token is asked for two hashes";
    EXPECT_EQ(through_oaep(key(), public_key(), EVP_sha512(), EVP_sha512()), "");
    EXPECT_EQ(decrypt(key(), encrypt(key(), "content key")), "content key") << "PKCS#1 v1.5 is still what is usual";
}

TEST_F(KeyProvider, refuses_other_paddings) {
    EXPECT_FALSE(with_context(key(), EVP_PKEY_sign_init, [](EVP_PKEY_CTX* context) {
        return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING);
    }));
    EXPECT_FALSE(with_context(key(), EVP_PKEY_sign_init, [](EVP_PKEY_CTX* context) {
        return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING);
    }));
    EXPECT_FALSE(with_context(key(), EVP_PKEY_decrypt_init, [](EVP_PKEY_CTX* context) {
        return EVP_PKEY_CTX_set_rsa_padding(context, RSA_NO_PADDING);
    }));
}

TEST_F(KeyProvider, decrypts) {
    EXPECT_EQ(decrypt(key(), encrypt(key(), "content key")), "content key");
    EXPECT_FALSE(last_key_error(key()));
}

TEST_F(KeyProvider, tells_why_the_last_private_operation_failed) {
    EXPECT_FALSE(last_key_error(key()));
    token_->fail_with(Error(ErrorCode::token_deadline, "token 'lab' did not answer", "C_Sign"));
    EXPECT_FALSE(make_request(key()));
    ASSERT_TRUE(last_key_error(key()));
    EXPECT_EQ(last_key_error(key())->code(), ErrorCode::token_deadline);
    EXPECT_THAT(take_openssl_errors(), HasSubstr("token 'lab' did not answer"));

    token_->fail_with(Error(ErrorCode::token_worker, "token 'lab' has gone"));
    EXPECT_FALSE(decrypt(key(), encrypt(key(), "x")));
    EXPECT_EQ(last_key_error(key())->code(), ErrorCode::token_worker);

    token_->fail_with(std::nullopt);
    EXPECT_TRUE(make_request(key()));
    EXPECT_FALSE(last_key_error(key()));
    EXPECT_FALSE(last_key_error(public_key())) << "a key of another provider";
    EXPECT_FALSE(last_key_error(nullptr));
}

TEST_F(KeyProvider, T7_a_signature_by_another_key_does_not_get_out) {
    token_->swap_key();
    EXPECT_FALSE(make_request(key()));
    ASSERT_TRUE(last_key_error(key()));
    EXPECT_EQ(last_key_error(key())->code(), ErrorCode::token_key_mismatch);
}

TEST_F(KeyProvider, keeps_its_token_while_a_key_or_an_operation_needs_it) {
    const std::weak_ptr<SoftwareToken> watched = token_;
    token_.reset();
    OpenSslPtr<EVP_MD_CTX> signing(EVP_MD_CTX_new());
    ASSERT_EQ(EVP_DigestSignInit(signing.get(), nullptr, EVP_sha256(), nullptr, key()), 1);
    const OpenSslPtr<EVP_PKEY> duplicate(EVP_PKEY_dup(key()));
    ASSERT_TRUE(duplicate);
    key_.reset();
    EXPECT_FALSE(watched.expired());
    Bytes signature(256);
    std::size_t size = signature.size();
    const ByteView data = as_bytes("data");
    EXPECT_EQ(EVP_DigestSign(signing.get(), signature.data(), &size, data.data(), data.size()), 1);
    EXPECT_TRUE(make_request(duplicate.get()));
}

TEST(KeyProviderLifetime, lets_its_token_go_with_the_last_key) {
    auto token = std::make_shared<SoftwareToken>();
    const std::weak_ptr<SoftwareToken> watched = token;
    auto key = to_evp_pkey(token, token->key()).value();
    token.reset();
    EXPECT_TRUE(make_request(key.get()));
    key.reset();
    EXPECT_TRUE(watched.expired());
}

TEST_F(KeyProvider, refuses_a_key_that_is_neither_rsa_nor_ec) {
    const OpenSslPtr<EVP_PKEY> edwards(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
    const auto refused = to_evp_pkey(token_, KeyReference{KeyId{{2}}, PublicKey::of(edwards.get()).value()});
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().line(), HasSubstr("ED25519"));
}

TEST_P(EcKeyProvider, presents_a_key_of_its_curve) {
    EXPECT_EQ(EVP_PKEY_is_a(key(), "EC"), 1);
    EXPECT_EQ(EVP_PKEY_get_base_id(key()), EVP_PKEY_EC);
    EXPECT_EQ(EVP_PKEY_get_bits(key()), bits_of(GetParam()));
    EXPECT_EQ(EVP_PKEY_get_security_bits(key()), bits_of(GetParam()) / 2);
    EXPECT_EQ(EVP_PKEY_get_size(key()), EVP_PKEY_get_size(public_key()));
    std::array<char, 32> group{};
    EXPECT_EQ(EVP_PKEY_get_group_name(key(), group.data(), group.size(), nullptr), 1);
    EXPECT_EQ(group.data(), std::string(GetParam() == KeySpec::ec_p256 ? "prime256v1" : "secp384r1"));
    EXPECT_EQ(PublicKey::of(key()).value(), public_);
}

TEST_P(EcKeyProvider, equals_its_public_half_and_no_other) {
    EXPECT_EQ(EVP_PKEY_eq(key(), public_key()), 1);
    EXPECT_EQ(EVP_PKEY_eq(public_key(), key()), 1);
    EXPECT_EQ(EVP_PKEY_parameters_eq(key(), public_key()), 1);
    const SoftwareToken same_curve(GetParam());
    EXPECT_NE(EVP_PKEY_eq(key(), same_curve.key().public_key.get()), 1);
    EXPECT_EQ(EVP_PKEY_parameters_eq(key(), same_curve.key().public_key.get()), 1);
    const SoftwareToken other_curve(GetParam() == KeySpec::ec_p256 ? KeySpec::ec_p384 : KeySpec::ec_p256);
    EXPECT_NE(EVP_PKEY_eq(key(), other_curve.key().public_key.get()), 1);
    EXPECT_NE(EVP_PKEY_parameters_eq(key(), other_curve.key().public_key.get()), 1);
    const auto certificate = make_certificate(key(), key());
    ASSERT_TRUE(certificate);
    EXPECT_EQ(X509_check_private_key(certificate.get(), key()), 1);
}

TEST_P(EcKeyProvider, refuses_to_export_the_private_half) {
    OSSL_PARAM* parameters = nullptr;
    EXPECT_NE(EVP_PKEY_todata(key(), EVP_PKEY_KEYPAIR, &parameters), 1);
    EXPECT_EQ(parameters, nullptr);
    BIGNUM* number = nullptr;
    EXPECT_NE(EVP_PKEY_get_bn_param(key(), OSSL_PKEY_PARAM_PRIV_KEY, &number), 1);
    EXPECT_TRUE(der_of([&](unsigned char** out) { return i2d_PrivateKey(key(), out); }).empty());
    const OpenSslPtr<BIO> pem(BIO_new(BIO_s_mem()));
    EXPECT_NE(PEM_write_bio_PrivateKey(pem.get(), key(), nullptr, nullptr, 0, nullptr, nullptr), 1);

    EXPECT_EQ(EVP_PKEY_todata(key(), EVP_PKEY_PUBLIC_KEY, &parameters), 1);
    const OpenSslPtr<OSSL_PARAM> owned(parameters);
}

TEST_P(EcKeyProvider, signs_requests_certificates_and_cms) {
    const auto request = make_request(key());
    ASSERT_TRUE(request) << take_openssl_errors();
    EXPECT_EQ(X509_REQ_verify(request.get(), public_key()), 1);
    EXPECT_EQ(X509_REQ_get_signature_nid(request.get()), NID_ecdsa_with_SHA256);
    const auto certificate = make_certificate(key(), key());
    ASSERT_TRUE(certificate) << take_openssl_errors();
    EXPECT_EQ(X509_verify(certificate.get(), public_key()), 1);
    // RFC 5758 §3.2: no parameters, not even NULL.
    const X509_ALGOR* algorithm = nullptr;
    X509_get0_signature(nullptr, &algorithm, certificate.get());
    int parameters = V_ASN1_NULL;
    X509_ALGOR_get0(nullptr, &parameters, nullptr, algorithm);
    EXPECT_EQ(parameters, V_ASN1_UNDEF);
    const Bytes message = make_signed_data(certificate.get(), key(), "message");
    ASSERT_FALSE(message.empty()) << take_openssl_errors();
    EXPECT_EQ(verified_content(message), "message");
}

TEST_P(EcKeyProvider, TOK_11_signs_a_digest_and_nothing_that_is_none) {
    const Bytes digest = sha256(as_bytes("data"));
    Bytes signature(static_cast<std::size_t>(EVP_PKEY_get_size(key())));
    std::size_t size = signature.size();
    const auto sign = [&](ByteView input) {
        return [&, input](EVP_PKEY_CTX* context) {
            return EVP_PKEY_sign(context, signature.data(), &size, input.data(), input.size());
        };
    };
    const auto with_sha256 = [](EVP_PKEY_CTX* context) {
        return EVP_PKEY_sign_init(context) == 1 ? EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) : 0;
    };
    ASSERT_TRUE(with_context(key(), with_sha256, sign(digest)));
    EXPECT_TRUE(with_context(public_key(), EVP_PKEY_verify_init, [&](EVP_PKEY_CTX* context) {
        return EVP_PKEY_verify(context, signature.data(), size, digest.data(), digest.size());
    }));
    size = signature.size();
    EXPECT_FALSE(with_context(key(), with_sha256, sign(as_bytes("not a digest"))));
    EXPECT_FALSE(with_context(key(), EVP_PKEY_sign_init, sign(digest)));
}

TEST_P(EcKeyProvider, neither_decrypts_nor_agrees) {
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, key(), nullptr));
    EXPECT_NE(EVP_PKEY_decrypt_init(context.get()), 1);
    EXPECT_NE(EVP_PKEY_derive_init(context.get()), 1);
}

TEST_P(EcKeyProvider, T7_a_signature_by_another_key_does_not_get_out) {
    token_->swap_key();
    EXPECT_FALSE(make_request(key()));
    ASSERT_TRUE(last_key_error(key()));
    EXPECT_EQ(last_key_error(key())->code(), ErrorCode::token_key_mismatch);
}

TEST_P(EcKeyProvider, tells_why_the_last_signature_failed) {
    token_->fail_with(Error(ErrorCode::token_deadline, "token 'lab' did not answer", "C_Sign"));
    EXPECT_FALSE(make_request(key()));
    ASSERT_TRUE(last_key_error(key()));
    EXPECT_EQ(last_key_error(key())->code(), ErrorCode::token_deadline);
    EXPECT_THAT(take_openssl_errors(), HasSubstr("token 'lab' did not answer"));
    token_->fail_with(std::nullopt);
    EXPECT_TRUE(make_request(key()));
    EXPECT_FALSE(last_key_error(key()));
}

TEST_P(EcKeyProvider, has_no_opening_to_test) {
    EXPECT_TRUE(opening_self_test(*token_, token_->key()));
    SoftwareToken rsa;
    EXPECT_TRUE(opening_self_test(rsa, rsa.key()));
    rsa.swap_key();
    EXPECT_FALSE(opening_self_test(rsa, rsa.key()));
}

TEST(LoadKeyProvider, may_be_called_again) {
    EXPECT_TRUE(load_key_provider());
    EXPECT_TRUE(load_key_provider());
    EXPECT_EQ(OSSL_PROVIDER_available(nullptr, "default"), 1);
    EXPECT_EQ(OSSL_PROVIDER_available(nullptr, "hwenroll-key"), 1);
}

bool is_of_default(const OpenSslPtr<EVP_PKEY>& key) {
    return key && OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(key.get())) == std::string_view("default");
}

/// RSA and EC keys of the default provider make and check signatures, and libcrypto makes such keys and reads foreign
/// ones; RSA opens what is encrypted to it.
void expect_that_the_default_provider_works() {
    for (const KeySpec spec : {KeySpec::rsa_2048, KeySpec::ec_p256, KeySpec::ec_p384}) {
        const auto software = make_software_key(spec);
        ASSERT_TRUE(is_of_default(software)) << to_text(spec) << ": " << take_openssl_errors();
        const auto request = make_request(software.get());
        ASSERT_TRUE(request) << to_text(spec) << ": " << take_openssl_errors();
        EXPECT_EQ(X509_REQ_verify(request.get(), software.get()), 1) << take_openssl_errors();
        const auto certificate = make_certificate(software.get(), software.get());
        ASSERT_TRUE(certificate);
        const auto foreign = PublicKey::from_spki(PublicKey::of(software.get()).value().spki());
        ASSERT_TRUE(foreign) << foreign.error().line();
        EXPECT_EQ(X509_verify(certificate.get(), foreign->get()), 1) << take_openssl_errors();
        EXPECT_EQ(verified_content(make_signed_data(certificate.get(), software.get(), "x")), "x")
            << take_openssl_errors();
    }
    std::string curve = "P-256";
    EXPECT_TRUE(is_of_default(OpenSslPtr<EVP_PKEY>(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve.data()))))
        << take_openssl_errors();
    EXPECT_TRUE(is_of_default(OpenSslPtr<EVP_PKEY>(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{2048}))))
        << take_openssl_errors();
    const OpenSslPtr<EVP_PKEY> rsa(EVP_RSA_gen(2048));
    EXPECT_EQ(decrypt(rsa.get(), encrypt(rsa.get(), "x")), "x") << take_openssl_errors();
}

/// Which token key is used first, and how. Each test runs in a process of its own.
class FirstUse : public ::testing::TestWithParam<KeySpec> {
 protected:
    FirstUse() : token_(std::make_shared<SoftwareToken>(GetParam())), key_(to_evp_pkey(token_, token_->key()).value()) {
        ERR_clear_error();
    }

    void begin_to_sign() const {
        const OpenSslPtr<EVP_MD_CTX> signing(EVP_MD_CTX_new());
        ASSERT_EQ(EVP_DigestSignInit(signing.get(), nullptr, EVP_sha256(), nullptr, key_.get()), 1);
    }

    std::shared_ptr<SoftwareToken> token_;
    OpenSslPtr<EVP_PKEY> key_;
};

// token-stack part 2 §3: which operation comes first must not matter.
TEST_P(FirstUse, to_sign_leaves_the_default_provider_alone) {
    begin_to_sign();
    expect_that_the_default_provider_works();
}

TEST_P(FirstUse, to_sign_a_digest_leaves_the_default_provider_alone) {
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, key_.get(), nullptr));
    ASSERT_EQ(EVP_PKEY_sign_init(context.get()), 1);
    expect_that_the_default_provider_works();
}

TEST_P(FirstUse, to_compare_leaves_the_default_provider_alone) {
    EXPECT_EQ(EVP_PKEY_eq(key_.get(), token_->key().public_key.get()), 1);
    expect_that_the_default_provider_works();
}

// What an EC key cannot do is looked up all the same.
TEST_P(FirstUse, to_decrypt_or_agree_leaves_the_default_provider_alone) {
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, key_.get(), nullptr));
    EXPECT_EQ(EVP_PKEY_decrypt_init(context.get()) == 1, !is_ec(GetParam()));
    EXPECT_NE(EVP_PKEY_derive_init(context.get()), 1);
    expect_that_the_default_provider_works();
}

// Loading a provider empties libcrypto's cache of queries, which a token key may then fill.
TEST_P(FirstUse, after_another_provider_came_leaves_the_default_provider_alone) {
    const OpenSslPtr<OSSL_PROVIDER> later(OSSL_PROVIDER_load(nullptr, "base"));
    ASSERT_TRUE(later);
    begin_to_sign();
    expect_that_the_default_provider_works();
}

INSTANTIATE_TEST_SUITE_P(Kinds, FirstUse, ::testing::Values(KeySpec::rsa_2048, KeySpec::ec_p256),
                         [](const auto& test) { return std::string(is_ec(test.param) ? "ec" : "rsa"); });

TEST_F(KeyProvider, leaves_the_default_provider_alone_when_it_is_loaded_only) {
    expect_that_the_default_provider_works();
}

}  // namespace
}  // namespace hwenroll::keystore::test
