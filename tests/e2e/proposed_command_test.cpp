// What `hwenroll` proposes to type works as it stands, whatever --config it was given: each proposal is typed here.
#include <csignal>
#include <sstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/daemon_world.h"

namespace hwenroll::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// A shell's, with our programs in its PATH.
ChildOptions shell_of(const fs::path& directory) {
    ChildOptions options;
    options.environment = {"PATH=" + fs::path(program("hwenroll")).parent_path().string() + ":/usr/sbin:/usr/bin:/bin"};
    options.directory = directory;
    return options;
}

/// Between the first `before` and the next `after`.
std::string between(const std::string& text, const std::string& before, const std::string& after) {
    const std::size_t begin = text.find(before);
    if (begin == std::string::npos) {
        ADD_FAILURE() << "no '" << before << "' in " << text;
        return {};
    }
    const std::size_t from = begin + before.size();
    return text.substr(from, text.find(after, from) - from);
}

/// A configuration whose path a shell would take for two words.
class ProposedFile : public testing::Test {
 protected:
    void SetUp() override {
        fs::create_directory(world_.directory() / "my files");
        world_.start_lab_ca();
        world_.configure();
        fs::copy_file(world_.config(), file());
    }
    [[nodiscard]] fs::path file() const { return world_.directory() / "my files" / "h.toml"; }
    [[nodiscard]] std::string option() const { return " --config '" + file().string() + "'"; }
    [[nodiscard]] RunResult hwenroll(std::vector<std::string> words) const {
        words.insert(words.begin(), program("hwenroll"));
        words.insert(words.end(), {"--config", file().string()});
        return run(words);
    }
    [[nodiscard]] RunResult type(const std::string& line) const {
        return run({"sh", "-c", line}, shell_of(world_.directory().path()));
    }
    EnrollmentWorld world_;
};

TEST_F(ProposedFile, O1_after_a_failure_of_an_identity_is_named_in_what_status_proposes) {
    world_.stop_ca();
    ASSERT_EQ(world_.once().exit_code, 69);
    const RunResult one = hwenroll({"status", "web"});
    const std::string next = between(one.out, "next: ", "\n");
    EXPECT_EQ(next, "hwenroll ca show corp" + option());
    EXPECT_THAT(type(next).err, HasSubstr("E-CA-UNREACHABLE")) << "it found the CA's section";
}

TEST_F(ProposedFile, O1_is_named_in_errors_and_explanations) {
    const RunResult unknown = hwenroll({"status", "nobody"});
    const std::string list = between(unknown.err, "; '", "' shows");
    EXPECT_EQ(list, "hwenroll list" + option());
    EXPECT_THAT(type(list).out, HasSubstr("web"));
    const RunResult agent = hwenroll({"renew", "web"});
    EXPECT_THAT(agent.err, AllOf(HasSubstr("'hwenrolld" + option() + "'"), HasSubstr("'hwenrolld --once" + option()),
                                 Not(HasSubstr("systemctl"))));
    const RunResult explained = hwenroll({"explain", "E-CONFIG-SYNTAX"});
    EXPECT_THAT(explained.out, HasSubstr("Next: correct the line and run 'hwenroll check-config" + option() + "'"));
    EXPECT_EQ(type("hwenroll check-config" + option()).exit_code, 0);
}

TEST_F(ProposedFile, O1_is_named_in_each_command_that_doctor_and_plan_propose) {
    std::istringstream lines(hwenroll({"doctor"}).out);
    int proposals = 0;
    for (std::string line; std::getline(lines, line);) {
        if (line.find("-> hwenroll") != std::string::npos) {
            ++proposals;
            EXPECT_THAT(line, HasSubstr(option()));
        }
    }
    EXPECT_GE(proposals, 1) << "the agent does not run";
    write_file(file(), read_file(file()) + "[identity.bad]\nca = \"corp\"\ntoken = \"lab\"\nsubject = \"nothing\"\n");
    // The command may go on in the next line.
    EXPECT_THAT(hwenroll({"plan", "bad"}).out, AllOf(HasSubstr("check-config"), HasSubstr("--config")));
}

TEST(ProposedAgent, O1_X14_is_started_and_told_to_reload_by_what_is_proposed_without_systemd) {
    DaemonWorld world({});
    world.configure();
    const std::string start = between(world.command({"status"}).out, "next: ", "\n");
    EXPECT_EQ(start, "hwenrolld --config " + world.config().string());
    world.start_daemon();
    world.eventually("the enrollment", [&] { return world.word() == "OK"; });
    world.configure({.agent_extra = "# another line"});
    const std::string reload = between(world.command({"status"}).out, "not in force yet: '", "'");
    EXPECT_EQ(reload, fmt::format("kill -HUP {}", world.daemon().pid()));
    ASSERT_EQ(run({"sh", "-c", reload}).exit_code, 0);
    world.eventually("the reload",
                     [&] { return world.command({"status"}).out.find("not in force yet") == std::string::npos; });
    EXPECT_EQ(world.stop_daemon(), 0);
}

}  // namespace
}  // namespace hwenroll::test
