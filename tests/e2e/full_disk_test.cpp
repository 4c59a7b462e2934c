// A disk without room under state and published files: nothing is lost, nothing is asked for that could not be kept.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/life.h"
#include "tests/support/small_disk.h"

namespace hwenroll::test {
namespace {

constexpr std::size_t disk_size = std::size_t{1} << 20U;

class FullDisk : public testing::Test {
 protected:
    void SetUp() override {
        if (!SmallDisk::possible()) {
            GTEST_SKIP() << "this user may not mount a file system";
        }
    }

    static std::unique_ptr<SmallDisk> under(DaemonWorld& world) {
        return std::make_unique<SmallDisk>(
            world.directory() / "disk", disk_size,
            std::vector<std::filesystem::path>{world.directory() / "state", world.live().parent_path().parent_path()});
    }
};

bool complains(const Life& life) {
    return life.said("E-STATE-") || life.said("E-PUBLISH-");
}

std::ptrdiff_t complaints(const Life& life) {
    const std::string said = life.world().daemon().err();
    const std::string word = "E-STATE-";
    std::ptrdiff_t count = 0;
    for (std::size_t at = said.find(word); at != std::string::npos; at = said.find(word, said.find('\n', at))) {
        ++count;
    }
    return count;
}

class DiskWithRoomFor : public FullDisk, public testing::WithParamInterface<std::size_t> {};

/// From no room at all to enough: the enrollment ends the same way once there is room.
TEST_P(DiskWithRoomFor, S1_S2_S10_an_enrollment_that_lacks_room_waits_for_it) {
    Life life(Stage::enrollment, {});
    const auto disk = under(life.world());
    disk->fill(GetParam() << 10U);
    life.let_daemons_end();
    life.begin();
    ASSERT_TRUE(life.settle("an end or a complaint", [&] { return life.world().leaf() || complains(life); }));
    if (GetParam() <= 64) {
        EXPECT_TRUE(complains(life));
        EXPECT_EQ(life.world().issued().size(), 0U) << "S1: no request without room for what it brings";
    }
    disk->empty();
    ASSERT_TRUE(life.enroll());
    life.expect_end();
}

INSTANTIATE_TEST_SUITE_P(KiB, DiskWithRoomFor, testing::Values(0, 4, 16, 32, 64, 96, 128, 160, 192, 256, 320, 512),
                         testing::PrintToStringParamName());

TEST_F(FullDisk, S1_S10_invariant_1_a_renewal_that_lacks_room_leaves_what_is_published_and_follows_later) {
    Life life(Stage::renewal, {});
    const auto disk = under(life.world());
    life.begin();
    ASSERT_TRUE(life.enroll());
    const auto before = life.world().leaf();
    disk->fill(0);
    life.world().go_to_day(91);
    ASSERT_TRUE(life.settle("the complaint", [&] { return complains(life); }));
    EXPECT_EQ(life.world().leaf(), before);
    EXPECT_EQ(life.world().issued().size(), 1U);
    ASSERT_TRUE(life.settle("more tries", [looks = 0]() mutable { return ++looks > 50; }));
    EXPECT_LE(complaints(life), 3) << "each cause is told once";
    disk->empty();
    ASSERT_TRUE(life.renew());
    life.expect_end();
}

TEST_F(FullDisk, S2_a_request_that_is_granted_while_there_is_no_room_is_not_lost) {
    Life life(Stage::enrollment, {});
    life.world().restart_lab_ca({"--backdate", "0", "--pending-seconds", "7200"});
    life.world().configure();
    const auto disk = under(life.world());
    life.begin();
    ASSERT_TRUE(life.settle("PENDING", [&] { return life.world().word() == "PENDING"; }));
    disk->fill(0);
    life.world().advance(Seconds(7200));
    ASSERT_TRUE(life.settle("the complaint", [&] { return complains(life); }));
    EXPECT_FALSE(life.world().leaf());
    disk->empty();
    ASSERT_TRUE(life.enroll());
    life.expect_end();
}

}  // namespace
}  // namespace hwenroll::test
