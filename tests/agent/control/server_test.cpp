// The control server: what it answers, and what it bears.
#include "agent/control/server.h"

#include <sys/resource.h>

#include <gmock/gmock.h>

#include "tests/agent/control/server_fixture.h"

namespace hwenroll::test {
namespace {

using namespace std::string_literals;
using nlohmann::json;
using testing::HasSubstr;

class ControlServer : public ServerFixture {};

TEST_F(ControlServer, answers_status_of_all_and_of_one) {
    service_.views["mail"] = full_view("mail");
    RawClient client(path());
    EXPECT_EQ(ask(client, "Status")["parameters"]["identities"].size(), 2U);
    const json one = ask(client, "Status", {{"identity", "mail"}})["parameters"]["identities"];
    ASSERT_EQ(one.size(), 1U);
    EXPECT_EQ(one[0]["name"], "mail");
    EXPECT_EQ(one[0]["certificate"]["serial"], "1F");
}

TEST_F(ControlServer, passes_changes_on_with_what_they_say) {
    RawClient client(path());
    EXPECT_EQ(ask(client, "Enroll", {{"identity", "web"}})["parameters"], (json{{"changed", true}, {"text", "begun"}}));
    ask(client, "Renew", {{"identity", "web"}, {"rekey", true}});
    ask(client, "Renew", {{"identity", "web"}});
    ask(client, "Cancel", {{"identity", "web"}});
    EXPECT_EQ(ask(client, "Resume", {{"identity", "web"}})["parameters"]["hold_released"], true);
    EXPECT_EQ(ask(client, "AcceptNext", {{"ca", "corp"}})["parameters"]["changed"], true);
    ask(client, "AcceptNext", {{"ca", "corp"}, {"fingerprint", "SHA256:AB"}});
    EXPECT_THAT(service_.asked, testing::ElementsAre("enroll web", "renew web rekey", "renew web", "cancel web",
                                                     "resume web", "accept-next corp", "accept-next corp SHA256:AB"));
    EXPECT_EQ(ask(client, "FetchCrl", {{"ca", "corp"}, {"fingerprint", "SHA256:AB"}})["error"],
              "org.varlink.service.InvalidParameter");
    EXPECT_EQ(ask(client, "FetchCertificate", {{"ca", "corp"}})["error"], "org.varlink.service.InvalidParameter");
    EXPECT_EQ(ask(client, "FetchCertificate", {{"ca", "corp"}, {"serial", "1F"}})["parameters"]["certificate"], "PEM");
    EXPECT_EQ(ask(client, "AcceptNext")["error"], "org.varlink.service.InvalidParameter");
    EXPECT_EQ(ask(client, "AcceptNext", {{"identity", "web"}})["error"], "org.varlink.service.InvalidParameter");
}

TEST_F(ControlServer, answers_an_adoption_once_it_is_decided_and_others_meanwhile) {
    service_.adopts_later = true;
    RawClient client(path());
    client.call("Adopt", {{"identity", "web"}, {"certificate", "PEM"}});
    client.call("Status");
    RawClient other(path());
    EXPECT_TRUE(ask(other, "Status").contains("parameters"));
    ASSERT_EQ(service_.adopting.size(), 1U);
    EXPECT_FALSE(client.frame()) << "its next call waits as well";
    EXPECT_THAT(log_, testing::IsEmpty());
    service_.adopting[0](control::Acceptance{true, "adopted"});
    EXPECT_EQ(answer(client)["parameters"], (json{{"changed", true}, {"text", "adopted"}}));
    EXPECT_TRUE(answer(client)["parameters"].contains("identities"));
    ASSERT_EQ(log_.size(), 1U);
    EXPECT_THAT(log_[0].text, HasSubstr("asked for Adopt of 'web': done"));
}

TEST_F(ControlServer, answers_an_adoption_to_a_client_that_sends_no_more) {
    service_.adopts_later = true;
    RawClient client(path());
    client.call("Adopt", {{"identity", "web"}, {"certificate", "PEM"}});
    client.finish();
    ASSERT_TRUE(loop_.run([&] { return !service_.adopting.empty(); }));
    loop_.settle();
    service_.adopting[0](fail(ErrorCode::scep_chain, "another CA's"));
    EXPECT_EQ(answer(client)["parameters"]["code"], "E-SCEP-CHAIN");
    EXPECT_TRUE(ends(client));
    EXPECT_THAT(log_.at(0).text, HasSubstr("refused: E-SCEP-CHAIN"));
}

TEST_F(ControlServer, keeps_the_answer_of_an_adoption_from_a_client_that_has_its_place_now) {
    service_.adopts_later = true;
    {
        RawClient gone(path());
        gone.call("Adopt", {{"identity", "web"}, {"certificate", "PEM"}});
        ASSERT_TRUE(loop_.run([&] { return !service_.adopting.empty(); }));
    }
    ASSERT_TRUE(loop_.run([&] { return server_->clients() == 0; }));
    RawClient client(path());
    client.call("Adopt", {{"identity", "web"}, {"certificate", "PEM"}});
    ASSERT_TRUE(loop_.run([&] { return service_.adopting.size() == 2; }));
    service_.adopting[0](control::Acceptance{true, "the first"});
    service_.adopting[1](control::Acceptance{true, "the second"});
    EXPECT_EQ(answer(client)["parameters"]["text"], "the second");
    EXPECT_EQ(log_.size(), 2U) << "what was done for a client that is gone is in the audit too";
    server_.reset();
    service_.adopting[1](control::Acceptance{true, "after the server"});
    EXPECT_EQ(log_.size(), 2U);
}

TEST_F(ControlServer, takes_no_adoption_without_a_certificate_or_with_one_that_is_too_large) {
    RawClient client(path());
    const std::string large(control::max_adopted_text + 1, 'x');
    for (const json& bad :
         {json{{"identity", "web"}}, json{{"certificate", "PEM"}}, json{{"identity", "web"}, {"certificate", nullptr}},
          json{{"identity", "web"}, {"certificate", large}}}) {
        EXPECT_EQ(ask(client, "Adopt", bad)["error"], "org.varlink.service.InvalidParameter");
    }
    EXPECT_THAT(service_.asked, testing::IsEmpty());
}

TEST_F(ControlServer, passes_errors_back_with_all_their_parts) {
    RawClient client(path());
    const json unknown = ask(client, "Status", {{"identity", "nobody"}});
    EXPECT_EQ(unknown["error"], "io.hwenroll.Agent.Failed");
    EXPECT_EQ(unknown["parameters"]["code"], "E-UNKNOWN-NAME");
    service_.failure = Error(ErrorCode::token_absent, "no token").about("web");
    EXPECT_EQ(ask(client, "Renew", {{"identity", "web"}})["parameters"]["subject"], "web");
}

TEST_F(ControlServer, limits_the_history) {
    RawClient client(path());
    EXPECT_EQ(ask(client, "History", {{"limit", 2}})["parameters"]["events"].size(), 2U);
    EXPECT_EQ(ask(client, "History", {{"identity", "web"}})["parameters"]["events"][0]["name"], "web");
    for (const json& bad : {json(0), json(-1), json(10'001), json("2"), json(1.5)}) {
        EXPECT_EQ(ask(client, "History", {{"limit", bad}})["error"], "org.varlink.service.InvalidParameter");
    }
}

TEST_F(ControlServer, names_a_parameter_that_is_wrong) {
    RawClient client(path());
    const auto parameter = [&](std::string_view method, json parameters) {
        const json reply = ask(client, method, std::move(parameters));
        EXPECT_EQ(reply["error"], "org.varlink.service.InvalidParameter") << reply.dump();
        return reply["parameters"].value("parameter", "");
    };
    EXPECT_EQ(parameter("Enroll", json::object()), "identity");
    EXPECT_EQ(parameter("Enroll", {{"identity", nullptr}}), "identity");
    EXPECT_EQ(parameter("Enroll", {{"identity", 1}}), "identity");
    EXPECT_EQ(parameter("Enroll", {{"identity", "web"}, {"rekey", true}}), "rekey");
    EXPECT_EQ(parameter("Renew", {{"identity", "web"}, {"rekey", "yes"}}), "rekey");
    EXPECT_EQ(parameter("Status", {{"identiy", "web"}}), "identiy");
    EXPECT_THAT(service_.asked, testing::IsEmpty());
}

TEST_F(ControlServer, names_a_method_or_an_interface_that_is_unknown) {
    RawClient client(path());
    EXPECT_EQ(ask(client, "Destroy")["error"], "org.varlink.service.MethodNotFound");
    client.send("{\"method\":\"io.example.Ping\"}\0"s);
    const json reply = answer(client);
    EXPECT_EQ(reply["error"], "org.varlink.service.InterfaceNotFound");
    EXPECT_EQ(reply["parameters"]["interface"], "io.example");
    client.send("{\"method\":\"ping\"}\0"s);
    EXPECT_EQ(answer(client)["error"], "org.varlink.service.InterfaceNotFound");
}

TEST_F(ControlServer, understands_a_call_wherever_it_is_cut) {
    const std::string call = R"({"method":"io.hwenroll.Agent.Status","parameters":{"identity":"web"}})"s + '\0';
    RawClient client(path());
    for (std::size_t cut = 0; cut <= call.size(); ++cut) {
        client.send(call.substr(0, cut));
        loop_.settle();
        ASSERT_EQ(client.frame().has_value(), cut == call.size());
        if (cut < call.size()) {
            client.send(call.substr(cut));
            EXPECT_EQ(answer(client)["parameters"]["identities"].size(), 1U);
        }
    }
}

TEST_F(ControlServer, answers_calls_in_their_order_however_many_come_at_once) {
    RawClient client(path());
    std::string calls;
    for (int i = 0; i < 100; ++i) {
        calls += R"({"method":"io.hwenroll.Agent.No)" + std::to_string(i) + "\"}" + '\0';
    }
    ASSERT_EQ(client.send(calls), calls.size());
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(answer(client)["parameters"]["method"], "io.hwenroll.Agent.No" + std::to_string(i));
    }
}

TEST_F(ControlServer, answers_what_came_before_the_end_of_the_input) {
    RawClient client(path());
    client.call("Status");
    client.call("Enroll", {{"identity", "web"}});
    client.finish();
    EXPECT_TRUE(answer(client)["parameters"].contains("identities"));
    EXPECT_EQ(answer(client)["parameters"]["text"], "begun");
    EXPECT_TRUE(ends(client));
    EXPECT_EQ(server_->clients(), 0U);
}

TEST_F(ControlServer, does_what_a_client_asked_for_that_did_not_wait_for_the_answer) {
    RawClient client(path());
    client.call("Enroll", {{"identity", "web"}});
    client.close();
    EXPECT_TRUE(loop_.run([&] { return !service_.asked.empty(); }));
    loop_.settle();
    EXPECT_EQ(server_->clients(), 0U);
}

TEST_F(ControlServer, sends_no_reply_to_a_oneway_call) {
    RawClient client(path());
    client.send(R"({"method":"io.hwenroll.Agent.Enroll","parameters":{"identity":"web"},"oneway":true})"s + '\0');
    EXPECT_TRUE(ask(client, "Status")["parameters"].contains("identities"));
    EXPECT_EQ(service_.asked.size(), 1U);
}

TEST_F(ControlServer, answers_garbage_with_an_error_and_closes) {
    for (const std::string& garbage :
         {"GET / HTTP/1.1\r\n\r\n\0"s, "\0"s, "\xff\xff\0"s, "[]\0"s, "{}\0"s, std::string(60'000, '[') + '\0'}) {
        RawClient client(path());
        client.send(garbage);
        EXPECT_EQ(answer(client)["error"], "io.hwenroll.Agent.BadFrame");
        EXPECT_TRUE(ends(client));
    }
    EXPECT_EQ(server_->clients(), 0U);
    RawClient client(path());
    EXPECT_FALSE(ask(client, "Status").contains("error")) << "others are served on";
}

TEST_F(ControlServer, does_nothing_that_stands_behind_garbage) {
    RawClient client(path());
    client.send("garbage\0"s);
    client.call("Enroll", {{"identity", "web"}});
    EXPECT_TRUE(loop_.run([&] { return server_->clients() == 0; }));
    EXPECT_THAT(service_.asked, testing::IsEmpty());
}

TEST_F(ControlServer, H13_takes_a_request_of_the_limit_and_none_that_is_larger) {
    start({.max_request = 1000});
    const std::string head = R"({"method":"io.hwenroll.Agent.Status","x":")";
    RawClient good(path());
    good.send(head + std::string(1000 - head.size() - 2, 'x') + "\"}" + '\0');
    EXPECT_TRUE(answer(good)["parameters"].contains("identities"));
    RawClient bad(path());
    bad.send(std::string(1001, ' '));
    EXPECT_EQ(answer(bad)["error"], "io.hwenroll.Agent.BadFrame");
    EXPECT_TRUE(ends(bad));
}

TEST_F(ControlServer, H13_serves_as_many_clients_as_it_says_and_no_more) {
    start({.max_clients = 5, .reserved_clients = 2});
    peers_.standard = {4711, 4711, 1};
    std::vector<std::unique_ptr<RawClient>> clients;
    for (int i = 0; i < 3; ++i) {
        clients.push_back(std::make_unique<RawClient>(path()));
        EXPECT_TRUE(ask(*clients.back(), "Status").contains("parameters"));
    }
    RawClient turned_away(path());
    EXPECT_EQ(answer(turned_away)["error"], "io.hwenroll.Agent.TooManyClients");
    EXPECT_TRUE(ends(turned_away));
    peers_.standard = {0, 0, 1};
    for (int i = 0; i < 2; ++i) {  // places that are kept for root
        clients.push_back(std::make_unique<RawClient>(path()));
        EXPECT_TRUE(ask(*clients.back(), "Status").contains("parameters"));
    }
    RawClient root_too(path());
    EXPECT_EQ(answer(root_too)["error"], "io.hwenroll.Agent.TooManyClients");
    EXPECT_EQ(server_->clients(), 5U);
    clients.clear();
    EXPECT_TRUE(loop_.run([&] { return server_->clients() == 0; }));
    RawClient late(path());
    EXPECT_TRUE(ask(late, "Status").contains("parameters"));
}

TEST_F(ControlServer, H13_is_not_held_up_by_clients_that_do_nothing) {
    RawClient silent(path());
    RawClient halfway(path());
    halfway.send("{\"method\":");
    RawClient client(path());
    EXPECT_TRUE(ask(client, "Status").contains("parameters"));
    EXPECT_EQ(server_->clients(), 3U);
    const std::size_t before = loop_.turns();
    loop_.settle();
    EXPECT_EQ(loop_.turns(), before + 1) << "nothing wakes the loop";
}

TEST_F(ControlServer, lets_a_client_that_does_not_read_wait_without_reading_on) {
    start({.max_kernel_buffer = 4096});
    for (int i = 0; i < 100; ++i) {
        service_.views["id" + std::to_string(i)] = full_view("id" + std::to_string(i));
    }
    RawClient client(path());
    int calls = 0;
    for (; calls < 500; ++calls) {  // each answer has tens of kilobytes
        client.call("Status");
    }
    loop_.settle();
    EXPECT_EQ(server_->clients(), 1U);
    const std::size_t before = loop_.turns();
    loop_.settle();
    EXPECT_EQ(loop_.turns(), before + 1) << "nothing wakes the loop";
    EXPECT_EQ(answer(client)["parameters"]["identities"].size(), 101U);
    for (int i = 1; i < 10; ++i) {
        EXPECT_EQ(answer(client)["parameters"]["identities"].size(), 101U) << "it goes on when it reads";
    }
}

TEST_F(ControlServer, turns_clients_away_when_it_has_no_descriptor_left) {
#ifdef __SANITIZE_ADDRESS__
    GTEST_SKIP() << "UndefinedBehaviorSanitizer needs a descriptor of its own to look at an object's type";
#endif
    RawClient waiting(path());
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const FileDescriptor probe(::dup(0));
    rlimit low = before;
    low.rlim_cur = static_cast<rlim_t>(probe.get());  // everything below is open
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
    loop_.settle();
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_EQ(server_->clients(), 0U);
    EXPECT_TRUE(waiting.ended());
    ASSERT_EQ(log_.size(), 1U);
    EXPECT_THAT(log_[0].text, HasSubstr("no file descriptor is left"));
    RawClient client(path());
    EXPECT_TRUE(ask(client, "Status").contains("parameters"));
}

TEST_F(ControlServer, drops_a_client_that_the_loop_cannot_watch) {
    RawClient client(path());
    loop_.fail_watches(1);
    EXPECT_TRUE(ends(client));
    EXPECT_EQ(server_->clients(), 0U);
}

TEST_F(ControlServer, leaves_nothing_behind) {
    RawClient client(path());
    EXPECT_TRUE(ask(client, "Status").contains("parameters"));
    server_.reset();
    EXPECT_EQ(loop_.watched(), 0U);
    EXPECT_FALSE(service_.subscribed());
    EXPECT_FALSE(std::filesystem::exists(path()));
    EXPECT_TRUE(client.ended());
}

}  // namespace
}  // namespace hwenroll::test
