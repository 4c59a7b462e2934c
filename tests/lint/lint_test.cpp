// House rules as tests. Each rule is shown a snippet that breaks it before it is trusted with the project.
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/lint/module_table.h"
#include "tests/lint/rules.h"
#include "tests/lint/source_tree.h"
#include "tests/support/temporary_directory.h"

namespace hwenroll::lint {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const std::filesystem::path& root() {
    static const std::filesystem::path path = HWENROLL_SOURCE_ROOT;
    return path;
}

std::string lint_data(std::string_view name) {
    return test::read_file(root() / "tests/lint" / name);
}

const std::vector<SourceFile>& tree() {
    static const std::vector<SourceFile> files = read_tree(root());
    return files;
}

const ModuleTable& table() {
    static const ModuleTable parsed = ModuleTable::parse(lint_data("modules.txt"));
    return parsed;
}

std::vector<Finding> after_exceptions(std::string_view rule, std::vector<Finding> findings) {
    return without_exceptions(rule, std::move(findings), lint_data("exceptions.txt"));
}

TEST(Tree, holds_the_sources_of_every_module_that_has_a_folder) {
    EXPECT_GT(tree().size(), 50U);
    for (const Module& module : table().modules()) {
        if (module.name != "control") {  // comes with the control socket
            EXPECT_TRUE(std::filesystem::is_directory(root() / module.folder) ||
                        std::filesystem::exists(root() / (module.folder + ".h")))
                << module.folder;
        }
    }
}

TEST(IncludeDirection, follows_the_module_table) {
    EXPECT_EQ(to_text(after_exceptions("include", table().check(tree()))), "");
}

TEST(IncludeDirection, the_table_has_no_cycle) {
    EXPECT_EQ(table().cycle(), "");
}

TEST(IncludeDirection, a_cycle_is_found) {
    const auto circular = ModuleTable::parse("module a | a | b |\nmodule b | b | c |\nmodule c | c | a |\n");
    EXPECT_EQ(circular.cycle(), "a -> b -> c -> a");
}

TEST(IncludeDirection, an_unreadable_table_is_refused) {
    EXPECT_THROW(ModuleTable::parse("module a | a\n"), std::runtime_error);
    EXPECT_THROW(ModuleTable::parse("module a | a | nowhere |\n"), std::runtime_error);
    EXPECT_THROW(ModuleTable::parse("module a | a | | nothing\n"), std::runtime_error);
}

/// What the real table says to one include in one file; files of ours that it may name are there.
std::vector<Finding> objections_to(const std::string& path, const std::string& include) {
    return table().check({{path, "\n#include " + include + "\n"},
                          {"base/error.h", ""},
                          {"keystore/token.h", ""},
                          {"transport/scep/vocabulary.h", ""},
                          {"transport/scep/cert_rep.h", ""},
                          {"transport/http/exchange.h", ""},
                          {"agent/lifecycle/step.h", ""}});
}

struct IncludeCase {
    const char* path;
    const char* include;
    bool allowed;
};

class Arrow : public testing::TestWithParam<IncludeCase> {};

TEST_P(Arrow, is_judged) {
    const IncludeCase& c = GetParam();
    const auto findings = objections_to(c.path, c.include);
    EXPECT_EQ(findings.empty(), c.allowed) << c.path << " " << c.include << "\n" << to_text(findings);
    if (!findings.empty()) {
        EXPECT_EQ(findings[0].line, table().module_of(c.path) == nullptr ? 0U : 2U);
    }
}

INSTANTIATE_TEST_SUITE_P(
    IncludeDirection, Arrow,
    testing::Values(IncludeCase{"base/error.cpp", "\"base/error.h\"", true},
                    IncludeCase{"base/error.cpp", "\"keystore/token.h\"", false},
                    IncludeCase{"base/error.cpp", "<fstream>", false},
                    IncludeCase{"keystore/pkcs11/slot.cpp", "<p11-kit/pkcs11.h>", true},
                    IncludeCase{"keystore/pkcs11/slot.cpp", "<openssl/evp.h>", false},
                    IncludeCase{"keystore/worker/child.cpp", "<p11-kit/pkcs11.h>", false},
                    IncludeCase{"keystore/worker/child.cpp", "\"transport/http/exchange.h\"", false},
                    IncludeCase{"transport/scep/cert_rep.cpp", "<openssl/cms.h>", true},
                    IncludeCase{"transport/scep/cert_rep.cpp", "<openssl/rand.h>", false},
                    IncludeCase{"transport/scep/cert_rep.cpp", "<curl/curl.h>", false},
                    IncludeCase{"transport/scep/cert_rep.cpp", "\"keystore/token.h\"", false},
                    IncludeCase{"transport/http/exchange.cpp", "\"transport/scep/vocabulary.h\"", false},
                    IncludeCase{"agent/lifecycle/step.cpp", "\"transport/scep/vocabulary.h\"", true},
                    IncludeCase{"agent/lifecycle/step.cpp", "\"transport/scep/cert_rep.h\"", false},
                    IncludeCase{"agent/lifecycle/step.cpp", "<random>", false},
                    IncludeCase{"agent/runtime/effects.cpp", "\"keystore/token.h\"", true},
                    IncludeCase{"agent/runtime/effects.cpp", "<openssl/evp.h>", false},
                    IncludeCase{"agent/store/store.cpp", "<sqlite3.h>", true},
                    IncludeCase{"agent/config/file.cpp", "<sqlite3.h>", false},
                    IncludeCase{"tests/lab_ca/issue.cpp", "\"transport/scep/cert_rep.h\"", false},
                    IncludeCase{"tests/lab_ca/issue_test.cpp", "<gtest/gtest.h>", true},
                    IncludeCase{"tests/agent/step_test.cpp", "\"agent/lifecycle/step.h\"", true},
                    IncludeCase{"tests/agent/step_test.cpp", "\"step.h\"", false},
                    IncludeCase{"stray/file.cpp", "<string>", false}));

TEST(CodeOnly, blanks_comments_and_literals_and_keeps_lines) {
    EXPECT_EQ(code_only("a; // b\nc"), "a;     \nc");
    EXPECT_EQ(code_only("a /* b\nc */ d"), "a     \n     d");
    EXPECT_EQ(code_only(R"(f("x\"y", 'z', 1'000))"), R"(f("    ", ' ', 1'000))");
    EXPECT_EQ(code_only("g(R\"q(now() \" )q\", 1)"), "g(               , 1)");
}

TEST(ClockRule, sees_every_way_to_read_a_clock) {
    EXPECT_THAT(check_clock({{"agent/store/a.cpp", "auto t = std::chrono::system_clock::now();"}}), SizeIs(1));
    EXPECT_THAT(check_clock({{"base/a.cpp", "\n  const auto t = time(nullptr);"}}), SizeIs(1));
    EXPECT_THAT(check_clock({{"base/a.h", "clock_gettime(CLOCK_REALTIME, &t);"}}), SizeIs(1));
}

TEST(ClockRule, lets_runtime_tests_and_comments_be) {
    EXPECT_THAT(check_clock({{"agent/runtime/a.cpp", "system_clock::now();"},
                             {"tests/agent/a.cpp", "steady_clock::now();"},
                             {"base/a.h", "// never ::now() here\nvirtual TimePoint now() const = 0;"}}),
                IsEmpty());
}

TEST(ClockRule, holds_in_the_project) {
    EXPECT_EQ(to_text(after_exceptions("clock", check_clock(tree()))), "");
}

TEST(FreeRule, sees_a_raw_release) {
    EXPECT_THAT(check_free({{"transport/scep/a.cpp", "X509_free(x);\nsk_X509_pop_free(s, X509_free);"}}), SizeIs(2));
    EXPECT_THAT(check_free({{"keystore/openssl/a.cpp", "BIO_free_all (b); EVP_PKEY_free(p);"}}), SizeIs(2));
    EXPECT_THAT(check_free({{"base/openssl_ptr.h", "X509_free(x);"}, {"agent/a.cpp", "// X509_free(x)"}}), IsEmpty());
}

TEST(FreeRule, holds_in_the_project) {
    EXPECT_EQ(to_text(after_exceptions("free", check_free(tree()))), "");
}

TEST(WordsRule, sees_a_path_of_one_machine) {
    const std::string patterns = lint_data("words.txt");
    const std::string there = std::string("/hom") + "e/someone/src";
    EXPECT_THAT(check_words({{"README.md", "see " + there}}, patterns), SizeIs(1));
    EXPECT_THAT(check_words({{"README.md", "see docs/architecture.md"}}, patterns), IsEmpty());
}

TEST(WordsRule, holds_in_the_project) {
    EXPECT_EQ(to_text(check_words(tree(), lint_data("words.txt"))), "");
}

TEST(HostsRule, sees_a_foreign_host) {
    const std::string scheme = "https:";
    EXPECT_THAT(check_hosts({{"a.sh", "curl " + scheme + "//packages.vendor.io/x"}}, ""), SizeIs(1));
    EXPECT_THAT(check_hosts({{"a.sh", "curl " + scheme + "//packages.vendor.io/x"}}, "packages.vendor.io\n"),
                IsEmpty());
    EXPECT_THAT(
        check_hosts({{"a.md", "http://ca.example.com/scep http://127.0.0.1:80/ http://[::1]/ http://ca/x"}}, ""),
        IsEmpty());
}

TEST(HostsRule, holds_in_the_project) {
    EXPECT_EQ(to_text(after_exceptions("hosts", check_hosts(tree(), lint_data("hosts.txt")))), "");
}

TEST(NamesRule, sees_a_vague_or_misspelled_name) {
    EXPECT_THAT(check_names({{"base/string_utils.h", ""}, {"agent/TokenManager.cpp", ""}, {"base/bytes.h", ""}}),
                SizeIs(2));
}

TEST(NamesRule, holds_in_the_project) {
    EXPECT_EQ(to_text(after_exceptions("names", check_names(tree()))), "");
}

TEST(Exceptions, cover_their_rule_and_path_only) {
    const std::vector<Finding> found{{"a/b.cpp", 1, "x"}, {"a/c.cpp", 1, "x"}, {"d/e.cpp", 1, "x"}};
    EXPECT_THAT(without_exceptions("clock", found, "clock | a/ | why\n"), SizeIs(1));
    EXPECT_THAT(without_exceptions("clock", found, "free | a/ | why\n"), SizeIs(3));
    EXPECT_THAT(without_exceptions("clock", found, "clock | a/b.cpp | why\n"), SizeIs(2));
}

TEST(Exceptions, that_nothing_needs_are_findings) {
    const auto findings = without_exceptions("clock", {}, "clock | a/ | why\n");
    ASSERT_THAT(findings, SizeIs(1));
    EXPECT_THAT(findings[0].what, HasSubstr("any more"));
}

TEST(DocumentedCommands, are_read_from_fenced_blocks) {
    const auto commands = documented_commands(
        "text\n```sh\n# a comment\n./demo.sh      # enroll\nA=1 hwenroll status \\\n  --json\n```\n```toml\nx = "
        "1\n```\n");
    ASSERT_THAT(commands, SizeIs(2));
    EXPECT_EQ(commands[0].line, 4U);
    EXPECT_THAT(commands[0].words, ElementsAre("./demo.sh"));
    EXPECT_THAT(commands[1].words, ElementsAre("hwenroll", "status", "\\"));
}

}  // namespace
}  // namespace hwenroll::lint
