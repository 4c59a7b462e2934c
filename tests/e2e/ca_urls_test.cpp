// A CA with two addresses, the first of which is a front that fails: what goes on to the second one, and what does not.
#include <mutex>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/e2e/daemon_world.h"
#include "tests/e2e/tampering_proxy.h"
#include "tests/support/scripted_server.h"

namespace hwenroll::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::SizeIs;

/// What an operation's requests to one address were, octet for octet.
class Seen {
 public:
    TamperingProxy::Tamper record() {
        return [this](const std::string& request) {
            const std::lock_guard lock(mutex_);
            bodies_.push_back(body_of(request));
            return request;
        };
    }
    [[nodiscard]] std::vector<std::string> bodies() const {
        const std::lock_guard lock(mutex_);
        return bodies_;
    }

 private:
    mutable std::mutex mutex_;
    std::vector<std::string> bodies_;
};

std::string as_it_is(const std::string& response) {
    return response;
}

std::string unavailable(const std::string& /*response*/) {
    return http_response("503 Service Unavailable", "text/plain", "the pool has no server");
}

/// The front breaks off within the body of its answer.
std::string cut(const std::string& response) {
    const std::string whole = http_response("200 OK", "application/x-pki-message", body_of(response));
    return whole.substr(0, whole.size() - 100);
}

/// What the lab CA has recorded of its PKIOperations, by the name of a field.
std::set<std::string> recorded(const DaemonWorld& world, const std::string& field) {
    std::set<std::string> values;
    for (const std::string& line : world.requests()) {
        if (const json record = json::parse(line); record["operation"] == "PKIOperation") {
            values.insert(record[field].get<std::string>());
        }
    }
    return values;
}

/// The first address is a front of the CA, as is the second one.
class CaUrls : public testing::Test {
 protected:
    void configure(std::uint16_t first, std::uint16_t second) {
        world_.configure({.url = fmt::format("http://127.0.0.1:{}/scep\", \"http://127.0.0.1:{}/scep", first, second)});
        // A list in place of the one that is written.
        std::string text = read_file(world_.config());
        const auto at = text.find("url = ") + 6;
        text.insert(text.find('\n', at), "]");
        text.insert(at, "[");
        write_file(world_.config(), text);
    }
    DaemonWorld world_{{"--lifetime", std::to_string(120 * 86'400), "--backdate", "0"}};
};

struct Broken {
    std::string name;
    TamperingProxy::Tamper tamper;
    std::string error;
};

void PrintTo(const Broken& broken, std::ostream* out) {
    *out << broken.name;
}

class BrokenFront : public CaUrls, public testing::WithParamInterface<Broken> {};

/// Invariant 5: the CA has the message, and has issued. The second address gets its next send, which is another message
/// of the same transaction.
TEST_P(BrokenFront, MSG_7_HTTP_28_N5_N6_N9_a_message_that_may_have_arrived_goes_to_no_second_url_as_it_is) {
    Seen first;
    Seen second;
    const TamperingProxy front(world_.port(), GetParam().tamper, "PKIOperation", first.record());
    const TamperingProxy other(world_.port(), as_it_is, "PKIOperation", second.record());
    configure(front.port(), other.port());
    world_.start_daemon();
    world_.eventually("the failure", [&] { return world_.said(GetParam().error + " web: "); });
    EXPECT_EQ(first.bodies().size(), 1U);
    EXPECT_EQ(second.bodies().size(), 0U);
    EXPECT_EQ(world_.issued().size(), 1U) << "it had arrived";
    EXPECT_EQ(world_.word(), "RETRYING");

    world_.go_to_day(0.1);
    world_.eventually("the certificate", [&] { return world_.word() == "OK"; });
    EXPECT_EQ(first.bodies().size(), 1U) << "the next send begins at the second address";
    ASSERT_EQ(second.bodies().size(), 1U);
    EXPECT_FALSE(first.bodies().front() == second.bodies().front()) << "the same octets";
    EXPECT_THAT(recorded(world_, "transactionID"), SizeIs(1));
    EXPECT_EQ(world_.issued().size(), 1U);
    EXPECT_EQ(world_.objects("Private Key Object"), 1);
    EXPECT_EQ(world_.stop_daemon(), 0);
}

INSTANTIATE_TEST_SUITE_P(Each, BrokenFront,
                         testing::Values(Broken{"unavailable", unavailable, "E-CA-HTTP"},
                                         Broken{"cut", cut, "E-CA-TRUNCATED"}),
                         [](const auto& each) { return each.param.name; });

/// Nobody knows whether a message has arrived where the connection breaks with it under way.
TEST_F(CaUrls, MSG_7_N5_a_message_whose_connection_broke_goes_to_no_second_url_as_it_is) {
    const auto answer = [&](const std::string& operation, const std::string& type) {
        return ScriptedServer::Script{
            receive(), send(http_response("200 OK", type, world_.ask_lab("/scep?operation=" + operation)))};
    };
    const ScriptedServer front({answer("GetCACaps", "text/plain"), answer("GetCACert", "application/x-x509-ca-cert"),
                                ScriptedServer::Script{receive(), send("HTTP/1.1 200 OK\r\nContent-Le"), reset()}});
    Seen second;
    const TamperingProxy other(world_.port(), as_it_is, "PKIOperation", second.record());
    configure(front.port(), other.port());
    world_.start_daemon();
    world_.eventually("the failure", [&] { return world_.said("E-CA-INTERRUPTED web: "); });
    ASSERT_EQ(front.requests().size(), 3U);
    EXPECT_THAT(front.requests().back(), HasSubstr("operation=PKIOperation"));
    EXPECT_EQ(second.bodies().size(), 0U);

    world_.go_to_day(0.1);
    world_.eventually("the certificate", [&] { return world_.word() == "OK"; });
    EXPECT_EQ(front.requests().size(), 3U);
    ASSERT_EQ(second.bodies().size(), 1U);
    EXPECT_FALSE(body_of(front.requests().back()) == second.bodies().front()) << "the same octets";
    EXPECT_EQ(world_.issued().size(), 1U);
    EXPECT_EQ(world_.stop_daemon(), 0);
}

class FrontInTrouble : public CaUrls, public testing::WithParamInterface<std::string> {};

TEST_P(FrontInTrouble, N9_HTTP_28_a_query_goes_on_to_the_second_url_at_once) {
    Seen first;
    Seen second;
    Seen messages;
    const TamperingProxy front(world_.port(), unavailable, GetParam(), first.record());
    const TamperingProxy inner(world_.port(), as_it_is, GetParam(), second.record());
    const TamperingProxy other(inner.port(), as_it_is, "PKIOperation", messages.record());
    configure(front.port(), other.port());
    world_.start_daemon();
    world_.eventually("the certificate", [&] { return world_.word() == "OK"; });
    EXPECT_EQ(first.bodies().size(), 1U);
    EXPECT_EQ(second.bodies().size(), 1U);
    EXPECT_EQ(messages.bodies().size(), 1U) << "what comes after it begins at the address that serves";
    EXPECT_EQ(world_.issued().size(), 1U);
    EXPECT_FALSE(world_.said("503"));
    EXPECT_EQ(world_.stop_daemon(), 0);
}

INSTANTIATE_TEST_SUITE_P(Each, FrontInTrouble, testing::Values("GetCACaps", "GetCACert"),
                         [](const auto& each) { return each.param; });

}  // namespace
}  // namespace hwenroll::test
