#include "agent/observe/progress.h"

#include <gtest/gtest.h>

namespace hwenroll::observe {
namespace {

TEST(Progress, shows_the_step_and_its_age_from_the_first_second_on) {
    Progress progress(false);
    EXPECT_EQ(progress.line(), "");
    progress.begin("web: making rsa:2048 on token 'lab'");
    EXPECT_EQ(progress.line(), "web: making rsa:2048 on token 'lab' …");
    for (int i = 0; i < 131; ++i) {
        progress.tick();
    }
    EXPECT_EQ(progress.line(), "web: making rsa:2048 on token 'lab' … 01:05");
    progress.begin("next");
    EXPECT_EQ(progress.line(), "next …");
    progress.clear();
    EXPECT_EQ(progress.line(), "");
}

TEST(Progress, P13_shows_what_is_usual_beside_the_age) {
    Progress progress(false);
    progress.begin("web: making rsa:2048 on token 'tpm'", std::chrono::seconds(95));
    EXPECT_EQ(progress.line(), "web: making rsa:2048 on token 'tpm' … (it took 01:35 before)");
    for (int i = 0; i < 20; ++i) {
        progress.tick();
    }
    EXPECT_EQ(progress.line(), "web: making rsa:2048 on token 'tpm' … 00:10 (it took 01:35 before)");
    progress.begin("next");
    EXPECT_EQ(progress.line(), "next …");
}

TEST(Progress, writes_nothing_off_a_terminal) {
    testing::internal::CaptureStderr();
    {
        Progress progress(false);
        progress.begin("step");
        progress.tick();
    }
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(Progress, leaves_a_clean_line_behind_on_a_terminal) {
    testing::internal::CaptureStderr();
    {
        Progress progress(true);
        progress.begin("step");
    }
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "\r\033[Kstep …\r\033[K");
}

}  // namespace
}  // namespace hwenroll::observe
