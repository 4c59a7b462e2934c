#include "agent/runtime/service_user.h"

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace hwenroll::runtime {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(ServiceUser, has_the_groups_that_the_units_of_that_user_give) {
    // systemctl show hwenrolld.service hwenroll-once.service --property=User,SupplementaryGroups
    constexpr const char* shown =
        "User=hwenroll\nSupplementaryGroups=softhsm tss\n\nUser=hwenroll\nSupplementaryGroups=scard\n";
    EXPECT_THAT(groups_of_units(shown, "hwenroll"), ElementsAre("softhsm", "tss", "scard"));
    EXPECT_THAT(groups_of_units(shown, "somebody"), IsEmpty()) << "a unit's groups are its user's alone";
    EXPECT_THAT(groups_of_units("SupplementaryGroups=tss\nUser=hwenroll\n", "hwenroll"), ElementsAre("tss"));
    EXPECT_THAT(groups_of_units("User=\nSupplementaryGroups=tss\n", ""), IsEmpty()) << "root's unit";
    EXPECT_THAT(groups_of_units("User=hwenroll\n(/usr/bin/systemctl did not end in time)\n", "hwenroll"), IsEmpty());
    EXPECT_THAT(groups_of_units("", "hwenroll"), IsEmpty());
}

TEST(ServiceUser, is_nobody_where_root_owns_the_state_or_there_is_none_or_this_is_not_root) {
    const test::TemporaryDirectory directory;
    const auto own = user_to_become(directory.path());
    ASSERT_TRUE(own) << own.error().line();
    EXPECT_FALSE(*own);
    const auto missing = user_to_become(directory / "none");
    ASSERT_TRUE(missing) << missing.error().line();
    EXPECT_FALSE(*missing);
}

TEST(ServiceUser, is_the_owner_of_the_state_whether_or_not_the_system_knows_it) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "needs root to give a directory away";
    }
    const test::TemporaryDirectory directory;
    ASSERT_EQ(::chown(directory.path().c_str(), 65534, 65534), 0);
    const auto known = user_to_become(directory.path());
    ASSERT_TRUE(known && *known);
    EXPECT_EQ((*known)->name, "nobody");
    EXPECT_EQ((*known)->user, 65534U);
    EXPECT_THAT((*known)->groups, ElementsAre((*known)->group));
    ASSERT_EQ(::chown(directory.path().c_str(), 3123456789U, 3123456780U), 0);
    const auto unknown = user_to_become(directory.path());
    ASSERT_TRUE(unknown && *unknown);
    EXPECT_EQ((*unknown)->name, "3123456789");
    EXPECT_EQ((*unknown)->group, 3123456780U);
    EXPECT_THAT((*unknown)->groups, IsEmpty());
}

TEST(ServiceUser, is_refused_where_it_would_have_roots_group) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "needs root to give a directory away";
    }
    const test::TemporaryDirectory directory;
    ASSERT_EQ(::chown(directory.path().c_str(), 3123456789U, 0), 0);
    const auto refused = user_to_become(directory.path());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::state_directory);
    EXPECT_THAT(refused.error().line(), AllOf(HasSubstr(directory.path().string()), HasSubstr("3123456789")));
}

}  // namespace
}  // namespace hwenroll::runtime
