// What the journal gets through the life of an identity: message ids and fields.
#include <csignal>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/observe/log_ids.h"
#include "tests/e2e/daemon_world.h"
#include "tests/e2e/secret_spellings.h"
#include "tests/support/journal_sink.h"
#include "tests/support/test_paths.h"

namespace hwenroll::test {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Key;
using testing::MatchesRegex;
using testing::Not;
using testing::Pair;

std::vector<std::string> lives(std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--lifetime", std::to_string(120 * 86400L), "--backdate", "0"});
    return more;
}

class Journal : public testing::Test {
 protected:
    void SetUp() override {
        if (!sink_.valid()) {
            GTEST_SKIP() << "no mount namespace here";
        }
    }

    static void start(DaemonWorld& world) { world.start_daemon({}, JournalSink::to_journal()); }

    [[nodiscard]] std::vector<JournalRecord> with(std::string_view message_id) const {
        return sink_.records("MESSAGE_ID", std::string(message_id));
    }

    /// Waits for a record of that id, and returns the newest.
    JournalRecord record(DaemonWorld& world, std::string_view message_id, Seconds step = Seconds(0)) {
        world.eventually("a record " + std::string(message_id), [&] {
            world.advance(step);
            return !with(message_id).empty();
        });
        const auto all = with(message_id);
        return all.empty() ? JournalRecord() : all.back();
    }

    /// No record is about an identity without saying so.
    void expect_names() const {
        for (const JournalRecord& one : sink_.records()) {
            const std::string text = one.at("MESSAGE");
            if (text.starts_with("web: ") || text.find(" web: ") != std::string::npos) {
                EXPECT_THAT(one, Contains(Pair("HWENROLL_IDENTITY", "web"))) << text;
            }
        }
    }

    static const char* time() { return "20[0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9:]*Z"; }

    JournalSink sink_;
};

TEST_F(Journal, a_certificate_that_is_published_and_used_is_renewed_and_deployed_with_all_fields) {
    DaemonWorld world(lives());
    world.configure({.identity_extra = "on_change = [[\"/bin/true\"]]\n"});
    start(world);
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    const Certificate leaf = *world.leaf();
    const auto is_about_it =
        AllOf(Contains(Pair("HWENROLL_IDENTITY", "web")), Contains(Pair("HWENROLL_CA", "corp")),
              Contains(Pair("HWENROLL_SERIAL", to_hex(leaf.serial()))),
              Contains(Pair("HWENROLL_NOT_AFTER", to_iso8601(leaf.not_after()))), Contains(Pair("PRIORITY", "6")));
    EXPECT_THAT(record(world, observe::renewed_message_id),
                AllOf(is_about_it, Contains(Pair("HWENROLL_STATE", "DEPLOYING"))));
    EXPECT_THAT(record(world, observe::deployed_message_id),
                AllOf(is_about_it, Contains(Pair("HWENROLL_STATE", "OK")),
                      Contains(Pair("HWENROLL_NEXT", MatchesRegex(time())))));
    EXPECT_EQ(with(observe::renewed_message_id).size(), 1U);
    const std::string log = [&] {
        std::string all;
        for (const std::string& line : world.requests()) {
            all += line;
        }
        return all;
    }();
    bool told = false;
    for (const JournalRecord& one : sink_.records("HWENROLL_IDENTITY", "web")) {
        if (one.contains("HWENROLL_TXN")) {
            told = true;
            EXPECT_THAT(log, HasSubstr("\"transactionID\":\"" + one.at("HWENROLL_TXN") + "\""));
        }
    }
    EXPECT_TRUE(told) << "the transaction is named";
    expect_names();
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST_F(Journal, what_somebody_asks_for_is_an_audit_record_refused_or_not) {
    DaemonWorld world(lives());
    start(world);
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    EXPECT_EQ(world.command({"renew", "web"}).exit_code, 0);
    EXPECT_THAT(
        record(world, observe::audit_message_id),
        AllOf(Contains(Pair("HWENROLL_IDENTITY", "web")), Contains(Pair("HWENROLL_METHOD", "Renew")),
              Contains(Pair("HWENROLL_OUTCOME", "done")), Contains(Pair("HWENROLL_UID", std::to_string(::getuid()))),
              Contains(Pair("HWENROLL_PID", MatchesRegex("[0-9]+"))),
              Contains(Pair("HWENROLL_EXE", HasSubstr("/hwenroll"))), Contains(Pair("PRIORITY", "5"))));
    EXPECT_NE(world.command({"renew", "nobody"}).exit_code, 0);
    world.eventually("the refusal", [&] { return with(observe::audit_message_id).size() == 2; });
    EXPECT_THAT(with(observe::audit_message_id).back(),
                AllOf(Contains(Pair("HWENROLL_IDENTITY", "nobody")), Contains(Pair("HWENROLL_OUTCOME", "refused")),
                      Contains(Pair("HWENROLL_ERROR", "E-UNKNOWN-NAME")), Contains(Pair("PRIORITY", "4"))));
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST_F(Journal, invariant_11_a_failure_an_overdue_renewal_and_a_hold_have_ids_and_say_what_comes_next) {
    DaemonWorld world(lives());
    start(world);
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    world.stop_ca();
    world.go_to_day(91);
    EXPECT_THAT(record(world, observe::failed_message_id),
                AllOf(Contains(Pair("HWENROLL_IDENTITY", "web")), Contains(Pair("HWENROLL_ERROR", HasSubstr("E-CA-"))),
                      Contains(Pair("HWENROLL_NEXT", MatchesRegex(time()))), Contains(Pair("PRIORITY", "4")),
                      Contains(Key("HWENROLL_NOT_AFTER")), Not(Contains(Key("HWENROLL_ALERT")))));
    EXPECT_THAT(record(world, observe::overdue_message_id, Seconds(60)),
                AllOf(Contains(Pair("HWENROLL_IDENTITY", "web")), Contains(Pair("PRIORITY", "3")),
                      Contains(Pair("HWENROLL_ALERT", "1")), Contains(Key("HWENROLL_NOT_AFTER"))));
    world.restart_ca(lives({"--refuse", "badRequest:no"}));
    EXPECT_THAT(record(world, observe::held_message_id, Seconds(600)),
                AllOf(Contains(Pair("HWENROLL_IDENTITY", "web")), Contains(Pair("HWENROLL_STATE", "HELD(rejected)")),
                      Contains(Pair("HWENROLL_ERROR", "E-CA-REJECTED")), Contains(Pair("HWENROLL_ALERT", "1")),
                      Contains(Pair("HWENROLL_NEXT", MatchesRegex(time()))), Contains(Key("HWENROLL_TXN"))))
        << "the transaction that the refusal has ended is named";
    expect_names();
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST_F(Journal, a_hook_that_fails_and_a_pin_that_is_refused_have_ids) {
    DaemonWorld world(lives());
    world.configure({.identity_extra = "on_change = [[\"/bin/false\"]]\n"});
    start(world);
    record(world, observe::deployment_failed_message_id);
    EXPECT_THAT(with(observe::deployment_failed_message_id).front(),
                AllOf(Contains(Pair("HWENROLL_IDENTITY", "web")), Contains(Pair("HWENROLL_ERROR", "E-HOOK-FAILED")),
                      Contains(Pair("HWENROLL_NEXT", MatchesRegex(time()))), Contains(Pair("PRIORITY", "4"))));
    world.eventually("the alert", [&] { return with(observe::deployment_failed_message_id).size() >= 2; });
    EXPECT_THAT(with(observe::deployment_failed_message_id)[1],
                AllOf(Contains(Pair("HWENROLL_ALERT", "1")), Contains(Pair("PRIORITY", "3"))));
    EXPECT_THAT(with(observe::deployed_message_id), testing::IsEmpty());
    EXPECT_EQ(world.stop_daemon(), 0);

    write_file(world.pin_path(), "canary-wrong", 0600);
    start(world);
    world.go_to_day(91);
    EXPECT_THAT(record(world, observe::pin_message_id),
                AllOf(Contains(Pair("HWENROLL_IDENTITY", "web")), Contains(Pair("HWENROLL_ERROR", "E-TOKEN-PIN")),
                      Contains(Pair("PRIORITY", "4"))));
    expect_names();
    EXPECT_EQ(world.stop_daemon(), 0);
}

// Each of the two refused by whom the other is for: what is refused and told of is a canary too.
TEST_F(Journal, invariant_7_no_field_and_no_line_has_a_pin_or_a_challenge_over_a_life_with_refusals) {
    DaemonWorld world(lives());
    world.configure({.identity_extra = "on_change = [[\"/bin/false\"]]\n"});
    start(world);
    record(world, observe::deployment_failed_message_id);
    ASSERT_EQ(world.command({"renew", "web"}).exit_code, 0);
    world.eventually("the renewal", [&] { return world.generation() == "gen-002"; });
    EXPECT_EQ(world.stop_daemon(), 0);
    expect_no_spelling("standard error", world.daemon().err());

    write_file(world.directory() / "other.pin", canary_challenge, 0600);
    world.configure({.pin = "file:" + (world.directory() / "other.pin").string()});
    start(world);
    world.eventually("the daemon", [&] { return world.listens(); });
    ASSERT_EQ(world.command({"renew", "web"}).exit_code, 0);
    record(world, observe::pin_message_id);
    EXPECT_EQ(world.stop_daemon(), 0);
    expect_no_spelling("standard error", world.daemon().err());

    std::filesystem::remove_all(world.directory() / "state");
    std::filesystem::remove_all(world.directory() / "live");
    write_file(world.directory() / "other.challenge", canary_pin, 0600);
    world.configure({.challenge = "file:" + (world.directory() / "other.challenge").string()});
    start(world);
    record(world, observe::held_message_id);
    EXPECT_EQ(world.stop_daemon(), 0);
    expect_no_spelling("standard error", world.daemon().err());

    const std::string all = sink_.datagrams();
    EXPECT_THAT(all, AllOf(HasSubstr("E-HOOK-FAILED"), HasSubstr("E-TOKEN-PIN"), HasSubstr("E-CA-REJECTED")));
    expect_no_spelling("the journal", all);
}

TEST_F(Journal, ROLL_4_a_successor_of_a_ca_is_told_with_the_cas_name) {
    DaemonWorld world(lives_with_rollover());
    start(world);
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    EXPECT_THAT(with(observe::rollover_message_id), testing::IsEmpty()) << "first trust is no rollover";
    world.go_to_day(91);
    world.eventually("the renewal", [&] { return world.generation() == "gen-002" && world.word() == "OK"; });
    world.go_to_day(172);
    EXPECT_THAT(record(world, observe::rollover_message_id),
                AllOf(Contains(Pair("HWENROLL_CA", "corp")), Contains(Pair("MESSAGE", HasSubstr("ca corp: ")))));
    EXPECT_EQ(world.stop_daemon(), 0);
}

}  // namespace
}  // namespace hwenroll::test
