// Each failure of a first enrollment that is the token's, or of its PIN.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/failure_world.h"

namespace hwenroll::test {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

TEST_F(Failure, T9_wrong_pin_is_tried_once_over_two_runs) {
    world_.start_lab_ca();
    write_file(world_.directory() / "wrong.pin", "0000", 0600);
    world_.configure({.module = shim_module(), .pin = "file:" + (world_.directory() / "wrong.pin").string()});
    expect_failure(77, "E-TOKEN-PIN", shim(""));
    EXPECT_THAT(error_, HasSubstr("CKR_PIN_INCORRECT"));
    expect_failure(77, "E-TOKEN-PIN", shim(""));
    EXPECT_THAT(error_, HasSubstr("until the PIN source changes"));
    EXPECT_EQ(calls("C_Login"), 1);
    write_file(world_.directory() / "wrong.pin", canary_pin, 0600);
    const RunResult corrected = world_.once(shim(""));
    EXPECT_EQ(corrected.exit_code, 0) << corrected.err;
    EXPECT_EQ(calls("C_Login"), 2);
}

// Invariant 6: neither a renamed section nor a restart gives a refused PIN another try on the same device.
TEST_F(Failure, T9_a_refused_command_stays_refused_under_another_name_until_resume) {
    world_.start_lab_ca();
    const auto command = world_.directory() / "pin-command";
    write_file(command, "#!/bin/sh\necho 0000\n", 0700);
    world_.configure({.module = shim_module(), .pin = "exec:" + command.string()});
    expect_failure(77, "E-TOKEN-PIN", shim(""));
    rename_token("lab", "renamed");
    expect_failure(77, "E-TOKEN-PIN", shim(""));
    EXPECT_THAT(error_, HasSubstr("hwenroll resume"));
    EXPECT_EQ(calls("C_Login"), 1);
    write_file(command, "#!/bin/sh\ncat " + world_.pin_path().string() + "\n", 0700);
    expect_failure(77, "E-TOKEN-PIN", shim(""));
    EXPECT_EQ(calls("C_Login"), 1);
    const RunResult resumed = world_.hwenroll({"resume", "web"});
    EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
    EXPECT_THAT(resumed.out, HasSubstr("the PIN of token 'renamed' may be tried once more"));
    const RunResult corrected = world_.once(shim(""));
    EXPECT_EQ(corrected.exit_code, 0) << corrected.err;
    EXPECT_EQ(calls("C_Login"), 2);
}

TEST_F(Failure, T9_another_pin_source_is_tried_at_once) {
    world_.start_lab_ca();
    const auto command = world_.directory() / "pin-command";
    write_file(command, "#!/bin/sh\necho 0000\n", 0700);
    world_.configure({.module = shim_module(), .pin = "exec:" + command.string()});
    expect_failure(77, "E-TOKEN-PIN", shim(""));
    world_.configure({.module = shim_module()});
    const RunResult corrected = world_.once(shim(""));
    EXPECT_EQ(corrected.exit_code, 0) << corrected.err;
    EXPECT_EQ(calls("C_Login"), 2);
}

TEST_F(Failure, T15_a_login_that_fails_unclearly_is_repeated_once_and_then_waits_for_a_person) {
    world_.start_lab_ca();
    world_.configure({.module = shim_module()});
    expect_failure(69, "E-TOKEN-OPERATION", shim("C_Login:1:rv=0x30"));
    expect_failure(69, "E-TOKEN-OPERATION", shim("C_Login:1:rv=0x80000001"));
    expect_failure(77, "E-TOKEN-PIN", shim(""));
    EXPECT_EQ(calls("C_Login"), 2);
}

// Invariant 6: what another source did in between gives a refused PIN no other try.
TEST_F(Failure, T9_invariant_6_a_refused_file_stays_refused_while_another_one_is_tried) {
    world_.start_lab_ca();
    const auto configure_pin = [this](const std::string& name) {
        world_.configure({.module = shim_module(), .pin = "file:" + (world_.directory() / name).string()});
    };
    write_file(world_.directory() / "a.pin", "0000", 0600);
    write_file(world_.directory() / "b.pin", "1111", 0600);
    for (const auto& [name, logins] : {std::pair("a.pin", 1), std::pair("b.pin", 2), std::pair("a.pin", 2)}) {
        configure_pin(name);
        expect_failure(77, "E-TOKEN-PIN", shim(""));
        EXPECT_EQ(calls("C_Login"), logins) << name;
    }
    write_file(world_.directory() / "a.pin", canary_pin, 0600);
    EXPECT_EQ(world_.once(shim("")).exit_code, 0);
    std::filesystem::remove(world_.directory() / "a.pin");
    EXPECT_EQ(calls("C_Login"), 3);
}

// Invariant 6: a clock that was set back, as at a boot without one, does not make a lost login an answered one.
TEST_F(Failure, T15_lost_logins_are_counted_whatever_the_clock_says) {
    world_.start_lab_ca();
    world_.configure({.module = shim_module()});
    const auto lose_a_login = [this] { expect_failure(69, "E-TOKEN-OPERATION", shim("C_Login:1:rv=0x30")); };
    lose_a_login();
    {
        auto opened = store::Store::open(world_.directory() / "state", {});
        ASSERT_TRUE(opened) << opened.error().line();
        const auto records = opened->logins_of_section("lab");
        ASSERT_TRUE(records);
        ASSERT_EQ(records->size(), 1U);
        store::LoginRecord accepted = records->front();
        accepted.outcome = store::LoginRecordOutcome::accepted;
        accepted.unknown = 0;
        accepted.begun_at += Seconds(10L * 365 * 86400);
        ASSERT_TRUE(opened->commit("other", accepted, {}, accepted.begun_at));
    }
    lose_a_login();
    expect_failure(77, "E-TOKEN-PIN", shim(""));
    EXPECT_EQ(calls("C_Login"), 2);
}

// Design, "Keys stay on the device": a `file:` PIN is tried again only when the file has changed.
TEST_F(Failure, T9_resume_does_not_free_an_unchanged_file) {
    world_.start_lab_ca();
    const auto path = world_.directory() / "wrong.pin";
    write_file(path, "0000", 0600);
    world_.configure({.module = shim_module(), .pin = "file:" + path.string()});
    expect_failure(77, "E-TOKEN-PIN", shim(""));
    const RunResult resumed = world_.hwenroll({"resume", "web"});
    EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
    EXPECT_THAT(resumed.out, AllOf(HasSubstr("token 'lab'"), HasSubstr("file:" + path.string()),
                                   HasSubstr("only after that file changes"), Not(HasSubstr("may be tried")),
                                   Not(HasSubstr("released"))));
    EXPECT_THAT(world_.hwenroll({"resume", "web", "--json"}).out, ContainsRegex("\"pin_file_must_change\": ?true"));
    expect_failure(77, "E-TOKEN-PIN", shim(""));
    EXPECT_EQ(calls("C_Login"), 1);
    write_file(path, canary_pin, 0600);
    EXPECT_THAT(world_.hwenroll({"resume", "web"}).out, Not(HasSubstr("only after that file changes")));
    EXPECT_EQ(world_.once(shim("")).exit_code, 0);
    std::filesystem::remove(path);
    EXPECT_EQ(calls("C_Login"), 2);
}

TEST_F(Failure, T15_resume_frees_a_file_whose_logins_were_lost) {
    world_.start_lab_ca();
    world_.configure({.module = shim_module()});
    expect_failure(69, "E-TOKEN-OPERATION", shim("C_Login:1:rv=0x30"));
    expect_failure(69, "E-TOKEN-OPERATION", shim("C_Login:1:rv=0x30"));
    expect_failure(77, "E-TOKEN-PIN", shim(""));
    EXPECT_THAT(world_.hwenroll({"resume", "web"}).out, HasSubstr("may be tried once more"));
    EXPECT_EQ(world_.once(shim("")).exit_code, 0);
    EXPECT_EQ(calls("C_Login"), 3);
}

TEST_F(Failure, T2_T3_what_fails_before_C_Login_is_no_login) {
    world_.start_lab_ca();
    world_.configure({.module = shim_module()});
    for (int run = 0; run < 3; ++run) {
        expect_failure(69, "E-TOKEN-WORKER", shim("C_Initialize:1:crash"));
    }
    const auto command = world_.directory() / "pin-command";
    write_file(command, "#!/bin/sh\nsleep 1000\n", 0700);
    world_.configure(
        {.module = shim_module(), .pin = "exec:" + command.string(), .token_extra = "deadline_login = \"1s\""});
    for (int run = 0; run < 3; ++run) {
        expect_failure(77, "E-TOKEN-PIN-SOURCE", shim(""));
    }
    EXPECT_EQ(calls("C_Login"), 0);
    world_.configure({.module = shim_module()});
    const RunResult healed = world_.once(shim(""));
    EXPECT_EQ(healed.exit_code, 0) << healed.err;
}

TEST_F(Failure, a_pin_file_that_others_may_read) {
    world_.start_lab_ca();
    write_file(world_.directory() / "open.pin", "1234", 0644);
    world_.configure({.module = shim_module(), .pin = "file:" + (world_.directory() / "open.pin").string()});
    expect_failure(77, "E-TOKEN-PIN-SOURCE", shim(""));
    EXPECT_EQ(calls("C_Login"), 0);
}

TEST_F(Failure, a_pin_file_that_is_not_there) {
    world_.start_lab_ca();
    world_.configure({.pin = "file:" + (world_.directory() / "nowhere.pin").string()});
    expect_failure(77, "E-TOKEN-PIN-SOURCE");
}

TEST_F(Failure, T1_missing_module) {
    world_.start_lab_ca();
    world_.configure({.module = "/usr/lib/nowhere/libnothing.so"});
    expect_failure(69, "E-TOKEN-MODULE");
    EXPECT_THAT(error_, HasSubstr("/usr/lib/nowhere/libnothing.so"));
}

TEST_F(Failure, T2_a_module_that_crashes_in_C_Sign) {
    world_.start_lab_ca();
    world_.configure({.module = shim_module()});
    expect_failure(69, "E-TOKEN-WORKER", shim("C_Sign:1:crash"));
    EXPECT_THAT(error_, HasSubstr("SIGSEGV"));
    EXPECT_EQ(operations(), 0);
    const RunResult healed = world_.once(shim(""));
    EXPECT_EQ(healed.exit_code, 0) << healed.err;
    world_.expect_published();
}

TEST_F(Failure, T3_a_module_that_hangs_in_C_Sign) {
    world_.start_lab_ca();
    world_.configure({.module = shim_module(), .token_extra = "deadline_use = \"500ms\""});
    expect_failure(69, "E-TOKEN-DEADLINE", shim("C_Sign:1:hang"));
    EXPECT_EQ(operations(), 0);
    world_.configure({.module = shim_module()});
    const RunResult healed = world_.once(shim(""));
    EXPECT_EQ(healed.exit_code, 0) << healed.err;
    world_.expect_published();
}

TEST_F(Failure, T2_a_module_that_crashes_while_opening_the_reply_keeps_the_transaction) {
    world_.start_lab_ca();
    world_.configure({.module = shim_module()});
    // The first C_Decrypt is the self-test, the second opens the reply.
    expect_failure(69, "E-TOKEN-WORKER", shim("C_Decrypt:2:crash"));
    EXPECT_EQ(operations(), 1);
    const RunResult healed = world_.once(shim(""));
    EXPECT_EQ(healed.exit_code, 0) << healed.err;
    world_.expect_published();
    const auto requests = world_.requests();
    const auto id_of = [](const std::string& line) {
        const std::size_t at = line.find("\"transactionID\":\"");
        return line.substr(at, line.find('"', at + 17) - at);
    };
    ASSERT_EQ(operations(), 2);
    EXPECT_EQ(id_of(requests[requests.size() - 1]), id_of(requests[2])) << "invariant 4";
}

TEST_F(Failure, T2_a_crash_in_C_Login_is_repeated_once_and_then_waits_for_a_person) {
    world_.start_lab_ca();
    world_.configure({.module = shim_module()});
    expect_failure(69, "E-TOKEN-WORKER", shim("C_Login:1:crash"));
    expect_failure(69, "E-TOKEN-WORKER", shim("C_Login:1:crash"));
    expect_failure(77, "E-TOKEN-PIN", shim("C_Login:1:crash"));
    EXPECT_EQ(calls("C_Login"), 2);
}

TEST_F(Failure, T16_a_full_token_is_named) {
    world_.start_lab_ca();
    world_.configure({.module = shim_module()});
    const RunResult result = world_.once(shim("C_GenerateKeyPair:1:rv=0x31"));
    EXPECT_EQ(result.exit_code, 69) << result.err;
    EXPECT_THAT(result.err, AllOf(HasSubstr("E-TOKEN-FULL"), HasSubstr("CKR_DEVICE_MEMORY")));
}

}  // namespace
}  // namespace hwenroll::test
