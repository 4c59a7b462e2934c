// What an operator or an accident changed between two runs: the next one goes on from what is true.
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "tests/e2e/enrollment_world.h"
#include "tests/e2e/tampering_proxy.h"

namespace hwenroll::test {
namespace {

using testing::HasSubstr;

class Recovery : public testing::Test {
 protected:
    Recovery() {
        world_.start_lab_ca();
        world_.configure();
    }

    void enroll() {
        const RunResult first = world_.once();
        ASSERT_EQ(first.exit_code, 0) << first.err;
        requests_ = world_.requests().size();
    }

    void expect_published_without_a_request(const std::string& generation) {
        const RunResult again = world_.once();
        EXPECT_EQ(again.exit_code, 0) << again.err;
        EXPECT_EQ(std::filesystem::read_symlink(world_.live()), generation);
        EXPECT_EQ(world_.requests().size(), requests_);
        world_.expect_published();
    }

    [[nodiscard]] std::vector<std::string> transaction_ids() const {
        std::vector<std::string> ids;
        const std::string key = "\"transactionID\":\"";
        for (const std::string& line : world_.requests()) {
            if (const std::size_t at = line.find(key); at != std::string::npos) {
                ids.push_back(line.substr(at + key.size(), line.find('"', at + key.size()) - at - key.size()));
            }
        }
        return ids;
    }

    void execute(const std::string& sql) const {
        sqlite3* database = nullptr;
        ASSERT_EQ(sqlite3_open((world_.directory() / "state" / "state.db").c_str(), &database), SQLITE_OK);
        EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
        sqlite3_close(database);
    }

    EnrollmentWorld world_;
    std::size_t requests_ = 0;
};

TEST_F(Recovery, S13_published_files_that_were_removed_come_back) {
    enroll();
    std::filesystem::remove_all(world_.live().parent_path());
    expect_published_without_a_request("gen-002");
}

TEST_F(Recovery, S9_a_damaged_published_certificate_is_published_again) {
    enroll();
    std::ofstream(world_.live() / "cert.pem", std::ios::trunc) << "-----BEGIN CERTIFICATE-----\n";
    expect_published_without_a_request("gen-002");
}

TEST_F(Recovery, S12_a_link_that_leads_elsewhere_is_set_right) {
    enroll();
    std::filesystem::remove(world_.live());
    std::filesystem::create_symlink("gen-099", world_.live());
    expect_published_without_a_request("gen-100");
}

TEST_F(Recovery, S8_a_lost_database_does_not_make_generation_numbers_start_again) {
    enroll();
    const std::string before = read_file(world_.live() / "cert.pem");
    std::filesystem::remove_all(world_.directory() / "state");
    const RunResult again = world_.once();
    EXPECT_EQ(again.exit_code, 0) << again.err;
    EXPECT_EQ(std::filesystem::read_symlink(world_.live()), "gen-002");
    EXPECT_EQ(read_file(world_.live().parent_path() / "gen-001" / "cert.pem"), before);
}

TEST_F(Recovery, RT_9_an_issued_certificate_is_published_without_the_ca) {
    const RunResult killed = world_.once({{"HWENROLL_FAILPOINT=issue-committed"}, {}, {}});
    ASSERT_EQ(killed.signal, SIGKILL);
    execute("UPDATE authority_records SET fetched_at=0");
    world_.stop_ca();
    const RunResult again = world_.once();
    EXPECT_EQ(again.exit_code, 0) << again.err;
    world_.expect_published();
}

/// A CA whose answers to enrollment messages are lost.
TamperingProxy::Tamper answers_lost() {
    return [](const std::string&) { return http_response("500 Internal Server Error", "text/plain", "out of order"); };
}

std::string url_of(const TamperingProxy& proxy) {
    return "http://127.0.0.1:" + std::to_string(proxy.port()) + "/scep";
}

TEST_F(Recovery, SM_15_a_corrected_challenge_is_used_although_the_old_request_was_never_answered) {
    const auto path = world_.directory() / "mine.challenge";
    write_file(path, "not-the-right-one", 0600);
    {
        const TamperingProxy proxy(world_.port(), answers_lost());
        world_.configure({.url = url_of(proxy), .challenge = "file:" + path.string()});
        EXPECT_EQ(world_.once().exit_code, 69);
    }
    write_file(path, canary_challenge, 0600);
    world_.configure({.challenge = "file:" + path.string()});
    const RunResult again = world_.once();
    EXPECT_EQ(again.exit_code, 0) << again.err;
    std::filesystem::remove(path);
    world_.expect_published();
}

TEST_F(Recovery, SM_15_another_key_type_replaces_the_key_that_was_not_certified_yet) {
    {
        const TamperingProxy proxy(world_.port(), answers_lost());
        world_.configure({.url = url_of(proxy)});
        EXPECT_EQ(world_.once().exit_code, 69);
    }
    world_.configure({.key = "rsa:3072"});
    const RunResult again = world_.once();
    EXPECT_EQ(again.exit_code, 0) << again.err;
    world_.expect_published();
    EXPECT_EQ(world_.objects("Private Key Object"), 1);
    const RunResult text = run({"openssl", "x509", "-in", world_.live() / "cert.pem", "-noout", "-text"});
    EXPECT_THAT(text.out, HasSubstr("(3072 bit)"));
}

TEST_F(Recovery, RT_2_SM_8_invariant_4_a_lost_answer_is_asked_for_again_under_the_same_transaction) {
    {
        const TamperingProxy proxy(world_.port(), answers_lost());
        world_.configure({.url = url_of(proxy)});
        EXPECT_EQ(world_.once().exit_code, 69);
        EXPECT_EQ(world_.once().exit_code, 69);
    }
    const auto ids = transaction_ids();
    ASSERT_EQ(ids.size(), 2U);
    EXPECT_EQ(ids[0], ids[1]);
}

TEST_F(Recovery, SM_14_an_expired_certificate_is_no_success_until_the_ca_has_given_another_one) {
    enroll();
    execute("UPDATE certificates SET not_after=1 WHERE role='leaf' AND slot='current'");
    world_.stop_ca();
    EXPECT_EQ(world_.once().exit_code, 69);
    EXPECT_THAT(world_.hwenroll({"status"}).out, HasSubstr("EXPIRED"));
    std::filesystem::remove(world_.directory() / "ca.url");
    world_.start_lab_ca();
    world_.configure();
    const RunResult again = world_.once();
    EXPECT_EQ(again.exit_code, 0) << again.err;
    EXPECT_EQ(std::filesystem::read_symlink(world_.live()), "gen-002");
}

TEST_F(Recovery, RT_7_a_pending_request_is_not_asked_for_before_its_time) {
    const TamperingProxy proxy(world_.port(), [](const std::string&) {
        return http_response("500 Internal Server Error", "text/plain", "out of order");
    });
    world_.configure({.url = "http://127.0.0.1:" + std::to_string(proxy.port()) + "/scep"});
    ASSERT_EQ(world_.once().exit_code, 69);
    execute(
        "UPDATE transactions SET pending=1; UPDATE identities SET phase=4, waiting_for=5, "
        "wait_until=CAST(strftime('%s', 'now') AS "
        "INTEGER)+3000, error_name=NULL, error_line=NULL, error_at=NULL");
    const std::size_t before = world_.requests().size();
    const RunResult again = world_.once();
    EXPECT_EQ(again.exit_code, 75);
    EXPECT_THAT(again.err, HasSubstr("E-CA-PENDING web: "));
    EXPECT_EQ(world_.requests().size(), before);
}

}  // namespace
}  // namespace hwenroll::test
