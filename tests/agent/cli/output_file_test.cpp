// Files that others see whole or not at all.
#include "agent/cli/output_file.h"

#include <fstream>
#include <iterator>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace hwenroll::test {
namespace {

using cli::Existing;
using cli::write_output;
using testing::HasSubstr;

std::string content(const std::filesystem::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

class OutputFile : public testing::Test {
 protected:
    [[nodiscard]] long files() const {
        return std::distance(std::filesystem::directory_iterator(directory_.path()), {});
    }
    TemporaryDirectory directory_;
    std::filesystem::path path_ = directory_ / "file";
};

TEST_F(OutputFile, replaces_what_is_there_with_its_mode_whatever_the_umask) {
    const mode_t before = ::umask(0077);
    ASSERT_TRUE(write_output(path_, "one\n", {Existing::replace, 0644}));
    ASSERT_TRUE(write_output(path_, "two\n", {Existing::replace, 0644}));
    ::umask(before);
    EXPECT_EQ(content(path_), "two\n");
    struct stat facts {};
    ASSERT_EQ(::stat(path_.c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 07777U, 0644U);
    EXPECT_EQ(files(), 1) << "nothing is left beside it";
}

TEST_F(OutputFile, never_overwrites_where_that_is_wanted) {
    ASSERT_TRUE(write_output(path_, "one\n", {Existing::keep, 0600}));
    const Status again = write_output(path_, "two\n", {Existing::keep, 0600});
    ASSERT_FALSE(again);
    EXPECT_THAT(again.error().line(), HasSubstr("is there already"));
    EXPECT_EQ(content(path_), "one\n");
    std::filesystem::remove(path_);
    std::filesystem::create_symlink(directory_ / "elsewhere", path_);
    EXPECT_FALSE(write_output(path_, "two\n", {Existing::keep, 0600})) << "nor a link that leads nowhere";
    EXPECT_EQ(files(), 1);
}

TEST_F(OutputFile, S1_what_cannot_be_written_leaves_nothing_and_says_what_to_do) {
    const Status missing = write_output(directory_ / "no" / "file", "x", {Existing::replace, 0644});
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code(), ErrorCode::output_file);
    EXPECT_THAT(missing.error().line(), HasSubstr("make the directory"));
    std::filesystem::create_directory(path_);
    EXPECT_FALSE(write_output(path_, "x", {Existing::replace, 0644})) << "a directory of that name";
    EXPECT_EQ(files(), 1);
}

TEST_F(OutputFile, SEC_15_a_link_or_a_device_is_neither_followed_nor_replaced) {
    std::filesystem::create_symlink(directory_ / "elsewhere", path_);
    EXPECT_FALSE(write_output(path_, "x", {}));
    EXPECT_TRUE(std::filesystem::is_symlink(path_));
    EXPECT_FALSE(std::filesystem::exists(directory_ / "elsewhere"));
    const Status device = write_output("/dev/null", "x", {});
    ASSERT_FALSE(device);
    EXPECT_THAT(device.error().line(), HasSubstr("no regular file"));
    EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
}

TEST_F(OutputFile, without_a_mode_the_umask_says_who_may_read) {
    const mode_t before = ::umask(0077);
    ASSERT_TRUE(write_output(path_, "x", {}));
    ::umask(before);
    struct stat facts {};
    ASSERT_EQ(::stat(path_.c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 07777U, 0600U);
}

TEST_F(OutputFile, F8_a_secret_is_its_readers_from_the_first_moment_or_not_there) {
    constexpr uid_t agent = 65534;
    if (::geteuid() != 0) {
        const Status refused = write_output(path_, "x", {Existing::keep, 0600, {{agent, agent}}});
        EXPECT_FALSE(refused) << "who is not root cannot give it away";
        EXPECT_EQ(files(), 0);
        return;
    }
    ASSERT_TRUE(write_output(path_, "x", {Existing::keep, 0600, {{agent, agent}}}));
    struct stat facts {};
    ASSERT_EQ(::stat(path_.c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 07777U, 0600U);
    EXPECT_EQ(facts.st_uid, agent);
    EXPECT_EQ(facts.st_gid, agent);
}

}  // namespace
}  // namespace hwenroll::test
