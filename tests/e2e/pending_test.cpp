// A CA that decides later: PENDING, CertPoll, and the decision, over several runs of the real programs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/e2e/enrollment_world.h"

namespace hwenroll::test {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::MatchesRegex;

constexpr const char* pkcs_req = "19";
constexpr const char* cert_poll = "20";

class Pending : public testing::Test {
 protected:
    void start(const std::vector<std::string>& options) {
        world_.start_lab_ca(options);
        world_.configure(
            {.identity_extra = "san = [\"dns:web01.example.com\"]\npoll = { start = \"1s\", max = \"1s\" }\n"});
    }

    /// One run that ends with the CA undecided.
    void expect_pending() {
        const RunResult result = world_.once();
        EXPECT_EQ(result.exit_code, 75) << result.err;
        EXPECT_THAT(result.err, MatchesRegex("E-CA-PENDING web: the CA has not decided yet; asked again from "
                                             "20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z on\n"));
        EXPECT_FALSE(std::filesystem::exists(world_.live()));
        world_.expect_no_canary({result.out, result.err});
    }

    /// Runs until the CA has decided. Each poll waits for its second, so most runs find nothing to do yet.
    RunResult run_until_decided() {
        for (int i = 0; i < 1000; ++i) {
            RunResult result = world_.once();
            if (result.exit_code != 75) {
                return result;
            }
            EXPECT_THAT(result.err, HasSubstr("E-CA-PENDING"));
        }
        throw std::runtime_error("still pending");
    }

    json status() const { return json::parse(world_.hwenroll({"status", "--json"}).out)["identities"][0]; }

    /// The CA's log of enrollment messages and polls, without a finding of its lint.
    [[nodiscard]] std::vector<json> messages() const {
        std::vector<json> out;
        for (const std::string& line : world_.requests()) {
            json record = json::parse(line);
            EXPECT_TRUE(record["findings"].empty()) << line;
            if (record["operation"] == "PKIOperation") {
                out.push_back(std::move(record));
            }
        }
        return out;
    }

    [[nodiscard]] std::string key_id() const {
        const json keys = json::parse(world_.hwenroll({"token", "keys", "--json"}).out);
        EXPECT_EQ(keys["keys"].size(), 1U);
        return keys["keys"][0]["id"].get<std::string>();
    }

    EnrollmentWorld world_;
};

TEST_F(Pending, SM_6_SM_9_SM_10_MSG_24_is_polled_under_the_same_transaction_and_key_until_the_certificate_comes) {
    start({"--pending", "2"});
    expect_pending();
    EXPECT_EQ(status()["state"], "PENDING");
    EXPECT_EQ(status()["waiting_for"], "ca");
    EXPECT_THAT(world_.hwenroll({"status", "web"}).out, HasSubstr("ask the CA again"));
    const std::string key = key_id();

    const RunResult decided = run_until_decided();
    EXPECT_EQ(decided.exit_code, 0) << decided.err;
    world_.expect_published();
    EXPECT_EQ(status()["state"], "OK");
    EXPECT_EQ(key_id(), key);
    std::vector<std::string> types;
    std::vector<int> answers;
    for (const json& message : messages()) {
        types.push_back(message["messageType"].get<std::string>());
        answers.push_back(message["answer"]["pkiStatus"].get<int>());
        EXPECT_EQ(message["transactionID"], messages().front()["transactionID"]) << "invariant 4";
    }
    EXPECT_THAT(types, ElementsAre(pkcs_req, cert_poll, cert_poll));
    EXPECT_THAT(answers, ElementsAre(3, 3, 0));
}

TEST_F(Pending, RT_7_a_run_before_the_next_poll_asks_nothing_and_says_when) {
    world_.start_lab_ca({"--pending", "1"});
    world_.configure({.identity_extra = "poll = { start = \"1h\", max = \"1h\" }\n"});
    expect_pending();
    expect_pending();
    EXPECT_EQ(messages().size(), 1U);
}

TEST_F(Pending, SM_10_FI_2_the_CA_refuses_in_the_end) {
    start({"--pending", "2", "--refuse", "badRequest:this host is not in the inventory"});
    expect_pending();
    const RunResult decided = run_until_decided();
    EXPECT_EQ(decided.exit_code, 76);
    EXPECT_EQ(decided.err,
              "E-CA-REJECTED web: the CA answered FAILURE (badRequest: this host is not in the inventory); check the "
              "challenge and the CA's policy for this name\n");
    EXPECT_EQ(status()["state"], "HELD(rejected)");
    EXPECT_FALSE(std::filesystem::exists(world_.live()));
    const std::size_t sent = messages().size();
    EXPECT_EQ(sent, 3U);
    EXPECT_EQ(world_.once().exit_code, 76);
    EXPECT_EQ(messages().size(), sent) << "held: nothing is sent again";
}

// ALG-10: what was begun under a permission does not outlive it.
TEST_F(Pending, ALG_10_C27_no_poll_is_signed_with_SHA_1_once_legacy_permits_it_no_longer) {
    const std::string poll = "san = [\"dns:web01.example.com\"]\npoll = { start = \"1s\", max = \"1s\" }\n";
    const std::string permission = "legacy = [\"sha1-request\"]\nlegacy_until = 2099-12-31\n";
    world_.start_lab_ca({"--pending", "1", "--caps", "AES,SHA-1,POSTPKIOperation", "--allow-weak-requests"});
    world_.configure({.ca_extra = permission, .identity_extra = poll});
    EXPECT_EQ(world_.once().exit_code, 75);
    const std::size_t sent = world_.requests().size();
    world_.configure({.identity_extra = poll});
    const RunResult refused = run_until_decided();
    EXPECT_EQ(refused.exit_code, 76) << refused.err;
    EXPECT_THAT(refused.err,
                HasSubstr("E-CA-ALGORITHM web: the request that is pending was made with weak algorithms"));
    EXPECT_EQ(world_.requests().size(), sent);
}

}  // namespace
}  // namespace hwenroll::test
