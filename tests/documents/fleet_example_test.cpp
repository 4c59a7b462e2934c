// docs/examples/ansible: what it writes is a configuration, what it calls is there, and Ansible reads it where there is
// one.
#include <filesystem>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/child_process.h"
#include "tests/support/required_tokens.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/test_paths.h"

namespace hwenroll::test {
namespace {

using testing::HasSubstr;
using testing::Not;

std::filesystem::path example(const std::string& name = {}) {
    return source_file("docs/examples/ansible/" + name);
}

std::string role(const std::string& name) {
    return read_file(example("roles/hwenroll/" + name));
}

/// The template with what the inventory and the role's defaults have for it.
std::string rendered() {
    std::string text = role("templates/hwenroll.toml.j2");
    const std::string inventory = read_file(example("inventory.yml"));
    std::smatch url;
    std::smatch pin;
    std::smatch tpm;
    EXPECT_TRUE(std::regex_search(inventory, url, std::regex("hwenroll_ca_url: (\\S+)")));
    EXPECT_TRUE(std::regex_search(inventory, pin, std::regex("- \"(SHA256:[0-9A-F]{64})\"")));
    const std::string defaults = role("defaults/main.yml");
    EXPECT_TRUE(std::regex_search(defaults, tpm, std::regex("hwenroll_tpm_tcti: (\\S+)")));
    text = std::regex_replace(text, std::regex(R"(\{\{ hwenroll_tpm_tcti \}\})"), tpm[1].str());
    text = std::regex_replace(text, std::regex(R"(\{\{ hwenroll_ca_url \}\})"), url[1].str());
    return std::regex_replace(text, std::regex(R"(\{\{ hwenroll_ca_fingerprints \| to_json \}\})"),
                              "[\"" + pin[1].str() + "\"]");
}

RunResult checked(const std::string& configuration) {
    const TemporaryDirectory directory;
    write_file(directory / "hwenroll.toml",
               std::regex_replace(configuration, std::regex(R"(\$\{fqdn\})"), "a.example"));
    return run({program("hwenroll"), "check-config", "--config", (directory / "hwenroll.toml").string()});
}

TEST(FleetExample, writes_a_configuration_that_is_good) {
    const std::string text = rendered();
    EXPECT_THAT(text, Not(HasSubstr("{{")));
    EXPECT_THAT(text, HasSubstr("${fqdn}"));
    const RunResult result = checked(text);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_NE(checked(std::regex_replace(text, std::regex("SHA256:"), "SHA1:")).exit_code, 0);
}

TEST(FleetExample, checks_a_configuration_before_it_is_in_force_and_shows_no_challenge) {
    const std::string tasks = role("tasks/main.yml");
    EXPECT_THAT(tasks, HasSubstr("validate: /usr/bin/hwenroll check-config --config %s"));
    const std::size_t begin = tasks.find("content: \"{{ hwenroll_challenge }}");
    ASSERT_NE(begin, std::string::npos);
    const std::string task = tasks.substr(begin, tasks.find("\n- name:", begin) - begin);
    EXPECT_THAT(task, HasSubstr("no_log: true"));
    EXPECT_THAT(task, HasSubstr("mode: \"0600\""));
}

TEST(FleetExample, calls_commands_that_exist) {
    static const std::regex call(R"((?:command: |/usr/bin/)hwenroll ([a-z-]+)([^\n]*))");
    static const std::regex option("--[a-z-]+");
    const std::string tasks = role("tasks/main.yml");
    std::size_t calls = 0;
    for (std::sregex_iterator at(tasks.begin(), tasks.end(), call), end; at != end; ++at, ++calls) {
        const std::string help = run({program("hwenroll"), (*at)[1].str(), "--help"}).out;
        EXPECT_THAT(help, HasSubstr("Usage: hwenroll " + (*at)[1].str()));
        const std::string rest = (*at)[2];
        for (std::sregex_iterator word(rest.begin(), rest.end(), option); word != end; ++word) {
            EXPECT_THAT(help + run({program("hwenroll"), "--help"}).out, HasSubstr(word->str()));
        }
    }
    EXPECT_EQ(calls, 3U);
}

TEST(FleetExample, names_units_that_are_shipped) {
    std::set<std::string> units;
    const std::string text = role("tasks/main.yml") + role("handlers/main.yml");
    static const std::regex unit(R"((?:- |name: )(hwenroll[a-z-]*\.(?:socket|service)))");
    for (std::sregex_iterator at(text.begin(), text.end(), unit), end; at != end; ++at) {
        units.insert((*at)[1]);
    }
    EXPECT_EQ(units, (std::set<std::string>{"hwenroll-hook.socket", "hwenrolld.service"}));
    for (const std::string& name : units) {
        EXPECT_TRUE(std::filesystem::exists(source_file("systemd/" + name))) << name;
    }
}

/// By ansible-playbook, or by Python's reader of YAML: neither is a package of the tests.
TEST(FleetExample, is_read_by_ansible) {
    if (!missing_package({{"ansible-playbook", "ansible-core"}})) {
        const TemporaryDirectory home;
        const RunResult result =
            run({"ansible-playbook", "--syntax-check", "-i", example("inventory.yml").string(),
                 example("site.yml").string()},
                {{"HOME=" + home.path().string(), "ANSIBLE_LOCAL_TEMP=" + (home / "tmp").string()}, home.path(), {}});
        EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
        return;
    }
    std::vector<std::string> command{
        "python3", "-c", "import sys, yaml\nfor name in sys.argv[1:]: assert yaml.safe_load(open(name)), name"};
    if (run({"python3", "-c", "import yaml"}).exit_code != 0) {
        GTEST_SKIP() << "neither ansible-playbook nor python3-yaml is here";
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(example())) {
        if (entry.path().extension() == ".yml") {
            command.push_back(entry.path().string());
        }
    }
    EXPECT_EQ(command.size(), 3U + 5U);
    const RunResult result = run(command);
    EXPECT_EQ(result.exit_code, 0) << result.err;
}

}  // namespace
}  // namespace hwenroll::test
