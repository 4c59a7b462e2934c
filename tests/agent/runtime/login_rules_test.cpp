// The PIN rules on the agent's side (T9, T10, invariant 6; design, "Keys stay on the device").
#include "agent/runtime/login_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hwenroll::runtime {
namespace {

using keystore::LoginOutcome;
using store::LoginRecord;
using store::LoginRecordOutcome;
using store::PinFile;

const TimePoint now = TimePoint(Seconds(1'800'000'000));
const PinFile file{1, 2, 3, 4, 5};
const PinFile other_file{1, 2, 3, 4, 6};

LoginOutcome refused(std::optional<PinFile> source) {
    LoginOutcome outcome;
    outcome.result = LoginOutcome::Result::refused;
    if (source) {
        outcome.source = to_identity(*source);
    }
    outcome.error = Error(ErrorCode::token_pin, "refused");
    return outcome;
}

LoginOutcome not_tried(ErrorCode code) {
    LoginOutcome outcome;
    outcome.error = Error(code, "not tried");
    return outcome;
}

TEST(LoginRules, a_first_login_is_allowed_without_conditions) {
    const auto history = allow_login("lab", {}, file);
    ASSERT_TRUE(history);
    EXPECT_FALSE(history->outcome_unknown);
    EXPECT_FALSE(history->refused);
}

TEST(LoginRules, T9_a_refused_file_is_not_tried_again_until_it_changes) {
    const LoginRecord begun_record = begun({}, file, now);
    const LoginRecord record = ended({}, begun_record, refused(file));
    EXPECT_EQ(record.outcome, LoginRecordOutcome::refused);
    const auto same = allow_login("lab", record, file);
    ASSERT_FALSE(same);
    EXPECT_EQ(same.error().code(), ErrorCode::token_pin);
    EXPECT_THAT(same.error().line(), testing::HasSubstr("until the PIN source changes"));
    EXPECT_TRUE(allow_login("lab", record, other_file));
}

TEST(LoginRules, T9_a_refused_command_or_credential_waits_for_an_operator) {
    const LoginRecord record = ended({}, begun({}, {}, now), refused({}));
    const auto again = allow_login("lab", record, {});
    ASSERT_FALSE(again);
    EXPECT_THAT(again.error().line(), testing::HasSubstr("hwenroll resume"));
}

TEST(LoginRules, a_login_whose_outcome_is_unknown_is_repeated_once_with_that_knowledge) {
    const LoginRecord once = begun({}, file, now);
    const auto second = allow_login("lab", once, file);
    ASSERT_TRUE(second);
    EXPECT_TRUE(second->outcome_unknown);
    const LoginRecord twice = begun(once, file, now);
    EXPECT_EQ(twice.unknown, 2U);
    const auto third = allow_login("lab", twice, file);
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error().info().exit_code, 77);
    const auto changed = allow_login("lab", twice, other_file);
    ASSERT_TRUE(changed);
    EXPECT_FALSE(changed->outcome_unknown);
}

TEST(LoginRules, T2_T3_a_worker_that_ends_in_the_login_leaves_the_outcome_unknown) {
    LoginOutcome lost;
    lost.result = LoginOutcome::Result::unknown;
    lost.error = Error(ErrorCode::token_worker, "ended");
    const LoginRecord begun_record = begun({}, file, now);
    EXPECT_EQ(ended({}, begun_record, lost), begun_record);
}

TEST(LoginRules, a_login_that_was_not_tried_leaves_the_record_as_it_was) {
    const LoginRecord before{LoginRecordOutcome::refused, now, 0, file};
    EXPECT_EQ(ended(before, begun(before, other_file, now), not_tried(ErrorCode::token_pin_source)), before);
    EXPECT_EQ(ended(before, begun(before, other_file, now), not_tried(ErrorCode::token_worker)), before)
        << "a worker that never started cannot have used a PIN";
}

TEST(LoginRules, an_accepted_login_forgets_what_was_before) {
    LoginOutcome accepted;
    accepted.result = LoginOutcome::Result::accepted;
    const LoginRecord record = ended({LoginRecordOutcome::refused, now, 0, file}, begun({}, file, now), accepted);
    EXPECT_EQ(record.outcome, LoginRecordOutcome::accepted);
    EXPECT_EQ(record.unknown, 0U);
    EXPECT_TRUE(allow_login("lab", record, file));
}

}  // namespace
}  // namespace hwenroll::runtime
