// A key that was on the token before, named by `key = "existing:pkcs11:…"`: used as it is and never destroyed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/enrollment_world.h"

namespace hwenroll::test {
namespace {

using testing::HasSubstr;

class ExistingKey : public testing::Test {
 protected:
    ExistingKey() { world_.start_lab_ca(); }

    /// Makes a key pair as an operator does.
    void make_key(const std::string& id, const std::string& label, const std::vector<std::string>& more = {},
                  const std::string& type = "rsa:2048") const {
        std::vector<std::string> line{"pkcs11-tool",
                                      "--module",
                                      SoftHsm::module(),
                                      "--token-label",
                                      "lab",
                                      "--login",
                                      "--pin",
                                      canary_pin,
                                      "--keypairgen",
                                      "--key-type",
                                      type,
                                      "--id",
                                      id,
                                      "--label",
                                      label};
        line.insert(line.end(), more.begin(), more.end());
        const RunResult made = run(std::move(line));
        ASSERT_EQ(made.exit_code, 0) << made.err;
    }

    /// The public key under `id`, as OpenSC reads it from the token.
    [[nodiscard]] std::string public_key(const std::string& id) const {
        const RunResult read = run({"pkcs11-tool", "--module", SoftHsm::module(), "--token-label", "lab", "--login",
                                    "--pin", canary_pin, "--read-object", "--type", "pubkey", "--id", id});
        EXPECT_EQ(read.exit_code, 0) << read.err;
        return read.out;
    }

    void expect_refusal(int exit_code, const std::string& code) const {
        const RunResult result = world_.once();
        EXPECT_EQ(result.exit_code, exit_code) << result.err;
        EXPECT_THAT(result.err, HasSubstr(code + " "));
        EXPECT_FALSE(std::filesystem::exists(world_.live()));
    }

    EnrollmentWorld world_;
};

TEST_F(ExistingKey, is_enrolled_by_its_id_and_still_there_afterwards) {
    make_key("9a01", "bench");
    const std::string before = public_key("9a01");
    world_.configure({.key = "existing:pkcs11:id=%9a%01"});
    const RunResult first = world_.once();
    ASSERT_EQ(first.exit_code, 0) << first.err;
    world_.expect_published();
    EXPECT_THAT(read_file(world_.live() / "key.uri"), HasSubstr("id=%9A%01"));
    EXPECT_EQ(public_key("9a01"), before);
    EXPECT_EQ(world_.once().exit_code, 0) << "nothing is left to do";
    world_.expect_no_canary({first.out, first.err});
}

TEST_F(ExistingKey, is_enrolled_by_its_label) {
    make_key("07", "web key");
    world_.configure({.key = "existing:pkcs11:object=web%20key"});
    const RunResult first = world_.once();
    ASSERT_EQ(first.exit_code, 0) << first.err;
    world_.expect_published();
    EXPECT_THAT(read_file(world_.live() / "key.uri"), HasSubstr("id=%07"));
}

TEST_F(ExistingKey, is_found_by_its_id_although_its_public_half_is_not_on_the_token) {
    make_key("03", "card key");
    const RunResult removed = run({"pkcs11-tool", "--module", SoftHsm::module(), "--token-label", "lab", "--login",
                                   "--pin", canary_pin, "--delete-object", "--type", "pubkey", "--id", "03"});
    ASSERT_EQ(removed.exit_code, 0) << removed.err;
    world_.configure({.key = "existing:pkcs11:id=%03"});
    const RunResult enrolled = world_.once();
    EXPECT_EQ(enrolled.exit_code, 0) << enrolled.err;
    EXPECT_EQ(world_.objects("Private Key Object"), 1);
}

TEST_F(ExistingKey, that_is_not_there_is_named_and_found_by_the_next_run) {
    world_.configure({.key = "existing:pkcs11:id=%9a;object=bench"});
    expect_refusal(69, "E-TOKEN-KEY-MISSING");
    make_key("9a", "other");
    expect_refusal(69, "E-TOKEN-KEY-MISSING");
    world_.configure({.key = "existing:pkcs11:id=%9a;object=other"});
    EXPECT_EQ(world_.once().exit_code, 0);
    world_.expect_published();
}

TEST_F(ExistingKey, T21_that_could_leave_the_token_is_refused_and_left_alone) {
    make_key("9a", "open", {"--extractable"});
    world_.configure({.key = "existing:pkcs11:id=%9a"});
    expect_refusal(76, "E-TOKEN-KEY-POLICY");
    EXPECT_EQ(world_.objects("Private Key Object"), 1);
    EXPECT_EQ(world_.objects("Public Key Object"), 1);
}

TEST_F(ExistingKey, of_two_that_fit_none_is_taken) {
    make_key("01", "twin");
    make_key("02", "twin");
    world_.configure({.key = "existing:pkcs11:object=twin"});
    expect_refusal(78, "E-TOKEN-AMBIGUOUS");
    EXPECT_EQ(world_.objects("Private Key Object"), 2);
}

TEST_F(ExistingKey, CSR_5_that_is_too_short_is_refused) {
    make_key("01", "short", {}, "rsa:1024");
    world_.configure({.key = "existing:pkcs11:id=%01"});
    expect_refusal(78, "E-CONFIG-UNSUPPORTED");
    EXPECT_EQ(world_.objects("Private Key Object"), 1);
}

TEST_F(ExistingKey, T20_TOK_2_that_cannot_decrypt_is_named_before_anything_is_sent) {
    make_key("9a", "signs");
    for (const auto& [value, name] :
         {std::pair{"0x68", "CKR_KEY_FUNCTION_NOT_PERMITTED"}, std::pair{"0x70", "CKR_MECHANISM_INVALID"}}) {
        world_.configure({.module = module("libhwenroll-pkcs11-shim.so"), .key = "existing:pkcs11:id=%9a"});
        const RunResult result = world_.once({{std::string("HWENROLL_SHIM_RULE=C_DecryptInit:*:rv=") + value}, {}, {}});
        EXPECT_EQ(result.exit_code, 69) << result.err;
        EXPECT_THAT(result.err, HasSubstr("E-TOKEN-SELF-TEST web: "));
        EXPECT_THAT(result.err, HasSubstr("cannot decrypt"));
        EXPECT_THAT(result.err, HasSubstr(name));
        EXPECT_EQ(world_.hwenroll({"resume", "web"}).exit_code, 0);
    }
    for (const std::string& line : world_.requests()) {
        EXPECT_EQ(line.find("PKIOperation"), std::string::npos) << line;
    }
    EXPECT_EQ(world_.objects("Private Key Object"), 1);
}

// Another `key` before the enrollment is done: what was adopted stays, what was made goes.
TEST_F(ExistingKey, stays_when_the_configuration_turns_to_a_new_key_and_back) {
    make_key("9a", "bench");
    const std::string before = public_key("9a");
    world_.configure({.challenge = "file:/nowhere", .key = "existing:pkcs11:id=%9a"});
    EXPECT_EQ(world_.once().exit_code, 78);
    world_.configure({.challenge = "file:/nowhere", .key = "rsa:3072"});
    EXPECT_EQ(world_.once().exit_code, 78);
    EXPECT_EQ(world_.objects("Private Key Object"), 2) << "a key of our own beside it";
    world_.configure({.key = "existing:pkcs11:id=%9a"});
    const RunResult last = world_.once();
    EXPECT_EQ(last.exit_code, 0) << last.err;
    EXPECT_EQ(public_key("9a"), before);
    world_.expect_published();
}

}  // namespace
}  // namespace hwenroll::test
