// `hwenroll init --ca-preset`, where the CA is named by its host.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/init_world.h"
#include "tests/e2e/terminal_session.h"

namespace hwenroll::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// Nothing but NDES' path is served.
class InitPreset : public InitWorld {
 protected:
    void SetUp() override { world_.start_lab_ca({"--path", "/certsrv/mscep/mscep.dll"}); }
    [[nodiscard]] std::string host() const { return "127.0.0.1:" + std::to_string(world_.port()); }
    [[nodiscard]] std::string completed() const { return "http://" + host() + "/certsrv/mscep/mscep.dll"; }
    [[nodiscard]] std::string shown() const {
        return fingerprint_in(run({program("hwenroll"), "ca", "show", completed()}).out);
    }
    [[nodiscard]] std::vector<std::string> with(const std::vector<std::string>& more) const {
        std::vector<std::string> arguments{"--url",           host(),    "--ca-preset", "ndes", "--module",
                                           SoftHsm::module(), "--token", "lab"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return arguments;
    }
};

TEST_F(InitPreset, HTTP_3_a_host_is_completed_and_the_configuration_is_clean_and_enrolls) {
    const RunResult made =
        init(with({"--fingerprint", shown(), "--pin-file", "-", "--challenge-file", "-"}), secrets());
    ASSERT_EQ(made.exit_code, 0) << made.out << made.err;
    EXPECT_THAT(made.out, HasSubstr(completed() + "\n"));
    EXPECT_THAT(read_file(file()),
                AllOf(HasSubstr("\nurl = \"" + host() + "\"\n"), HasSubstr("\npreset = \"ndes\"\n")));
    const RunResult checked = hwenroll({"check-config"});
    EXPECT_EQ(checked.exit_code, 0) << checked.err;
    const RunResult enrolled = once();
    EXPECT_EQ(enrolled.exit_code, 0) << enrolled.err;
    EXPECT_THAT(world_.requests().back(), HasSubstr("\"path\":\"/certsrv/mscep/mscep.dll\""));
    EXPECT_THAT(hwenroll({"status"}).out, AllOf(HasSubstr("web"), HasSubstr("OK")));
}

TEST_F(InitPreset, CACERT_4_after_a_wrong_fingerprint_each_next_command_works) {
    std::string wrong = shown();
    wrong.back() = wrong.back() == '0' ? '1' : '0';
    const RunResult refused = init(with({"--fingerprint", wrong}));
    EXPECT_EQ(refused.exit_code, 76);
    ASSERT_THAT(refused.err, HasSubstr("next: hwenroll ca show "));
    const auto at = refused.err.find("next: hwenroll ca show ") + 15;
    const RunResult followed =
        run({"sh", "-c", program("hwenroll") + " " + refused.err.substr(at, refused.err.find('\n', at) - at)});
    EXPECT_EQ(followed.exit_code, 0) << followed.err;
    EXPECT_THAT(followed.out, HasSubstr(shown()));
    EXPECT_THAT(refused.err, HasSubstr("--ca-preset ndes"));
    expect_nothing_written();
}

TEST_F(InitPreset, at_a_terminal_the_typed_host_is_completed) {
    TerminalSession session(line({"--ca-preset", "ndes", "--module", SoftHsm::module()}));
    ASSERT_TRUE(session.shows("URL of the CA's SCEP service:")) << session.screen();
    session.type(host());
    ASSERT_TRUE(session.shows(completed())) << session.screen();
    ASSERT_TRUE(session.shows("Type yes to trust it:")) << session.screen();
    session.type("yes");
    ASSERT_TRUE(session.shows("later):")) << session.screen();
    session.type("");
    ASSERT_TRUE(session.shows("none):")) << session.screen();
    session.type("");
    EXPECT_EQ(session.end(), 0) << session.screen();
    EXPECT_THAT(read_file(file()), HasSubstr("\npreset = \"ndes\"\n"));
}

TEST_F(InitPreset, one_that_does_not_exist_is_named_with_those_that_do) {
    const RunResult unknown = init({"--url", host(), "--ca-preset", "nonsense"});
    EXPECT_EQ(unknown.exit_code, 64);
    EXPECT_THAT(unknown.err,
                AllOf(HasSubstr("E-USAGE"), HasSubstr("'nonsense' is no preset"), HasSubstr("ndes"),
                      HasSubstr("cisco-ios"), Not(HasSubstr("is no URL")), Not(HasSubstr("--ca-preset nonsense"))));
    const RunResult host_alone = init({"--url", host()});
    EXPECT_EQ(host_alone.exit_code, 64);
    EXPECT_THAT(host_alone.err, AllOf(HasSubstr("'" + host() + "' is no URL"), HasSubstr("--ca-preset ndes")));
    expect_nothing_written();
}

TEST_F(InitPreset, beside_a_configuration_the_host_finds_the_section_that_has_it) {
    const std::string etc = (world_.directory() / "etc").string();
    const auto named = [&](const std::string& name, const std::vector<std::string>& more) {
        std::vector<std::string> line{program("hwenroll"), "init", "--dir", etc, "--name", name};
        for (const std::string& word : with(more)) {
            line.push_back(word);
        }
        return run(line);
    };
    ASSERT_EQ(named("web", {"--fingerprint", shown()}).exit_code, 0);
    const RunResult second = named("mail", {});
    ASSERT_EQ(second.exit_code, 0) << second.err << "the section vouches for the CA";
    EXPECT_THAT(second.out, HasSubstr("[ca.corp] is configured already"));
}

}  // namespace
}  // namespace hwenroll::test
