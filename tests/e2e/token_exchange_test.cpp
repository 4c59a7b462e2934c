// Another token under the label of the one that an identity's key is on (T22).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/enrollment_world.h"

namespace hwenroll::test {
namespace {

using testing::HasSubstr;

TEST(TokenExchange, T22_is_told_by_both_serials_costs_no_pin_try_and_ends_when_the_first_token_is_back) {
    EnrollmentWorld world;
    world.start_lab_ca({"--pending", "2"});
    world.configure({.module = module("libhwenroll-pkcs11-shim.so"),
                     .identity_extra = "poll = { start = \"1s\", max = \"1s\" }\n"});
    ASSERT_EQ(world.once().exit_code, 75);
    const auto place = world.hsm().token_directory();
    const auto aside = world.hsm().directory() / "aside";
    std::filesystem::rename(place, aside);
    std::filesystem::create_directory(place);
    world.hsm().init_token("lab", "87654321", canary_pin);

    const auto log = world.directory() / "calls";
    RunResult run = world.once({{"HWENROLL_SHIM_LOG=" + log.string()}, {}, {}});
    for (int i = 0; i < 200 && run.exit_code == 75; ++i) {  // until the poll is due
        run = world.once({{"HWENROLL_SHIM_LOG=" + log.string()}, {}, {}});
    }
    EXPECT_EQ(run.exit_code, 69) << run.err;
    EXPECT_THAT(run.err, HasSubstr("E-TOKEN-ABSENT web: token 'lab' is another one than before"));
    EXPECT_THAT(run.err, HasSubstr("in place of serial '"));
    EXPECT_EQ(read_file(log).find("C_Login"), std::string::npos);

    std::filesystem::remove_all(place);
    std::filesystem::rename(aside, place);
    for (int i = 0; i < 500 && run.exit_code != 0; ++i) {
        run = world.once();
    }
    EXPECT_EQ(run.exit_code, 0) << run.err;
    world.expect_published();
    world.expect_no_canary({run.out, run.err});
}

}  // namespace
}  // namespace hwenroll::test
