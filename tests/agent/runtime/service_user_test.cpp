#include "agent/runtime/service_user.h"

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/runtime/command_output.h"
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

TEST(ServiceUser, gets_of_roots_environment_what_a_service_has_and_no_more) {
    for (const char* const kept :
         {"LANG=C", "LC_ALL=C.UTF-8", "TZ=UTC", "HWENROLL_CLOCK_FILE=/x", "NOTIFY_SOCKET=@x", "JOURNAL_STREAM=8:1",
          "CREDENTIALS_DIRECTORY=/run/credentials/x", "SOFTHSM2_CONF=/etc/x"}) {
        EXPECT_TRUE(goes_along(kept)) << kept;
    }
    for (const char* const left : {"PATH=/opt/roots-own/bin", "LD_PRELOAD=/x.so", "SSH_AUTH_SOCK=/tmp/x",
                                   "AWS_SECRET_ACCESS_KEY=x", "http_proxy=http://x", "SSLKEYLOGFILE=/tmp/x",
                                   "OPENSSL_CONF=/x", "HOME=/root", "SUDO_COMMAND=x", "LANGX=1", "LANG", "=x", ""}) {
        EXPECT_FALSE(goes_along(left)) << left;
    }
}

TEST(CommandOutput, X13_a_signal_ends_a_process_that_would_go_on_with_what_is_printed) {
    const auto ended =
        output_unless_ended({"/bin/sh", "-c", "kill -TERM $PPID; exec sleep 60"}, std::chrono::seconds(30));
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().code(), ErrorCode::interrupted);
    EXPECT_EQ(output_unless_ended({"/bin/echo", "here"}, std::chrono::seconds(30)).value(), "here\n");
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
