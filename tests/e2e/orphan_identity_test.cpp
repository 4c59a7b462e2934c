// Identities that leave the configuration, and configurations without one: who reads is told, and what to do.
#include <csignal>

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

std::string renamed(const std::string& configuration) {
    return std::string(configuration).replace(configuration.find("[identity.web]"), 14, "[identity.new]");
}

TEST(OrphanIdentity, F4_is_told_by_every_reader_without_an_agent) {
    EnrollmentWorld world;
    world.start_lab_ca();
    world.configure();
    ASSERT_EQ(world.once().exit_code, 0);
    const std::string kept = read_file(world.config());
    write_file(world.config(), renamed(kept));
    const std::string purge = "'hwenroll token purge lab --identity web --config " + world.config().string() + "'";
    const RunResult all = world.hwenroll({"status"});
    EXPECT_THAT(all.out,
                AllOf(HasSubstr("web"), HasSubstr("put its section back, or see what is left"), HasSubstr(purge)));
    const RunResult one = world.hwenroll({"status", "web"});
    EXPECT_EQ(one.exit_code, 0) << one.err;
    EXPECT_THAT(one.out, AllOf(HasSubstr("it is not configured any more and not renewed"), HasSubstr("valid until")));
    const RunResult checked = world.hwenroll({"check", "web"});
    EXPECT_EQ(checked.exit_code, 1) << checked.out;
    EXPECT_THAT(checked.out, HasSubstr("web: not configured any more and not renewed"));
    EXPECT_THAT(world.hwenroll({"doctor"}).out,
                AllOf(HasSubstr("identity web: it is not configured any more"), HasSubstr("-> put its section back")));
    EXPECT_THAT(world.hwenroll({"list"}).out, HasSubstr("not configured any more"));
    EXPECT_THAT(world.hwenroll({"metrics"}).out, HasSubstr("hwenroll_state{identity=\"web\",state=\"DISABLED\"} 1"));
    EXPECT_EQ(world.hwenroll({"token", "purge", "lab", "--identity", "web", "--yes"}).exit_code, 0);
    EXPECT_THAT(world.hwenroll({"status"}).out, Not(HasSubstr("web ")));
    EXPECT_EQ(world.hwenroll({"status", "web"}).exit_code, 64);
}

TEST(OrphanIdentity, F4_is_none_while_a_fault_may_hide_its_section) {
    EnrollmentWorld world;
    world.start_lab_ca();
    world.configure();
    ASSERT_EQ(world.once().exit_code, 0);
    world.configure({.key = "rsa:512"});
    EXPECT_THAT(world.hwenroll({"status", "web"}).out, Not(HasSubstr("not configured any more")));
    EXPECT_EQ(world.hwenroll({"check"}).exit_code, 2) << "disabled";
}

TEST(OrphanIdentity, F4_is_told_by_the_agent_after_a_reload_and_no_more_when_its_section_is_back) {
    DaemonWorld world({});
    world.configure();
    world.start_daemon();
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    const std::string kept = read_file(world.config());
    write_file(world.config(), renamed(kept));
    world.signal(SIGHUP);
    const auto told = [&] {
        return world.command({"status", "web"}).out.find("not configured any more") != std::string::npos;
    };
    world.eventually("the reload", told);
    const RunResult one = world.command({"status", "web"});
    EXPECT_THAT(one.out, AllOf(HasSubstr("not configured any more"), HasSubstr("put its section back")));
    EXPECT_EQ(json::parse(world.command({"status", "--json"}).out)["identities"].size(), 2U);
    EXPECT_THAT(world.command({"check", "web"}).out, HasSubstr("not configured any more"));
    const RunResult refused = world.command({"renew", "web"});
    EXPECT_EQ(refused.exit_code, 64);
    EXPECT_THAT(refused.err, HasSubstr("put its section back"));
    write_file(world.config(), kept);
    world.signal(SIGHUP);
    world.eventually("the identity", [&] { return !told(); });
    EXPECT_THAT(world.command({"status", "web"}).out, HasSubstr("OK"));
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(RefusedReload, X14_is_judged_again_once_the_file_is_corrected_or_put_back) {
    DaemonWorld world({});
    world.configure();
    world.start_daemon();
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    const std::string kept = read_file(world.config());
    // Where the agent listens is found in a broken file too.
    write_file(world.config(), kept + "nonsense\n");
    world.signal(SIGHUP);
    const auto notice = [&] {
        return json::parse(world.command({"status", "--json"}).out)["agent"].value("notice", std::string());
    };
    world.eventually("the refusal", [&] { return notice().find("not in force") != std::string::npos; });
    write_file(world.config(), kept);
    EXPECT_EQ(notice(), "") << "put back";
    EXPECT_THAT(world.command({"doctor"}).out,
                AllOf(HasSubstr("the configuration on disk is in force"), Not(HasSubstr("E-CONFIG"))));
    write_file(world.config(), kept + "more nonsense\n");
    world.signal(SIGHUP);
    world.eventually("the refusal", [&] { return notice().find("not in force") != std::string::npos; });
    write_file(world.config(), kept + "# corrected\n");
    EXPECT_THAT(world.command({"status"}).out, HasSubstr("the configuration on disk is not in force yet: 'kill -HUP "));
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(NoIdentity, O1_is_said_with_the_next_command) {
    EnrollmentWorld world;
    write_file(world.config(), "[agent]\nstate_dir = \"" + (world.directory() / "state").string() +
                                   "\"\nruntime_dir = \"" + (world.directory() / "run").string() + "\"\n");
    const std::string said = "no identity is configured: " + world.config().string() +
                             " has no [identity.*] section\nnext: man hwenroll.toml\n";
    for (const char* const command : {"status", "plan"}) {
        const RunResult result = world.hwenroll({command});
        EXPECT_EQ(result.exit_code, 0) << result.err;
        EXPECT_EQ(result.out, said) << command;
    }
    const RunResult checked = world.hwenroll({"check", "--without-daemon"});
    EXPECT_EQ(checked.exit_code, 3);
    EXPECT_EQ(checked.out, "HWENROLL UNKNOWN - no identity is configured; 'man hwenroll.toml' has examples\n");
}

TEST(LateRenewal, F11_is_warned_of_by_check_config_and_doctor) {
    EnrollmentWorld world;
    world.start_lab_ca();
    world.configure({.identity_extra = "renew_at = \"12h\""});
    const RunResult checked = world.hwenroll({"check-config"});
    EXPECT_EQ(checked.exit_code, 0) << "it disables nothing";
    EXPECT_THAT(checked.err, HasSubstr("warning: identity.web: 'renew_at' leaves 12 h for a renewal"));
    EXPECT_EQ(json::parse(world.hwenroll({"check-config", "--json"}).out)["warnings"].size(), 1U);
    ASSERT_EQ(world.once().exit_code, 0);
    EXPECT_THAT(world.hwenroll({"doctor"}).out, HasSubstr("identity web: 'renew_at' leaves 12 h"));
    world.configure();
    EXPECT_EQ(world.hwenroll({"check-config"}).err, "");
}

}  // namespace
}  // namespace hwenroll::test
