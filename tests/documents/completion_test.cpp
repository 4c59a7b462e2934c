// Completion of hwenroll's command line by bash, zsh and fish themselves.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <map>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/documents/program_help.h"
#include "tests/documents/sandbox.h"
#include "tests/support/required_tokens.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/test_paths.h"

namespace hwenroll::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Not;

/// Every option of the top level that the shells complete; `-h` is another spelling of one.
const std::set<std::string>& options_of_all() {
    static const std::set<std::string> options{"--config", "--json", "--no-color", "--help", "--version"};
    return options;
}

constexpr const char* configuration =
    "[agent]\nstate_dir = \"/nonexistent/state\"\nruntime_dir = \"/nonexistent/run\"\n"
    "[token.lab]\ntype = \"pkcs11\"\nmodule = \"/m.so\"\nuri = \"pkcs11:token=lab\"\n"
    "[token.card]\ntype = \"pkcs11\"\nmodule = \"/m.so\"\nuri = \"pkcs11:token=card\"\n"
    "[ca.corp]\nurl = \"http://ca/scep\"\nfingerprint = \"SHA256:"
    "0000000000000000000000000000000000000000000000000000000000000000\"\n"
    "[ca.\"corp.2\"]\nurl = \"http://ca/scep\"\nfingerprint = \"SHA256:"
    "0000000000000000000000000000000000000000000000000000000000000000\"\n"
    "[identity.web]\nca = \"corp\"\ntoken = \"lab\"\nsubject = \"CN=web\"\n"
    "[identity.\"vpn.example\"]\nca = \"corp\"\ntoken = \"lab\"\nsubject = \"CN=vpn\"\n";

struct Shell {
    const char* name;
    std::vector<std::string> start;
    const char* completion;
};

const Shell& shell_of(const std::string& name) {
    static const std::map<std::string, Shell> shells{
        {"bash", {"bash", {"bash", "--norc"}, "hwenroll.bash"}},
        {"zsh", {"zsh", {"zsh", "-f"}, "_hwenroll"}},
        {"fish", {"fish", {"fish", "--no-config"}, "hwenroll.fish"}},
    };
    return shells.at(name);
}

using Candidates = std::set<std::string>;

class Completion : public testing::TestWithParam<const char*> {
 protected:
    void SetUp() override {
        write_file(config_, configuration);
        std::filesystem::create_directory(patient_);
        write_file(patient_ / "timeout", "#!/bin/sh\nshift\nexec /usr/bin/timeout 100 \"$@\"\n", 0755);
        if (const auto missing = missing_package({{GetParam(), GetParam()}})) {
            ASSERT_EQ(std::getenv("HWENROLL_REQUIRE_PEERS"), nullptr) << *missing;
            GTEST_SKIP() << *missing;
        }
    }

    /// What the shell makes of each line, in its sandbox; a `=` at the end of an option that takes a value is left out.
    std::map<std::string, Candidates> complete(const std::vector<std::string>& lines, const std::string& path = {}) {
        const Shell& shell = shell_of(GetParam());
        std::vector<std::string> command = shell.start;
        command.push_back(source_file(fmt::format("tests/documents/complete_lines.{}", shell.name)));
        command.push_back(source_file(fmt::format("agent/cli/completion/{}", shell.completion)));
        ChildOptions options = sandbox_.options(directory_.path());
        options.environment.push_back("HOME=" + directory_.path().string());
        options.environment.emplace_back("TERM=dumb");
        const auto inherited =
            std::ranges::find_if(options.environment, [](const std::string& one) { return one.starts_with("PATH="); });
        *inherited = "PATH=" + (path.empty() ? patient_.string() + ":" + inherited->substr(5) : path);
        for (const std::string& line : lines) {
            options.input += line + "\n";
        }
        const RunResult result = run(command, options, std::chrono::seconds(200));
        EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
        EXPECT_EQ(result.err, "") << "nothing is shown but candidates";
        return read(result.out);
    }

    Candidates complete_one(const std::string& line) { return complete({line})[line]; }

    static std::map<std::string, Candidates> read(const std::string& out) {
        std::map<std::string, Candidates> found;
        std::istringstream in(out);
        Candidates* current = nullptr;
        for (std::string line; std::getline(in, line);) {
            if (line.starts_with("> ")) {
                current = &found[line.substr(2)];
            } else if (current != nullptr && !line.empty()) {
                current->insert(line.starts_with("--") && line.ends_with('=') ? line.substr(0, line.size() - 1) : line);
            }
        }
        return found;
    }

    TemporaryDirectory directory_;
    std::filesystem::path config_ = directory_ / "hwenroll.toml";
    /// A timeout(1) that a slow machine does not reach, where none is wanted.
    std::filesystem::path patient_ = directory_ / "patient";
    Sandbox sandbox_{config_};
};

Candidates set_of(const std::vector<std::string>& words) {
    return {words.begin(), words.end()};
}

Candidates without_short(Candidates options) {
    std::erase_if(options, [](const std::string& option) { return option == "-h"; });
    return options;
}

TEST_P(Completion, has_every_command_and_no_other) {
    const ProgramHelp top = help_of({"hwenroll"}).value();
    std::vector<std::string> lines{"hwenroll "};
    for (const std::string& command : top.commands) {
        lines.push_back("hwenroll " + command + " ");
    }
    auto found = complete(lines);
    EXPECT_EQ(found["hwenroll "], set_of(top.commands));
    for (const std::string& command : top.commands) {
        const ProgramHelp help = help_of({"hwenroll", command}).value();
        if (!help.commands.empty()) {
            EXPECT_EQ(found["hwenroll " + command + " "], set_of(help.commands)) << command;
        }
    }
}

TEST_P(Completion, has_every_option_of_each_command_and_no_other) {
    EXPECT_EQ(without_short(help_of({"hwenroll"})->options), options_of_all());
    std::vector<std::string> lines{"hwenroll --"};
    const auto commands = commands_of_hwenroll();
    for (const std::string& command : commands) {
        lines.push_back("hwenroll " + command + " -");
    }
    auto found = complete(lines);
    EXPECT_EQ(found["hwenroll --"], options_of_all());
    for (const std::string& command : commands) {
        Candidates options = help_of(hwenroll_words(command))->options;
        options.insert(options_of_all().begin(), options_of_all().end());
        EXPECT_EQ(without_short(found["hwenroll " + command + " -"]), without_short(options)) << command;
    }
}

TEST_P(Completion, names_identities_CAs_tokens_and_error_codes_where_they_are_meant) {
    Candidates codes;
    for (const ErrorInfo& info : error_table()) {
        if (info.name.starts_with("E-TOKEN-P")) {
            codes.emplace(info.name);
        }
    }
    const Candidates identities{"web", "vpn.example"};
    const Candidates authorities{"corp", "corp.2"};
    const Candidates tokens{"lab", "card"};
    std::map<std::string, Candidates> wanted{
        {"hwenroll explain E-TOKEN-P", codes},
        {"hwenroll explain e-token-p", codes},
        {"hwenroll token keys ", tokens},
        {"hwenroll token purge --yes ", tokens},
        {"hwenroll token purge --identity w", {"web"}},
        {"hwenroll history --limit 5 w", {"web"}},
        {"hwenroll --json wait --timeout 5 ", identities},
    };
    for (const char* command :
         {"status", "history", "enroll", "renew", "wait", "cancel", "resume", "adopt", "attest"}) {
        wanted.emplace(fmt::format("hwenroll {} ", command), identities);
    }
    for (const char* command : {"ca show", "ca accept-next", "crl fetch", "cert fetch"}) {
        wanted.emplace(fmt::format("hwenroll {} c", command), authorities);
    }
    std::vector<std::string> lines;
    for (const auto& [line, candidates] : wanted) {
        lines.push_back(line);
    }
    EXPECT_EQ(complete(lines), wanted);
    EXPECT_THAT(complete_one("hwenroll status web "), Not(Contains("web"))) << "one is enough";
}

TEST_P(Completion, asks_with_the_configuration_of_the_line) {
    const auto other = directory_ / "other.toml";
    std::string text = configuration;
    text.replace(text.find("[identity.web]"), 14, "[identity.mail]");
    write_file(other, text);
    const std::string apart = fmt::format("hwenroll --config {} status mai", other.string());
    const std::string together = fmt::format("hwenroll --config={} status mai", other.string());
    auto found = complete({apart, together, "hwenroll status mai"});
    EXPECT_THAT(found[apart], ElementsAre("mail"));
    EXPECT_THAT(found[together], ElementsAre("mail"));
    EXPECT_THAT(found["hwenroll status mai"], IsEmpty());
    if (std::string(GetParam()) == "bash") {  // which has the line in such words
        const std::string words = fmt::format("hwenroll --config = {} status mai", other.string());
        EXPECT_THAT(complete_one(words), ElementsAre("mail"));
    }
}

TEST_P(Completion, has_files_where_files_are_meant) {
    write_file(directory_ / "reply.der", "");
    for (const char* line :
         {"hwenroll scep decode rep", "hwenroll --config rep", "hwenroll adopt web --certificate rep",
          "hwenroll token list --module rep", "hwenroll cert fetch corp 01 --out rep",
          "hwenroll scep decode --recipient-key rep", "hwenroll attest web --out rep"}) {
        EXPECT_THAT(complete_one(line), ElementsAre("reply.der")) << line;
    }
    EXPECT_THAT(complete_one("hwenroll status rep"), IsEmpty());
}

TEST_P(Completion, shows_no_error_and_nothing_without_a_configuration) {
    std::filesystem::remove(config_);
    EXPECT_THAT(complete_one("hwenroll status "), IsEmpty());
    EXPECT_THAT(complete_one("hwenroll ca show "), IsEmpty());
}

TEST_P(Completion, does_not_wait_for_a_program_that_hangs) {
    const auto hanging = directory_ / "hanging";
    std::filesystem::create_directory(hanging);
    write_file(hanging / "hwenroll", "#!/bin/sh\nexec sleep 3600\n", 0755);
    const auto found = complete({"hwenroll ca show "}, hanging.string() + ":/usr/bin:/bin");
    EXPECT_THAT(found.at("hwenroll ca show "), IsEmpty());
}

TEST_P(Completion, takes_identities_from_the_configuration_where_the_state_is_not_for_this_user) {
    const auto programs = directory_ / "programs";
    std::filesystem::create_directory(programs);
    write_file(programs / "hwenroll",
               fmt::format("#!/bin/sh\n[ \"$1\" != list ] || exit 75\nexec {} \"$@\" --config {}\n",
                           program("hwenroll"), config_.string()),
               0755);
    const auto found = complete({"hwenroll renew "}, programs.string() + ":" + patient_.string() + ":/usr/bin:/bin");
    EXPECT_THAT(found.at("hwenroll renew "), ElementsAre("vpn.example", "web"));
}

INSTANTIATE_TEST_SUITE_P(Shells, Completion, testing::Values("bash", "zsh", "fish"),
                         [](const auto& one) { return std::string(one.param); });

}  // namespace
}  // namespace hwenroll::test
