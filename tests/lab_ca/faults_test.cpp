// Faults by rule (SRV-13), in the CA and on the socket.
#include "tests/lab_ca/faults.h"

#include <bit>
#include <cerrno>
#include <chrono>
#include <sys/socket.h>

#include <gmock/gmock.h>

#include "tests/lab_ca/test_lab_ca.h"

namespace hwenroll::lab_ca {
namespace {

using hwenroll::test::read_file;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;
using namespace std::chrono_literals;
using namespace test;

TEST(FaultRule, SRV_13_is_read_from_text) {
    for (const char* text : {"GetCACaps:1:drop", "GetCACert:*:reset", "GetNextCACert:12:status-503", "PKCSReq:1:lose",
                             "RenewalReq:2:replay", "CertPoll:*:delay-1500", "PKCSReq:1:truncate", "PKCSReq:1:drip-5",
                             "PKCSReq:1:body-bitflip"}) {
        const auto rule = FaultRule::from_text(text);
        ASSERT_TRUE(rule) << text;
        EXPECT_EQ(to_text(*rule), text);
    }
    EXPECT_EQ(to_text(FaultRule::from_text("PKCSReq:1:drip").value()), "PKCSReq:1:drip-20");
}

TEST(FaultRule, SRV_13_anything_else_is_refused) {
    for (const char* text : {"", "PKCSReq", "PKCSReq:1", "PKCSReq:0:drop", "PKCSReq:-1:drop", "PKCSReq::drop",
                             "PKIOperation:1:drop", "pkcsreq:1:drop", "PKCSReq:1:drop-1", "PKCSReq:1:status",
                             "PKCSReq:1:status-42", "PKCSReq:1:delay", "PKCSReq:1:delay-x", "PKCSReq:1:explode"}) {
        const auto rule = FaultRule::from_text(text);
        ASSERT_FALSE(rule) << text;
        EXPECT_EQ(rule.error().code(), ErrorCode::usage);
    }
}

class FaultTest : public LabCaTest {
 protected:
    void start_with(const std::vector<std::string>& rules) {
        LabCaOptions faulty = options();
        for (const std::string& rule : rules) {
            faulty.faults.push_back(FaultRule::from_text(rule).value());
        }
        start(std::move(faulty));
    }

    HttpReply get_caps() { return ca_->answer(get_request("operation=GetCACaps")); }
    HttpReply post() { return ca_->answer(post_request(request({}))); }

    /// All that a client of the socket gets.
    static std::string over_socket(std::uint16_t port) {
        return exchange(port, "GET /scep?operation=GetCACaps HTTP/1.1\r\nHost: ca\r\n\r\n");
    }
};

TEST_F(FaultTest, SRV_13_counts_each_operation_by_itself) {
    start_with({"GetCACaps:2:status-503", "PKCSReq:*:status-500"});
    EXPECT_EQ(ca_->answer(get_request("operation=GetCACert")).status, 200);
    EXPECT_EQ(get_caps().status, 200);
    EXPECT_EQ(get_caps().status, 503);
    EXPECT_EQ(get_caps().status, 200);
    EXPECT_EQ(post().status, 500);
    EXPECT_EQ(post().status, 500);
    EXPECT_TRUE(issued().empty()) << "not processed";
    EXPECT_THAT(read_file(directory_ / "lint.jsonl"), HasSubstr(R"("fault":"GetCACaps:2:status-503")"));
}

TEST_F(FaultTest, SRV_13_a_lost_answer_was_processed_and_a_dropped_request_was_not) {
    start_with({"PKCSReq:1:drop", "PKCSReq:2:reset", "PKCSReq:3:lose"});
    EXPECT_EQ(post().delivery.end, Delivery::End::unanswered);
    EXPECT_EQ(post().delivery.end, Delivery::End::reset);
    EXPECT_EQ(issued().size(), 0U);
    EXPECT_EQ(post().delivery.end, Delivery::End::unanswered);
    EXPECT_EQ(issued().size(), 1U);
    EXPECT_EQ(opened(post()).status(), "0");
    EXPECT_EQ(issued().size(), 1U) << "the same transaction";
}

TEST_F(FaultTest, SRV_13_SEC_6_a_replay_is_the_older_answer) {
    start_with({"PKCSReq:2:replay"});
    const HttpReply first = post();
    EXPECT_EQ(post().body, first.body);
    EXPECT_NE(post().body, first.body);
}

TEST_F(FaultTest, SRV_13_a_replay_without_an_older_answer_is_processed) {
    start_with({"PKCSReq:1:replay"});
    EXPECT_EQ(opened(post()).status(), "0");
}

TEST_F(FaultTest, SRV_13_one_bit_of_the_body_is_wrong) {
    start_with({"GetCACert:1:body-bitflip"});
    const Bytes wrong = ca_->answer(get_request("operation=GetCACert")).body;
    const Bytes& right = ca_->certificate().der();
    ASSERT_EQ(wrong.size(), right.size());
    int bits = 0;
    for (std::size_t i = 0; i < right.size(); ++i) {
        bits += std::popcount(static_cast<unsigned>(wrong[i] ^ right[i]));
    }
    EXPECT_EQ(bits, 1);
}

TEST_F(FaultTest, SRV_13_renewals_polls_and_the_method_GET_are_recognised) {
    start_with({"RenewalReq:1:status-501", "CertPoll:1:status-502", "PKCSReq:1:status-503", "GetCert:1:status-504",
                "GetCRL:1:status-505"});
    RequestRecipe recipe;
    recipe.message_type = "17";
    EXPECT_EQ(ca_->answer(post_request(request(recipe))).status, 501);
    recipe.message_type = "20";
    EXPECT_EQ(ca_->answer(post_request(request(recipe))).status, 502);
    recipe.message_type = "21";
    EXPECT_EQ(ca_->answer(post_request(request(recipe))).status, 504);
    recipe.message_type = "22";
    EXPECT_EQ(ca_->answer(post_request(request(recipe))).status, 505);
    EXPECT_EQ(ca_->answer(get_request("operation=PKIOperation&message=" + url_form(request({})))).status, 503);
}

TEST_F(FaultTest, SRV_13_on_the_socket_nothing_comes_of_a_dropped_request) {
    start_with({"GetCACaps:1:drop"});
    const ServerThread server(*ca_);
    EXPECT_EQ(over_socket(server.port()), "");
    EXPECT_THAT(over_socket(server.port()), HasSubstr("SCEPStandard"));
}

TEST_F(FaultTest, SRV_13_on_the_socket_a_reset_is_a_reset) {
    start_with({"GetCACaps:1:reset"});
    const ServerThread server(*ca_);
    const FileDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    connect_to(socket, server.port());
    const std::string_view octets = "GET /scep?operation=GetCACaps HTTP/1.1\r\nHost: ca\r\n\r\n";
    ASSERT_EQ(::send(socket.get(), octets.data(), octets.size(), MSG_NOSIGNAL), static_cast<ssize_t>(octets.size()));
    char one = 0;
    EXPECT_EQ(::recv(socket.get(), &one, 1, 0), -1);
    EXPECT_EQ(errno, ECONNRESET);
}

TEST_F(FaultTest, SRV_13_on_the_socket_half_of_the_body_is_missing) {
    start_with({"GetCACaps:1:truncate"});
    const ServerThread server(*ca_);
    const std::string cut = over_socket(server.port());
    const std::string whole = over_socket(server.port());
    const std::string body = whole.substr(whole.find("\r\n\r\n") + 4);
    EXPECT_THAT(cut, StartsWith("HTTP/1.1 200 "));
    EXPECT_THAT(cut, HasSubstr("Content-Length: " + std::to_string(body.size())));
    EXPECT_THAT(cut, EndsWith("\r\n\r\n" + body.substr(0, body.size() / 2)));
}

TEST_F(FaultTest, SRV_13_on_the_socket_a_late_or_dripping_answer_is_whole_and_holds_up_nobody) {
    start_with({"GetCACaps:1:delay-400", "GetCACaps:2:drip-1"});
    const ServerThread server(*ca_);
    const FileDescriptor slow(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    connect_to(slow, server.port());
    const auto before = std::chrono::steady_clock::now();
    const std::string_view octets = "GET /scep?operation=GetCACaps HTTP/1.1\r\nHost: ca\r\n\r\n";
    ASSERT_EQ(::send(slow.get(), octets.data(), octets.size(), MSG_NOSIGNAL), static_cast<ssize_t>(octets.size()));
    const std::string other = exchange(server.port(), "GET /scep?operation=GetCACert HTTP/1.1\r\nHost: ca\r\n\r\n");
    EXPECT_THAT(other, HasSubstr("200 OK"));
    const std::string late = exchange(slow, "");
    EXPECT_GE(std::chrono::steady_clock::now() - before, 400ms);
    const auto dripping_from = std::chrono::steady_clock::now();
    const std::string dripped = over_socket(server.port());
    EXPECT_GE(std::chrono::steady_clock::now() - dripping_from, std::chrono::milliseconds(dripped.size() - 1));
    const std::string regular = over_socket(server.port());
    EXPECT_EQ(late, regular);
    EXPECT_EQ(dripped, regular);
}

}  // namespace
}  // namespace hwenroll::lab_ca
