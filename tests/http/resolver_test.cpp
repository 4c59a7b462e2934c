// N1: a name server that does not answer holds up neither the end of an exchange nor that of its Client.
#include <array>
#include <chrono>
#include <optional>
#include <unistd.h>

#include "tests/http/child_observation.h"
#include "tests/http/exchange_fixture.h"
#include "tests/support/silent_name_server.h"

namespace hwenroll::test {
namespace {

using namespace std::chrono_literals;
using Milliseconds = std::chrono::milliseconds;

/// What the child saw.
struct Observation {
    bool entered = false;   ///< the namespaces could be had
    bool answered = false;  ///< the callback was called
    ErrorCode code = ErrorCode::internal;
    Milliseconds callback{0};  ///< from start() to the callback
    Milliseconds end{0};       ///< what ~Client took
};

Milliseconds since(std::chrono::steady_clock::time_point begin) {
    return std::chrono::duration_cast<Milliseconds>(std::chrono::steady_clock::now() - begin);
}

Observation ask_for_a_name(bool cancelled_by_end) {
    Observation seen;
    seen.entered = enter_network_with_silent_name_server();
    if (!seen.entered) {
        return seen;
    }
    PollReactor reactor;
    std::optional<http::Client> client;
    client.emplace(reactor, "hwenroll-test/1");
    http::Request request = get("http://ca.example/scep");
    request.limits.connect_timeout = cancelled_by_end ? 60s : 200ms;
    request.limits.exchange_timeout = cancelled_by_end ? 60s : 200ms;
    const auto begin = std::chrono::steady_clock::now();
    client->start(request, [&](const Result<http::Response>& result) {
        seen.answered = true;
        seen.code = result ? ErrorCode::internal : result.error().code();
        seen.callback = since(begin);
    });
    static_cast<void>(reactor.run(
        *client, [&] { return seen.answered; }, cancelled_by_end ? 100ms : 20'000ms));
    const auto ending = std::chrono::steady_clock::now();
    client.reset();
    seen.end = since(ending);
    return seen;
}

/// In a child, whose namespaces and resolver threads end with it.
Observation in_a_child(bool cancelled_by_end) {
    return seen_by_a_child([&] { return ask_for_a_name(cancelled_by_end); });
}

TEST(Resolver, N1_a_silent_name_server_ends_at_the_time_out_and_keeps_nobody) {
    const Observation seen = in_a_child(false);
    if (!seen.entered) {
        GTEST_SKIP() << "no namespaces of our own here";
    }
    ASSERT_TRUE(seen.answered);
    EXPECT_EQ(seen.code, ErrorCode::ca_unreachable);
    EXPECT_GE(seen.callback, 200ms) << "or it was not the name server that was waited for";
    EXPECT_LT(seen.callback, 1200ms);
    EXPECT_LT(seen.end, 1000ms);
}

TEST(Resolver, N1_a_client_that_ends_does_not_wait_for_a_silent_name_server) {
    const Observation seen = in_a_child(true);
    if (!seen.entered) {
        GTEST_SKIP() << "no namespaces of our own here";
    }
    EXPECT_FALSE(seen.answered);
    EXPECT_LT(seen.end, 1000ms);
}

}  // namespace
}  // namespace hwenroll::test
