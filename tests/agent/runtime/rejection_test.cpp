// What an operator reads about each reason for a refusal (FI-0 … FI-4).
#include "agent/runtime/rejection.h"

#include <gmock/gmock.h>

namespace hwenroll::runtime {
namespace {

using scep::FailInfo;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

constexpr TimePoint noon = std::chrono::sys_days(std::chrono::year(2030) / 6 / 1) + std::chrono::hours(12);

std::string line(std::optional<FailInfo> fail_info, std::string_view text, std::optional<std::int32_t> hresult = {}) {
    return rejection({fail_info, text, hresult}, noon).about("web").line();
}

TEST(Rejection, FI_2_Q_OXI_6_the_advice_is_about_the_reason_that_the_text_mentions) {
    // Texts of the lab CA, NDES and others.
    for (const char* text :
         {"the challengePassword is wrong", "Challenge mismatch",
          "The password in the certificate request cannot be verified. It may have been used already.",
          "challenge attribute missing"}) {
        EXPECT_THAT(line(FailInfo::bad_request, text), HasSubstr("; check the challenge: ")) << text;
    }
    for (const char* text : {"the key size of 2048 bits is less than 3072",
                             "The public key does not meet the minimum size required by the template."}) {
        EXPECT_THAT(line(FailInfo::bad_request, text), HasSubstr("set 'key', for instance to \"rsa:3072\"")) << text;
    }
    for (const char* text : {"the signer is not trusted: its certificate is self-signed", "Untrusted SIGNER"}) {
        EXPECT_THAT(line(FailInfo::bad_request, text), HasSubstr("accept who signed the request")) << text;
    }
    for (const char* text : {"the requested attribute subjectAltName is not authorised", "Unknown Extension"}) {
        EXPECT_THAT(line({}, text), HasSubstr("change 'subject', 'san'")) << text;
    }
}

TEST(Rejection, FI_2_a_text_that_says_nothing_known_gets_the_general_advice) {
    for (const char* text : {"", "no", "computer says no"}) {
        EXPECT_THAT(line(FailInfo::bad_request, text), EndsWith(error_info(ErrorCode::ca_rejected).next)) << text;
    }
    EXPECT_EQ(line(FailInfo::bad_request, ""), "E-CA-REJECTED web: the CA answered FAILURE (badRequest); " +
                                                   std::string(error_info(ErrorCode::ca_rejected).next));
    EXPECT_THAT(line({}, ""), HasSubstr("(no failInfo); "));
}

TEST(Rejection, FI_0_FI_1_FI_3_FI_4_the_other_values_have_advice_whatever_the_text_says) {
    EXPECT_THAT(line(FailInfo::bad_alg, "password"), AllOf(HasSubstr("(badAlg: password); "), HasSubstr("algorithm")));
    EXPECT_THAT(line(FailInfo::bad_message_check, "bits"), HasSubstr("could not verify or open the request"));
    EXPECT_THAT(line(FailInfo::bad_time, ""), AllOf(HasSubstr("clock"), EndsWith("2030-06-01T12:00:00Z")));
    EXPECT_THAT(line(FailInfo::bad_cert_id, ""), HasSubstr("does not know the transaction"));
}

TEST(Rejection, K6_SIG_8_badTime_is_told_with_how_far_the_clocks_are_apart) {
    const auto dated = [](Seconds later) {
        return rejection({FailInfo::bad_time, "", {}, noon + later}, noon).about("web").line();
    };
    EXPECT_THAT(dated(Seconds(7200)),
                EndsWith("this machine's clock showed 2030-06-01T12:00:00Z, the CA's web server 2030-06-01T14:00:00Z: "
                         "this machine is 2 h behind, correct the clock that is wrong"));
    EXPECT_THAT(dated(-Seconds(86400 + 60)), HasSubstr("this machine is 1 d ahead, correct"));
    EXPECT_THAT(dated(Seconds(59)), HasSubstr("they agree, look at the clock and the time zone of the CA itself"));
    EXPECT_THAT(dated(-Seconds(59)), HasSubstr("they agree"));
    EXPECT_THAT(rejection({FailInfo::bad_request, "", {}, noon + Seconds(7200)}, noon).about("web").line(),
                Not(HasSubstr("clock")));
}

TEST(Rejection, MSG_15_an_HRESULT_is_shown_as_Microsoft_writes_it) {
    EXPECT_THAT(line(FailInfo::bad_request, "denied", -2146875375),
                HasSubstr("(badRequest, HRESULT 0x80094811: denied); "));
}

TEST(Rejection, MSG_14_a_hostile_text_neither_steers_a_terminal_nor_hides_the_advice) {
    const std::string hostile = "\x1b[2J\r\nE-FORGED \xe2\x80\xae\xff password " + std::string(10000, 'x');
    const std::string shown = line(FailInfo::bad_request, hostile);
    EXPECT_THAT(shown, AllOf(HasSubstr("\\x1b[2J\\x0d\\x0aE-FORGED \\u{202e}\\xff password"),
                             HasSubstr("…); check the"), Not(HasSubstr("\x1b")), Not(HasSubstr("\n"))));
    EXPECT_LT(shown.size(), 512U) << "fits where a line is shown";
}

}  // namespace
}  // namespace hwenroll::runtime
