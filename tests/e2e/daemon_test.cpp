// hwenrolld as a service, against scep-lab-ca on a shared clock.
#include <csignal>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "tests/e2e/daemon_world.h"

namespace hwenroll::test {
namespace {

using testing::HasSubstr;

constexpr std::int64_t day_seconds = 86400;

std::vector<std::string> cisco_example() {
    return {"--ca-lifetime",   std::to_string(365 * day_seconds), "--lifetime", std::to_string(120 * day_seconds),
            "--auto-rollover", std::to_string(30 * day_seconds),  "--backdate", "0"};
}

void expect_end(const DaemonWorld& world, double day) {
    const auto leaf = world.leaf();
    ASSERT_TRUE(leaf);
    EXPECT_NEAR(static_cast<double>((leaf->not_after() - world.day(0)).count()) / day_seconds, day, 0.01);
}

TEST(Daemon, REN_3_REN_4_a_certificate_is_renewed_with_a_new_key_and_the_old_key_goes) {
    DaemonWorld world({"--lifetime", std::to_string(120 * day_seconds), "--backdate", "0", "--renewal", "both"});
    world.start_daemon();
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    EXPECT_EQ(world.generation(), "gen-001");
    const Certificate first = *world.leaf();
    world.go_to_day(91);
    world.eventually("the renewal", [&] { return world.generation() == "gen-002"; });
    const Certificate second = *world.leaf();
    EXPECT_NE(second.public_key().spki(), first.public_key().spki());
    expect_end(world, 211);
    EXPECT_THAT(world.requests().back(), HasSubstr("\"messageType\":\"17\""));
    EXPECT_EQ(world.objects("Private Key Object"), 2) << "the old key stays for a day";
    world.go_to_day(92.1);
    world.eventually("the retirement", [&] { return world.objects("Private Key Object") == 1; });
    EXPECT_EQ(world.issued().size(), 2U);
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(Daemon, REN_6_C22_Q_ILM_1_a_refused_RenewalReq_is_followed_by_one_PKCSReq) {
    DaemonWorld world({"--lifetime", std::to_string(120 * day_seconds), "--backdate", "0", "--renewal", "19", "--caps",
                       "AES,SHA-256,POSTPKIOperation,Renewal,SCEPStandard"});
    world.start_daemon();
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    world.go_to_day(91);
    world.eventually("the renewal", [&] { return world.generation() == "gen-002"; });
    EXPECT_EQ(world.issued().size(), 2U);
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(Daemon, CSR_6_Q_STEP_3_a_renewal_brings_the_challenge_where_the_ca_wants_it) {
    DaemonWorld world({"--lifetime", std::to_string(120 * day_seconds), "--backdate", "0", "--renewal", "both"});
    const ChildOptions options{{"HWENROLL_CLOCK_FILE=" + world.clock_path().string()}, {}, {}};
    const auto source = world.directory() / "mine.challenge";
    write_file(source, canary_challenge, 0600);
    world.configure({.challenge = "file:" + source.string(), .ca_extra = "renewal_challenge = \"send\""});
    ASSERT_EQ(world.once(options).exit_code, 0);
    // The lab CA judges a challenge that comes along, and wants none: only one that was sent can be wrong.
    write_file(source, "not-the-right-one", 0600);
    world.go_to_day(91);
    const RunResult refused = world.once(options);
    EXPECT_EQ(refused.exit_code, 76) << refused.err;
    EXPECT_THAT(refused.err, HasSubstr("E-CA-REJECTED web: "));
    write_file(source, canary_challenge, 0600);
    const RunResult renewed = world.once(options);
    EXPECT_EQ(renewed.exit_code, 0) << renewed.err;
    EXPECT_EQ(world.generation(), "gen-002");
}

// SEC-5: a renewal rests on its signature alone, so that no RenewalReq has one with SHA-1, whatever is announced.
TEST(Daemon, SEC_5_Q_CISCO_2_with_a_CA_of_SHA_1_only_no_renewal_is_a_RenewalReq) {
    DaemonWorld world({"--lifetime", std::to_string(120 * day_seconds), "--backdate", "0", "--renewal", "both",
                       "--caps", "AES,SHA-1,POSTPKIOperation,Renewal", "--allow-weak-requests"});
    const std::string legacy = "legacy = [\"sha1-request\"]\nlegacy_until = 2031-12-31\n";
    world.configure({.ca_extra = legacy});
    world.start_daemon();
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    world.go_to_day(91);
    world.eventually("the renewal", [&] { return world.generation() == "gen-002"; });
    EXPECT_THAT(world.messages(), testing::ElementsAre("19", "19"));
    EXPECT_THAT(world.command({"history", "web"}).out,
                HasSubstr("; by SHA-1, AES-128-CBC, RSAES-PKCS1-v1_5, as legacy = [\"sha1-request\"] permits"));
    world.configure({.ca_extra = legacy + "renewal_type = 17\n"});
    world.reload();
    world.go_to_day(182);
    world.eventually("the refusal",
                     [&] { return world.said("E-CA-ALGORITHM web: a RenewalReq is never signed with SHA-1"); });
    EXPECT_EQ(world.messages().size(), 2U) << "nothing was sent";
    EXPECT_EQ(world.stop_daemon(), 0);
}

// Design: warned from 30 days before the end.
TEST(Daemon, C27_the_end_of_legacy_is_told_from_30_days_before_it) {
    DaemonWorld world({"--lifetime", std::to_string(120 * day_seconds), "--backdate", "0"});
    world.configure({.ca_extra = "legacy = [\"des3\"]\nlegacy_until = 2030-03-01\n"});
    world.start_daemon();
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    EXPECT_FALSE(world.said("legacy_until"));
    world.go_to_day(40);
    const std::string told = "ca corp: legacy = [\"des3\"] ends with 2030-03-01, in 20 d";
    world.eventually("the reminder", [&] { return world.said(told); });
    EXPECT_THAT(world.command({"status", "web"}).out, HasSubstr(told));
    world.go_to_day(41);
    world.eventually("the next one", [&] { return world.said("ends with 2030-03-01, in 19 d"); });
    EXPECT_EQ(world.times_said(told), 1U) << "once a day";
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(Daemon, REN_2_ROLL_14_Q_CISCO_4_the_cisco_example_with_the_machine_off_over_the_switch) {
    DaemonWorld world(cisco_example());
    world.start_daemon();
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    expect_end(world, 120);
    for (const auto& [renewed, end] : {std::pair(91.0, 211.0), std::pair(182.0, 302.0), std::pair(273.0, 365.0)}) {
        const std::string before = world.generation();
        world.go_to_day(renewed);
        world.eventually("a renewal", [&] { return world.generation() != before && world.word() == "OK"; });
        expect_end(world, end);
    }
    const Certificate last = *world.leaf();
    world.go_to_day(336);
    world.eventually("the successor's anchor", [&] { return world.anchors() == 2; });
    EXPECT_EQ(*world.leaf(), last) << "only the anchors have changed";
    world.go_to_day(343);
    world.eventually("the shadow", [&] { return world.word() == "SHADOW-READY"; });
    EXPECT_EQ(*world.leaf(), last) << "consumers keep the current one";
    EXPECT_EQ(world.stop_daemon(), 0);

    world.go_to_day(366);
    world.start_daemon();
    world.eventually("the switch", [&] { return world.word() == "OK" && world.leaf() != last; });
    EXPECT_GE(world.leaf()->not_before(), world.day(364.9));
    world.eventually("the end of the old anchor", [&] { return world.anchors() == 1; });
    EXPECT_EQ(world.issued().size(), 5U) << "four of the old CA, one of the new";
    EXPECT_EQ(world.stop_daemon(), 0);

    world.start_daemon();
    world.eventually("a start after the rollover", [&] { return world.word() == "OK"; });
    world.go_to_day(365 + 91);
    const std::string before = world.generation();
    world.eventually("a renewal by the new CA", [&] { return world.generation() != before && world.word() == "OK"; });
    EXPECT_EQ(world.issued().size(), 6U);
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(Daemon, SM_14_an_expired_certificate_is_enrolled_again) {
    DaemonWorld world({"--lifetime", std::to_string(120 * day_seconds), "--backdate", "0"});
    world.start_daemon();
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    EXPECT_EQ(world.stop_daemon(), 0);
    world.go_to_day(130);
    world.start_daemon();
    world.eventually("the enrollment", [&] { return world.word() == "OK" && world.generation() == "gen-002"; });
    expect_end(world, 250);
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(Daemon, O6_an_operator_s_wish_for_a_renewal_is_taken_at_once_and_twenty_are_one) {
    DaemonWorld world({"--lifetime", std::to_string(120 * day_seconds), "--backdate", "0", "--renewal", "17", "--fault",
                       "RenewalReq:*:delay-8000"});
    world.start_daemon();
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    world.go_to_day(1);
    for (int i = 0; i < 20; ++i) {
        const RunResult renewed = world.command({"renew", "web"});
        EXPECT_EQ(renewed.exit_code, 0) << renewed.err;
    }
    const RunResult waited = world.command({"wait", "web", "--timeout", "30"});
    EXPECT_EQ(waited.exit_code, 0) << waited.out << waited.err;
    EXPECT_EQ(world.generation(), "gen-002");
    EXPECT_EQ(world.issued().size(), 2U);
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(Daemon, O6_SM_1_an_enrollment_wanted_while_the_first_is_under_way_is_that_one) {
    DaemonWorld world({"--fault", "PKCSReq:1:delay-5000"});
    world.start_daemon();
    world.eventually("the first request", [&] { return world.messages().size() == 1; });
    const RunResult enrolled = world.command({"enroll", "web", "--wait"});
    EXPECT_EQ(enrolled.exit_code, 0) << enrolled.out << enrolled.err;
    EXPECT_EQ(world.generation(), "gen-001");
    EXPECT_EQ(world.issued().size(), 1U);
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(Daemon, O6_CA_an_enrollment_wanted_while_one_is_refused_does_not_end_the_hold) {
    DaemonWorld world({"--fault", "PKCSReq:*:delay-5000"});
    write_file(world.directory() / "wrong.challenge", "no", 0600);
    world.configure({.challenge = "file:" + (world.directory() / "wrong.challenge").string()});
    world.start_daemon();
    world.eventually("the first request", [&] { return world.messages().size() == 1; });
    EXPECT_EQ(world.command({"enroll", "web", "--wait"}).exit_code, 76);
    EXPECT_EQ(world.word(), "HELD(rejected)");
    EXPECT_EQ(world.messages().size(), 1U);
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(Daemon, X14_a_bad_configuration_leaves_the_old_one_in_force) {
    DaemonWorld world({});
    world.start_daemon();
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    const std::string good = read_file(world.config());
    write_file(world.config(), "this is no TOML", 0600);
    world.signal(SIGHUP);
    world.eventually("the refusal", [&] { return world.daemon().err().find("E-CONFIG-SYNTAX") != std::string::npos; });
    write_file(world.config(), good, 0600);
    EXPECT_EQ(world.word(), "OK");
    world.configure({.key = "rsa:3072"});
    world.reload();
    world.eventually("F3, another key", [&] { return world.leaf() && world.leaf()->public_key().bits() == 3072; });
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(Daemon, O1_X8_a_hook_that_fails_is_repeated_and_the_old_key_stays_until_it_has_worked) {
    DaemonWorld world({"--lifetime", std::to_string(120 * day_seconds), "--backdate", "0"});
    const std::string told = (world.directory() / "told").string();
    const std::string works = (world.directory() / "works").string();
    world.configure({.identity_extra = "san = [\"dns:web01.example.com\"]\non_change = [[\"/bin/sh\", \"-c\", "
                                       "\"echo $HWENROLL_GENERATION >> " +
                                       told + " && test -e " + works + "\"]]\n"});
    write_file(works, "", 0600);
    world.start_daemon();
    world.eventually("the first delivery", [&] { return world.word() == "OK"; });
    EXPECT_EQ(read_file(told), "1\n");
    std::filesystem::remove(works);
    world.go_to_day(91);
    world.eventually("the failed hook",
                     [&] { return world.daemon().err().find("E-HOOK-FAILED") != std::string::npos; });
    EXPECT_EQ(world.generation(), "gen-002");
    EXPECT_EQ(world.word(), "DEPLOYING");
    world.go_to_day(95);
    // The clock stands still between two calls: a run that is under way when it is moved on would be judged by the new
    // time and be repeated a minute after it, which never comes.
    world.eventually("the failure of the second run", [&] {
        const std::string said = world.daemon().err();
        const std::size_t first = said.find("E-HOOK-FAILED");
        return first != std::string::npos && said.find("E-HOOK-FAILED", first + 1) != std::string::npos;
    });
    EXPECT_EQ(world.objects("Private Key Object"), 2) << "consumers may still use the old key";
    write_file(works, "", 0600);
    world.go_to_day(95.1);
    world.eventually("the delivery", [&] { return world.word() == "OK"; });
    world.go_to_day(96.2);
    world.eventually("the retirement", [&] { return world.objects("Private Key Object") == 1; });
    EXPECT_EQ(world.issued().size(), 2U) << "nothing is issued again for a hook";
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(Daemon, X13_T3_SIGTERM_ends_it_within_ten_seconds_while_a_token_hangs) {
    DaemonWorld world({});
    world.configure({.module = module("libhwenroll-pkcs11-shim.so"), .token_extra = "deadline_use = \"60s\"\n"});
    const std::string log = (world.directory() / "shim.log").string();
    world.start_daemon(
        {"HWENROLL_SHIM_MODULE=" + SoftHsm::module(), "HWENROLL_SHIM_LOG=" + log, "HWENROLL_SHIM_RULE=C_Sign:*:hang"});
    world.eventually("the hang", [&] {
        return std::filesystem::exists(log) && read_file(log).find("C_Sign\n") != std::string::npos;
    });
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(Daemon, S10_invariant_11_a_state_that_cannot_be_kept_is_told_once_and_the_renewal_follows) {
    DaemonWorld world({"--lifetime", std::to_string(120 * day_seconds), "--backdate", "0"});
    world.start_daemon();
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open((world.directory() / "state" / "state.db").c_str(), &database), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(database, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
    world.go_to_day(91);
    world.eventually("the complaint", [&] { return world.daemon().err().find("web: E-STATE-") != std::string::npos; });
    EXPECT_EQ(world.generation(), "gen-001");
    EXPECT_EQ(world.issued().size(), 1U) << "nothing is asked for that could not be kept";
    ASSERT_EQ(sqlite3_exec(database, "ROLLBACK", nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(database);
    world.eventually("the renewal", [&] { return world.generation() == "gen-002"; });
    EXPECT_EQ(world.issued().size(), 2U);
    const std::string said = world.daemon().err();
    const std::size_t first = said.find("web: E-STATE-");
    ASSERT_NE(first, std::string::npos) << said;
    EXPECT_EQ(said.find("web: E-STATE-", first + 1), std::string::npos) << said;
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(Daemon, S8_a_state_that_contradicts_itself_is_told_and_not_written_over) {
    DaemonWorld world({});
    world.start_daemon();
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    EXPECT_EQ(world.stop_daemon(), 0);
    const auto damage = [&](const char* sql) {
        sqlite3* database = nullptr;
        ASSERT_EQ(sqlite3_open((world.directory() / "state" / "state.db").c_str(), &database), SQLITE_OK);
        EXPECT_EQ(sqlite3_exec(database, sql, nullptr, nullptr, nullptr), SQLITE_OK);
        sqlite3_close(database);
    };
    damage("UPDATE identities SET phase=3");
    world.start_daemon();
    world.eventually("the complaint", [&] { return world.daemon().err().find("web: E-STATE-") != std::string::npos; });
    world.go_to_day(0.5);
    EXPECT_EQ(world.stop_daemon(), 0);
    EXPECT_EQ(world.issued().size(), 1U) << "nothing was begun in its place";
    damage("UPDATE identities SET phase=6");
    world.start_daemon();
    world.eventually("the state as it was", [&] { return world.word() == "OK"; });
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(Daemon, S14_a_second_agent_is_refused) {
    DaemonWorld world({});
    world.start_daemon();
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    const RunResult second = world.once();
    EXPECT_EQ(second.exit_code, 75);
    EXPECT_THAT(second.err, HasSubstr("E-STATE-LOCKED"));
    EXPECT_EQ(world.stop_daemon(), 0);
}

/// What /proc/PID/`file` has behind `key`, without blanks around it.
std::string fact_of(pid_t pid, const std::string& file, const std::string& key) {
    std::istringstream lines(read_file("/proc/" + std::to_string(pid) + "/" + file));
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(key)) {
            const std::size_t begin = line.find_first_not_of(" \t", key.size());
            return begin == std::string::npos ? std::string() : line.substr(begin);
        }
    }
    return {};
}

TEST(DaemonProcess, invariant_7_leaves_no_core_and_makes_no_file_for_others_whatever_it_inherits) {
    DaemonWorld world({});
    world.start_daemon({}, {"/bin/sh", "-c", "umask 0; ulimit -c \"$(ulimit -H -c)\"; exec \"$0\" \"$@\""});
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    const pid_t daemon = world.daemon().pid();
    EXPECT_EQ(fact_of(daemon, "comm", ""), "hwenrolld");
    EXPECT_EQ(fact_of(daemon, "status", "Umask:"), "0077");
    EXPECT_THAT(fact_of(daemon, "limits", "Max core file size"), testing::MatchesRegex("0 +0 +bytes *"));
    EXPECT_EQ(world.stop_daemon(), 0);
}

}  // namespace
}  // namespace hwenroll::test
