// What a first enrollment costs the token, counted by OpenSC's pkcs11-spy (TOK-1; the budget).
#include <map>
#include <regex>
#include <sstream>

#include <gtest/gtest.h>

#include "tests/e2e/enrollment_world.h"

namespace hwenroll::test {
namespace {

std::string spy_module() {
    for (const auto& entry : std::filesystem::directory_iterator("/usr/lib")) {
        if (const auto path = entry.path() / "pkcs11-spy.so"; std::filesystem::exists(path)) {
            return path.string();
        }
    }
    return {};
}

/// Function names of the spy's log, in order: each call begins with a line `NUMBER: NAME`.
std::vector<std::string> calls_of(const std::string& log) {
    static const std::regex call("^[0-9]+: (C_[A-Za-z]+)");
    std::vector<std::string> calls;
    std::istringstream in(log);
    for (std::string line; std::getline(in, line);) {
        if (std::smatch match; std::regex_search(line, match, call)) {
            calls.push_back(match[1]);
        }
    }
    return calls;
}

TEST(KeyUse, TOK_1_a_first_enrollment_makes_one_key_uses_it_five_times_and_needs_at_most_forty_calls) {
    const std::string module = spy_module();
    ASSERT_FALSE(module.empty()) << "opensc-pkcs11 is not installed";
    EnrollmentWorld world;
    world.start_lab_ca();
    world.configure({.module = module});
    const std::string log = (world.directory() / "spy.log").string();
    const RunResult result = world.once({{"PKCS11SPY=" + SoftHsm::module(), "PKCS11SPY_OUTPUT=" + log}, {}, {}});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    const auto calls = calls_of(read_file(log));
    std::map<std::string, int> count;
    int after_login = 0;
    for (const std::string& call : calls) {
        after_login += count["C_Login"] > 0 ? 1 : 0;
        ++count[call];
    }
    RecordProperty("calls_after_login", after_login);
    RecordProperty("signatures", count["C_Sign"]);
    RecordProperty("decryptions", count["C_Decrypt"]);
    std::printf("generations %d, signatures %d, decryptions %d, calls after login %d\n", count["C_GenerateKeyPair"],
                count["C_Sign"], count["C_Decrypt"], after_login);
    EXPECT_EQ(count["C_Login"], 1);
    EXPECT_EQ(count["C_GenerateKeyPair"], 1);
    EXPECT_EQ(count["C_Sign"], 3) << "CSR, signer certificate, message";
    EXPECT_EQ(count["C_Decrypt"], 2) << "self-test, reply";
    EXPECT_LE(after_login, 40);
    std::filesystem::remove(log);  // the spy writes PINs into its log
}

}  // namespace
}  // namespace hwenroll::test
