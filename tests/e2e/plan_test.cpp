// `hwenroll plan`: what it foretells is what the agent then does, and it sends nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/e2e/daemon_world.h"

namespace hwenroll::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

json parsed(const RunResult& result) {
    json value = json::parse(result.out, nullptr, false);
    EXPECT_FALSE(value.is_discarded()) << result.out << result.err;
    EXPECT_EQ(value.value("schema", 0), 1);
    return value["identities"][0];
}

class PlanOfAnIdentity : public testing::Test {
 protected:
    void SetUp() override {
        world_.start_lab_ca();
        world_.configure();
    }
    EnrollmentWorld world_;
};

TEST_F(PlanOfAnIdentity, says_what_a_first_enrollment_sends_and_sends_nothing) {
    const RunResult text = world_.hwenroll({"plan"});
    EXPECT_EQ(text.exit_code, 0) << text.err;
    EXPECT_THAT(text.out, AllOf(StartsWith("web: first enrollment: now\n"), HasSubstr(world_.url()),
                                HasSubstr("hwenrolld does not run"), Not(HasSubstr("\033"))));
    const json plan = parsed(world_.hwenroll({"plan", "web", "--json"}));
    EXPECT_EQ(plan["message_type"], "PKCSReq");
    EXPECT_EQ(plan["san"], json::array({"dns:web01.example.com"}));
    EXPECT_THAT(plan["challenge"].get<std::string>(), AllOf(StartsWith("yes, read from file:"), HasSubstr("corp")));
    EXPECT_THAT(world_.requests(), testing::IsEmpty());
    EXPECT_FALSE(std::filesystem::exists(world_.directory() / "state")) << "nothing was written";
    EXPECT_EQ(world_.objects("Private Key Object"), 0);
    world_.expect_no_canary({text.out, plan.dump()});
}

TEST_F(PlanOfAnIdentity, ALG_1_of_a_ca_that_is_known_names_algorithms_recipient_and_method) {
    ASSERT_EQ(world_.once().exit_code, 0);
    const auto requests = world_.requests().size();
    const json plan = parsed(world_.hwenroll({"plan", "--json"}));
    EXPECT_EQ(plan["message_type"], "PKCSReq") << "it does not announce Renewal";
    EXPECT_THAT(plan["signed_by"].get<std::string>(), HasSubstr("current certificate's key"));
    EXPECT_THAT(plan["algorithms"].get<std::string>(), HasSubstr("SHA-"));
    EXPECT_EQ(plan["urls"], json::array({"POST " + world_.url()}));
    EXPECT_THAT(plan["encrypted_to"].get<std::string>(), HasSubstr("CN="));
    EXPECT_THAT(plan["summary"].get<std::string>(), AllOf(StartsWith("renewal: "), HasSubstr("(in 6")));
    EXPECT_EQ(world_.requests().size(), requests);
}

TEST_F(PlanOfAnIdentity, of_what_is_held_disabled_or_unknown_says_why_nothing_is_sent) {
    const auto wrong = world_.directory() / "mine.challenge";
    write_file(wrong, "not-the-right-one", 0600);
    world_.configure({.challenge = "file:" + wrong.string()});
    ASSERT_EQ(world_.once().exit_code, 76);
    const RunResult held = world_.hwenroll({"plan", "web"});
    EXPECT_THAT(held.out, AllOf(HasSubstr("held (rejected)"), HasSubstr("E-CA-REJECTED")));
    EXPECT_THAT(held.out, Not(HasSubstr("not-the-right-one")));
    std::filesystem::remove(wrong);
    world_.configure({.key = "ec:p256"});
    const RunResult disabled = world_.hwenroll({"plan"});
    EXPECT_EQ(disabled.exit_code, 0);
    EXPECT_THAT(disabled.out, AllOf(HasSubstr("its configuration disables it"), HasSubstr("E-CONFIG-VALUE")));
    EXPECT_FALSE(parsed(world_.hwenroll({"plan", "--json"}))["sends"].get<bool>());
    EXPECT_EQ(world_.hwenroll({"plan", "nobody"}).exit_code, 64);
}

TEST(PlanBesideAnAgent, REN_6_foretells_the_renewal_that_is_then_made) {
    DaemonWorld world({"--renewal", "both"});
    world.start_daemon();
    world.eventually("a certificate", [&] { return world.word() == "OK" && world.listens(); });
    const json plan = parsed(world.command({"plan", "web", "--json"}));
    EXPECT_FALSE(plan.contains("agent"));
    EXPECT_EQ(plan["at"], json::parse(world.command({"status", "--json"}).out)["identities"][0]["renew_at"]);
    const auto before = world.messages();
    world.go_to_day(70);
    world.eventually("the renewal", [&] { return world.generation() == "gen-002"; });
    const auto after = world.messages();
    ASSERT_EQ(after.size(), before.size() + 1);
    EXPECT_EQ(plan["message_type"], "RenewalReq");
    EXPECT_EQ(after.back(), "17");
}

}  // namespace
}  // namespace hwenroll::test
