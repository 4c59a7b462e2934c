// The agent at CAs that are set up and answer as real products do (SRV-4, SRV-5, SRV-12, SRV-18, --emulate).
#include <algorithm>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/pem.h"
#include "tests/e2e/enrollment_world.h"
#include "tests/support/clock_file.h"

namespace hwenroll::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* legacy_until = "legacy_until = 2099-12-31\n";

std::string fingerprint(const std::filesystem::path& pem) {
    return "SHA256:" + to_hex(certificates_from_pem(read_file(pem)).value().front().fingerprint(), ':');
}

void expect_enrolled(const EnrollmentWorld& world) {
    const RunResult result = world.once();
    ASSERT_EQ(result.exit_code, 0) << result.err;
    world.expect_published();
    for (const std::string& line : world.requests()) {
        EXPECT_THAT(line, Not(HasSubstr("\"ok\":false"))) << "lint";
    }
}

/// Words and dashes of a command line as a test's name.
std::string as_name(const std::vector<std::string>& arguments) {
    std::string out;
    for (const std::string& argument : arguments) {
        out += (out.empty() ? "" : "_") + argument.substr(argument.find_first_not_of('-'));
    }
    std::ranges::replace_if(
        out, [](char c) { return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z'); }, '_');
    return out;
}

using Arguments = std::vector<std::string>;

class EnrollmentAt : public testing::TestWithParam<Arguments> {};

TEST_P(EnrollmentAt, SRV_4_SRV_5_SRV_12_SRV_18_such_a_CA_succeeds) {
    EnrollmentWorld world;
    world.start_lab_ca(GetParam());
    world.configure();
    expect_enrolled(world);
}

INSTANTIATE_TEST_SUITE_P(Topology, EnrollmentAt,
                         testing::Values(Arguments{"--topology", "one-ra"}, Arguments{"--topology", "split-ra"},
                                         Arguments{"--topology", "split-ra", "--ra-purpose", "microsoft"},
                                         Arguments{"--topology", "ec-ca"}),
                         [](const auto& one) { return as_name(one.param); });

INSTANTIATE_TEST_SUITE_P(CapsForm, EnrollmentAt,
                         testing::Values(Arguments{"--caps", "SCEPStandard"}, Arguments{"--caps-form", "crlf"},
                                         Arguments{"--caps-form", "cr"}, Arguments{"--caps-form", "mixed-case"},
                                         Arguments{"--caps-form", "blank-lines"},
                                         Arguments{"--caps-form", "unknown-words"}),
                         [](const auto& one) { return as_name(one.param); });

INSTANTIATE_TEST_SUITE_P(
    ReplyShape, EnrollmentAt,
    testing::Values(Arguments{"--reply-cipher", "aes256"}, Arguments{"--reply-digest", "sha512"},
                    Arguments{"--reply-certificates", "leaf"}, Arguments{"--reply-certificates", "stranger"},
                    Arguments{"--reply-order", "leaf-first"}, Arguments{"--reply-order", "leaf-last"},
                    Arguments{"--reply-ber"}, Arguments{"--reply-ski"}, Arguments{"--no-reply-signer"},
                    Arguments{"--no-sender-nonce"}, Arguments{"--no-signing-time"}, Arguments{"--http-1.0"}),
    [](const auto& one) { return as_name(one.param); });

// With SHA-1, which is what SoftHSM offers.
TEST(EnrollmentAtStrangeReplies, ENV_18_a_content_key_by_OAEP_is_opened_on_the_token) {
    EnrollmentWorld world;
    world.start_lab_ca({"--reply-oaep"});
    world.configure();
    expect_enrolled(world);
    EXPECT_THAT(world.hwenroll({"history", "web"}).out, HasSubstr("RSAES-OAEP with SHA-1"));
}

class EnrollmentUnderARoot : public testing::Test {
 protected:
    void enroll_with(const char* pinned) {
        world_.start_lab_ca({"--topology", "intermediate", "--reply-certificates", "chain"});
        world_.configure({.fingerprint = fingerprint(world_.directory() / "ca" / pinned)});
    }
    EnrollmentWorld world_;
};

TEST_F(EnrollmentUnderARoot, SRV_4_CACERT_6_the_root_may_be_pinned) {
    enroll_with("root.pem");
    expect_enrolled(world_);
    EXPECT_EQ(certificates_from_pem(read_file(world_.live() / "chain.pem")).value().size(), 1U);
}

TEST_F(EnrollmentUnderARoot, SRV_4_CACERT_5_the_intermediate_may_be_pinned) {
    enroll_with("ca.pem");
    const RunResult result = world_.once();
    ASSERT_EQ(result.exit_code, 0) << result.err;
    // The anchor is not self-signed, which openssl accepts when it is told to.
    const RunResult verified = run({"openssl", "verify", "-partial_chain", "-CAfile",
                                    (world_.live() / "ca.pem").string(), (world_.live() / "cert.pem").string()});
    EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
}

class EmulatedNdes : public testing::Test {
 protected:
    void SetUp() override { world_.start_lab_ca({"--emulate", "ndes"}); }
    EnrollmentWorld world_;
};

TEST_F(EmulatedNdes, Q_NDES_9_REN_6_renews_by_a_RenewalReq_through_the_split_RA) {
    ClockFile clock(world_.directory() / "clock", std::chrono::sys_days(std::chrono::year(2030) / 1 / 1));
    std::filesystem::remove_all(world_.directory() / "ca");
    world_.start_lab_ca({"--emulate", "ndes", "--clock-file", clock.path().string(), "--lifetime", "86400"});
    world_.configure();
    const ChildOptions on_this_clock{{"HWENROLL_CLOCK_FILE=" + clock.path().string()}, {}, {}};
    const RunResult first = world_.once(on_this_clock);
    ASSERT_EQ(first.exit_code, 0) << first.err;
    const std::string before = read_file(world_.live() / "cert.pem");
    clock.advance(std::chrono::hours(20));
    const RunResult renewed = world_.once(on_this_clock);
    ASSERT_EQ(renewed.exit_code, 0) << renewed.err;
    EXPECT_NE(read_file(world_.live() / "cert.pem"), before);
    EXPECT_THAT(world_.requests().back(),
                AllOf(HasSubstr("\"messageType\":\"17\""), HasSubstr("\"pkiStatus\":0"), HasSubstr("\"findings\":[]")));
}

TEST_F(EmulatedNdes, Q_NDES_1_CAPS_8_ALG_3_an_old_one_that_closes_on_GetCACaps_is_served_with_permissions) {
    world_.start_lab_ca({"--emulate", "ndes", "--caps-form", "close", "--allow-weak-requests"});
    world_.configure({.ca_extra = std::string("http = \"post\"\n"
                                              "legacy = [\"des3\", \"sha1-request\", \"sha1-reply\"]\n") +
                                  legacy_until});
    const RunResult result = world_.once();
    ASSERT_EQ(result.exit_code, 0) << result.err;
    world_.expect_published();
}

TEST_F(EmulatedNdes, Q_NDES_4_SRV_18_enrolls_by_post) {
    EXPECT_THAT(world_.url(), HasSubstr("/certsrv/mscep/mscep.dll"));
    world_.configure();
    expect_enrolled(world_);
}

TEST_F(EmulatedNdes, Q_NDES_12_HTTP_13_a_long_get_is_not_found_and_the_error_says_why) {
    world_.configure({.ca_extra = "http = \"get\"\n"});
    const RunResult result = world_.once();
    EXPECT_NE(result.exit_code, 0);
    EXPECT_THAT(result.err, AllOf(HasSubstr("404"), HasSubstr("too long")));
}

TEST_F(EmulatedNdes, Q_NDES_3_MSG_15_its_failure_is_read_with_the_HRESULT_where_SHA_1_is_permitted) {
    write_file(world_.directory() / "other.challenge", "not-it", 0600);
    const std::string wrong = "file:" + (world_.directory() / "other.challenge").string();
    world_.configure({.challenge = wrong, .ca_extra = std::string("legacy = [\"sha1-reply\"]\n") + legacy_until});
    const RunResult refused = world_.once();
    EXPECT_EQ(refused.exit_code, 76);
    EXPECT_THAT(refused.err, AllOf(HasSubstr("E-CA-REJECTED web: "), HasSubstr("badRequest"), HasSubstr("0x80070057")));
}

TEST_F(EmulatedNdes, ALG_9_its_failure_in_SHA_1_is_not_believed_without_the_permission) {
    write_file(world_.directory() / "other.challenge", "not-it", 0600);
    world_.configure({.challenge = "file:" + (world_.directory() / "other.challenge").string()});
    const RunResult refused = world_.once();
    EXPECT_EQ(refused.exit_code, 76);
    EXPECT_THAT(refused.err, AllOf(HasSubstr("E-SCEP-ALGORITHM web: "), HasSubstr("SHA-1")));
}

TEST(EmulatedCisco, Q_CISCO_2_SRV_18_enrolls_with_the_legacy_permissions) {
    EnrollmentWorld world;
    world.start_lab_ca({"--emulate", "cisco-ios"});
    world.configure(
        {.url = fmt::format("127.0.0.1:{}", world.port()),
         .ca_extra = std::string("preset = \"cisco-ios\"\nlegacy = [\"des3\", \"sha1-reply\"]\n") + legacy_until});
    const RunResult result = world.once();
    ASSERT_EQ(result.exit_code, 0) << result.err;
    world.expect_published();
    EXPECT_THAT(world.requests().back(), HasSubstr("\"path\":\"/pkiclient.exe\""));
}

class EmulatedDogtag : public testing::Test {
 protected:
    void start(const std::vector<std::string>& more) {
        Arguments line{"--emulate", "dogtag"};
        line.insert(line.end(), more.begin(), more.end());
        world_.start_lab_ca(line);
        world_.configure({.ca_extra = std::string("legacy = [\"des3\"]\n") + legacy_until,
                          .identity_extra = "san = [\"dns:web01.example.com\"]\n"
                                            "poll = { start = \"1s\", max = \"1s\" }\n"});
    }
    EnrollmentWorld world_;
};

TEST_F(EmulatedDogtag, Q_DOG_2_enrolls_with_the_legacy_permission) {
    start({});
    const RunResult result = world_.once();
    ASSERT_EQ(result.exit_code, 0) << result.err;
    world_.expect_published();
}

TEST_F(EmulatedDogtag, Q_DOG_1_BAD_88_an_empty_success_is_waited_out_like_PENDING) {
    start({"--pending", "2"});
    RunResult result = world_.once();
    EXPECT_EQ(result.exit_code, 75) << result.err;
    EXPECT_THAT(result.err, HasSubstr("E-CA-PENDING web: "));
    EXPECT_FALSE(std::filesystem::exists(world_.live()));
    for (int i = 0; i < 1000 && result.exit_code == 75; ++i) {
        result = world_.once();  // each poll waits for its second
    }
    ASSERT_EQ(result.exit_code, 0) << result.err;
    world_.expect_published();
    EXPECT_THAT(world_.requests().back(), HasSubstr("\"messageType\":\"20\""));
}

/// Those that list no keyword: nothing is sent that an attacker could have brought about by leaving them out (ALG-3).
class NoCapabilities : public testing::TestWithParam<const char*> {};

TEST_P(NoCapabilities, CAPS_7_CAPS_8_CAPS_9_ALG_3_without_a_permission_nothing_is_sent) {
    EnrollmentWorld world;
    world.start_lab_ca({"--caps-form", GetParam()});
    world.configure();
    const RunResult result = world.once();
    EXPECT_NE(result.exit_code, 0);
    EXPECT_THAT(result.err, testing::StartsWith("E-"));
    for (const std::string& line : world.requests()) {
        EXPECT_THAT(line, Not(HasSubstr("PKIOperation")));
    }
}

INSTANTIATE_TEST_SUITE_P(CapsForm, NoCapabilities, testing::Values("html", "empty", "not-found", "close"),
                         [](const auto& one) { return as_name({one.param}); });

}  // namespace
}  // namespace hwenroll::test
