// Every block of configuration that a document for people shows passes check-config.
#include <filesystem>
#include <regex>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/recipe_book.h"
#include "tests/support/child_process.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/test_paths.h"

namespace hwenroll::test {
namespace {

using testing::HasSubstr;
using testing::IsSupersetOf;

/// Documents with blocks of configuration, by their paths from the root.
std::vector<std::string> documents() {
    std::vector<std::string> paths{"docs/consumers.md", "docs/first-five-minutes.md"};
    for (const auto& entry : std::filesystem::directory_iterator(source_file("docs/guides"))) {
        paths.push_back("docs/guides/" + entry.path().filename().string());
    }
    std::ranges::sort(paths);
    return paths;
}

/// docs/guides/README.md says this to its readers: what a block refers to and does not show is added, and one that
/// begins with a key stands in [identity.web].
std::string completed(const std::string& block) {
    const auto has = [&](const char* section) { return block.find(section) != std::string::npos; };
    const auto refers = [&](const char* key, const char* name) {
        return std::regex_search(block, std::regex(fmt::format("(^|\n){} *= *\"{}\"", key, name)));
    };
    const bool of_identity = !block.starts_with("[");
    std::string text;
    if (of_identity) {
        text = "[identity.web]\nca = \"corp\"\ntoken = \"lab\"\nsubject = \"CN=web\"\n";
    }
    text += block;
    if ((of_identity || refers("ca", "corp")) && !has("[ca.corp]")) {
        text += "[ca.corp]\nurl = \"http://ca/scep\"\nfingerprint = \"SHA256:" + std::string(64, '0') + "\"\n";
    }
    if ((of_identity || refers("token", "lab")) && !has("[token.lab]")) {
        text += "[token.lab]\ntype = \"pkcs11\"\nmodule = \"/m.so\"\nuri = \"pkcs11:token=lab\"\n";
    }
    return text;
}

RunResult check(const std::string& text) {
    const TemporaryDirectory directory;
    const auto path = directory / "hwenroll.toml";
    write_file(path, text);
    return run({program("hwenroll"), "check-config", "--config", path.string()});
}

TEST(GuideConfiguration, is_good_in_every_block_of_every_document) {
    std::size_t blocks = 0;
    for (const std::string& path : documents()) {
        const RecipeBook book(read_file(source_file(path)));
        for (const std::string& name : book.names()) {
            if (!name.ends_with("hwenroll.toml")) {
                continue;
            }
            const RunResult checked = check(completed(book.text(name, {})));
            EXPECT_EQ(checked.exit_code, 0) << path << ", " << name << ": " << checked.err;
            ++blocks;
        }
    }
    EXPECT_GE(blocks, 17U);
}

TEST(GuideConfiguration, is_called_that_where_it_is) {
    for (const std::string& path : documents()) {
        const RecipeBook book(read_file(source_file(path)));
        for (const std::string& name : book.names()) {
            const std::string text = book.text(name, {});
            const bool looks_like_it = text.starts_with("[ca.") || text.starts_with("[token.") ||
                                       text.starts_with("[identity.") || text.starts_with("[agent]");
            EXPECT_TRUE(!looks_like_it || name.ends_with("hwenroll.toml")) << path << ", " << name;
        }
    }
}

TEST(GuideConfiguration, with_a_mistake_is_found) {
    EXPECT_NE(check(completed("on_chnge = [[\"/x\"]]\n")).exit_code, 0);
    EXPECT_NE(check(completed("[identity.a]\nca = \"corp\"\ntoken = \"nowhere\"\nsubject = \"CN=a\"\n")).exit_code, 0);
    EXPECT_EQ(check(completed("[identity.a]\nca = \"corp\"\ntoken = \"lab\"\nsubject = \"CN=a\"\n")).exit_code, 0);
}

TEST(Guides, are_all_in_the_list_and_say_what_was_tried) {
    const std::string list = read_file(source_file("docs/guides/README.md"));
    const std::set<std::string> of_cas{"ndes.md",    "cisco-ios.md", "ejbca.md",
                                       "step-ca.md", "openxpki.md",  "micromdm.md"};
    std::set<std::string> there;
    for (const auto& entry : std::filesystem::directory_iterator(source_file("docs/guides"))) {
        const std::string name = entry.path().filename().string();
        there.insert(name);
        if (name != "README.md") {
            EXPECT_THAT(list, HasSubstr("](" + name + ")"));
        }
        if (of_cas.contains(name)) {
            const std::string text = read_file(entry.path());
            EXPECT_THAT(text, HasSubstr("\n| tried |")) << name;
            EXPECT_THAT(text, HasSubstr("\n| not tried |")) << name;
        }
    }
    EXPECT_THAT(there, IsSupersetOf(of_cas));
}

/// A block that nobody runs is wrong soon.
TEST(Guides, of_consumers_have_no_block_that_is_not_run) {
    const std::string runs = read_file(source_file("tests/system/consumer_checks.sh")) +
                             read_file(source_file("tests/documents/apache_recipe_test.cpp"));
    const RecipeBook book(read_file(source_file("docs/guides/consumers.md")));
    EXPECT_GE(book.names().size(), 20U);
    for (const std::string& name : book.names()) {
        EXPECT_TRUE(std::regex_search(runs, std::regex("[ '\"]" + name + "['\" \n]"))) << name << " is run by nobody";
    }
}

}  // namespace
}  // namespace hwenroll::test
