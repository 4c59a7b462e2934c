// Files that others see whole or not at all.
#include "agent/cli/atomic_file.h"

#include <fstream>
#include <iterator>
#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace hwenroll::test {
namespace {

using cli::Existing;
using cli::write_atomically;
using testing::HasSubstr;

std::string content(const std::filesystem::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

class AtomicFile : public testing::Test {
 protected:
    [[nodiscard]] long files() const {
        return std::distance(std::filesystem::directory_iterator(directory_.path()), {});
    }
    TemporaryDirectory directory_;
    std::filesystem::path path_ = directory_ / "file";
};

TEST_F(AtomicFile, replaces_what_is_there_with_its_mode_whatever_the_umask) {
    const mode_t before = ::umask(0077);
    ASSERT_TRUE(write_atomically(path_, "one\n", 0644, Existing::replace));
    ASSERT_TRUE(write_atomically(path_, "two\n", 0644, Existing::replace));
    ::umask(before);
    EXPECT_EQ(content(path_), "two\n");
    struct stat facts {};
    ASSERT_EQ(::stat(path_.c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 07777U, 0644U);
    EXPECT_EQ(files(), 1) << "nothing is left beside it";
}

TEST_F(AtomicFile, never_overwrites_where_that_is_wanted) {
    ASSERT_TRUE(write_atomically(path_, "one\n", 0600, Existing::keep));
    const Status again = write_atomically(path_, "two\n", 0600, Existing::keep);
    ASSERT_FALSE(again);
    EXPECT_THAT(again.error().line(), HasSubstr("is there already"));
    EXPECT_EQ(content(path_), "one\n");
    std::filesystem::remove(path_);
    std::filesystem::create_symlink(directory_ / "elsewhere", path_);
    EXPECT_FALSE(write_atomically(path_, "two\n", 0600, Existing::keep)) << "nor a link that leads nowhere";
    EXPECT_EQ(files(), 1);
}

TEST_F(AtomicFile, S1_what_cannot_be_written_leaves_nothing_and_says_what_to_do) {
    const Status missing = write_atomically(directory_ / "no" / "file", "x", 0644, Existing::replace);
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code(), ErrorCode::input_file);
    EXPECT_THAT(missing.error().line(), HasSubstr("make the directory"));
    std::filesystem::create_directory(path_);
    EXPECT_FALSE(write_atomically(path_, "x", 0644, Existing::replace)) << "a directory of that name";
    EXPECT_EQ(files(), 1);
}

}  // namespace
}  // namespace hwenroll::test
