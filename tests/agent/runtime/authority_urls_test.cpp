#include "agent/runtime/authority_urls.h"

#include <gmock/gmock.h>

#include "tests/http/exchange_fixture.h"
#include "tests/support/free_port.h"

namespace hwenroll::runtime {
namespace {

using test::answer;
using test::reply;
using test::ScriptedServer;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class AuthorityUrlsTest : public testing::Test {
 protected:
    using Outcome = std::optional<Result<http::Response>>;

    /// One exchange to its end.
    Result<http::Response> ask(AuthorityUrls& urls, bool once) {
        const auto outcome = std::make_shared<Outcome>();
        urls.exchange(
            [once](const std::string& url) {
                http::Request request = test::get(url);
                request.once = once;
                return request;
            },
            [outcome](Result<http::Response> response) { *outcome = std::move(response); }, owner_);
        EXPECT_TRUE(reactor_.run(client_, [&] { return outcome->has_value(); })) << "the exchange never ended";
        return outcome->has_value() ? **outcome : fail(ErrorCode::internal, "no outcome");
    }

    Result<http::Response> query(AuthorityUrls& urls) { return ask(urls, false); }
    Result<http::Response> message(AuthorityUrls& urls) { return ask(urls, true); }

    static std::string nobody() { return "http://127.0.0.1:" + std::to_string(test::free_port()) + "/scep"; }

    test::PollReactor reactor_;
    http::Client client_{reactor_, "hwenroll-test/1"};
    std::shared_ptr<int> owner_ = std::make_shared<int>(0);
};

TEST_F(AuthorityUrlsTest, N1_HTTP_28_a_query_goes_on_to_the_next_where_the_server_is_in_trouble) {
    for (const int status : {500, 502, 503, 504}) {
        const ScriptedServer first({answer(reply(status, "out of order"))});
        const ScriptedServer second({answer(reply(200, "AES"))});
        AuthorityUrls urls(client_, {first.url(), second.url()});
        const auto response = query(urls);
        ASSERT_TRUE(response) << response.error().line();
        EXPECT_EQ(response->status, 200);
        ASSERT_TRUE(query(urls));
        EXPECT_THAT(first.requests(), SizeIs(1)) << "the next exchange begins where the last one came through";
        EXPECT_THAT(second.requests(), SizeIs(2));
    }
}

TEST_F(AuthorityUrlsTest, N5_a_query_goes_on_to_the_next_where_the_answer_is_cut) {
    const std::string whole = reply(200, "AES");
    const ScriptedServer first({answer(whole.substr(0, whole.size() - 1))});
    const ScriptedServer second({answer(whole)});
    AuthorityUrls urls(client_, {first.url(), second.url()});
    const auto response = query(urls);
    ASSERT_TRUE(response) << response.error().line();
    EXPECT_EQ(response->status, 200);
    EXPECT_THAT(second.requests(), SizeIs(1));
}

TEST_F(AuthorityUrlsTest, CAPS_7_HTTP_21_what_the_server_says_of_the_operation_is_its_answer) {
    for (const int status : {501, 400, 404}) {
        const ScriptedServer first({answer(reply(status, "what is that"))});
        const ScriptedServer second({answer(reply(200, "AES"))});
        AuthorityUrls urls(client_, {first.url(), second.url()});
        const auto response = query(urls);
        ASSERT_TRUE(response) << response.error().line();
        EXPECT_EQ(response->status, status);
        EXPECT_THAT(second.requests(), IsEmpty());
    }
}

// Invariant 5, RT-1: 503 may come from a proxy behind which the message was taken.
TEST_F(AuthorityUrlsTest, MSG_7_HTTP_28_a_message_that_may_have_arrived_goes_to_no_second_server) {
    for (const int status : {500, 502, 503}) {
        const ScriptedServer first({answer(reply(status, "busy", "Retry-After: 7\r\n"))});
        const ScriptedServer second({answer(reply(200, "reply"))});
        AuthorityUrls urls(client_, {first.url(), second.url()});
        const auto refused = message(urls);
        ASSERT_TRUE(refused) << refused.error().line();
        EXPECT_EQ(refused->status, status);
        EXPECT_EQ(refused->retry_after, std::chrono::seconds(7));
        EXPECT_THAT(second.requests(), IsEmpty());
        const auto sent_anew = message(urls);
        ASSERT_TRUE(sent_anew) << sent_anew.error().line();
        EXPECT_EQ(sent_anew->status, 200) << "its next send begins at the next address";
        EXPECT_THAT(first.requests(), SizeIs(1));
    }
    const ScriptedServer cut({{test::receive(), test::reset()}});
    const ScriptedServer second({answer(reply(200, "reply"))});
    AuthorityUrls urls(client_, {cut.url(), second.url()});
    EXPECT_FALSE(message(urls));
    EXPECT_THAT(second.requests(), IsEmpty());
}

TEST_F(AuthorityUrlsTest, MSG_7_N1_a_message_goes_on_where_no_connection_came_about) {
    const ScriptedServer second({answer(reply(200, "reply"))});
    AuthorityUrls urls(client_, {nobody(), second.url()});
    const auto response = message(urls);
    ASSERT_TRUE(response) << response.error().line();
    EXPECT_EQ(response->status, 200);
}

TEST_F(AuthorityUrlsTest, HTTP_28_where_none_serves_the_answer_says_more_than_a_connection_that_failed) {
    const ScriptedServer first({answer(reply(503, "busy", "Retry-After: 30\r\n"))});
    AuthorityUrls urls(client_, {first.url(), nobody()});
    const auto response = query(urls);
    ASSERT_TRUE(response) << response.error().line();
    EXPECT_EQ(response->status, 503);
    EXPECT_EQ(response->retry_after, std::chrono::seconds(30));

    AuthorityUrls dead(client_, {nobody(), nobody()});
    const auto unreachable = query(dead);
    ASSERT_FALSE(unreachable);
    EXPECT_EQ(unreachable.error().code(), ErrorCode::ca_unreachable);
}

TEST_F(AuthorityUrlsTest, each_exchange_asks_each_address_once_at_most) {
    const ScriptedServer first({answer(reply(503, "busy"))});
    const ScriptedServer second({answer(reply(502, "busy too"))});
    AuthorityUrls urls(client_, {first.url(), second.url()});
    const auto response = query(urls);
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 502);
    EXPECT_THAT(first.requests(), SizeIs(1));
    EXPECT_THAT(second.requests(), SizeIs(1));
}

// The first address answers the one exchange, which then comes through at the second, before it answers the other.
TEST_F(AuthorityUrlsTest, HTTP_28_an_exchange_asks_every_address_whatever_becomes_of_another_one_meanwhile) {
    const auto trouble = test::send(reply(503, "busy"));
    const ScriptedServer first({{test::receive(), test::await_requests(2), trouble},
                                {test::receive(), test::await_requests(3), trouble},
                                answer(reply(200, "a third request"))});
    const ScriptedServer second({answer(reply(200, "AES"))});
    AuthorityUrls urls(client_, {first.url(), second.url()});
    std::vector<int> statuses;
    for (int i = 0; i < 2; ++i) {
        urls.exchange(
            [](const std::string& url) { return test::get(url); },
            [&](const Result<http::Response>& response) { statuses.push_back(response ? response->status : -1); },
            owner_);
    }
    ASSERT_TRUE(reactor_.run(client_, [&] { return statuses.size() == 1; }));
    bool released = false;
    client_.start(test::get(first.url()), [&](const Result<http::Response>&) { released = true; });
    ASSERT_TRUE(reactor_.run(client_, [&] { return released && statuses.size() == 2; }));
    EXPECT_THAT(statuses, ElementsAre(200, 200));
    EXPECT_THAT(second.requests(), SizeIs(2));
}

TEST_F(AuthorityUrlsTest, what_is_under_way_goes_on_with_the_addresses_that_it_began_with) {
    const ScriptedServer first({{test::receive(), test::await_requests(2), test::send(reply(503, "busy"))},
                                answer(reply(200, "a second request"))});
    const ScriptedServer second({answer(reply(200, "AES"))});
    AuthorityUrls urls(client_, {first.url(), second.url()});
    std::optional<int> status;
    urls.exchange([](const std::string& url) { return test::get(url); },
                  [&](const Result<http::Response>& response) { status = response ? response->status : -1; }, owner_);
    ASSERT_TRUE(reactor_.run(client_, [&] { return first.requests().size() == 1; }));
    urls.replace({first.url()});
    const auto next = query(urls);
    ASSERT_TRUE(next);
    EXPECT_EQ(as_text(next->body), "a second request");
    ASSERT_TRUE(reactor_.run(client_, [&] { return status.has_value(); }));
    EXPECT_EQ(status, 200) << "of the second address, which the new list does not have";
    ASSERT_TRUE(query(urls)) << "which is not where the next one begins";
}

TEST_F(AuthorityUrlsTest, another_list_of_addresses_is_asked_from_its_beginning) {
    const ScriptedServer first({answer(reply(503, "busy")), answer(reply(200, "well again"))});
    const ScriptedServer second({answer(reply(200, "AES"))});
    AuthorityUrls urls(client_, {first.url(), second.url()});
    ASSERT_TRUE(query(urls));
    urls.replace({first.url()});
    const auto response = query(urls);
    ASSERT_TRUE(response);
    EXPECT_EQ(as_text(response->body), "well again");
}

}  // namespace
}  // namespace hwenroll::runtime
