// `resync`: what the next run does about a request whose answer was lost, against scep-lab-ca's faults (RT-3, RT-4).
#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/e2e/enrollment_world.h"
#include "tests/e2e/tampering_proxy.h"

namespace hwenroll::test {
namespace {

using nlohmann::json;
using testing::ElementsAre;

constexpr const char* pkcs_req = "19";
constexpr const char* cert_poll = "20";

class ResyncOrder : public testing::Test {
 protected:
    /// A first run in which the CA closes the connection instead of answering, and a second one.
    void lose_and_run_again(const std::string& fault, const std::string& order) {
        world_.start_lab_ca({"--fault", "PKCSReq:1:" + fault});
        world_.configure({.ca_extra = order.empty() ? "" : "resync = \"" + order + "\"\n"});
        const RunResult first = world_.once();
        ASSERT_EQ(first.exit_code, 69) << first.err;
        const RunResult second = world_.once();
        ASSERT_EQ(second.exit_code, 0) << second.err;
        world_.expect_published();
    }

    [[nodiscard]] std::vector<json> messages() const {
        std::vector<json> out;
        for (const std::string& line : world_.requests()) {
            json record = json::parse(line);
            // What was dropped was not looked at.
            if (record["operation"] == "PKIOperation" && record["messageType"].is_string()) {
                out.push_back(std::move(record));
            }
        }
        return out;
    }

    /// Types, and whether each message is of the first one's transaction.
    [[nodiscard]] std::vector<std::string> sent() const {
        std::vector<std::string> out;
        const auto all = messages();
        for (const json& message : all) {
            const bool same = message["transactionID"] == all.front()["transactionID"];
            out.push_back(message["messageType"].get<std::string>() + (same ? "" : " anew"));
        }
        return out;
    }

    [[nodiscard]] std::size_t issued() const {
        const std::string ledger = read_file(world_.directory() / "ca" / "issued.jsonl");
        return static_cast<std::size_t>(std::count(ledger.begin(), ledger.end(), '\n'));
    }

    EnrollmentWorld world_;
};

TEST_F(ResyncOrder, N6_RT_2_RT_3_Q_OXI_4_same_first_gets_the_certificate_that_was_issued_by_the_same_request) {
    lose_and_run_again("lose", "");
    EXPECT_THAT(sent(), ElementsAre(pkcs_req, pkcs_req));
    EXPECT_EQ(issued(), 1U);
}

TEST_F(ResyncOrder, N6_RT_4_poll_first_gets_the_certificate_that_was_issued_without_another_request) {
    lose_and_run_again("lose", "poll,new");
    EXPECT_THAT(sent(), ElementsAre(pkcs_req, cert_poll));
    EXPECT_EQ(issued(), 1U);
}

TEST_F(ResyncOrder, RT_4_poll_first_makes_a_new_request_when_the_ca_never_saw_the_first) {
    lose_and_run_again("drop", "poll,new");
    EXPECT_THAT(sent(), ElementsAre(cert_poll, std::string(pkcs_req) + " anew"));
    EXPECT_EQ(issued(), 1U);
}

TEST_F(ResyncOrder, RT_3_poll_first_then_same_sends_the_request_that_the_ca_never_saw) {
    lose_and_run_again("drop", "poll,same");
    EXPECT_THAT(sent(), ElementsAre(cert_poll, pkcs_req));
    EXPECT_EQ(issued(), 1U);
}

TEST_F(ResyncOrder, RT_1_new_first_leaves_the_lost_certificate_alone) {
    lose_and_run_again("lose", "new");
    EXPECT_THAT(sent(), ElementsAre(pkcs_req, std::string(pkcs_req) + " anew"));
    EXPECT_EQ(issued(), 2U);
}

// MSG-7: the CA may have had it, so it goes to no other URL with the nonce that it has.
TEST_F(ResyncOrder, RT_3_MSG_7_a_message_that_may_have_arrived_goes_to_no_other_url_as_it_is) {
    world_.start_lab_ca();
    std::atomic<bool> slow = true;
    const TamperingProxy proxy(world_.port(), [&](const std::string& response) {
        for (int waited = 0; slow && waited < 1000; ++waited) {
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        return response;
    });
    const std::string first_url = "http://127.0.0.1:" + std::to_string(proxy.port()) + "/scep";
    world_.configure({.url = first_url});
    std::string text = read_file(world_.config());
    const std::string quoted = '"' + first_url + '"';
    text.replace(text.find(quoted), quoted.size(), "[" + quoted + ", \"" + world_.url() + "\"]");
    write_file(world_.config(), text + "[limits]\nexchange_timeout = \"1s\"\n");

    const RunResult first = world_.once();
    slow = false;
    EXPECT_EQ(first.exit_code, 69);
    EXPECT_THAT(first.err, testing::HasSubstr("E-CA-TIMEOUT web: "));
    EXPECT_THAT(sent(), ElementsAre(pkcs_req));
    const RunResult second = world_.once();
    EXPECT_EQ(second.exit_code, 0) << second.err;
    world_.expect_published();
    EXPECT_THAT(sent(), ElementsAre(pkcs_req, pkcs_req));
    EXPECT_EQ(issued(), 1U);
}

}  // namespace
}  // namespace hwenroll::test
