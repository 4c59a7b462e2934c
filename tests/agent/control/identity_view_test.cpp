// What is shown of a stored state.
#include "agent/control/identity_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/agent/control/control_service_fake.h"

namespace hwenroll::test {
namespace {

using control::ConfiguredIdentity;
using control::event_of;
using control::IdentityView;
using control::overview_of;
using control::row_of;
using control::view_of;

const ConfiguredIdentity configured{"web", "corp", "lab", "CN=web", "/live", {}};

TEST(IdentityViewTest, of_what_has_never_begun) {
    const auto view = view_of(configured, {}, sample_time());
    ASSERT_TRUE(view);
    EXPECT_EQ(view->name, "web");
    EXPECT_EQ(view->ca, "corp");
    EXPECT_EQ(view->token, "lab");
    EXPECT_EQ(view->subject, "CN=web");
    EXPECT_EQ(view->word, "NEW");
    EXPECT_EQ(view->at, sample_time());
    EXPECT_TRUE(view->enabled);
    EXPECT_FALSE(view->settled);
    EXPECT_FALSE(view->certificate);
    EXPECT_FALSE(view->next_at);
    EXPECT_EQ(view->published, "");
    EXPECT_FALSE(event_of(*view).error);
}

TEST(IdentityViewTest, of_a_hold_is_settled_and_says_why_and_when) {
    lifecycle::IdentityState state;
    state.phase = lifecycle::Phase::held;
    state.hold = lifecycle::Hold{};
    state.wait = {lifecycle::WaitingFor::operator_, sample_time() + Seconds(60)};
    state.failure = {ErrorCode::ca_rejected, "E-CA-REJECTED no", sample_time()};
    state.counters.failures = 2;
    const auto view = view_of(configured, state, sample_time());
    ASSERT_TRUE(view);
    EXPECT_EQ(view->word, "HELD(rejected)");
    EXPECT_TRUE(view->settled);
    EXPECT_EQ(view->next_at, sample_time() + Seconds(60));
    EXPECT_EQ(view->waiting_for, "operator");
    EXPECT_EQ(view->failure->consecutive, 2);
    EXPECT_EQ(event_of(*view).error, ErrorCode::ca_rejected);
    EXPECT_EQ(event_of(*view).text, "E-CA-REJECTED no");
}

TEST(IdentityViewTest, of_a_disabled_one_is_settled_and_names_its_fault) {
    ConfiguredIdentity disabled{"web", {}, {}, {}, "/live", Error(ErrorCode::config_key, "no such key")};
    const auto view = view_of(disabled, {}, sample_time());
    ASSERT_TRUE(view);
    EXPECT_FALSE(view->enabled);
    EXPECT_EQ(view->word, "DISABLED");
    EXPECT_TRUE(view->settled);
    EXPECT_EQ(event_of(*view).error, ErrorCode::config_key);
}

TEST(IdentityViewTest, an_expired_certificate_is_an_error_of_its_own) {
    IdentityView view = full_view("web");
    view.failure.reset();
    view.delivery.reset();
    EXPECT_FALSE(event_of(view).error);
    view.at = view.certificate->not_after;
    EXPECT_EQ(event_of(view).error, ErrorCode::identity_expired);
}

TEST(IdentityViewTest, O1_of_consumers_that_were_told_in_vain_is_settled_until_they_are_told_again) {
    lifecycle::IdentityState state;
    state.phase = lifecycle::Phase::valid;
    state.current = lifecycle::Credential{};
    state.current->issued.not_after = sample_time() + Seconds(1000);
    state.delivery = lifecycle::Delivery{4, 0, sample_time(), sample_time() + Seconds(500)};
    EXPECT_FALSE(row_of("web", {}, state, sample_time()).settled) << "they are being told";
    EXPECT_EQ(row_of("web", {}, state, sample_time()).failure, "");
    state.delivery->failures = 2;
    state.delivery->next_try = sample_time() + Seconds(60);
    state.delivery->failure =
        lifecycle::DeliveryFailure{ErrorCode::verify_failed, "E-VERIFY-FAILED no", sample_time() - Seconds(9), 3};
    const auto row = row_of("web", {}, state, sample_time());
    EXPECT_EQ(row.word, "DEPLOYING");
    EXPECT_TRUE(row.settled);
    EXPECT_EQ(row.failure, "E-VERIFY-FAILED no");
    EXPECT_THAT(row.next, testing::StartsWith("tell the consumers again in 1 min (20"));
    EXPECT_THAT(row.next, testing::HasSubstr("'hwenroll resume'"));
    EXPECT_FALSE(row_of("web", {}, state, sample_time() + Seconds(60)).settled) << "they are being told again";
    state.failure = {ErrorCode::ca_timeout, "E-CA-TIMEOUT late", sample_time()};
    EXPECT_EQ(row_of("web", {}, state, sample_time()).failure, "E-CA-TIMEOUT late") << "of the next certificate";
}

TEST(IdentityViewTest, O1_consumers_that_were_told_in_vain_are_the_error_where_there_is_no_other) {
    IdentityView view = full_view("web");
    EXPECT_EQ(event_of(view).error, ErrorCode::ca_timeout);
    view.failure.reset();
    EXPECT_EQ(event_of(view).error, ErrorCode::hook_failed);
    EXPECT_EQ(event_of(view).text, "E-HOOK-FAILED no");
    EXPECT_EQ(overview_of({view}).rows.front().failure, "E-HOOK-FAILED no");
    view.at = view.certificate->not_after;
    EXPECT_EQ(event_of(view).error, ErrorCode::identity_expired);
}

TEST(IdentityViewTest, a_stored_certificate_that_cannot_be_read_is_an_error) {
    lifecycle::IdentityState state;
    state.phase = lifecycle::Phase::valid;
    state.current = lifecycle::Credential{};
    EXPECT_FALSE(view_of(configured, state, sample_time()));
    EXPECT_EQ(row_of("web", {}, state, sample_time()).not_after, TimePoint()) << "a row does not read it";
}

TEST(IdentityViewTest, a_row_says_what_the_view_says) {
    lifecycle::IdentityState held;
    held.phase = lifecycle::Phase::held;
    held.hold = lifecycle::Hold{};
    held.failure = {ErrorCode::ca_rejected, "E-CA-REJECTED no", sample_time()};
    const Error fault(ErrorCode::config_key, "no such key");
    for (const auto& [given, state] :
         {std::pair(std::optional<Error>(), lifecycle::IdentityState()), std::pair(std::optional<Error>(), held),
          std::pair(std::optional(fault), held)}) {
        const ConfiguredIdentity one{"web", "corp", "lab", "CN=web", "/live", given};
        const auto view = view_of(one, state, sample_time());
        ASSERT_TRUE(view);
        EXPECT_TRUE(overview_of({*view}).rows.front() == row_of("web", given, state, sample_time())) << view->word;
    }
}

TEST(IdentityViewTest, an_overview_has_each_notice_once) {
    IdentityView other = full_view("mail");
    other.notice = "CA 'lab' announces its successor";
    IdentityView quiet = full_view("quiet");
    quiet.notice = "";
    EXPECT_THAT(overview_of({full_view("web"), other, quiet, full_view("vpn")}).notices,
                testing::ElementsAre("CA 'corp' announces its successor", "CA 'lab' announces its successor"));
}

}  // namespace
}  // namespace hwenroll::test
