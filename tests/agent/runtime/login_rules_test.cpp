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
const std::string device = "pkcs11:serial=1";

LoginAttempt from(const std::string& source, std::optional<PinFile> identity = {}) {
    return {source, identity, device};
}

LoginOutcome outcome(LoginOutcome::Result result) {
    LoginOutcome outcome;
    outcome.result = result;
    if (result != LoginOutcome::Result::accepted) {
        outcome.error = Error(ErrorCode::token_pin, "failed");
    }
    return outcome;
}

LoginRecord refused(const LoginAttempt& attempt) {
    return ended({}, begun({}, attempt, now), outcome(LoginOutcome::Result::refused));
}

bool allowed(const std::vector<LoginRecord>& records, const LoginAttempt& attempt) {
    return !forbidding(records, attempt);
}

TEST(LoginRules, a_first_login_is_allowed_without_conditions) {
    EXPECT_TRUE(allowed({}, from("file:/pin", file)));
    EXPECT_TRUE(allowed({LoginRecord{}}, from("file:/pin", file)));
    EXPECT_FALSE(history_of({LoginRecord{}}).outcome_unknown);
}

TEST(LoginRules, T9_a_refused_file_is_not_tried_again_until_it_changes) {
    const LoginRecord record = refused(from("file:/pin", file));
    EXPECT_EQ(record.outcome, LoginRecordOutcome::refused);
    ASSERT_EQ(forbidding({record}, from("file:/pin", file))->outcome, LoginRecordOutcome::refused);
    const Error error = forbidden("lab", record);
    EXPECT_EQ(error.code(), ErrorCode::token_pin);
    EXPECT_THAT(error.line(), testing::HasSubstr("until the PIN source changes"));
    EXPECT_TRUE(allowed({record}, from("file:/pin", other_file)));
    EXPECT_FALSE(allowed({record}, from("file:/pin"))) << "a file that cannot be told apart counts as unchanged";
}

TEST(LoginRules, T9_a_refused_command_or_credential_waits_for_an_operator) {
    const LoginRecord record = refused(from("exec:/pin"));
    EXPECT_FALSE(allowed({record}, from("exec:/pin")));
    EXPECT_THAT(forbidden("lab", record).line(), testing::HasSubstr("hwenroll resume"));
}

TEST(LoginRules, T9_another_kind_or_place_of_the_source_is_a_change) {
    EXPECT_TRUE(allowed({refused(from("exec:/pin"))}, from("file:/pin", file)));
    EXPECT_TRUE(allowed({refused(from("exec:/pin"))}, from("exec:/other")));
    EXPECT_TRUE(allowed({refused(from("file:/pin", file))}, from("file:/other", file)));
    EXPECT_TRUE(allowed({refused(from("file:/pin", file))}, from("credential:pin")));
}

TEST(LoginRules, invariant_6_a_refusal_counts_whichever_section_it_is_recorded_under) {
    const std::vector<LoginRecord> records{refused(from("exec:/a")), refused(from("exec:/b"))};
    EXPECT_FALSE(allowed(records, from("exec:/a")));
    EXPECT_FALSE(allowed(records, from("exec:/b")));
    EXPECT_TRUE(allowed(records, from("exec:/c")));
}

TEST(LoginRules, a_login_whose_outcome_is_unknown_is_repeated_once_with_that_knowledge) {
    const LoginAttempt attempt = from("file:/pin", file);
    const LoginRecord once = begun({}, attempt, now);
    EXPECT_TRUE(allowed({once}, attempt));
    EXPECT_TRUE(history_of({once}).outcome_unknown);
    const LoginRecord twice = begun({once}, attempt, now);
    EXPECT_EQ(twice.unknown, 2U);
    const auto record = forbidding({twice}, attempt);
    ASSERT_TRUE(record);
    EXPECT_EQ(forbidden("lab", *record).info().exit_code, 77);
    EXPECT_TRUE(allowed({twice}, from("file:/pin", other_file)));
    EXPECT_EQ(begun({twice}, from("file:/pin", other_file), now).unknown, 1U);
}

// What the lost logins may have cost is the token's to say (CKF_USER_PIN_COUNT_LOW), whatever PIN comes next.
TEST(LoginRules, T10_a_changed_file_leaves_the_earlier_outcome_unknown) {
    const LoginRecord once = begun({}, from("file:/pin", file), now);
    EXPECT_TRUE(allowed({once}, from("file:/pin", other_file)));
    EXPECT_TRUE(history_of({once}).outcome_unknown);
}

// Invariant 6: after a boot without a clock the accepted login of yesterday is later than the lost one of today. What
// an acceptance settles is removed with its commit (StoreTest); a begun record that is there counts.
TEST(LoginRules, T15_a_lost_login_counts_whatever_the_clock_says) {
    const LoginAttempt attempt = from("file:/pin", file);
    const LoginRecord accepted =
        ended({}, begun({}, attempt, now + Seconds(86400)), outcome(LoginOutcome::Result::accepted));
    const LoginRecord once = begun({accepted}, attempt, now);
    EXPECT_TRUE(history_of({once, accepted}).outcome_unknown);
    const LoginRecord twice = begun({once, accepted}, attempt, now);
    EXPECT_EQ(twice.unknown, 2U);
    EXPECT_FALSE(allowed({accepted, twice}, attempt));
}

TEST(LoginRules, a_begun_login_takes_the_place_of_its_sections_record_for_the_same_device_and_source) {
    const LoginRecord record = begun({}, from("file:/pin", other_file), now);
    const LoginRecord same = refused(from("file:/pin", file));
    LoginRecord elsewhere = same;
    elsewhere.token_uri = "pkcs11:serial=2";
    EXPECT_EQ(replaced({refused(from("file:/b", file)), elsewhere, same}, record), same);
    const LoginRecord none = replaced({elsewhere}, record);
    EXPECT_EQ(none.outcome, LoginRecordOutcome::not_tried);
    EXPECT_EQ(none.source, record.source);
    EXPECT_EQ(none.token_uri, record.token_uri);
}

TEST(LoginRules, T2_T3_an_unknown_outcome_leaves_the_begun_record) {
    const LoginRecord record = begun({}, from("file:/pin", file), now);
    EXPECT_EQ(record.source, "file:/pin");
    EXPECT_EQ(record.file, file);
    EXPECT_EQ(record.token_uri, device);
    EXPECT_EQ(ended({}, record, outcome(LoginOutcome::Result::unknown)), record);
}

TEST(LoginRules, a_login_that_was_not_tried_leaves_the_record_as_it_was) {
    const LoginRecord before = refused(from("file:/pin", file));
    const LoginRecord begun_record = begun({before}, from("file:/pin", other_file), now);
    EXPECT_EQ(ended(before, begun_record, outcome(LoginOutcome::Result::not_tried)), before);
}

TEST(LoginRules, an_accepted_login_forgets_what_was_before) {
    const LoginRecord before = refused(from("file:/pin", file));
    const LoginRecord record =
        ended(before, begun({before}, from("file:/pin", other_file), now), outcome(LoginOutcome::Result::accepted));
    EXPECT_EQ(record.outcome, LoginRecordOutcome::accepted);
    EXPECT_EQ(record.unknown, 0U);
    EXPECT_TRUE(allowed({record}, from("file:/pin", other_file)));
}

}  // namespace
}  // namespace hwenroll::runtime
