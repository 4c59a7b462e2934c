// Wait and Monitor: replies that go on.
#include <gmock/gmock.h>

#include "tests/agent/control/server_fixture.h"

namespace hwenroll::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class ControlStream : public ServerFixture {
 protected:
    void SetUp() override {
        ServerFixture::SetUp();
        service_.views["web"].settled = false;
        service_.views["web"].word = "REQUESTED";
    }
    json wait(RawClient& client) { return ask(client, "Wait", {{"identity", "web"}}, true); }
};

TEST_F(ControlStream, wait_ends_at_once_when_the_identity_is_settled) {
    service_.views["web"].settled = true;
    RawClient client(path());
    const json reply = wait(client);
    EXPECT_FALSE(reply.contains("continues"));
    EXPECT_EQ(reply["parameters"]["event"]["settled"], true);
    EXPECT_EQ(reply["parameters"]["event"]["error"], "E-CA-TIMEOUT") << "the failure it has";
    EXPECT_FALSE(ask(client, "Status").contains("error")) << "the next call is answered";
}

TEST_F(ControlStream, wait_reports_events_of_its_identity_until_it_has_settled) {
    service_.views["mail"] = full_view("mail");
    RawClient client(path());
    const json first = wait(client);
    EXPECT_EQ(first["continues"], true);
    EXPECT_EQ(first["parameters"]["event"]["state"], "REQUESTED");
    service_.report(sample_event("mail", "not for it", true));
    service_.report(sample_event("web", "sent"));
    service_.report(sample_event("web", "held", true, ErrorCode::ca_rejected));
    service_.report(sample_event("web", "after the end"));
    const json second = answer(client);
    EXPECT_EQ(second["parameters"]["event"]["text"], "sent");
    EXPECT_EQ(second["continues"], true);
    const json last = answer(client);
    EXPECT_FALSE(last.contains("continues"));
    EXPECT_EQ(last["parameters"]["event"]["error"], "E-CA-REJECTED");
    loop_.settle();
    EXPECT_FALSE(client.frame());
    EXPECT_FALSE(ask(client, "Status").contains("error")) << "the next call is answered";
}

TEST_F(ControlStream, a_call_behind_a_wait_is_answered_after_it) {
    RawClient client(path());
    client.call("Wait", {{"identity", "web"}}, true);
    client.call("Status");
    EXPECT_EQ(answer(client)["continues"], true);
    loop_.settle();
    EXPECT_FALSE(client.frame());
    const std::size_t before = loop_.turns();
    loop_.settle();
    EXPECT_EQ(loop_.turns(), before + 1) << "nothing wakes the loop";
    service_.report(sample_event("web", "done", true));
    EXPECT_EQ(answer(client)["parameters"]["event"]["text"], "done");
    EXPECT_TRUE(answer(client)["parameters"].contains("identities"));
}

TEST_F(ControlStream, of_an_unknown_identity_is_an_error) {
    RawClient client(path());
    EXPECT_EQ(ask(client, "Wait", {{"identity", "nobody"}}, true)["parameters"]["code"], "E-UNKNOWN-NAME");
}

TEST_F(ControlStream, needs_a_client_that_expects_more) {
    RawClient client(path());
    EXPECT_EQ(ask(client, "Wait", {{"identity", "web"}})["error"], "org.varlink.service.ExpectedMore");
    EXPECT_EQ(ask(client, "Monitor")["error"], "org.varlink.service.ExpectedMore");
}

TEST_F(ControlStream, monitor_tells_how_all_are_and_then_what_happens) {
    service_.views["mail"] = full_view("mail");
    RawClient client(path());
    EXPECT_EQ(ask(client, "Monitor", json::object(), true)["parameters"]["event"]["identity"], "mail");
    EXPECT_EQ(answer(client)["parameters"]["event"]["identity"], "web");
    service_.report(sample_event("web", "done", true));
    service_.report(sample_event("mail", "sent"));
    EXPECT_EQ(answer(client)["parameters"]["event"]["text"], "done");
    const json last = answer(client);
    EXPECT_EQ(last["parameters"]["event"]["identity"], "mail");
    EXPECT_EQ(last["continues"], true);
}

TEST_F(ControlStream, an_event_from_within_a_change_reaches_others_and_spares_the_caller) {
    RawClient watching(path());
    EXPECT_EQ(ask(watching, "Monitor", json::object(), true)["continues"], true);
    RawClient changing(path());
    service_.on_change = sample_event("web", "renewal begun");
    EXPECT_EQ(ask(changing, "Renew", {{"identity", "web"}})["parameters"]["changed"], true);
    EXPECT_EQ(answer(watching)["parameters"]["event"]["text"], "renewal begun");
}

TEST_F(ControlStream, ends_with_a_client_that_vanishes) {
    {
        RawClient client(path());
        EXPECT_EQ(wait(client)["continues"], true);
    }
    EXPECT_TRUE(loop_.run([&] { return server_->clients() == 0; })) << "no event is needed to see it";
    service_.report(sample_event("web", "done", true));
    EXPECT_EQ(server_->clients(), 0U);
}

TEST_F(ControlStream, ends_with_a_client_that_vanishes_between_two_turns_of_the_loop) {
    auto client = std::make_unique<RawClient>(path());
    EXPECT_EQ(wait(*client)["continues"], true);
    client.reset();
    service_.report(sample_event("web", "sent"));
    EXPECT_EQ(server_->clients(), 0U);
    EXPECT_EQ(loop_.watched(), 1U) << "the listener";
}

TEST_F(ControlStream, ends_with_a_client_that_vanishes_while_calls_wait_behind_it) {
    auto client = std::make_unique<RawClient>(path());
    client->call("Wait", {{"identity", "web"}}, true);
    client->call("Enroll", {{"identity", "web"}});
    EXPECT_EQ(answer(*client)["continues"], true);
    client.reset();
    EXPECT_TRUE(loop_.run([&] { return server_->clients() == 0; }));
}

TEST_F(ControlStream, goes_on_for_a_client_that_only_sends_no_more) {
    RawClient client(path());
    client.call("Wait", {{"identity", "web"}}, true);
    client.finish();
    EXPECT_EQ(answer(client)["continues"], true);
    loop_.settle();
    service_.report(sample_event("web", "done", true));
    EXPECT_EQ(answer(client)["parameters"]["event"]["text"], "done");
    EXPECT_TRUE(ends(client));
}

TEST_F(ControlStream, drops_a_client_that_does_not_read_its_events) {
    start({.max_output = 10'000, .max_kernel_buffer = 4096});
    RawClient slow(path());
    RawClient quick(path());
    EXPECT_EQ(ask(slow, "Monitor", json::object(), true)["continues"], true);
    EXPECT_EQ(ask(quick, "Monitor", json::object(), true)["continues"], true);
    int reported = 0;
    for (; server_->clients() == 2 && reported < 1000; ++reported) {
        service_.report(sample_event("web", std::string(1000, 'x')));
        EXPECT_EQ(answer(quick)["continues"], true);
    }
    EXPECT_EQ(server_->clients(), 1U);
    EXPECT_GT(reported, 10);
    ASSERT_FALSE(log_.empty());
    EXPECT_THAT(log_.back().text, HasSubstr("does not read"));
    service_.report(sample_event("web", "for the quick one"));
    EXPECT_EQ(answer(quick)["parameters"]["event"]["text"], "for the quick one");
}

TEST_F(ControlStream, many_clients_get_the_same_events) {
    std::vector<std::unique_ptr<RawClient>> clients;
    for (int i = 0; i < 32; ++i) {
        clients.push_back(std::make_unique<RawClient>(path()));
        EXPECT_EQ(wait(*clients.back())["continues"], true);
    }
    service_.report(sample_event("web", "done", true));
    for (const auto& client : clients) {
        EXPECT_EQ(answer(*client)["parameters"]["event"]["text"], "done");
    }
}

}  // namespace
}  // namespace hwenroll::test
