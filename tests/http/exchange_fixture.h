// A Client on a test's own loop, and replies to feed it.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "tests/support/poll_reactor.h"
#include "tests/support/scripted_server.h"
#include "transport/http/exchange.h"

namespace hwenroll::test {

inline http::Request get(std::string url) {
    http::Request request;
    request.url = std::move(url);
    return request;
}

inline http::Request post(std::string url, Bytes body) {
    http::Request request = get(std::move(url));
    request.method = http::Request::Method::post;
    request.content_type = "application/x-pki-message";
    request.body = std::move(body);
    return request;
}

/// A complete HTTP/1.1 reply with an exact Content-Length. `fields`: further header lines, each with its CR LF.
inline std::string reply(int status, std::string_view body, std::string_view fields = "") {
    return fmt::format("HTTP/1.1 {} Words\r\nContent-Length: {}\r\n{}\r\n{}", status, body.size(), fields, body);
}

/// A connection that reads one request and sends `octets`.
inline ScriptedServer::Script answer(std::string octets) {
    return {receive(), send(std::move(octets))};
}

class Exchange : public testing::Test {
 protected:
    /// Runs one exchange to its end.
    Result<http::Response> fetch(http::Request request) {
        std::optional<Result<http::Response>> outcome;
        client.start(std::move(request), [&](Result<http::Response> result) { outcome = std::move(result); });
        if (!reactor.run(client, [&] { return outcome.has_value(); })) {
            ADD_FAILURE() << "the exchange never ended";
            return fail(ErrorCode::internal, "no outcome");
        }
        return *outcome;
    }

    /// The error of an exchange that has to fail with `code`.
    Error fetch_error(http::Request request, ErrorCode code) {
        const auto result = fetch(std::move(request));
        if (result) {
            ADD_FAILURE() << "got a reply of status " << result->status;
            return Error(ErrorCode::internal, "a reply");
        }
        EXPECT_EQ(error_info(code).name, result.error().info().name) << result.error().line();
        return result.error();
    }

    PollReactor reactor;
    http::Client client{reactor, "hwenroll-test/1"};
};

}  // namespace hwenroll::test
