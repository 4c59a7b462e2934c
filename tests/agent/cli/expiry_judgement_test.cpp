// What `hwenroll check` makes of identities: levels, reasons, and the line of a monitoring plugin.
#include "agent/cli/expiry_judgement.h"

#include <regex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hwenroll::test {
namespace {

using cli::AgentPresence;
using cli::check_line;
using cli::CheckLevel;
using cli::CheckThresholds;
using cli::judge;
using std::chrono::hours;
using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

constexpr TimePoint now{std::chrono::sys_days(std::chrono::year(2027) / 3 / 1)};
constexpr Seconds day = hours(24);

/// A certificate of 100 days that is renewed after 75, with so many days left.
control::IdentityView with_days_left(double days, const std::string& word = "OK") {
    control::IdentityView view;
    view.name = "web";
    view.word = word;
    view.at = now;
    control::CertificateView certificate;
    certificate.not_after = now + Seconds(static_cast<std::int64_t>(days * 86400));
    certificate.not_before = certificate.not_after - 100 * day;
    view.renew_at = certificate.not_after - 25 * day;
    view.certificate = certificate;
    return view;
}

control::IdentityView without_certificate(const std::string& word) {
    control::IdentityView view;
    view.name = "web";
    view.word = word;
    view.at = now;
    return view;
}

control::FailureView failure(ErrorCode code) {
    return {code, Error(code, "it went wrong | badly\nand more").line(), now, 3};
}

CheckLevel level(const control::IdentityView& view, const CheckThresholds& thresholds = {}) {
    return judge(view, thresholds).level;
}

TEST(ExpiryJudgement, O4_judges_what_is_left_by_the_defaults_of_14_and_7_days) {
    EXPECT_EQ(level(with_days_left(60)), CheckLevel::ok);
    EXPECT_EQ(level(with_days_left(14.1, "RENEWING")), CheckLevel::ok);
    EXPECT_EQ(level(with_days_left(13.9, "RENEWING")), CheckLevel::warning);
    EXPECT_EQ(level(with_days_left(7.1, "RENEWING")), CheckLevel::warning);
    EXPECT_EQ(level(with_days_left(6.9, "RENEWING")), CheckLevel::critical);
    EXPECT_EQ(level(with_days_left(0, "EXPIRED")), CheckLevel::critical);
    EXPECT_EQ(level(with_days_left(-3, "EXPIRED")), CheckLevel::critical);
}

TEST(ExpiryJudgement, the_defaults_give_no_alarm_before_a_short_certificate_is_due) {
    control::IdentityView view = with_days_left(2);
    view.certificate->not_before = now - 5 * day;
    view.renew_at = view.certificate->not_after - day;
    EXPECT_EQ(level(view), CheckLevel::ok) << "its renewal has not begun";
    view.at = view.certificate->not_after - hours(17);
    view.word = "RENEWING";
    EXPECT_EQ(level(view), CheckLevel::warning);
    view.at = view.certificate->not_after - hours(8);
    EXPECT_EQ(level(view), CheckLevel::critical);
    view.renew_at.reset();
    view.at = view.certificate->not_after - 2 * day;
    EXPECT_EQ(level(view), CheckLevel::ok) << "7 days, a quarter of which is left at the renewal";
}

TEST(ExpiryJudgement, thresholds_are_times_or_shares_of_the_lifetime) {
    EXPECT_EQ(level(with_days_left(29), {Seconds(30 * day), {}}), CheckLevel::warning);
    EXPECT_EQ(level(with_days_left(29), {config::Percent{30}, config::Percent{28}}), CheckLevel::warning);
    EXPECT_EQ(level(with_days_left(27), {config::Percent{30}, config::Percent{28}}), CheckLevel::critical);
    EXPECT_EQ(judge(with_days_left(27), {config::Percent{30}, config::Percent{28}}).critical, 28 * day);
}

TEST(ExpiryJudgement, O4_what_is_held_or_fails_is_told_before_anything_expires) {
    control::IdentityView held = with_days_left(60, "HELD(rejected)");
    held.failure = failure(ErrorCode::ca_rejected);
    EXPECT_EQ(level(held), CheckLevel::warning);
    EXPECT_EQ(judge(held, {}).reasons.front(), "held, HELD(rejected) E-CA-REJECTED");
    EXPECT_EQ(level(with_days_left(60, "RETRYING")), CheckLevel::warning);
    control::IdentityView disabled = with_days_left(60, "DISABLED");
    disabled.enabled = false;
    disabled.failure = failure(ErrorCode::config_value);
    EXPECT_EQ(level(disabled), CheckLevel::critical);
    EXPECT_THAT(judge(disabled, {}).reasons.front(), HasSubstr("E-CONFIG-VALUE"));
    EXPECT_EQ(level(with_days_left(20)), CheckLevel::warning) << "due for five days, and nobody renews it";
    EXPECT_EQ(level(with_days_left(20, "RENEWING")), CheckLevel::ok);
}

TEST(ExpiryJudgement, O1_what_consumers_were_not_told_of_is_a_warning_and_critical_once_what_they_use_ends) {
    control::IdentityView view = with_days_left(60, "DEPLOYING");
    view.delivery = control::DeliveryView{2, 0, {}, {}, {}, now, now + 20 * day};
    EXPECT_EQ(level(view), CheckLevel::ok) << "they are being told";
    view.delivery->attempts = 3;
    view.delivery->since = now - day;
    view.delivery->code = ErrorCode::hook_failed;
    EXPECT_EQ(level(view), CheckLevel::warning);
    EXPECT_EQ(judge(view, {}).reasons.front(),
              "not delivered since 2027-02-28T00:00:00Z, E-HOOK-FAILED, what consumers use expires in 20 d");
    view.delivery->confirmed_end = now + 6 * day;
    EXPECT_EQ(level(view), CheckLevel::critical) << "as of what expires so soon";
    EXPECT_EQ(level(view, {{}, Seconds(5 * day)}), CheckLevel::warning);
    view.delivery->confirmed_end = now - day;
    EXPECT_EQ(level(view, {{}, Seconds(0)}), CheckLevel::critical);
    EXPECT_THAT(judge(view, {}).reasons.front(), HasSubstr("what consumers use expired 1 d ago"));
    view.delivery->confirmed_end.reset();
    view.delivery->since.reset();
    view.delivery->code.reset();
    EXPECT_EQ(level(view), CheckLevel::warning);
    EXPECT_EQ(judge(view, {}).reasons.front(), "not delivered");
}

TEST(ExpiryJudgement, what_has_no_certificate_yet_is_a_warning_and_critical_once_it_fails) {
    EXPECT_EQ(level(without_certificate("NEW")), CheckLevel::warning);
    EXPECT_EQ(level(without_certificate("PENDING")), CheckLevel::warning);
    EXPECT_EQ(level(without_certificate("RETRYING")), CheckLevel::critical);
    EXPECT_EQ(level(without_certificate("HELD(rejected)")), CheckLevel::critical);
    EXPECT_FALSE(judge(without_certificate("NEW"), {}).left);
}

TEST(ExpiryJudgement, the_line_names_who_expires_first_and_has_performance_data) {
    control::IdentityView mail = with_days_left(89);
    mail.name = "mail";
    EXPECT_EQ(check_line({judge(with_days_left(60), {}), judge(mail, {})}, AgentPresence::runs),
              "HWENROLL OK - 2 identities, web expires in 60 d | 'web'=5184000s;1209600:;604800: "
              "'mail'=7689600s;1209600:;604800:");
    EXPECT_EQ(check_line({judge(with_days_left(-1, "EXPIRED"), {})}, AgentPresence::runs),
              "HWENROLL CRITICAL - web: expired 1 d ago | 'web'=-86400s;1209600:;604800:");
}

TEST(ExpiryJudgement, an_agent_that_does_not_run_is_a_warning_at_least) {
    const auto good = judge(with_days_left(60), {});
    EXPECT_EQ(cli::overall({good}, AgentPresence::runs), CheckLevel::ok);
    EXPECT_EQ(cli::overall({good}, AgentPresence::absent), CheckLevel::warning);
    EXPECT_THAT(check_line({good}, AgentPresence::absent),
                AllOf(HasSubstr("WARNING"), HasSubstr("hwenrolld does not run")));
    EXPECT_EQ(cli::overall({good}, AgentPresence::silent), CheckLevel::warning);
    EXPECT_THAT(check_line({good}, AgentPresence::silent), HasSubstr("hwenrolld does not answer"));
    EXPECT_EQ(cli::overall({judge(with_days_left(-1, "EXPIRED"), {})}, AgentPresence::absent), CheckLevel::critical);
    EXPECT_EQ(cli::overall({}, AgentPresence::runs), CheckLevel::unknown);
    EXPECT_EQ(cli::overall({}, AgentPresence::absent), CheckLevel::unknown);
}

TEST(ExpiryJudgement, the_line_is_one_line_with_one_bar_and_names_the_worst_five) {
    std::vector<cli::CheckJudgement> many;
    for (int i = 0; i < 8; ++i) {
        control::IdentityView view = i == 7 ? with_days_left(-1, "EXPIRED") : with_days_left(60, "RETRYING");
        view.name = "id" + std::to_string(i);
        view.failure = failure(ErrorCode::ca_timeout);
        many.push_back(judge(view, {}));
    }
    const std::string line = check_line(many, AgentPresence::runs);
    EXPECT_THAT(line, Not(HasSubstr("\n")));
    EXPECT_EQ(std::ranges::count(line, '|'), 1);
    EXPECT_LT(line.find("id7: "), line.find("id0: ")) << "the worst first";
    EXPECT_THAT(line, AllOf(HasSubstr("and 3 more"), HasSubstr("'id6'="), Not(HasSubstr("id5: "))));
    EXPECT_TRUE(std::regex_match(line, std::regex(R"(HWENROLL [A-Z]+ - [^|]+ \|( '[a-z0-9._-]+'=-?\d+s;\d+:;\d+:)+)")))
        << line;
}

}  // namespace
}  // namespace hwenroll::test
