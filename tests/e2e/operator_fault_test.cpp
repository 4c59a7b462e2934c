// What operators and other programs do to a running agent: another subject, another PIN, foreign hands in the published
// files (rows F and O of the fault catalogue).
#include <csignal>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/daemon_world.h"
#include "tests/support/test_paths.h"

namespace hwenroll::test {
namespace {

std::vector<std::string> lives(int days, std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--lifetime", std::to_string(days * 86400L), "--backdate", "0"});
    return more;
}

void replace_in(const std::filesystem::path& file, const std::string& old, const std::string& with) {
    std::string text = read_file(file);
    const std::size_t at = text.find(old);
    ASSERT_NE(at, std::string::npos);
    write_file(file, text.replace(at, old.size(), with), 0600);
}

/// How often `text` is in `file`.
std::size_t count_in(const std::string& file, const std::string& text) {
    const std::string all = read_file(file);
    std::size_t count = 0;
    for (std::size_t at = all.find(text); at != std::string::npos; at = all.find(text, at + 1)) {
        ++count;
    }
    return count;
}

TEST(OperatorFault, F3_a_key_is_destroyed_on_the_token_that_made_it_when_its_identity_has_moved) {
    DaemonWorld world(lives(120));
    world.hsm().init_token("other", "87654321", canary_pin);
    world.configure({.token_extra = "\n[token.other]\ntype = \"pkcs11\"\nmodule = \"" + SoftHsm::module() +
                                    "\"\nuri = \"pkcs11:token=other\"\npin = \"file:" + world.pin_path().string() +
                                    "\"\n"});
    world.start_daemon();
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    replace_in(world.config(), "token = \"lab\"", "token = \"other\"");
    world.signal(SIGHUP);
    world.eventually("the other token's certificate",
                     [&] { return world.word() == "OK" && world.generation() == "gen-002"; });
    EXPECT_EQ(world.objects("Private Key Object"), 1) << "somebody may still use it";
    world.go_to_day(2);
    world.eventually("the end of the old key", [&] { return world.objects("Private Key Object") == 0; });
    EXPECT_THAT(read_file(world.live() / "key.uri"), testing::HasSubstr("token=other"));
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(OperatorFault, F3_a_key_whose_token_has_another_name_by_now_is_destroyed_all_the_same) {
    DaemonWorld world(lives(120));
    world.start_daemon();
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    replace_in(world.config(), "[token.lab]", "[token.hsm]");
    replace_in(world.config(), "token = \"lab\"\n", "token = \"hsm\"\n");
    world.signal(SIGHUP);
    world.go_to_day(91);
    world.eventually("the renewal", [&] { return world.word() == "OK" && world.generation() == "gen-002"; });
    world.go_to_day(92.5);
    world.eventually("the end of the old key", [&] { return world.objects("Private Key Object") == 1; });
    EXPECT_EQ(world.issued().size(), 2U) << "another name is no other token";
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(OperatorFault, F3_T3_a_token_that_hangs_and_is_configured_no_more_holds_nothing_up) {
    DaemonWorld world(lives(120));
    world.hsm().init_token("other", "87654321", canary_pin);
    world.configure(
        {.module = module("libhwenroll-pkcs11-shim.so"),
         .token_extra = "deadline_use = \"4s\"\n\n[token.other]\ntype = \"pkcs11\"\nmodule = \"" + SoftHsm::module() +
                        "\"\nuri = \"pkcs11:token=other\"\npin = \"file:" + world.pin_path().string() + "\"\n"});
    const std::string log = (world.directory() / "calls").string();
    world.start_daemon({"HWENROLL_SHIM_MODULE=" + SoftHsm::module(), "HWENROLL_SHIM_LOG=" + log,
                        "HWENROLL_SHIM_RULE=C_DestroyObject:*:hang"});
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    replace_in(world.config(), "token = \"lab\"\n", "token = \"other\"\n");
    world.signal(SIGHUP);
    world.eventually("the other token's certificate",
                     [&] { return world.word() == "OK" && world.generation() == "gen-002"; });
    world.go_to_day(2);
    world.eventually("a token that hangs", [&] { return count_in(log, "C_DestroyObject") > 0; });
    std::string text = read_file(world.config());
    const std::size_t begin = text.find("[token.lab]");
    text.erase(begin, text.find("[token.other]") - begin);
    write_file(world.config(), text, 0600);
    world.signal(SIGHUP);
    const auto asked = std::chrono::steady_clock::now();
    EXPECT_EQ(world.command({"status"}).exit_code, 0);
    EXPECT_LT(std::chrono::steady_clock::now() - asked, std::chrono::seconds(3)) << "the loop waits for no token";
    world.eventually("the end of the hang", [&] {
        return world.command({"history", "web"}).out.find("E-TOKEN-DEADLINE") != std::string::npos;
    });
    world.go_to_day(3);
    world.eventually("what became of it", [&] {
        return world.command({"history", "web"}).out.find("not configured any more") != std::string::npos;
    });
    world.go_to_day(91);
    world.eventually("the renewal", [&] { return world.word() == "OK" && world.generation() == "gen-003"; });
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(OperatorFault, F3_another_subject_is_a_new_generation_and_the_old_one_serves_until_there_is_one) {
    DaemonWorld world(lives(120));
    world.start_daemon();
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    const Certificate first = *world.leaf();
    world.restart_ca(lives(120, {"--refuse", "badRequest:unknown name"}));
    replace_in(world.config(), "CN=web01.example.com", "CN=web02.example.com");
    world.signal(SIGHUP);
    world.eventually("the refusal", [&] { return world.word() == "HELD(rejected)"; });
    EXPECT_EQ(world.leaf(), first) << "a name that the CA does not know costs nobody a working certificate";
    EXPECT_EQ(world.generation(), "gen-001");
    EXPECT_EQ(world.objects("Private Key Object"), 2);

    world.restart_ca(lives(120));
    world.go_to_day(1.1);
    world.eventually("the certificate", [&] { return world.word() == "OK" && world.generation() == "gen-002"; });
    EXPECT_THAT(world.leaf()->subject().text(), testing::HasSubstr("CN=web02.example.com"));
    EXPECT_TRUE(std::filesystem::exists(world.live().parent_path() / "gen-001" / "cert.pem"));
    world.go_to_day(2.2);
    world.eventually("the retirement", [&] { return world.objects("Private Key Object") == 1; });
    EXPECT_EQ(world.issued().size(), 2U);
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(OperatorFault, O8_a_pin_that_was_changed_on_the_token_only_is_tried_once_until_its_file_changes) {
    DaemonWorld world(lives(120));
    world.configure({.module = module("libhwenroll-pkcs11-shim.so")});
    const std::string log = (world.directory() / "shim.log").string();
    const std::vector<std::string> shim{"HWENROLL_SHIM_MODULE=" + SoftHsm::module(), "HWENROLL_SHIM_LOG=" + log};
    world.start_daemon(shim);
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    EXPECT_EQ(world.stop_daemon(), 0);
    const RunResult changed = run({"pkcs11-tool", "--module", SoftHsm::module(), "--token-label", "lab", "--login",
                                   "--pin", canary_pin, "--change-pin", "--new-pin", "canary-new-pin"});
    ASSERT_EQ(changed.exit_code, 0) << changed.err;
    std::filesystem::remove(log);

    world.start_daemon(shim);
    world.go_to_day(91);
    world.eventually("the refusal", [&] { return world.said("E-TOKEN-PIN web: "); });
    EXPECT_EQ(count_in(log, "C_Login\n"), 1U);
    for (const double day : {92.0, 93.0, 94.0}) {
        const std::size_t before = world.command({"history", "web", "--json"}).out.size();
        world.go_to_day(day);
        world.eventually("another look at the file", [&] {
            return world.command({"history", "web", "--json"}).out.size() != before;
        });
    }
    EXPECT_EQ(count_in(log, "C_Login\n"), 1U) << "invariant 6";
    EXPECT_EQ(world.generation(), "gen-001");
    write_file(world.pin_path(), "canary-new-pin", 0600);
    world.go_to_day(95);
    world.eventually("the renewal", [&] { return world.generation() == "gen-002"; });
    EXPECT_EQ(count_in(log, "C_Login\n"), 2U);
    EXPECT_EQ(world.issued().size(), 2U);
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(OperatorFault, F6_files_that_somebody_else_writes_are_published_again_once_an_hour_and_told) {
    DaemonWorld world(lives(120));
    world.start_daemon();
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    const std::string good = read_file(world.live() / "ca.pem");
    const std::string alert = "web: what consumers see was changed by somebody else, it is published again: ";
    std::string before = world.generation();
    for (int hour = 1; hour <= 3; ++hour) {
        write_file(world.live() / "ca.pem", "not what the agent wrote\n");
        world.go_to_day((1.1 * hour) / 24);
        world.eventually("the repair", [&] { return world.generation() != before && world.word() == "OK"; });
        EXPECT_EQ(read_file(world.live() / "ca.pem"), good);
        EXPECT_TRUE(world.said(alert + (world.live().parent_path() / before / "ca.pem").string()));
        before = world.generation();
    }
    EXPECT_EQ(world.generation(), "gen-004");
    EXPECT_EQ(world.issued().size(), 1U);
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(OperatorFault, F10_a_ca_without_a_fingerprint_is_asked_nothing_and_its_challenge_is_not_read) {
    DaemonWorld world(lives(120));
    const std::filesystem::path read = world.directory() / "read";
    const std::filesystem::path command = world.directory() / "challenge.sh";
    write_file(command, "#!/bin/sh\ntouch " + read.string() + "\nprintf " + std::string(canary_challenge), 0700);
    world.configure({.challenge = "exec:" + command.string()});
    const std::string good = read_file(world.config());
    std::string text = good;
    const std::size_t begin = text.find("fingerprint");
    ASSERT_NE(begin, std::string::npos);
    write_file(world.config(), text.erase(begin, text.find('\n', begin) + 1 - begin), 0600);
    const std::size_t asked = world.requests().size();

    world.start_daemon();
    world.eventually("the refusal", [&] { return world.said("E-CONFIG-MISSING"); });
    world.eventually("its answers", [&] { return world.listens(); });
    EXPECT_EQ(world.word(), "DISABLED");
    EXPECT_TRUE(world.said("'fingerprint'")) << "what is missing is named";
    EXPECT_TRUE(world.said("hwenroll ca show")) << "and where it comes from";
    EXPECT_EQ(world.command({"check-config"}).exit_code, 78);
    EXPECT_EQ(world.command({"enroll", "web"}).exit_code, 78) << "an operator's wish changes nothing about that";
    EXPECT_EQ(world.requests().size(), asked);
    EXPECT_FALSE(std::filesystem::exists(read));

    write_file(world.config(), good, 0600);
    world.signal(SIGHUP);
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    EXPECT_TRUE(std::filesystem::exists(read));
    EXPECT_EQ(world.stop_daemon(), 0);
}

/// The daemon on a host of that name, which is this process's child's alone.
std::vector<std::string> on_host(const std::string& name) {
    return {"unshare", "--uts", "sh", "-c", "echo " + name + " >/proc/sys/kernel/hostname && exec \"$0\" \"$@\""};
}

TEST(OperatorFault, O12_F3_a_renamed_host_enrolls_under_its_new_name_and_serves_the_old_one_until_then) {
    if (run({"unshare", "--uts", "true"}).exit_code != 0) {
        GTEST_SKIP() << "no host name of one's own here";
    }
    DaemonWorld world(lives(120));
    world.configure({.identity_extra = ""});
    replace_in(world.config(), "CN=web01.example.com", "CN=${hostname}.example.com");
    world.start_daemon({}, on_host("old-name"));
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    const Certificate first = *world.leaf();
    EXPECT_THAT(first.subject().text(), testing::HasSubstr("CN=old-name.example.com"));
    EXPECT_EQ(world.stop_daemon(), 0);

    world.restart_ca(lives(120, {"--refuse", "badRequest:unknown name"}));
    world.start_daemon({}, on_host("new-name"));
    world.eventually("the refusal", [&] { return world.word() == "HELD(rejected)"; });
    EXPECT_EQ(world.leaf(), first);
    EXPECT_EQ(world.objects("Private Key Object"), 2) << "the key that is in use stays";
    EXPECT_TRUE(world.said("web: held (rejected)")) << "people are told";

    world.restart_ca(lives(120));
    world.go_to_day(1.1);
    world.eventually("the certificate", [&] { return world.word() == "OK" && world.generation() == "gen-002"; });
    EXPECT_THAT(world.leaf()->subject().text(), testing::HasSubstr("CN=new-name.example.com"));
    EXPECT_EQ(world.issued().size(), 2U);
    EXPECT_EQ(world.stop_daemon(), 0);

    world.start_daemon({}, on_host("new-name"));
    world.eventually("the agent", [&] { return world.listens(); });
    EXPECT_EQ(world.word(), "OK");
    EXPECT_EQ(world.issued().size(), 2U) << "a name is new once";
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(OperatorFault, O7_a_run_of_what_an_operator_has_cancelled_says_so_and_how_it_goes_on) {
    DaemonWorld world(lives(120, {"--pending-until-approved"}));
    world.start_daemon();
    world.eventually("the request", [&] { return world.word() == "PENDING"; });
    EXPECT_EQ(world.command({"cancel", "web"}).exit_code, 0);
    world.eventually("the hold", [&] { return world.word() == "HELD(cancelled)"; });
    EXPECT_EQ(world.stop_daemon(), 0);
    const RunResult run = world.once();
    EXPECT_EQ(run.exit_code, 75) << run.err;
    EXPECT_THAT(run.err, testing::HasSubstr("E-INTERRUPTED web: cancelled by an operator; 'hwenroll resume web' "));
    EXPECT_EQ(run.err.find("E-INTERNAL"), std::string::npos);
}

TEST(OperatorFault, invariant_11_a_refusal_that_holds_is_told_once) {
    DaemonWorld world(lives(120, {"--refuse", "badRequest:no such name"}));
    world.start_daemon();
    world.eventually("the refusal", [&] { return world.word() == "HELD(rejected)"; });
    EXPECT_EQ(world.stop_daemon(), 0);
    const std::string all = world.daemon().err();
    std::size_t told = 0;
    for (std::size_t at = all.find("no such name"); at != std::string::npos; at = all.find("no such name", at + 1)) {
        ++told;
    }
    EXPECT_EQ(told, 1U) << all;
    EXPECT_NE(all.find("web: held (rejected): E-CA-REJECTED web: "), std::string::npos) << all;
}

}  // namespace
}  // namespace hwenroll::test
