// The pages of docs/man held against the programs: every command, option, configuration key, exit code and journal
// field is in its page, and no other.
#include <algorithm>
#include <cstdlib>
#include <map>
#include <regex>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "tests/documents/manual_page.h"
#include "tests/documents/program_help.h"
#include "tests/support/child_process.h"
#include "tests/support/required_tokens.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/test_paths.h"

namespace hwenroll::test {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::IsEmpty;
using testing::IsSupersetOf;

std::set<std::string> set_of(const std::vector<std::string>& words) {
    return {words.begin(), words.end()};
}

/// Items of a list of options: `.It Fl -config Ar FILE`.
std::set<std::string> options_of(const ManualPage& page) {
    std::set<std::string> options;
    for (const ManualItem& item : page.items()) {
        if (item.head.starts_with("Fl ")) {
            for (const std::string& option : item.options()) {
                options.insert(option);
            }
        }
    }
    return options;
}

class Page : public testing::TestWithParam<std::string> {};

TEST_P(Page, is_clean_mdoc) {
    if (const auto missing = missing_package({{"mandoc", "mandoc"}})) {
        ASSERT_EQ(std::getenv("HWENROLL_REQUIRE_PEERS"), nullptr) << *missing;
        GTEST_SKIP() << *missing;
    }
    const RunResult lint = run({"mandoc", "-T", "lint", "-W", "warning", source_file("docs/man/" + GetParam())});
    EXPECT_EQ(lint.exit_code, 0) << lint.out << lint.err;
}

INSTANTIATE_TEST_SUITE_P(Manual, Page, testing::Values("hwenroll.1", "hwenroll.toml.5", "hwenrolld.8", "scep-lab-ca.1"),
                         [](const auto& one) { return std::regex_replace(one.param, std::regex("[^a-z0-9]"), "_"); });

TEST(Manual, has_these_pages) {
    EXPECT_THAT(manual_pages(), ElementsAre("hwenroll.1", "hwenroll.toml.5", "hwenrolld.8", "scep-lab-ca.1"));
}

TEST(Manual, of_programs_without_commands_has_every_option_and_no_other) {
    for (const auto& [name, page] :
         {std::pair("hwenrolld", "hwenrolld.8"), std::pair("scep-lab-ca", "scep-lab-ca.1")}) {
        EXPECT_THAT(options_of(ManualPage::of(page)), ElementsAreArray(help_of({name}).value().options)) << page;
    }
}

TEST(Manual, of_hwenroll_has_every_option_before_commands_and_no_other) {
    EXPECT_THAT(options_of(ManualPage::of("hwenroll.1")), ElementsAreArray(help_of({"hwenroll"}).value().options));
}

/// The item of each command of hwenroll.1, by its words.
std::map<std::string, ManualItem> documented_commands() {
    std::map<std::string, ManualItem> commands;
    for (const ManualItem& item : ManualPage::of("hwenroll.1").items()) {
        if (item.section == "COMMANDS") {
            EXPECT_TRUE(commands.emplace(fmt::format("{}", fmt::join(item.marked("Ic"), " ")), item).second)
                << item.head;
        }
    }
    return commands;
}

TEST(Manual, of_hwenroll_has_every_command_and_no_other) {
    std::set<std::string> documented;
    for (const auto& [command, item] : documented_commands()) {
        documented.insert(command);
    }
    EXPECT_EQ(documented, set_of(commands_of_hwenroll()));
}

TEST(Manual, of_hwenroll_has_every_argument_of_each_command_and_no_other) {
    for (const auto& [command, item] : documented_commands()) {
        const auto help = help_of(hwenroll_words(command));
        ASSERT_TRUE(help) << command;
        auto options = help->options;
        options.erase("--help");
        options.erase("-h");
        EXPECT_THAT(set_of(item.options()), ElementsAreArray(options)) << command;
        for (const std::string& option : options) {
            EXPECT_TRUE(item.tells_of(option)) << command << ": nothing is said of " << option;
        }
        EXPECT_THAT(set_of(item.marked("Ar")), IsSupersetOf(help->positionals)) << command;
    }
}

TEST(Manual, of_hwenrolld_has_the_options_of_the_programs_that_it_uses) {
    const auto& items = ManualPage::of("hwenrolld.8").items();
    for (const char* name : {"hwenroll-token", "hwenroll-hook"}) {
        const auto item = std::ranges::find(items, std::string("Pa ") + name, &ManualItem::head);
        ASSERT_NE(item, items.end()) << name;
        for (const std::string& option : read_help(run({program(name), "--help"}).out).options) {
            EXPECT_TRUE(option == "-h" || item->tells_of(option)) << name << " " << option;
        }
    }
}

std::set<std::string> documented_exit_codes(const std::string& page) {
    std::set<std::string> codes;
    for (const ManualItem& item : ManualPage::of(page).items()) {
        if (item.section == "EXIT STATUS") {
            codes.insert(item.head);
        }
    }
    return codes;
}

TEST(Manual, has_every_exit_code_and_no_other) {
    std::set<std::string> codes{"0"};
    for (const ErrorInfo& info : error_table()) {
        codes.insert(std::to_string(info.exit_code));
    }
    EXPECT_EQ(documented_exit_codes("hwenroll.1"), codes);
    EXPECT_EQ(documented_exit_codes("hwenrolld.8"), codes);
}

TEST(Manual, of_scep_lab_ca_has_the_exit_codes_that_it_ends_with) {
    const TemporaryDirectory directory;
    const std::string dir = (directory / "ca").string();
    const std::string lab = program("scep-lab-ca");
    const auto code_of = [&](std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), lab);
        return std::to_string(run(arguments).exit_code);
    };
    const std::set<std::string> seen{code_of({"--help"}), code_of({"--nonsense"}), code_of({"--dir", dir}),
                                     code_of({"--dir", dir, "--challenge-file", "/nowhere"}),
                                     code_of({"--dir", dir, "--challenge", "x", "--listen", "203.0.113.1:99"})};
    EXPECT_EQ(seen.size(), 5U);
    EXPECT_THAT(documented_exit_codes("scep-lab-ca.1"), IsSupersetOf(seen));
}

TEST(Manual, names_no_error_code_that_is_not_there) {
    std::set<std::string> known;
    for (const ErrorInfo& info : error_table()) {
        known.emplace(info.name);
    }
    for (const std::string& name : manual_pages()) {
        const std::string text = read_file(source_file("docs/man/" + name));
        const std::regex code("E-[A-Z]+(-[A-Z]+)+");
        for (std::sregex_iterator one(text.begin(), text.end(), code); one != std::sregex_iterator(); ++one) {
            EXPECT_TRUE(known.contains(one->str())) << name << ": " << one->str();
        }
    }
}

std::set<std::string> matches(const std::string& text, const char* pattern) {
    const std::regex expression(pattern);
    std::set<std::string> found;
    for (std::sregex_iterator one(text.begin(), text.end(), expression); one != std::sregex_iterator(); ++one) {
        found.insert((*one)[1]);
    }
    return found;
}

TEST(Manual, of_hwenrolld_has_every_field_and_message_id_of_the_journal) {
    std::set<std::string> fields{"MESSAGE_ID"};
    fields.merge(matches(read_file(source_file("agent/observe/log.cpp")), "\"(HWENROLL_[A-Z_]+)\""));
    std::set<std::string> documented;
    for (const ManualItem& item : ManualPage::of("hwenrolld.8").items()) {
        if (item.section == "DIAGNOSTICS") {
            documented.merge(std::set<std::string>(set_of(item.marked("Li"))));
        }
    }
    EXPECT_EQ(documented, fields);
    EXPECT_EQ(matches(read_file(source_file("docs/man/hwenrolld.8")), "\\b([0-9a-f]{32})\\b"),
              matches(read_file(source_file("agent/observe/log_ids.h")), "\"([0-9a-f]{32})\""));
}

TEST(Manual, of_hwenroll_has_every_word_of_a_state) {
    const std::string source = read_file(source_file("agent/observe/status_words.cpp")) +
                               read_file(source_file("agent/control/identity_view.cpp"));
    std::set<std::string> documented;
    for (const ManualItem& item : ManualPage::of("hwenroll.1").items()) {
        if (item.section == "STATES") {
            documented.merge(std::set<std::string>(set_of(item.marked("Li"))));
        }
    }
    auto words = matches(source, "return \"([A-Z][A-Z-]+)\"");
    words.merge(matches(source, "\\? \"([A-Z][A-Z-]+)\""));
    words.merge(matches(source, ": \"([A-Z][A-Z-]+)\""));
    words.merge(matches(source, "word = \"([A-Z]+)\""));
    words.insert("HELD(reason)");
    EXPECT_EQ(documented, words);
}

/// `default` or `required`, as it stands in an item of hwenroll.toml.5: `default` on the last word of a line and the
/// value in the next, as in `.Ql 10s .`.
std::string documented_default(const ManualItem& item) {
    for (std::size_t i = 0; i < item.body.size(); ++i) {
        const std::string& line = item.body[i];
        static const std::regex none("(^|.*[ ;,])default none[.:,;].*");
        static const std::regex required("(^|.*[ ,])required\\..*");
        std::smatch value;
        if (std::regex_match(line, none) || std::regex_match(line, std::regex("default none, .*"))) {
            return "none";
        }
        if (std::regex_match(line, required)) {
            return "required";
        }
        static const std::regex quoted("\\.Ql (.*?)(?: [.,:;])?");
        if ((line == "default" || line.ends_with(" default")) && i + 1 < item.body.size() &&
            std::regex_match(item.body[i + 1], value, quoted)) {
            return value[1];
        }
    }
    return "nothing";
}

/// `poll.start` and what stands there, below `object` of `cat-config --json`.
void flatten(const json& object, const std::string& path, std::map<std::string, json>& out) {
    for (const auto& [key, value] : object.items()) {
        const std::string inner = path.empty() ? key : path + "." + key;
        if (value.contains("from") && value.contains("value")) {
            out.emplace(inner, value);
        } else {
            flatten(value, inner, out);
        }
    }
}

std::string text_of(const json& value) {
    if (value.is_null()) {
        return "none";
    }
    if (value.is_array()) {
        std::string text;
        for (const json& element : value) {
            text += (text.empty() ? "" : ", ") + element.get<std::string>();
        }
        return text.empty() ? "empty" : text;
    }
    return value.is_string() ? value.get<std::string>() : value.dump();
}

/// `[ca.NAME] txid` to its default.
using Keys = std::map<std::string, std::string>;

std::string key_of(const std::string& section, const std::string& key) {
    return section + " " + key;
}

/// What the one has and the other has not, or otherwise.
std::string difference(const Keys& program, const Keys& page) {
    std::string text;
    for (const auto& [key, value] : program) {
        const auto there = page.find(key);
        if (there == page.end() || there->second != value) {
            text += fmt::format("{}: the default is {}, the page says {}\n", key, value,
                                there == page.end() ? "nothing" : there->second);
        }
    }
    for (const auto& [key, value] : page) {
        if (!program.contains(key)) {
            text += fmt::format("{}: is no key\n", key);
        }
    }
    return text;
}

class ManualKeyTable : public testing::Test {
 protected:
    json effective(const std::string& configuration) {
        const auto path = directory_ / "hwenroll.toml";
        write_file(path, configuration);
        const RunResult result = run({program("hwenroll"), "cat-config", "--json", "--config", path.string()});
        EXPECT_EQ(result.exit_code, 0) << result.err;
        return json::parse(result.out)["configuration"];
    }

    static std::map<std::string, std::map<std::string, json>> by_section(const json& configuration) {
        std::map<std::string, std::map<std::string, json>> sections;
        for (const auto& [kind, content] : configuration.items()) {
            if (kind == "agent" || kind == "limits") {
                flatten(content, "", sections["[" + kind + "]"]);
                continue;
            }
            for (const auto& [name, part] : content.items()) {
                flatten(part, "", sections["[" + kind + ".NAME]"]);
            }
        }
        return sections;
    }

    static constexpr const char* least =
        "[token.lab]\ntype = \"pkcs11\"\nmodule = \"/m.so\"\nuri = \"pkcs11:token=lab\"\n"
        "[token.tpm]\ntype = \"tpm2\"\ntcti = \"device:/dev/tpmrm0\"\n"
        "[ca.corp]\nurl = \"http://ca/scep\"\nfingerprint = \"SHA256:"
        "0000000000000000000000000000000000000000000000000000000000000000\"\n"
        "[identity.web]\nca = \"corp\"\ntoken = \"lab\"\nsubject = \"CN=web\"\n";
    static constexpr const char* inner_tables =
        "verify = { tls = \"h:1\" }\n"
        "signer = { token = \"tpm\", key = \"existing:handle:0x81010001\", cert = \"/c\", chain = \"/d\" }\n"
        "[identity.other]\nca = \"corp\"\ntoken = \"lab\"\nsubject = \"CN=other\"\nverify = { command = [\"/x\"] }\n";

    TemporaryDirectory directory_;
};

TEST_F(ManualKeyTable, are_those_of_the_program_with_its_defaults) {
    Keys keys;
    for (const auto& [section, entries] : by_section(effective(least))) {
        for (const auto& [key, entry] : entries) {
            keys[key_of(section, key)] = entry["from"] == "default" ? text_of(entry["value"]) : "required";
        }
    }
    const std::string identity = "[identity.NAME]";
    const auto full = by_section(effective(std::string(least) + inner_tables));
    for (const auto& [key, entry] : full.at(identity)) {
        if (const std::size_t dot = key.find('.'); dot != std::string::npos) {
            keys.erase(key_of(identity, key.substr(0, dot)));
            keys.emplace(key_of(identity, key), "none");
        }
    }
    Keys documented;
    const ManualPage page = ManualPage::of("hwenroll.toml.5");
    for (const ManualItem& item : page.items()) {
        if (item.section == "SECTIONS") {
            documented[key_of(item.subsection, item.marked("Va").front())] = documented_default(item);
        }
    }
    EXPECT_GT(keys.size(), 80U);
    EXPECT_EQ(difference(keys, documented), "");
}

TEST(ManualKeys, that_differ_are_named) {
    const Keys program{{"[a] b", "1"}, {"[a] c", "2"}, {"[a] d", "3"}};
    EXPECT_EQ(difference(program, program), "");
    EXPECT_EQ(difference(program, {{"[a] b", "1"}, {"[a] c", "3"}, {"[a] x", "3"}}),
              "[a] c: the default is 2, the page says 3\n[a] d: the default is 3, the page says nothing\n"
              "[a] x: is no key\n");
}

TEST(ManualPage, reads_items_and_examples) {
    const ManualPage page(
        ".\\\" place: 80\n.Sh COMMANDS\n.Ss Some\n.Bl -tag\n.It Ic do it Ar ID Oo Fl -yes Oc Op Fl w\nWith\n.Fl -yes "
        ",\n"
        "it does.\n.El\n.\\\" example: sh one\n.Bd -literal -offset indent\n\\&.x 80 \\e\n.Ed\n");
    ASSERT_EQ(page.items().size(), 1U);
    const ManualItem& item = page.items().front();
    EXPECT_EQ(item.section + "/" + item.subsection, "COMMANDS/Some");
    EXPECT_THAT(item.marked("Ic"), ElementsAre("do", "it"));
    EXPECT_THAT(item.marked("Ar"), ElementsAre("ID"));
    EXPECT_THAT(item.options(), ElementsAre("--yes", "-w"));
    EXPECT_TRUE(item.tells_of("--yes"));
    EXPECT_FALSE(item.tells_of("-w"));
    EXPECT_EQ(page.book().text("one", {{"80", "81"}}), ".x 81 \\\n");
}

TEST(ManualPage, tells_what_nothing_would_run) {
    const auto read = [](const char* text) { return ManualPage(text).examples().size(); };
    EXPECT_EQ(read(".\\\" example: toml a\n.Bd -literal\n.Ed\n"), 1U);
    EXPECT_THROW(read(".Bd -literal\n.Ed\n"), std::runtime_error);
    EXPECT_THROW(read(".Dl hwenroll status\n"), std::runtime_error);
    EXPECT_THROW(read(".\\\" example: text a\n.Bd -literal\n.Ed\n"), std::runtime_error);
    EXPECT_THROW(read(".\\\" example: sh a\ntext\n"), std::runtime_error);
    EXPECT_THROW(read(".\\\" example: sh a\n.Bd -literal\n"), std::runtime_error);
}

TEST(ProgramHelp, is_read) {
    const ProgramHelp help = read_help(
        "about\nUsage: x [OPTIONS] ID\n\nPositionals:\n  ID TEXT REQUIRED            identity\n\nOptions:\n"
        "  -h,--help                   Print\n  -w TEXT                     a\n  --http-1.0                  b\n"
        "                              --not-one\n\nSubcommands:\n  check-config                c\n");
    EXPECT_THAT(help.options, ElementsAre("--help", "--http-1.0", "-h", "-w"));
    EXPECT_THAT(help.positionals, ElementsAre("ID"));
    EXPECT_THAT(help.commands, ElementsAre("check-config"));
    EXPECT_FALSE(help_of({"hwenroll", "nosuchcommand"}));
    EXPECT_THAT(commands_of_hwenroll(), IsSupersetOf({"status", "token purge"}));
    EXPECT_THAT(help_of({"hwenroll", "list"})->commands, IsEmpty());
}

}  // namespace
}  // namespace hwenroll::test
