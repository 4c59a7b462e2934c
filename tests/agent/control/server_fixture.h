// A control server and its clients in one thread.
#pragma once

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "agent/control/listener.h"
#include "agent/control/server.h"
#include "tests/agent/control/control_loop.h"
#include "tests/agent/control/control_service_fake.h"
#include "tests/agent/control/raw_client.h"
#include "tests/support/temporary_directory.h"

namespace hwenroll::test {

/// Knows the identity `web`, which is settled. Its clients are root unless a test says otherwise.
class ServerFixture : public testing::Test {
 protected:
    void SetUp() override { start({}); }

    /// Replaces the server by one with other limits.
    void start(control::ServerOptions options) {
        server_.reset();
        options.runtime_dir = directory_.path();
        options.version = "1.2.3";
        if (options.admin_group.empty()) {
            options.admin_group = "root";
        }
        auto server = control::Server::listen(options, loop_, service_, peers_,
                                              [this](const observe::LogRecord& record) { log_.push_back(record); });
        ASSERT_TRUE(server) << server.error().line();
        server_ = *std::move(server);
        service_.views = {{"web", full_view("web")}};
    }

    std::filesystem::path path() { return control::socket_path(directory_.path()); }

    /// The next frame for `client`; null when none comes.
    nlohmann::json answer(RawClient& client) {
        std::optional<nlohmann::json> frame;
        EXPECT_TRUE(loop_.run([&] { return (frame = client.frame()).has_value(); })) << "no answer";
        return frame.value_or(nlohmann::json());
    }

    nlohmann::json ask(RawClient& client, std::string_view method, nlohmann::json parameters = nlohmann::json::object(),
                       bool more = false) {
        client.call(method, std::move(parameters), more);
        return answer(client);
    }

    [[nodiscard]] bool ends(RawClient& client) {
        return loop_.run([&] { return client.ended(); });
    }

    TemporaryDirectory directory_;
    ControlLoop loop_;
    ControlServiceFake service_;
    PeerSourceFake peers_;
    std::vector<observe::LogRecord> log_;
    std::unique_ptr<control::Server> server_;
};

}  // namespace hwenroll::test
