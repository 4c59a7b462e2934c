// What a first enrollment costs on the token, counted by opensc's pkcs11-spy.
#include <dlfcn.h>
#include <map>
#include <regex>
#include <sstream>

#include "tests/keystore/pkcs11/token_test.h"

// pkcs11-spy of opensc 0.23 does not free its record of the module behind it. Read by LeakSanitizer, if there is one.
extern "C" const char* __lsan_default_suppressions() {  // NOLINT(bugprone-reserved-identifier)
    return "leak:pkcs11-spy.so\n";
}

namespace hwenroll::keystore::test {
namespace {

std::string spy_path() {
    for (const auto& entry : std::filesystem::directory_iterator("/usr/lib")) {
        if (std::filesystem::exists(entry.path() / "pkcs11-spy.so")) {
            return (entry.path() / "pkcs11-spy.so").string();
        }
    }
    return {};
}

/// Names of the functions called after the first C_Login, in the spy's log.
std::vector<std::string> calls_after_login(const std::filesystem::path& log) {
    static const std::regex call("^[0-9]+: (C_[A-Za-z]+)$");
    std::vector<std::string> names;
    bool after = false;
    std::istringstream in(::hwenroll::test::read_file(log));
    for (std::string line; std::getline(in, line);) {
        std::smatch match;
        if (std::regex_match(line, match, call)) {
            if (after) {
                names.push_back(match[1]);
            }
            after = after || match[1] == "C_Login";
        }
    }
    return names;
}

/// CSR, self-signed certificate and message; opening self-test and reply.
void use_as_a_first_enrollment_does(Token& token) {
    const KeyId id = key_id(1);
    ASSERT_FALSE(token.find(id).value());
    const KeyReference key = token.generate(KeySpec::rsa_2048, id, "web").value().key;
    for (const auto* const text : {"request", "certificate", "message"}) {
        ASSERT_TRUE(token.sign(key, SignMechanism::rsa_pkcs1, digest_info(text)));
    }
    for (const auto* const text : {"self-test", "reply"}) {
        ASSERT_TRUE(token.decrypt(key, DecryptMechanism::rsa_pkcs1, encrypt(key.public_key, text)));
    }
}

TEST_F(TokenTest, a_first_enrollment_takes_at_most_40_calls_after_login) {
    Pkcs11Options spied = options();
    spied.module = spy_path();
    if (spied.module.empty()) {
        GTEST_SKIP() << "opensc's pkcs11-spy.so is not installed";
    }
    const auto log = hsm_.directory() / "spy.log";
    const EnvironmentVariable real("PKCS11SPY", SoftHsm::module());
    const EnvironmentVariable output("PKCS11SPY_OUTPUT", log.string());
    // Kept loaded, so that the leak checker knows the spy's leaks by name.
    ASSERT_NE(dlopen(spied.module.c_str(), RTLD_NOW | RTLD_NODELETE), nullptr) << dlerror();
    use_as_a_first_enrollment_does(*logged_in(spied));

    const auto calls = calls_after_login(log);
    std::map<std::string, int> counts;
    std::string text;
    for (const auto& name : calls) {
        ++counts[name];
        text += " " + name;
    }
    EXPECT_LE(calls.size(), 40U) << text;
    EXPECT_EQ(counts["C_GenerateKeyPair"], 1) << text;
    EXPECT_EQ(counts["C_Sign"], 3) << text;
    EXPECT_EQ(counts["C_Decrypt"], 2) << text;
    EXPECT_EQ(counts["C_Login"], 0) << text;
    RecordProperty("calls_after_login", static_cast<int>(calls.size()));
}

}  // namespace
}  // namespace hwenroll::keystore::test
