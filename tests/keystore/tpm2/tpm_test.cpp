#include "tests/keystore/tpm2/tpm_test.h"

namespace hwenroll::keystore::test {

using ::hwenroll::test::write_file;

Tpm2Options TpmTest::options() const {
    Tpm2Options options;
    options.name = "tpm";
    options.tcti = tpm_.tcti();
    return options;
}

Tpm2Options TpmTest::persistent_options() const {
    Tpm2Options persistent = options();
    persistent.first_handle = 0x81000010;
    persistent.last_handle = 0x81000012;
    return persistent;
}

std::unique_ptr<Tpm2Token> TpmTest::token_with(const Tpm2Options& options) {
    return std::make_unique<Tpm2Token>(options, PinSource::parse(options.auth).value());
}

std::unique_ptr<Tpm2Token> TpmTest::logged_in(const Tpm2Options& options) {
    auto token = token_with(options);
    const LoginOutcome outcome = try_login(*token);
    EXPECT_EQ(outcome.result, LoginOutcome::Result::accepted)
        << (outcome.error ? outcome.error->line() : "without error");
    return token;
}

std::string TpmTest::auth_file(const std::string& value, const std::string& name) const {
    const auto path = tpm_.directory() / name;
    write_file(path, value + "\n", 0600);
    return "file:" + path.string();
}

void TpmTest::expect_nothing_loaded() const {
    EXPECT_EQ(handles("handles-transient"), "");
    EXPECT_EQ(handles("handles-loaded-session"), "");
}

std::string TpmTest::handles(const std::string& kind) const {
    return tpm_.must({"tpm2_getcap", kind});
}

void TpmTest::occupy_all_slots() const {
    for (const char* slot : {"a", "b", "c"}) {
        tpm_.must({"tpm2_createprimary", "-Q", "-C", "o", "-G", "ecc", "-c", std::string(slot) + ".ctx"});
    }
    EXPECT_NE(tpm_.tool({"tpm2_createprimary", "-Q", "-C", "o", "-G", "ecc"}).exit_code, 0);
}

void expect_signs(Tpm2Token& token, const KeyReference& key) {
    const auto signature = sign_text(token, key, "data");
    ASSERT_TRUE(signature) << signature.error().line();
    const Bytes input = key.public_key.is_rsa() ? digest_info("data") : digest("SHA256", "data");
    EXPECT_TRUE(verifies(key.public_key, input, *signature));
}

Result<Bytes> sign_text(Token& token, const KeyReference& key, std::string_view text) {
    return key.public_key.is_rsa() ? token.sign(key, SignMechanism::rsa_pkcs1, digest_info(text))
                                   : token.sign(key, SignMechanism::ecdsa, digest("SHA256", text));
}

}  // namespace hwenroll::keystore::test
