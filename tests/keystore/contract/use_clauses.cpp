// What keystore/token.h says of the uses of keys.
#include <algorithm>
#include <atomic>
#include <thread>

#include "tests/keystore/contract/contract_test.h"
#include "tests/keystore/software_key.h"

namespace hwenroll::keystore::test {

namespace {

/// DigestInfo of SHA-512, the longest that is used (RFC 8017 §9.2).
Bytes longest_digest_info() {
    Bytes info = *from_hex("3051300d060960864801650304020305000440");
    const Bytes value = digest("SHA512", "data");
    info.insert(info.end(), value.begin(), value.end());
    return info;
}

/// One error for bad padding; OpenSC 0.23 selects the card's application anew after it, which ends the login.
bool costs_login(const Result<Secret>& refused) {
    return !refused && refused.error().code() == ErrorCode::token_login_lost;
}

}  // namespace

TEST_P(TokenContract, signs_by_each_mechanism) {
    for (const UsableKey& each : keys()) {
        const bool ec = each.key.public_key.is_ec();
        const auto mechanism = ec ? SignMechanism::ecdsa : SignMechanism::rsa_pkcs1;
        std::vector<Bytes> inputs;
        if (ec) {
            for (const char* const algorithm : {"SHA1", "SHA256", "SHA384", "SHA512"}) {
                inputs.push_back(digest(algorithm, "data"));
            }
        } else {
            inputs = {digest_info("data"), longest_digest_info()};
        }
        for (const Bytes& input : inputs) {
            const auto signature = token().sign(each.key, mechanism, input);
            ASSERT_EQ(signature.has_value(), each.signs);
            if (signature) {
                EXPECT_TRUE(verifies(each.key.public_key, input, *signature)) << input.size() << " octets";
                Bytes other = input;
                other.front() ^= 1U;
                EXPECT_FALSE(verifies(each.key.public_key, other, *signature));
            } else {
                expect_refused(signature, ErrorCode::token_operation);
            }
        }
    }
}

// TOK-11
TEST_P(TokenContract, TOK_11_signs_nothing_that_does_not_fit_its_key) {
    for (const UsableKey& each : keys()) {
        const bool ec = each.key.public_key.is_ec();
        const auto right = ec ? SignMechanism::ecdsa : SignMechanism::rsa_pkcs1;
        const auto wrong = ec ? SignMechanism::rsa_pkcs1 : SignMechanism::ecdsa;
        expect_refused(token().sign(each.key, wrong, ec ? digest_info("x") : digest("SHA256", "x")),
                       ErrorCode::token_operation);
        const std::size_t too_long = ec ? 65 : static_cast<std::size_t>(each.key.public_key.bits()) / 8 - 10;
        expect_refused(token().sign(each.key, right, Bytes(too_long, 1)), ErrorCode::token_operation);
        if (ec) {
            expect_refused(token().sign(each.key, right, Bytes(19, 1)), ErrorCode::token_operation);
        }
        if (each.signs) {
            expect_signs(token(), each.key);
        }
    }
}

TEST_P(TokenContract, decrypts_with_keys_that_can) {
    for (const UsableKey& each : keys()) {
        const Bytes sealed = each.decrypts ? encrypt(each.key.public_key, "content key")
                                           : Bytes(each.key.public_key.is_ec() ? 64 : 256, 1);
        const auto plain = token().decrypt(each.key, DecryptMechanism::rsa_pkcs1, sealed);
        if (!each.decrypts) {
            expect_refused(plain, ErrorCode::token_operation);
            continue;
        }
        ASSERT_TRUE(plain) << plain.error().line();
        EXPECT_EQ(as_text(plain->reveal()), "content key");
    }
}

// ENV-18, SEC-10: the mechanism that was asked for or none; a token that does not offer it says so, whatever it was
// given.
TEST_P(TokenContract, ENV_18_SEC_10_decrypts_by_OAEP_or_says_that_it_does_not) {
    const std::pair<DecryptMechanism, const EVP_MD*> mechanisms[] = {{DecryptMechanism::rsa_oaep_sha1, EVP_sha1()},
                                                                     {DecryptMechanism::rsa_oaep_sha256, EVP_sha256()}};
    for (const UsableKey& each : keys()) {
        if (!each.decrypts) {
            continue;
        }
        for (const auto& [mechanism, hash] : mechanisms) {
            const auto plain = token().decrypt(each.key, mechanism, encrypt(each.key.public_key, "content key", hash));
            const auto other = token().decrypt(each.key, mechanism, encrypt(each.key.public_key, "of PKCS#1 v1.5"));
            if (plain) {
                EXPECT_EQ(as_text(plain->reveal()), "content key");
                if (costs_login(other)) {
                    log_in(token());
                } else {
                    expect_refused(other, ErrorCode::token_operation);
                }
            } else {
                expect_refused(plain, ErrorCode::scep_algorithm);
                expect_refused(other, ErrorCode::scep_algorithm);
            }
            const auto next =
                token().decrypt(each.key, DecryptMechanism::rsa_pkcs1, encrypt(each.key.public_key, "next"));
            ASSERT_TRUE(next) << next.error().line();
        }
        expect_signs(token(), each.key);
    }
}

// SEC-9, BAD-103.
TEST_P(TokenContract, SEC_9_refuses_bad_ciphertexts_alike_and_stays_usable) {
    for (const UsableKey& each : keys()) {
        if (!each.decrypts) {
            continue;
        }
        for (const Bytes& bad : {Bytes(255, 1), Bytes(257, 1), Bytes()}) {
            expect_refused(token().decrypt(each.key, DecryptMechanism::rsa_pkcs1, bad), ErrorCode::token_operation);
        }
        Bytes spoilt = encrypt(each.key.public_key, "content key");
        spoilt.back() ^= 1U;
        for (const Bytes& bad : {spoilt, Bytes(256, 0xFF)}) {
            const auto plain = token().decrypt(each.key, DecryptMechanism::rsa_pkcs1, bad);
            // Some tokens answer with random octets instead (libcrypto since 3.2, behind SoftHSM).
            EXPECT_TRUE(plain ? as_text(plain->reveal()) != "content key"
                              : plain.error().code() == ErrorCode::token_operation)
                << plain.error().line();
            const auto good =
                token().decrypt(each.key, DecryptMechanism::rsa_pkcs1, encrypt(each.key.public_key, "next"));
            ASSERT_TRUE(good) << good.error().line();
            EXPECT_EQ(as_text(good->reveal()), "next");
        }
        expect_signs(token(), each.key);
    }
}

TEST_P(TokenContract, agrees_on_the_secret_that_software_computes) {
    for (const UsableKey& each : keys()) {
        const KeySpec spec = curve_of(each.key);
        const auto peer = make_software_key(spec);
        const auto secret = token().agree(each.key, PublicKey::of(peer.get()).value());
        if (!each.agrees) {
            expect_refused(secret, ErrorCode::token_operation);
            continue;
        }
        ASSERT_TRUE(secret) << secret.error().line();
        EXPECT_EQ(secret->size(), static_cast<std::size_t>(bits_of(spec)) / 8);
        EXPECT_TRUE(equal(secret->reveal(), agree_in_software(peer.get(), each.key.public_key).value().reveal()));
    }
    expect_signs(token(), any_key().key);
}

TEST_P(TokenContract, agrees_with_no_peer_of_another_kind) {
    const auto rsa = PublicKey::from_rsa(Bytes(256, 0xA5), Bytes{1, 0, 1}).value();
    for (const UsableKey& each : keys()) {
        const auto elsewhere =
            make_software_key(curve_of(each.key) == KeySpec::ec_p256 ? KeySpec::ec_p384 : KeySpec::ec_p256);
        expect_refused(token().agree(each.key, rsa), ErrorCode::token_operation);
        expect_refused(token().agree(each.key, PublicKey::of(elsewhere.get()).value()), ErrorCode::token_operation);
    }
}

TEST_P(TokenContract, serves_callers_in_several_threads) {
    const KeyReference key = any_key().key;
    Token& shared = token();
    std::vector<std::jthread> threads;
    std::atomic<int> good = 0;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&, text = std::to_string(i)] {
            for (int n = 0; n < 5; ++n) {
                const auto signature = sign_text(shared, key, text);
                const Bytes input = key.public_key.is_ec() ? digest("SHA256", text) : digest_info(text);
                good += signature && verifies(key.public_key, input, *signature) && shared.describe() ? 1 : 0;
            }
        });
    }
    threads.clear();
    EXPECT_EQ(good, 20);
}

}  // namespace hwenroll::keystore::test
