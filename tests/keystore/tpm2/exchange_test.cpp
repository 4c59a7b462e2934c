// Key files that tpm2-openssl and Tpm2Token read of each other (design, "Keys stay on the device").
#include <gmock/gmock.h>

#include "keystore/openssl/self_test.h"
#include "keystore/tpm2/key_blob.h"
#include "keystore/tpm2/public_area.h"
#include "tests/keystore/tpm2/tpm_test.h"

namespace hwenroll::keystore::test {
namespace {

using ::hwenroll::test::read_file;
using ::hwenroll::test::RunResult;
using ::hwenroll::test::write_file;

/// Without these properties the default provider takes the key, or the TPM also hashes and runs out of slots.
constexpr auto key_on_tpm = "?provider=tpm2,tpm2.digest!=yes,tpm2.cipher!=yes";

class KeyExchange : public TpmTest, public ::testing::WithParamInterface<KeySpec> {
 protected:
    /// Runs openssl with both providers, in the TPM's directory.
    [[nodiscard]] RunResult openssl(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), "openssl");
        arguments.insert(arguments.begin() + 2,
                         {"-provider", "tpm2", "-provider", "default", "-propquery", key_on_tpm});
        return ::hwenroll::test::run(
            std::move(arguments),
            {{"TPM2OPENSSL_TCTI=" + tpm_.tcti(), "TSS2_LOG=all+NONE"}, tpm_.directory().path(), {}});
    }

    /// The other program signs `data` with the key, given by file or handle.
    void expect_openssl_signs(const std::string& key, const PublicKey& public_key,
                              std::vector<std::string> more = {}) const {
        write_file(tpm_.directory() / "data", "data");
        std::vector<std::string> arguments{"dgst", "-sha256", "-sign", key, "-out", "signature"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        arguments.emplace_back("data");
        const RunResult signed_it = openssl(std::move(arguments));
        ASSERT_EQ(signed_it.exit_code, 0) << signed_it.err;
        const std::string signature = read_file(tpm_.directory() / "signature");
        const Bytes input = public_key.is_rsa() ? digest_info("data") : digest("SHA256", "data");
        EXPECT_TRUE(verifies(public_key, input, as_bytes(signature)));
    }

    /// What the other program makes.
    [[nodiscard]] std::vector<std::string> generation() const {
        const std::string number = std::to_string(bits_of(GetParam()));
        return is_ec(GetParam()) ? std::vector<std::string>{"genpkey",           "-algorithm", "EC",     "-pkeyopt",
                                                            "group:P-" + number, "-out",       "key.pem"}
                                 : std::vector<std::string>{"genpkey",        "-algorithm", "RSA",    "-pkeyopt",
                                                            "bits:" + number, "-out",       "key.pem"};
    }

    /// The reference of a key file of another program.
    [[nodiscard]] KeyReference reference_of(const std::string& file) const {
        const std::string pem = read_file(tpm_.directory() / file);
        const auto blob = tpm2::parse_key_blob(pem);
        EXPECT_TRUE(blob) << blob.error().line();
        return {key_id(9), tpm2::public_key_in(blob->public_area).value(), pem};
    }
};

TEST_P(KeyExchange, openssl_signs_with_our_key_file) {
    const auto key = logged_in()->generate(GetParam(), key_id(1), "web").value().key;
    write_file(tpm_.directory() / "key.pem", key.pem);
    expect_openssl_signs("key.pem", key.public_key);
    expect_signs(*logged_in(), key);
}

TEST_P(KeyExchange, openssl_signs_with_our_persistent_key) {
    const auto made = logged_in(persistent_options())->generate(GetParam(), key_id(1), "web").value();
    expect_openssl_signs(made.uri, made.key.public_key);
}

TEST_P(KeyExchange, openssl_signs_with_our_key_file_and_its_authorization_value) {
    Tpm2Options with_auth = options();
    with_auth.auth = auth_file("canary-4711");
    const auto key = logged_in(with_auth)->generate(GetParam(), key_id(1), "web").value().key;
    write_file(tpm_.directory() / "key.pem", key.pem);
    expect_openssl_signs("key.pem", key.public_key, {"-passin", "pass:canary-4711"});
}

TEST_P(KeyExchange, we_sign_and_open_with_the_key_file_of_openssl) {
    const RunResult made = openssl(generation());
    ASSERT_EQ(made.exit_code, 0) << made.err;
    const auto token = logged_in();
    const KeyReference key = reference_of("key.pem");
    expect_signs(*token, key);
    EXPECT_TRUE(opening_self_test(*token, key));
    const auto description = token->look_up(key);
    ASSERT_TRUE(description) << description.error().line();
    EXPECT_TRUE(description->protection.confined());
    expect_nothing_loaded();
}

TEST_P(KeyExchange, a_key_file_of_openssl_with_an_authorization_value_needs_it) {
    auto arguments = generation();
    arguments.insert(arguments.end(), {"-pkeyopt", "user-auth:canary-4711"});
    const RunResult made = openssl(std::move(arguments));
    ASSERT_EQ(made.exit_code, 0) << made.err;
    const KeyReference key = reference_of("key.pem");
    const auto without = sign_text(*logged_in(), key, "data");
    ASSERT_FALSE(without);
    EXPECT_EQ(without.error().code(), ErrorCode::token_pin_source);
    Tpm2Options with_auth = options();
    with_auth.auth = auth_file("canary-4711");
    expect_signs(*logged_in(with_auth), key);
}

INSTANTIATE_TEST_SUITE_P(Kinds, KeyExchange, ::testing::Values(KeySpec::rsa_2048, KeySpec::ec_p256, KeySpec::ec_p384),
                         [](const auto& test) {
                             return (is_ec(test.param) ? "P" : "RSA") + std::to_string(bits_of(test.param));
                         });

}  // namespace
}  // namespace hwenroll::keystore::test
