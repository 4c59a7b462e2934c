// What keeps hwenrolld.service from a token that root can reach, and what is typed against it.
#include "agent/cli/service_access.h"

#include <climits>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace hwenroll::cli {
namespace {

using testing::HasSubstr;

constexpr uid_t nobody_here = 4'000'000;

ServiceNeeds softhsm() {
    ServiceNeeds needs;
    needs.group = "softhsm";
    needs.place = "/var/lib/softhsm/tokens";
    return needs;
}

TEST(ServiceAccess, the_drop_in_has_what_the_unit_lacks_and_no_more) {
    EXPECT_EQ(drop_in_text(softhsm(), {}),
              "[Service]\nSupplementaryGroups=softhsm\nReadWritePaths=/var/lib/softhsm/tokens\n");
    EXPECT_EQ(drop_in_text(softhsm(), {0, {"hwenroll", "softhsm"}, ""}),
              "[Service]\nReadWritePaths=/var/lib/softhsm/tokens\n");
    EXPECT_EQ(drop_in_text(softhsm(), {0, {"softhsm"}, "/srv /var/lib/softhsm/tokens "}), "");
    EXPECT_EQ(drop_in_text({}, {}), "") << "a module of pcscd needs nothing";
}

TEST(ServiceAccess, a_tpm_gets_its_device_and_the_group_of_it) {
    const ServiceNeeds needs{"tss", "/dev/tpmrm0", true, {}};
    EXPECT_EQ(drop_in_text(needs, {}),
              "[Service]\nSupplementaryGroups=tss\nBindPaths=/dev/tpmrm0\nDeviceAllow=/dev/tpmrm0 rw\n");
    EXPECT_EQ(drop_in_text(needs, {0, {"tss"}, "/dev/tpmrm0:/dev/tpmrm0:rbind /dev/tpmrm0 rw"}), "");
}

TEST(ServiceAccess, a_place_that_cannot_be_looked_at_is_not_looked_for_without_end) {
    const std::string too_long(PATH_MAX, 'x');
    EXPECT_EQ(new_drop_in(too_long, "hwenrolld.service").filename(), too_long + ".conf");
}

TEST(ServiceAccess, T1_what_is_typed_writes_the_drop_in_and_lets_the_agent_try_again) {
    const auto step = missing_access("lab", softhsm(), {ServiceGrants{}});
    ASSERT_TRUE(step);
    EXPECT_EQ(step->command,
              "printf '[Service]\\nSupplementaryGroups=softhsm\\nReadWritePaths=/var/lib/softhsm/tokens\\n' | "
              "install -D -m 0644 /dev/stdin /etc/systemd/system/hwenrolld.service.d/lab.conf && systemctl "
              "daemon-reload && systemctl restart hwenrolld");
    EXPECT_THAT(step->why, HasSubstr("/var/lib/softhsm/tokens"));
    const ServiceGrants has{0, {"softhsm"}, "/var/lib/softhsm/tokens"};
    EXPECT_FALSE(missing_access("lab", softhsm(), {has}));
    ServiceGrants once;
    once.unit = "hwenroll-once.service";
    const auto beside = missing_access("lab", softhsm(), {has, once});
    ASSERT_TRUE(beside) << "the timer's service runs the agent too";
    EXPECT_THAT(beside->why, HasSubstr("hwenroll-once.service"));
    EXPECT_THAT(beside->command,
                testing::AllOf(HasSubstr("/hwenroll-once.service.d/lab.conf && systemctl daemon-reload"),
                               testing::Not(HasSubstr("hwenrolld.service.d"))));
    EXPECT_EQ(missing_drop_ins("lab", softhsm(), {ServiceGrants{}, once}).size(), 2U);
}

TEST(ServiceAccess, T1_files_that_the_services_user_may_not_use_are_given_to_their_group) {
    const test::TemporaryDirectory directory;
    ServiceNeeds needs = softhsm();
    needs.objects = directory.path();
    std::ofstream(directory.path() / "token.object") << "x";
    ASSERT_EQ(::chmod(directory.path().c_str(), 0777), 0);
    ASSERT_EQ(::chmod((directory.path() / "token.object").c_str(), 0666), 0);
    ServiceGrants stranger;
    stranger.user = nobody_here;
    EXPECT_FALSE(closed_objects(needs, stranger));
    ASSERT_EQ(::chmod((directory.path() / "token.object").c_str(), 0600), 0);
    const auto step = closed_objects(needs, stranger);
    ASSERT_TRUE(step);
    EXPECT_EQ(step->command, "chgrp -R softhsm " + directory.path().string() + " && chmod -R g+rwX " +
                                 directory.path().string() + " && systemctl restart hwenrolld");
    ServiceGrants owner;
    owner.user = ::getuid();
    EXPECT_FALSE(closed_objects(needs, owner)) << "its own files it may use";
}

TEST(ServiceAccess, the_directory_of_tokens_stands_in_the_configuration_of_softhsm) {
    EXPECT_EQ(token_directory_of("# x\n\n directories.tokendir = /var/lib/softhsm/tokens/\nlog.level = INFO\n"),
              "/var/lib/softhsm/tokens");
    EXPECT_EQ(token_directory_of("directories.tokendir=/srv/tokens"), "/srv/tokens");
    EXPECT_TRUE(token_directory_of("#directories.tokendir = /x\nobjectstore.backend = file\n").empty());
    EXPECT_TRUE(service_needs("/usr/lib/opensc-pkcs11.so", "", "1").place.empty());
    EXPECT_EQ(service_needs("", "device:/dev/tpmrm0", "").place, "/dev/tpmrm0");
}

}  // namespace
}  // namespace hwenroll::cli
