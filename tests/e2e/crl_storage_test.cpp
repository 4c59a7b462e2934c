// What becomes of CRLs where state.db takes nothing, as on a full disk (S1), and comes back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/crl_world.h"

namespace hwenroll::test {
namespace {

using testing::HasSubstr;

const std::vector<std::string> own_point{"--crl-point", "self"};

TEST(CrlStorage, SM_18_S1_a_revocation_that_cannot_be_written_down_is_looked_up_again_until_it_is) {
    CrlWorld crl("cdp", own_point);
    ASSERT_TRUE(crl.begin());
    DaemonWorld& world = crl.world();
    const auto revoked = world.leaf();
    crl.run_sql(
        "CREATE TRIGGER full BEFORE INSERT ON identities WHEN NEW.revoked=1 BEGIN SELECT RAISE(ABORT, 'disk full'); "
        "END");
    crl.revoke("keyCompromise");
    EXPECT_EQ(crl.fetch().exit_code, 0);
    world.eventually("the failure", [&] { return world.said("disk full"); });
    EXPECT_EQ(world.leaf(), revoked);
    const std::size_t before = world.times_said("disk full");
    world.advance(Seconds(61));
    world.eventually("another try", [&] { return world.times_said("disk full") > before; });
    crl.run_sql("DROP TRIGGER full");
    world.advance(Seconds(61));
    world.eventually("the new certificate", [&] { return world.leaf() != revoked && world.word() == "OK"; });
    EXPECT_EQ(crl.messages("19"), 2U);
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(CrlStorage, invariant_11_S1_people_are_told_of_a_list_that_has_ended_on_a_full_disk_too) {
    TemporaryDirectory outside;
    const std::string log = (outside / "told").string();
    CrlWorld crl("cdp", own_point, "", "on_alert = [\"/bin/sh\", \"-c\", \"echo $HWENROLL_ALERT >> " + log + "\"]\n");
    ASSERT_TRUE(crl.begin());
    DaemonWorld& world = crl.world();
    crl.hand_out("gone");
    crl.run_sql("CREATE TRIGGER full BEFORE INSERT ON crls BEGIN SELECT RAISE(ABORT, 'disk full'); END");
    world.go_to_day(8);
    world.eventually("the alert", [&] {
        return std::filesystem::exists(log) &&
               read_file(log).find("the CRL has ended at 2030-01-08") != std::string::npos;
    });
    EXPECT_TRUE(world.said("disk full"));
    const std::size_t told = world.times_said("the CRL has ended");
    world.advance(Seconds(3600));
    EXPECT_EQ(world.command({"status"}).exit_code, 0);
    EXPECT_EQ(world.times_said("the CRL has ended"), told) << "once a day, though that is not written down";
    EXPECT_EQ(world.stop_daemon(), 0);
}

TEST(CrlStorage, S1_what_cannot_be_forgotten_is_tried_again_once_a_minute) {
    CrlWorld crl("cdp", own_point);
    ASSERT_TRUE(crl.begin());
    DaemonWorld& world = crl.world();
    crl.run_sql("CREATE TRIGGER full BEFORE DELETE ON crls BEGIN SELECT RAISE(ABORT, 'disk full'); END");
    crl.use("off");
    world.eventually("the list's end", [&] { return !crl.has_list() && world.word() == "OK"; });
    world.eventually("the failure", [&] { return world.said("disk full"); });
    world.let_pass(Seconds(50), Seconds(5));
    EXPECT_EQ(world.times_said("disk full"), 1U) << "not every two seconds";
    crl.run_sql("DROP TRIGGER full");
    world.advance(Seconds(61));
    world.eventually("its end", [&] {
        return world.command({"history", "--json"}).out.find("CRLs are not fetched any more") != std::string::npos;
    });
    EXPECT_EQ(world.stop_daemon(), 0);
}

}  // namespace
}  // namespace hwenroll::test
