// When the wall clock is believed (K1 to K4, K10).
#include "agent/lifecycle/clock_judgement.h"

#include <gtest/gtest.h>

namespace hwenroll::lifecycle {
namespace {

constexpr TimePoint built{Seconds(1'700'000'000)};
constexpr TimePoint noon{Seconds(1'800'000'000)};
constexpr Seconds minute{60};
constexpr Seconds hour{3600};
constexpr Seconds day{86400};

/// Feeds readings of one boot after another, as the runtime does.
struct Judge {
    ClockMemory memory = {};
    std::string boot = "first";

    ClockJudgement look(TimePoint wall, Seconds since_boot, bool synchronized = false) {
        const ClockJudgement judgement = judge_clock(memory, {wall, since_boot, boot, synchronized}, built);
        memory = judgement.memory;
        return judgement;
    }
    bool trusts(TimePoint wall, Seconds since_boot, bool synchronized = false) {
        return look(wall, since_boot, synchronized).trusted;
    }
};

/// A machine that has believed `noon`, 100 s after its boot.
Judge at_noon() {
    Judge judge;
    EXPECT_TRUE(judge.trusts(noon, Seconds(100)));
    return judge;
}

TEST(ClockJudgement, K1_SEC_16_a_time_before_the_program_was_made_is_never_believed) {
    Judge judge;
    EXPECT_FALSE(judge.trusts(TimePoint{}, Seconds(10)));
    EXPECT_FALSE(judge.trusts(built - Seconds(1), Seconds(20), true));
    EXPECT_EQ(judge.memory.floor, TimePoint{});
    EXPECT_TRUE(judge.trusts(built, Seconds(30)));
}

TEST(ClockJudgement, K1_a_boot_below_the_stored_floor_waits_for_synchronization) {
    Judge judge{{noon, {}, {}}, "second"};
    EXPECT_FALSE(judge.trusts(noon - day, Seconds(10)));
    // Agreement with itself is no proof: a clock without a battery agrees too.
    EXPECT_FALSE(judge.trusts(noon - day + hour, Seconds(10) + hour));
    EXPECT_EQ(judge.memory.floor, noon);
    EXPECT_TRUE(judge.trusts(noon + 30 * day, Seconds(20) + hour, true));
    EXPECT_EQ(judge.memory.floor, noon + 30 * day);
}

TEST(ClockJudgement, K1_a_time_that_passes_the_floor_by_itself_is_believed_again) {
    Judge judge = at_noon();
    EXPECT_FALSE(judge.trusts(noon - Seconds(5), Seconds(101)));
    EXPECT_TRUE(judge.trusts(noon + Seconds(1), Seconds(107)));
}

TEST(ClockJudgement, K3_a_step_back_is_not_believed_unless_the_clock_is_synchronized) {
    Judge judge = at_noon();
    EXPECT_FALSE(judge.trusts(noon - hour, Seconds(200)));
    EXPECT_EQ(judge.memory.floor, noon);
    EXPECT_TRUE(judge.trusts(noon - hour, Seconds(210), true));
    EXPECT_EQ(judge.memory.floor, noon - hour) << "what was believed before was wrong";
    EXPECT_TRUE(judge.trusts(noon - hour + minute, Seconds(270)));
}

TEST(ClockJudgement, K4_a_suspend_of_two_weeks_is_time_that_has_passed) {
    Judge judge = at_noon();
    EXPECT_TRUE(judge.trusts(noon + 14 * day, Seconds(100) + 14 * day));
}

TEST(ClockJudgement, K10_a_leap_ahead_needs_a_second_reading_a_minute_later) {
    Judge judge = at_noon();
    EXPECT_FALSE(judge.trusts(noon + 90 * day, Seconds(130)));
    EXPECT_FALSE(judge.trusts(noon + 90 * day + Seconds(59), Seconds(189)));
    EXPECT_EQ(judge.memory.floor, noon) << "what is doubted moves nothing";
    EXPECT_TRUE(judge.trusts(noon + 90 * day + minute, Seconds(190)));
    EXPECT_EQ(judge.memory.floor, noon + 90 * day + minute);
}

TEST(ClockJudgement, K10_a_second_reading_that_disagrees_confirms_nothing) {
    Judge judge = at_noon();
    EXPECT_FALSE(judge.trusts(noon + 90 * day, Seconds(130)));
    EXPECT_FALSE(judge.trusts(noon + 400 * day, Seconds(200)));
    EXPECT_TRUE(judge.trusts(noon + Seconds(150), Seconds(250))) << "it came back by itself";
    EXPECT_FALSE(judge.trusts(noon + 90 * day, Seconds(300))) << "the doubt began anew";
}

TEST(ClockJudgement, K10_a_step_within_a_day_and_a_synchronized_leap_are_believed_at_once) {
    Judge judge = at_noon();
    EXPECT_TRUE(judge.trusts(noon + day, Seconds(100)));
    EXPECT_TRUE(judge.trusts(noon + 500 * day, Seconds(160), true));
}

TEST(ClockJudgement, K10_after_a_boot_no_time_is_known_to_have_passed) {
    Judge judge = at_noon();
    judge.boot = "second";
    EXPECT_FALSE(judge.trusts(noon + 30 * day, Seconds(40)));
    EXPECT_TRUE(judge.trusts(noon + 30 * day + minute, Seconds(100)));
    // The doubt itself does not outlive a boot either.
    EXPECT_FALSE(judge.trusts(noon + 300 * day, Seconds(200)));
    judge.boot = "third";
    EXPECT_FALSE(judge.trusts(noon + 300 * day + 2 * minute, Seconds(320)));
}

TEST(ClockJudgement, a_machine_that_remembers_nothing_believes_any_time_after_the_program_was_made) {
    Judge judge;
    EXPECT_TRUE(judge.trusts(noon + 3000 * day, Seconds(1)));
}

TEST(ClockJudgement, says_why_a_clock_is_not_believed) {
    Judge judge = at_noon();
    EXPECT_EQ(judge.look(noon - day, Seconds(101)).why,
              "the clock says 2027-01-14T08:00:00Z, and has said 2027-01-15T08:00:00Z before");
    EXPECT_EQ(judge.look(noon, Seconds(102)).why, "");
}

}  // namespace
}  // namespace hwenroll::lifecycle
