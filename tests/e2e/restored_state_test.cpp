// The state comes from an older backup than the token and the published files, or from another version of the agent
// (rows O9 and O10 of the fault catalogue).
#include <csignal>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "tests/e2e/daemon_world.h"
#include "tests/support/process_tree.h"
#include "tests/support/software_tpm.h"
#include "tests/support/test_paths.h"

namespace hwenroll::test {
namespace {

using testing::HasSubstr;

constexpr double renewal_day = 91;  // of certificates of 120 days
/// One jump, as the CA refuses what was signed long before it comes.
constexpr Seconds beyond_a_poll{7200};

std::vector<std::string> lives(std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--lifetime", std::to_string(120 * 86400L), "--backdate", "0", "--renewal", "both"});
    return more;
}

class RestoredState : public testing::Test {
 protected:
    explicit RestoredState(const std::vector<std::string>& arguments = lives()) : world_(arguments) {}

    void enroll() {
        world_.start_daemon();
        world_.eventually("the enrollment", [&] { return world_.word() == "OK"; });
    }
    void stop() { ASSERT_EQ(world_.stop_daemon(), 0); }
    void back_up() { std::filesystem::copy(state(), backup(), std::filesystem::copy_options::recursive); }
    void restore() {
        std::filesystem::remove_all(state());
        std::filesystem::copy(backup(), state(), std::filesystem::copy_options::recursive);
        std::filesystem::permissions(state(), std::filesystem::perms(0711));
    }

    /// Enrolls, takes a backup, renews, lets the first key be destroyed, and puts the backup back.
    void outlive_the_backup() {
        enroll();
        stop();
        back_up();
        world_.start_daemon();
        world_.go_to_day(renewal_day);
        world_.eventually("the renewal", [&] { return world_.generation() == "gen-002" && world_.word() == "OK"; });
        world_.go_to_day(renewal_day + 1.5);
        world_.eventually("the end of the first key", [&] { return world_.objects("Private Key Object") == 1; });
        stop();
        renewed_ = world_.leaf();
        ASSERT_TRUE(renewed_);
        requests_ = world_.messages().size();
        restore();
    }

    std::filesystem::path state() { return world_.directory() / "state"; }
    std::filesystem::path backup() { return world_.directory() / "backup"; }

    void execute(const std::string& sql) {
        sqlite3* database = nullptr;
        ASSERT_EQ(sqlite3_open((state() / "state.db").c_str(), &database), SQLITE_OK);
        EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
            << sqlite3_errmsg(database);
        sqlite3_close(database);
    }

    int version() {
        sqlite3* database = nullptr;
        int number = -1;
        EXPECT_EQ(sqlite3_open((state() / "state.db").c_str(), &database), SQLITE_OK);
        const auto take = [](void* into, int, char** values, char**) {
            *static_cast<int*>(into) = std::stoi(values[0]);
            return 0;
        };
        EXPECT_EQ(sqlite3_exec(database, "PRAGMA user_version", take, &number, nullptr), SQLITE_OK);
        sqlite3_close(database);
        return number;
    }

    DaemonWorld world_;
    std::optional<Certificate> renewed_;
    std::size_t requests_ = 0;
};

class RestoredWhilePending : public RestoredState {
 protected:
    RestoredWhilePending() : RestoredState(lives({"--pending-until-approved"})) {}

    void enroll_by_approval() {
        world_.start_daemon();
        world_.eventually("the first request", [&] { return world_.pending() == 1; });
        EXPECT_EQ(world_.approve_all(), 1U);
        world_.eventually("its PENDING", [&] { return world_.word() == "PENDING"; });
        world_.advance(beyond_a_poll);
        world_.eventually("the enrollment", [&] { return world_.word() == "OK"; });
    }

    /// Until the CA is deciding the renewal.
    void renew_until_pending() {
        world_.go_to_day(renewal_day);
        world_.eventually("the renewal's request", [&] { return world_.pending() == 1; });
        world_.eventually("its PENDING", [&] {
            return world_.command({"history", "web"}).out.find("PENDING") != std::string::npos ||
                   world_.command({"status", "web"}).out.find("ask the CA again") != std::string::npos;
        });
    }
};

TEST_F(RestoredState, O10_invariant_3_goes_on_from_the_newer_certificate_that_consumers_see) {
    ASSERT_NO_FATAL_FAILURE(outlive_the_backup());
    world_.start_daemon();
    world_.eventually("the certificate again",
                      [&] { return world_.generation() == "gen-003" && world_.word() == "OK"; });
    EXPECT_EQ(world_.leaf(), renewed_);
    EXPECT_TRUE(world_.said("web: consumers see a certificate that the state does not know"));
    EXPECT_THAT(world_.command({"history", "web"}).out, HasSubstr("older backup"));
    EXPECT_EQ(world_.messages().size(), requests_) << "nothing is asked for twice";
    EXPECT_EQ(world_.objects("Private Key Object"), 1);

    world_.go_to_day(renewal_day * 2 + 2);
    world_.eventually("the next renewal", [&] { return world_.generation() == "gen-004" && world_.word() == "OK"; });
    EXPECT_EQ(world_.issued().size(), 3U);
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(RestoredState, O10_invariant_3_publishes_nothing_older_while_the_token_cannot_be_asked) {
    ASSERT_NO_FATAL_FAILURE(outlive_the_backup());
    world_.configure({.module = "/nonexistent/module.so"});
    world_.start_daemon();
    world_.eventually("the alert", [&] { return world_.said("what consumers see is newer than the state"); });
    world_.advance(Seconds(61));
    EXPECT_EQ(world_.command({"status", "web"}).exit_code, 0);
    EXPECT_EQ(world_.generation(), "gen-002");
    EXPECT_EQ(world_.leaf(), renewed_);
    world_.configure();
    world_.signal(SIGHUP);
    world_.eventually("the certificate again", [&] {
        world_.advance(Seconds(30));
        return world_.generation() == "gen-003" && world_.word() == "OK";
    });
    EXPECT_EQ(world_.leaf(), renewed_);
    EXPECT_EQ(world_.messages().size(), requests_);
    EXPECT_EQ(world_.times_said("what consumers see is newer than the state"), 1U) << "told once for each cause";
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(RestoredState, O10_invariant_11_while_it_cannot_be_told_people_are_told_daily_and_no_wish_is_taken) {
    ASSERT_NO_FATAL_FAILURE(outlive_the_backup());
    world_.configure({.module = "/nonexistent/module.so"});
    world_.start_daemon();
    world_.eventually("the alert",
                      [&] { return world_.times_said("what consumers see is newer than the state") == 1; });
    const RunResult wish = world_.command({"renew", "web"});
    EXPECT_THAT(wish.out + wish.err, HasSubstr("nothing can begin now"));
    world_.advance(Seconds(86400));
    world_.eventually("the next alert", [&] {
        world_.advance(Seconds(30));
        return world_.times_said("what consumers see is newer than the state") == 2;
    });
    EXPECT_EQ(world_.leaf(), renewed_);
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(RestoredState, O10_one_that_has_expired_while_the_machine_was_off_is_gone_on_from) {
    ASSERT_NO_FATAL_FAILURE(outlive_the_backup());
    world_.go_to_day(renewal_day + 130);
    world_.start_daemon();
    world_.eventually("an enrollment", [&] { return world_.word() == "OK" && world_.leaf() != renewed_; });
    EXPECT_TRUE(world_.said("web: consumers see a certificate that the state does not know"));
    EXPECT_EQ(world_.issued().size(), 3U);
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(RestoredState, O10_S10_invariant_3_what_was_found_and_could_not_be_kept_is_looked_for_again) {
    ASSERT_NO_FATAL_FAILURE(outlive_the_backup());
    execute(
        "CREATE TRIGGER full BEFORE INSERT ON events WHEN new.text LIKE '%older backup%' BEGIN SELECT RAISE(ABORT, "
        "'no room at all'); END");
    world_.start_daemon();
    world_.eventually("the failed commit", [&] { return world_.said("no room at all"); });
    for (int i = 0; i < 4; ++i) {
        world_.advance(Seconds(1800));
        EXPECT_EQ(world_.command({"status", "web"}).exit_code, 0);
    }
    EXPECT_EQ(world_.leaf(), renewed_) << "nothing older is published as a repair";
    stop();
    EXPECT_EQ(world_.leaf(), renewed_);
    execute("DROP TRIGGER full");
    world_.start_daemon();
    world_.eventually("the certificate again",
                      [&] { return world_.word() == "OK" && world_.generation() != "gen-002"; });
    EXPECT_EQ(world_.leaf(), renewed_);
    EXPECT_EQ(world_.messages().size(), requests_);
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(RestoredState, O10_F6_invariant_3_a_newer_certificate_that_comes_back_while_it_runs_is_gone_on_from) {
    enroll();
    stop();
    back_up();
    world_.start_daemon();
    world_.go_to_day(10);
    world_.eventually("the agent", [&] { return world_.listens(); });
    EXPECT_EQ(world_.command({"renew", "web"}).exit_code, 0);
    world_.eventually("the renewal", [&] { return world_.generation() == "gen-002" && world_.word() == "OK"; });
    stop();
    renewed_ = world_.leaf();
    requests_ = world_.messages().size();
    restore();
    const auto lead_to = [&](const char* generation) {
        std::filesystem::remove(world_.live());
        std::filesystem::create_directory_symlink(generation, world_.live());
    };
    lead_to("gen-001");
    world_.start_daemon();
    world_.eventually("the agent", [&] { return world_.listens(); });
    lead_to("gen-002");
    world_.advance(Seconds(7200));
    world_.eventually("a generation above it", [&] { return world_.generation() == "gen-003"; });
    EXPECT_EQ(world_.leaf(), renewed_);
    EXPECT_TRUE(world_.said("web: consumers see a certificate that the state does not know"));
    EXPECT_EQ(world_.messages().size(), requests_);
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(RestoredState, O10_F3_the_key_is_looked_for_on_the_other_tokens_before_anything_older_is_published) {
    ASSERT_NO_FATAL_FAILURE(outlive_the_backup());
    const SoftwareTpm tpm;
    world_.configure({.token = "type = \"tpm2\"\ntcti = \"" + tpm.tcti() +
                               "\"\n[token.old]\ntype = \"pkcs11\"\nmodule = \"" + SoftHsm::module() +
                               "\"\nuri = \"pkcs11:token=lab\"\npin = \"file:" + world_.pin_path().string() + "\"\n"});
    world_.start_daemon();
    world_.eventually("the alert", [&] { return world_.said("its key is on another token"); });
    EXPECT_EQ(world_.generation(), "gen-002");
    EXPECT_EQ(world_.leaf(), renewed_);
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(RestoredState, O10_a_key_that_a_tpm_has_wrapped_comes_from_the_published_files) {
    const SoftwareTpm tpm;
    world_.configure({.token = "type = \"tpm2\"\ntcti = \"" + tpm.tcti() + "\"\n"});
    enroll();
    stop();
    back_up();
    world_.start_daemon();
    world_.go_to_day(renewal_day);
    world_.eventually("the renewal", [&] { return world_.generation() == "gen-002" && world_.word() == "OK"; });
    stop();
    renewed_ = world_.leaf();
    requests_ = world_.messages().size();
    const std::string key = read_file(world_.live() / "key.pem");
    ASSERT_THAT(key, HasSubstr("TSS2 PRIVATE KEY"));
    restore();
    world_.start_daemon();
    world_.eventually("the certificate again",
                      [&] { return world_.generation() == "gen-003" && world_.word() == "OK"; });
    EXPECT_EQ(world_.leaf(), renewed_);
    EXPECT_EQ(read_file(world_.live() / "key.pem"), key);
    EXPECT_EQ(world_.messages().size(), requests_);
    world_.go_to_day(renewal_day * 2 + 2);
    world_.eventually("the next renewal", [&] { return world_.generation() == "gen-004" && world_.word() == "OK"; });
    EXPECT_EQ(world_.issued().size(), 3U) << "the wrapped key has signed it";
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(RestoredState, O10_S12_a_later_certificate_whose_key_is_nowhere_is_published_over) {
    enroll();
    stop();
    const auto known = world_.leaf();
    back_up();
    world_.start_daemon();
    world_.go_to_day(renewal_day);
    world_.eventually("the renewal", [&] { return world_.generation() == "gen-002" && world_.word() == "OK"; });
    stop();
    restore();
    const std::string uri = read_file(world_.live() / "key.uri");
    const std::size_t at = uri.find("id=") + 3;
    std::string id;
    for (std::size_t i = at; i < uri.size() && uri[i] != ';' && uri[i] != '\n'; ++i) {
        id += uri[i] == '%' ? std::string() : std::string(1, uri[i]);
    }
    for (const char* const type : {"privkey", "pubkey"}) {
        const RunResult removed = run({"pkcs11-tool", "--module", SoftHsm::module(), "--token-label", "lab", "--login",
                                       "--pin", canary_pin, "--delete-object", "--type", type, "--id", id});
        ASSERT_EQ(removed.exit_code, 0) << removed.err << uri;
    }
    world_.start_daemon();
    world_.eventually("a generation that works", [&] { return world_.generation() != "gen-002"; });
    EXPECT_EQ(world_.generation(), "gen-003");
    EXPECT_EQ(world_.leaf(), known) << "a certificate without a key is of use to nobody";
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(RestoredWhilePending, O10_invariant_4_sends_nothing_for_a_request_that_was_answered_since) {
    enroll_by_approval();
    renew_until_pending();
    stop();
    back_up();
    world_.start_daemon();
    EXPECT_EQ(world_.approve_all(), 1U);
    world_.eventually("the agent", [&] { return world_.listens(); });
    world_.advance(beyond_a_poll);
    world_.eventually("the renewal", [&] { return world_.generation() == "gen-002" && world_.word() == "OK"; });
    stop();
    renewed_ = world_.leaf();
    requests_ = world_.messages().size();
    restore();
    world_.start_daemon();
    world_.eventually("the certificate again",
                      [&] { return world_.generation() == "gen-003" && world_.word() == "OK"; });
    EXPECT_EQ(world_.leaf(), renewed_);
    EXPECT_EQ(world_.messages().size(), requests_);
    EXPECT_EQ(world_.issued().size(), 2U);
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(RestoredWhilePending, O9_invariant_4_an_upgrade_during_a_renewal_goes_on_with_its_request) {
    enroll_by_approval();
    renew_until_pending();
    const auto transactions = [&] {
        std::set<std::string> all;
        for (const std::string& line : world_.requests()) {
            const std::string key = "\"transactionID\":\"";
            if (const std::size_t at = line.find(key); at != std::string::npos) {
                all.insert(line.substr(at + key.size(), line.find('"', at + key.size()) - at - key.size()));
            }
        }
        return all;
    };
    const auto before = transactions();
    EXPECT_EQ(before.size(), 2U);
    stop();

    // A database of the version before: the program that is installed now brings it up.
    const int current = version();
    ASSERT_EQ(current, 11) << "undo the steps of a later version here as well";
    execute(
        "DROP TABLE crls; CREATE TABLE crls (authority TEXT NOT NULL, issuer BLOB NOT NULL, digest BLOB NOT NULL, "
        "number BLOB NOT NULL, this_update INTEGER NOT NULL, next_update INTEGER, entries INTEGER NOT NULL, "
        "fetched_at INTEGER NOT NULL, next_try INTEGER NOT NULL, failures INTEGER NOT NULL, error_name TEXT, "
        "error_line TEXT, error_at INTEGER, told_at INTEGER, PRIMARY KEY (authority, issuer)) STRICT; "
        "ALTER TABLE deliveries DROP COLUMN confirmed; ALTER TABLE deliveries DROP COLUMN error_name; "
        "ALTER TABLE deliveries DROP COLUMN error_line; ALTER TABLE deliveries DROP COLUMN failed_since; "
        "ALTER TABLE deliveries DROP COLUMN attempts; DROP TABLE envelope_keys; "
        "ALTER TABLE identities DROP COLUMN unproved; PRAGMA user_version=7");
    world_.start_daemon();
    world_.eventually("the agent", [&] { return world_.listens(); });
    EXPECT_EQ(version(), current);
    EXPECT_EQ(world_.generation(), "gen-001");
    stop();

    // And the other way round, a downgrade: it says what to do and leaves everything as it is.
    execute("PRAGMA user_version=" + std::to_string(current + 1));
    const std::string untouched = read_file(state() / "state.db");
    world_.start_daemon();
    const auto refused = world_.daemon().wait(std::chrono::seconds(30));
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->exit_code, 75);
    EXPECT_TRUE(world_.said("E-STATE-VERSION"));
    EXPECT_TRUE(world_.said("a newer version of hwenroll made it"));
    EXPECT_TRUE(world_.said("run that version again"));
    EXPECT_EQ(world_.generation(), "gen-001");
    EXPECT_EQ(read_file(state() / "state.db"), untouched);

    execute("PRAGMA user_version=" + std::to_string(current));
    world_.start_daemon();
    EXPECT_EQ(world_.approve_all(), 1U);
    world_.eventually("the agent", [&] { return world_.listens(); });
    world_.advance(beyond_a_poll);
    world_.eventually("the renewal", [&] { return world_.generation() == "gen-002" && world_.word() == "OK"; });
    EXPECT_EQ(transactions(), before) << "no new request was made";
    EXPECT_EQ(world_.issued().size(), 2U);
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(RestoredWhilePending, O9_programs_that_are_replaced_beneath_a_running_agent_do_not_disturb_it) {
    enroll_by_approval();
    const std::filesystem::path place = world_.directory() / "bin";
    std::filesystem::create_directory(place);
    const auto install = [&] {  // as dpkg does it: another file in the place of the one that runs
        for (const char* const name : {"hwenrolld", "hwenroll-token"}) {
            std::filesystem::copy_file(program(name), place / (std::string(name) + ".dpkg-new"));
            std::filesystem::rename(place / (std::string(name) + ".dpkg-new"), place / name);
        }
    };
    stop();
    install();
    const auto start = [&] {
        world_.start_daemon({}, {"sh", "-c", "shift; exec \"$0\" \"$@\"", (place / "hwenrolld").string()});
    };
    start();
    world_.eventually("the agent", [&] { return world_.listens(); });
    renew_until_pending();
    install();
    for (const pid_t worker : children_of(world_.daemon().pid())) {
        ASSERT_EQ(::kill(worker, SIGKILL), 0);  // the next one is the new program's
    }
    EXPECT_EQ(world_.approve_all(), 1U);
    world_.eventually("the agent", [&] { return world_.listens(); });
    world_.advance(beyond_a_poll);
    world_.eventually("the renewal", [&] { return world_.generation() == "gen-002" && world_.word() == "OK"; });
    stop();
    start();
    world_.eventually("the agent again", [&] { return world_.listens(); });
    EXPECT_EQ(world_.word(), "OK");
    EXPECT_EQ(world_.generation(), "gen-002");
    EXPECT_EQ(world_.issued().size(), 2U);
    EXPECT_EQ(world_.stop_daemon(), 0);
}

}  // namespace
}  // namespace hwenroll::test
