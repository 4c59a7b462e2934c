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
    EXPECT_FALSE(event_of(view).error);
    view.at = view.certificate->not_after;
    EXPECT_EQ(event_of(view).error, ErrorCode::identity_expired);
}

TEST(IdentityViewTest, a_stored_certificate_that_cannot_be_read_is_an_error) {
    lifecycle::IdentityState state;
    state.phase = lifecycle::Phase::valid;
    state.current = lifecycle::Credential{};
    EXPECT_FALSE(view_of(configured, state, sample_time()));
}

}  // namespace
}  // namespace hwenroll::test
