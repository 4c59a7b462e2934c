// The Client's contract with its loop: one `done` for each exchange, cancel, kept connections (N14).
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "tests/http/exchange_fixture.h"

namespace hwenroll::test {
namespace {

using testing::UnorderedElementsAre;

class ClientTest : public Exchange {};

TEST_F(ClientTest, done_is_never_called_from_start) {
    bool called = false;
    const auto note = [&](const Result<http::Response>& result) {
        EXPECT_FALSE(result);
        called = true;
    };
    client.start(get("file:///etc/hostname"), note);
    EXPECT_FALSE(called);
    EXPECT_TRUE(reactor.run(client, [&] { return called; }));
}

TEST_F(ClientTest, several_exchanges_at_once) {
    // Each reply waits for all four requests: one after the other would never end.
    const auto script = [](const char* body) -> ScriptedServer::Script {
        return {receive(), await_requests(4), send(reply(200, body))};
    };
    ScriptedServer server({script("a"), script("b"), script("c"), script("d")});
    std::vector<std::string> bodies;
    std::set<http::ExchangeId> ids;
    for (int i = 0; i < 4; ++i) {
        ids.insert(client.start(get(server.url()), [&](const Result<http::Response>& result) {
            bodies.emplace_back(result ? as_text(result->body) : result.error().line());
        }));
    }
    EXPECT_EQ(4U, ids.size());
    ASSERT_TRUE(reactor.run(client, [&] { return bodies.size() == 4; }));
    EXPECT_THAT(bodies, UnorderedElementsAre("a", "b", "c", "d"));
}

TEST_F(ClientTest, cancel_before_between_and_after) {
    ScriptedServer server({{receive(), await_close()}});
    bool called = false;
    const auto note = [&](const Result<http::Response>&) { called = true; };
    const auto waiting = client.start(get(server.url()), note);
    ASSERT_TRUE(reactor.run(client, [&] { return server.requests().size() == 1; }));
    client.cancel(waiting);
    EXPECT_EQ(0U, reactor.watched());
    client.cancel(client.start(get(server.url()), note));
    client.cancel(client.start(get("file:///refused"), note));
    client.cancel(waiting);
    client.cancel(4711);

    ScriptedServer other({answer(reply(200, "x"))});
    EXPECT_TRUE(fetch(get(other.url())));
    EXPECT_FALSE(called);
}

TEST_F(ClientTest, cancel_of_another_from_done) {
    bool first = false;
    bool second = false;
    http::ExchangeId other = 0;
    client.start(get("file:///a"), [&](const Result<http::Response>&) {
        first = true;
        client.cancel(other);
    });
    other = client.start(get("file:///b"), [&](const Result<http::Response>&) { second = true; });
    ASSERT_TRUE(reactor.run(client, [&] { return first; }));
    EXPECT_FALSE(fetch(get("file:///c")));
    EXPECT_FALSE(second);
}

TEST_F(ClientTest, start_of_another_from_done) {
    ScriptedServer server({{receive(), send(reply(503, "busy")), receive(), send(reply(200, "ready"))}});
    std::string last;
    client.start(get(server.url()), [&](const Result<http::Response>& busy) {
        EXPECT_EQ(503, busy.value().status);
        client.start(get(server.url()),
                     [&](const Result<http::Response>& ready) { last = as_text(ready.value().body); });
    });
    ASSERT_TRUE(reactor.run(client, [&] { return !last.empty(); }));
    EXPECT_EQ("ready", last);
    EXPECT_EQ(1U, server.connections()) << "the connection is kept";
}

TEST_F(ClientTest, an_exchange_that_restarts_itself_gives_the_loop_back) {
    int attempts = 0;
    std::function<void(Result<http::Response>)> again = [&](const Result<http::Response>&) {
        ++attempts;
        client.start(get("file:///never"), again);
    };
    client.start(get("file:///never"), again);
    EXPECT_TRUE(reactor.run(client, [&] { return attempts == 3; }));
    EXPECT_EQ(3, attempts);
}

TEST_F(ClientTest, N14_a_kept_connection_that_died_is_replaced_unseen) {
    // The first connection closes when it gets its second request.
    ScriptedServer server({{receive(), send(reply(200, "one")), receive(), reset()}, answer(reply(200, "two"))});
    ASSERT_TRUE(fetch(get(server.url())));
    const auto response = fetch(post(server.url(), {1, 2, 3}));
    ASSERT_TRUE(response) << response.error().line();
    EXPECT_EQ("two", as_text(response->body));
    const auto requests = server.requests();
    ASSERT_EQ(3U, requests.size());
    EXPECT_EQ(requests[1], requests[2]) << "the same request again";
}

TEST_F(ClientTest, the_end_of_a_client_ends_what_is_left) {
    ScriptedServer server({{receive(), await_close()}});
    bool called = false;
    {
        http::Client brief(reactor, "brief");
        brief.start(get(server.url()), [&](const Result<http::Response>&) { called = true; });
        brief.start(get("file:///refused"), [&](const Result<http::Response>&) { called = true; });
        // A round through the loop must not deliver anything but the refusal, so it is left out.
    }
    EXPECT_FALSE(called);
    EXPECT_EQ(0U, reactor.watched());
    EXPECT_FALSE(reactor.timer_armed());
}

TEST_F(ClientTest, an_idle_client_watches_nothing) {
    ScriptedServer server({{receive(), send(reply(200, "x")), await_close()}});
    ASSERT_TRUE(fetch(get(server.url())));
    EXPECT_EQ(0U, reactor.watched());
}

TEST_F(ClientTest, N14_a_message_that_is_to_be_sent_once_is_not_sent_again_by_itself) {
    // As above: the same server would get it on the connection that was kept.
    ScriptedServer server({{receive(), send(reply(200, "one")), receive(), reset()}, {receive(), reset()}});
    ASSERT_TRUE(fetch(get(server.url())));
    http::Request message = post(server.url(), {1, 2, 3});
    message.once = true;
    EXPECT_FALSE(fetch(message));
    EXPECT_EQ(2U, server.requests().size());
    EXPECT_EQ(2U, server.connections());
}

}  // namespace
}  // namespace hwenroll::test
