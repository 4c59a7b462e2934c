// 78 > 77 > 76 > 69 > 75 > 0 (design, "Command line").
#include <gtest/gtest.h>

#include "agent/runtime/single_run.h"

namespace hwenroll::runtime {
namespace {

Error of(ErrorCode code) {
    return Error(code, "x");
}

TEST(ExitCode, no_error_is_0) {
    EXPECT_EQ(combined_exit_code({}), 0);
}

TEST(ExitCode, the_most_severe_of_several_counts_in_any_order) {
    const std::vector<Error> ascending{of(ErrorCode::ca_pending), of(ErrorCode::ca_unreachable),
                                       of(ErrorCode::ca_rejected), of(ErrorCode::token_pin), of(ErrorCode::config_key)};
    const std::vector<int> expected{75, 69, 76, 77, 78};
    std::vector<Error> some;
    for (std::size_t i = 0; i < ascending.size(); ++i) {
        some.insert(some.begin(), ascending[i]);
        EXPECT_EQ(combined_exit_code(some), expected[i]);
        EXPECT_EQ(combined_exit_code({some.rbegin(), some.rend()}), expected[i]);
    }
}

TEST(ExitCode, an_internal_error_is_never_hidden) {
    EXPECT_EQ(combined_exit_code({of(ErrorCode::config_key), of(ErrorCode::internal)}), 70);
}

}  // namespace
}  // namespace hwenroll::runtime
