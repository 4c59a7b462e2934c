// Who may change what, and what is written about it.
#include <unistd.h>

#include <gmock/gmock.h>

#include "agent/control/peer.h"
#include "agent/observe/log_ids.h"
#include "tests/agent/control/server_fixture.h"

namespace hwenroll::test {
namespace {

using nlohmann::json;
using observe::Level;
using testing::HasSubstr;
using testing::IsSupersetOf;

constexpr uid_t somebody = 54321;

class Authorization : public ServerFixture {
 protected:
    static json about(const std::string& method) {
        if (method == "Adopt") {
            return {{"identity", "web"}, {"certificate", "PEM"}};
        }
        if (method == "FetchCertificate") {
            return {{"ca", "corp"}, {"serial", "1F"}};
        }
        return method == "AcceptNext" || method == "FetchCrl" ? json{{"ca", "corp"}} : json{{"identity", "web"}};
    }

    const std::vector<std::string> changes_{
        "Enroll", "Adopt", "Renew", "Cancel", "Resume", "AcceptNext", "FetchCrl", "FetchCertificate", "TestKeys"};
};

TEST_F(Authorization, whoever_may_open_the_socket_may_read) {
    peers_.standard = {somebody, somebody, 77};
    RawClient client(path());
    EXPECT_FALSE(ask(client, "Status").contains("error"));
    EXPECT_FALSE(ask(client, "History").contains("error"));
    EXPECT_FALSE(ask(client, "Wait", {{"identity", "web"}}, true).contains("error"));
    EXPECT_FALSE(ask(client, "Monitor", json::object(), true).contains("error"));
    EXPECT_EQ(peers_.membership_questions, 0) << "reading needs no user database";
    EXPECT_THAT(log_, testing::IsEmpty());
}

TEST_F(Authorization, others_change_nothing_and_learn_whose_member_they_would_have_to_be) {
    peers_.standard = {somebody, 0, 77};  // the group of the process is not that of its user
    RawClient client(path());
    for (const std::string& method : changes_) {
        const json reply = ask(client, method, about(method));
        EXPECT_EQ(reply["error"], "io.hwenroll.Agent.PermissionDenied") << method;
        EXPECT_EQ(reply["parameters"]["group"], "root");
    }
    EXPECT_THAT(service_.asked, testing::IsEmpty());
    EXPECT_EQ(peers_.membership_questions, 1) << "asked once for each client";
    ASSERT_EQ(log_.size(), changes_.size());
    EXPECT_EQ(log_[0].level, Level::warning);
    EXPECT_EQ(log_[0].text, "control: uid 54321, pid 77 asked for Enroll of 'web': not permitted");
    EXPECT_FALSE(ask(client, "Status").contains("error")) << "it may still read";
}

TEST_F(Authorization, root_the_agents_user_and_members_of_the_admin_group_change) {
    peers_.members.insert({somebody, 0});
    for (const uid_t uid : {uid_t{0}, ::geteuid(), somebody}) {
        peers_.standard = {uid, 54321, 77};
        RawClient client(path());
        for (const std::string& method : changes_) {
            EXPECT_FALSE(ask(client, method, about(method)).contains("error")) << method << " " << uid;
        }
    }
    EXPECT_EQ(service_.asked.size(), 3 * changes_.size());
}

TEST_F(Authorization, without_the_group_nobody_is_its_member) {
    start({.admin_group = "no-such-group-73914"});
    ASSERT_EQ(log_.size(), 1U);
    EXPECT_THAT(log_[0].text, HasSubstr("only root and the agent's user"));
    peers_.standard = {somebody, somebody, 77};
    RawClient client(path());
    const json reply = ask(client, "Renew", {{"identity", "web"}});
    EXPECT_EQ(reply["error"], "io.hwenroll.Agent.PermissionDenied");
    EXPECT_EQ(reply["parameters"]["group"], "");
    EXPECT_EQ(peers_.membership_questions, 0);
}

TEST_F(Authorization, every_change_is_logged_with_uid_and_pid) {
    peers_.standard = {0, 0, 4242};
    RawClient client(path());
    ask(client, "Renew", {{"identity", "web"}, {"rekey", true}});
    ask(client, "Resume", {{"identity", "web"}});
    service_.acceptance = {false, "nothing to do"};
    ask(client, "Enroll", {{"identity", "web"}});
    ask(client, "Cancel", {{"identity", "nobody"}});
    service_.acceptance = {true, "trusted"};
    ask(client, "AcceptNext", {{"ca", "corp"}});
    ASSERT_EQ(log_.size(), 5U);
    EXPECT_EQ(log_[4].text, "control: uid 0, pid 4242 asked for AcceptNext of 'corp': done");
    EXPECT_EQ(log_[0].level, Level::notice);
    EXPECT_EQ(log_[0].identity, "web");
    EXPECT_EQ(log_[0].text, "control: uid 0, pid 4242 asked for Renew of 'web' with a new key: done");
    EXPECT_EQ(log_[1].text, "control: uid 0, pid 4242 asked for Resume of 'web': done");
    EXPECT_EQ(log_[2].text, "control: uid 0, pid 4242 asked for Enroll of 'web': nothing to do");
    EXPECT_EQ(log_[3].level, Level::warning);
    EXPECT_THAT(log_[3].text, HasSubstr("Cancel of 'nobody': refused: E-UNKNOWN-NAME"));
}

TEST_F(Authorization, every_change_is_a_record_with_fields_refused_ones_too) {
    peers_.standard = {0, 0, 4242};
    RawClient root(path());
    ask(root, "Renew", {{"identity", "web"}});
    ask(root, "Cancel", {{"identity", "nobody"}});
    ask(root, "FetchCrl", {{"ca", "corp"}});
    ask(root, "Renew", {{"identity", "web"}, {"rekey", "yes"}});
    ask(root, "Status", {{"identity", 3}});
    peers_.standard = {somebody, somebody, 77};
    peers_.runs.clear();  // /proc does not show it
    RawClient other(path());
    ask(other, "AcceptNext", {{"ca", "corp"}});
    ASSERT_EQ(log_.size(), 5U) << "a question is no change";
    const auto fields = [&](std::size_t index) { return observe::journal_fields(log_[index]); };
    const std::string id = "MESSAGE_ID=" + std::string(observe::audit_message_id);
    EXPECT_THAT(fields(0), IsSupersetOf({id, std::string("PRIORITY=5"), std::string("HWENROLL_IDENTITY=web"),
                                         std::string("HWENROLL_UID=0"), std::string("HWENROLL_PID=4242"),
                                         std::string("HWENROLL_EXE=/usr/bin/hwenroll"),
                                         std::string("HWENROLL_METHOD=Renew"), std::string("HWENROLL_OUTCOME=done")}));
    EXPECT_THAT(fields(1),
                IsSupersetOf({id, std::string("PRIORITY=4"), std::string("HWENROLL_IDENTITY=nobody"),
                              std::string("HWENROLL_ERROR=E-UNKNOWN-NAME"), std::string("HWENROLL_OUTCOME=refused")}));
    EXPECT_THAT(fields(2), IsSupersetOf({id, std::string("HWENROLL_CA=corp"), std::string("HWENROLL_METHOD=FetchCrl"),
                                         std::string("HWENROLL_OUTCOME=done")}));
    EXPECT_THAT(fields(3), IsSupersetOf({id, std::string("HWENROLL_IDENTITY=web"), std::string("HWENROLL_METHOD=Renew"),
                                         std::string("HWENROLL_OUTCOME=refused")}));
    EXPECT_THAT(log_[3].text, HasSubstr("'rekey'"));
    EXPECT_THAT(fields(4),
                IsSupersetOf({id, std::string("HWENROLL_UID=54321"), std::string("HWENROLL_METHOD=AcceptNext"),
                              std::string("HWENROLL_CA=corp"), std::string("HWENROLL_OUTCOME=not permitted")}));
    EXPECT_THAT(fields(4), testing::Contains("HWENROLL_EXE=unknown"));
}

TEST_F(Authorization, a_change_is_recorded_though_its_caller_or_the_agent_is_gone_before_it_is_known) {
    service_.adopts_later = true;
    auto gone = std::make_unique<RawClient>(path());
    gone->call("Adopt", {{"identity", "web"}, {"certificate", "PEM"}});
    ASSERT_TRUE(loop_.run([&] { return service_.adopting.size() == 1; }));
    gone.reset();
    ASSERT_TRUE(loop_.run([&] { return server_->clients() == 0; }));
    service_.adopting[0](control::Acceptance{true, "adopted"});
    ASSERT_EQ(log_.size(), 1U);
    EXPECT_THAT(log_[0].text, HasSubstr("Adopt of 'web': done"));
    RawClient waiting(path());
    waiting.call("Adopt", {{"identity", "web"}, {"certificate", "PEM"}});
    ASSERT_TRUE(loop_.run([&] { return service_.adopting.size() == 2; }));
    server_.reset();
    ASSERT_EQ(log_.size(), 2U);
    EXPECT_THAT(log_[1].text, HasSubstr("Adopt of 'web': the agent ended meanwhile"));
    EXPECT_EQ(log_[1].message_id, observe::audit_message_id);
}

TEST_F(Authorization, a_test_of_keys_changes_nothing_and_is_a_record_as_a_change_is) {
    RawClient root(path());
    EXPECT_TRUE(ask(root, "TestKeys")["parameters"]["tests"].is_array());
    ask(root, "TestKeys", {{"identity", "nobody"}});
    ask(root, "TestKeys", {{"identity", 3}});
    ASSERT_EQ(log_.size(), 3U);
    EXPECT_EQ(log_[0].text, "control: uid 0, pid 4242 asked for TestKeys: done");
    EXPECT_EQ(log_[0].message_id, observe::audit_message_id);
    EXPECT_THAT(log_[1].text, HasSubstr("TestKeys of 'nobody': refused: E-UNKNOWN-NAME"));
    EXPECT_THAT(log_[2].text, HasSubstr("'identity'"));
    service_.tests_later = true;
    RawClient waiting(path());
    waiting.call("TestKeys", {{"identity", "web"}});
    ASSERT_TRUE(loop_.run([&] { return service_.testing.size() == 1; }));
    server_.reset();
    ASSERT_EQ(log_.size(), 4U);
    EXPECT_THAT(log_[3].text, HasSubstr("TestKeys of 'web': the agent ended meanwhile"));
}

TEST_F(Authorization, the_audit_is_written_also_where_nobody_watches) {
    observe::Log log(observe::Log::Target::quiet);
    RawClient client(path());
    ask(client, "Renew", {{"identity", "w\neb"}});
    ask(client, "Renew", {{"identity", "web"}});
    testing::internal::CaptureStderr();
    for (const observe::LogRecord& record : log_) {
        log.write(record);
    }
    log.write({Level::info, "not this"});
    EXPECT_EQ(testing::internal::GetCapturedStderr(),
              "control: uid 0, pid 4242 asked for Renew of 'w\\x0aeb': refused: E-UNKNOWN-NAME there is no identity "
              "'w\\x0aeb'; 'hwenroll list' shows the identities\n"
              "control: uid 0, pid 4242 asked for Renew of 'web': done\n");
}

TEST_F(Authorization, a_client_that_cannot_be_told_is_not_served) {
    peers_.known = false;
    RawClient client(path());
    EXPECT_TRUE(ends(client));
    EXPECT_EQ(server_->clients(), 0U);
    EXPECT_THAT(log_.at(0).text, HasSubstr("cannot tell who"));
}

TEST_F(Authorization, the_kernel_says_who_connected) {
    server_.reset();
    control::KernelPeers kernel;
    auto server = control::Server::listen({.runtime_dir = directory_.path(), .admin_group = "root"}, loop_, service_,
                                          kernel, [this](const observe::LogRecord& record) { log_.push_back(record); });
    ASSERT_TRUE(server);
    RawClient client(path());
    EXPECT_FALSE(ask(client, "Renew", {{"identity", "web"}}).contains("error"));
    EXPECT_THAT(log_.back().text,
                HasSubstr("uid " + std::to_string(::getuid()) + ", pid " + std::to_string(::getpid())));
    EXPECT_THAT(observe::journal_fields(log_.back()),
                testing::Contains("HWENROLL_EXE=" + std::filesystem::read_symlink("/proc/self/exe").string()));
}

TEST(KernelPeers, ask_the_user_database_for_groups) {
    control::KernelPeers kernel;
    EXPECT_TRUE(kernel.is_member({0, 0, 1}, 0)) << "root's own group";
    EXPECT_FALSE(kernel.is_member({0, 0, 1}, 54321));
    EXPECT_FALSE(kernel.is_member({4'000'000'000U, 0, 1}, 0)) << "nobody of that number";
    EXPECT_EQ(kernel.peer(-1).error().code(), ErrorCode::internal);
    EXPECT_EQ(kernel.program({0, 0, 0}), "") << "nothing runs under that number";
}

}  // namespace
}  // namespace hwenroll::test
