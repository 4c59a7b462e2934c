#include "agent/config/loader.h"

#include <filesystem>
#include <fstream>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace hwenroll::config {
namespace {

using test::TemporaryDirectory;
using test::write_file;

class Loader : public testing::Test {
 protected:
    Loader() { std::filesystem::create_directory(paths_.drop_ins); }

    TemporaryDirectory directory_;
    ConfigurationPaths paths_{directory_ / "hwenroll.toml", directory_ / "conf.d"};
};

constexpr const char* agent = "[agent]\nstate_dir = \"/srv\"\n";

TEST_F(Loader, reads_drop_ins_in_name_order_and_nothing_else) {
    write_file(paths_.main, agent);
    write_file(paths_.drop_ins / "20-b.toml", "[identity.b]\n");
    write_file(paths_.drop_ins / "10-a.toml", "[identity.a]\n");
    write_file(paths_.drop_ins / ".hidden.toml", "not toml at all");
    write_file(paths_.drop_ins / "10-a.toml.dpkg-old", "not toml at all");
    const auto all = load(paths_, {});
    ASSERT_TRUE(all) << all.error().line();
    EXPECT_EQ(all->files, (std::vector<std::filesystem::path>{paths_.main, paths_.drop_ins / "10-a.toml",
                                                              paths_.drop_ins / "20-b.toml"}));
    EXPECT_TRUE(all->is_disabled(Part::identity, "a"));
    EXPECT_TRUE(all->is_disabled(Part::identity, "b"));
}

TEST_F(Loader, a_single_file_replaces_both) {
    write_file(directory_ / "one.toml", agent);
    write_file(paths_.drop_ins / "bad.toml", "=");
    const auto all = load(only(directory_ / "one.toml"), {});
    ASSERT_TRUE(all) << all.error().line();
    EXPECT_TRUE(all->findings.empty());
    EXPECT_EQ(all->agent.state_dir, "/srv");
}

TEST_F(Loader, a_missing_directory_of_drop_ins_is_no_fault) {
    write_file(paths_.main, agent);
    std::filesystem::remove(paths_.drop_ins);
    const auto all = load(paths_, {});
    ASSERT_TRUE(all);
    EXPECT_TRUE(all->findings.empty());
}

TEST_F(Loader, a_main_file_that_cannot_be_read_is_an_error_with_the_path_and_the_cause) {
    const auto missing = load(paths_, {});
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().line(),
              "E-CONFIG-FILE configuration: cannot use " + paths_.main.string() +
                  " (No such file or directory); 'hwenroll init' writes one; for another file see --config");
    std::filesystem::create_directory(paths_.main);
    const auto directory = load(paths_, {});
    ASSERT_FALSE(directory);
    EXPECT_EQ(directory.error().why(), "it is a directory");
}

// F8: a configuration that everybody may write to decides nothing.
TEST_F(Loader, F8_refuses_a_main_file_that_everybody_may_write) {
    write_file(paths_.main, agent, 0666);
    const auto open = load(paths_, {});
    ASSERT_FALSE(open);
    EXPECT_EQ(open.error().code(), ErrorCode::config_file);
    EXPECT_EQ(open.error().why(), "everybody may write to it");
}

TEST_F(Loader, F8_skips_a_drop_in_that_everybody_may_write) {
    write_file(paths_.main, agent);
    write_file(paths_.drop_ins / "a.toml", "[identity.a]\n", 0602);
    const auto all = load(paths_, {});
    ASSERT_TRUE(all);
    ASSERT_EQ(all->findings.size(), 1U);
    EXPECT_EQ(all->findings.front().part, Part::file);
    EXPECT_EQ(all->findings.front().at.file, (paths_.drop_ins / "a.toml").string());
    EXPECT_FALSE(all->is_disabled(Part::identity, "a"));
}

TEST_F(Loader, skips_a_drop_in_that_cannot_be_read_or_is_too_large) {
    write_file(paths_.main, agent);
    std::filesystem::create_symlink("/nonexistent", paths_.drop_ins / "a.toml");
    write_file(paths_.drop_ins / "b.toml", std::string((1U << 20U) + 1, '#'));
    const auto all = load(paths_, {});
    ASSERT_TRUE(all);
    ASSERT_EQ(all->findings.size(), 2U);
    EXPECT_EQ(all->findings[0].error.why(), "No such file or directory");
    EXPECT_EQ(all->findings[1].error.why(), "it is larger than 1 MiB");
}

TEST_F(Loader, tells_by_a_digest_whether_the_files_are_those_that_were_read) {
    write_file(paths_.main, agent);
    const auto first = load(paths_, {});
    ASSERT_TRUE(first);
    EXPECT_EQ(digest_of(paths_).value(), first->digest);
    write_file(paths_.drop_ins / "a.toml", "# nothing\n");
    const Bytes with_drop_in = digest_of(paths_).value();
    EXPECT_NE(with_drop_in, first->digest);
    std::filesystem::rename(paths_.drop_ins / "a.toml", paths_.drop_ins / "b.toml");
    EXPECT_NE(digest_of(paths_).value(), with_drop_in) << "names count";
    std::filesystem::remove(paths_.drop_ins / "b.toml");
    EXPECT_EQ(digest_of(paths_).value(), first->digest);
    write_file(paths_.main, "[agent\n");
    EXPECT_TRUE(digest_of(paths_)) << "they need not be good";
    std::filesystem::remove(paths_.main);
    EXPECT_EQ(digest_of(paths_).error().code(), ErrorCode::config_file);
}

TEST_F(Loader, F1_guesses_where_the_agent_is_from_files_that_cannot_be_used) {
    write_file(paths_.main, "= nonsense\n  runtime_dir   =  \"/run/elsewhere\"  # here\nruntime_dir = \"relative\"\n");
    EXPECT_EQ(guess_agent_settings(paths_).runtime_dir, "/run/elsewhere");
    write_file(paths_.main, "runtime_dir = \"/run/cut");
    EXPECT_EQ(guess_agent_settings(paths_), AgentSettings());
    std::filesystem::remove(paths_.main);
    EXPECT_EQ(guess_agent_settings(paths_), AgentSettings());
}

TEST_F(Loader, uses_the_facts_of_this_machine) {
    const HostFacts facts = read_host_facts(false);
    ASSERT_TRUE(facts.hostname.has_value());
    EXPECT_EQ(facts.hostname->find('.'), std::string::npos);
    write_file(paths_.main, "[identity.\"x-${hostname}\"]\n");
    const auto all = load(paths_);
    ASSERT_TRUE(all);
    EXPECT_TRUE(all->is_disabled(Part::identity, "x-" + *facts.hostname));
}

}  // namespace
}  // namespace hwenroll::config
