// Which files root's hooks are taken from.
#include "agent/hook/trusted_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include "tests/support/temporary_directory.h"

namespace hwenroll::test {
namespace {

using hook::check_root_owned;
using testing::HasSubstr;

class RootOwned : public testing::Test {
 protected:
    RootOwned() {
        std::filesystem::create_directories(directory_ / "conf.d");
        write_file(main_, "");
        write_file(drop_in_, "");
    }

    [[nodiscard]] std::string refusal() const {
        const Status status = check_root_owned(config::ConfigurationPaths{main_, directory_ / "conf.d"});
        if (status) {
            return "trusted";
        }
        EXPECT_EQ(status.error().code(), ErrorCode::config_file);
        return status.error().line();
    }

    TemporaryDirectory directory_;
    std::filesystem::path main_ = directory_ / "hwenroll.toml";
    std::filesystem::path drop_in_ = directory_ / "conf.d/10-web.toml";
};

TEST_F(RootOwned, what_only_its_owner_can_write_is_trusted_below_a_sticky_directory_too) {
    EXPECT_EQ(refusal(), "trusted");
    std::filesystem::remove_all(directory_ / "conf.d");
    EXPECT_EQ(refusal(), "trusted");
}

TEST_F(RootOwned, F7_a_file_that_others_may_write_is_refused_with_what_to_do) {
    ASSERT_EQ(::chmod(main_.c_str(), 0664), 0);
    EXPECT_THAT(refusal(),
                HasSubstr("others than its owner may write to it); check its content, then run 'chmod go-w " +
                          main_.string() + "'"));
    ASSERT_EQ(::chmod(main_.c_str(), 0646), 0);
    EXPECT_THAT(refusal(), HasSubstr("others than its owner"));
}

TEST_F(RootOwned, F7_a_drop_in_is_held_to_the_same) {
    ASSERT_EQ(::chmod(drop_in_.c_str(), 0662), 0);
    EXPECT_THAT(refusal(), HasSubstr("10-web.toml (others than its owner"));
}

TEST_F(RootOwned, F7_a_directory_in_which_others_could_put_drop_ins_is_refused) {
    ASSERT_EQ(::chmod((directory_ / "conf.d").c_str(), 0775), 0);
    EXPECT_THAT(refusal(), HasSubstr("conf.d (others than its owner"));
    ASSERT_EQ(::chmod((directory_ / "conf.d").c_str(), 01777), 0);
    EXPECT_THAT(refusal(), HasSubstr("conf.d (others than its owner"));
}

TEST_F(RootOwned, F7_a_directory_above_in_which_others_could_exchange_it_is_refused) {
    ASSERT_EQ(::chmod(directory_.path().c_str(), 0777), 0);
    EXPECT_THAT(refusal(), HasSubstr("others than its owner"));
}

TEST_F(RootOwned, F7_no_link_is_followed) {
    std::filesystem::rename(main_, directory_ / "other.toml");
    std::filesystem::create_symlink("other.toml", main_);
    EXPECT_THAT(refusal(), HasSubstr("symbolic link"));
    std::filesystem::create_directory_symlink(directory_.path(), directory_ / "link");
    const Status through = check_root_owned(directory_ / "link/other.toml");
    ASSERT_FALSE(through);
    EXPECT_THAT(through.error().line(), HasSubstr("link (it is a symbolic link"));
}

TEST_F(RootOwned, F7_another_owner_is_refused) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "needs root to give a file away";
    }
    ASSERT_EQ(::chown(drop_in_.c_str(), 65534, 65534), 0);
    EXPECT_THAT(refusal(), HasSubstr("it belongs to user 65534"));
    ASSERT_EQ(::chown(drop_in_.c_str(), 0, 0), 0);
    ASSERT_EQ(::chown((directory_ / "conf.d").c_str(), 65534, 65534), 0);
    EXPECT_THAT(refusal(), HasSubstr("it belongs to user 65534"));
}

TEST_F(RootOwned, F7_an_odd_path_is_refused) {
    EXPECT_FALSE(check_root_owned(std::filesystem::path("hwenroll.toml")));
    EXPECT_FALSE(check_root_owned(directory_ / "conf.d/../hwenroll.toml"));
    EXPECT_FALSE(check_root_owned(directory_ / "absent.toml"));
    EXPECT_FALSE(check_root_owned(main_ / "below"));
}

}  // namespace
}  // namespace hwenroll::test
