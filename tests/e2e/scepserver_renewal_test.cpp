// Renewals at Debian's scepserver, which wants the challenge again, answers in SHA-1 and single DES and changes the
// order of a subject's RDNs. It reads the machine's clock; the agent's own goes ahead to where its certificate is due.
#include <chrono>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/pem.h"
#include "tests/e2e/enrollment_world.h"
#include "tests/support/clock_file.h"
#include "tests/support/private_network.h"

namespace hwenroll::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

/// Its certificates live for 365 days.
constexpr std::chrono::days due{280};

class ScepserverRenewal : public testing::Test {
 protected:
    void SetUp() override {
        enter_private_network();
        world_.start_scepserver(19001);
        clock_ = std::make_unique<ClockFile>(world_.directory() / "clock",
                                             std::chrono::floor<Seconds>(std::chrono::system_clock::now()));
    }

    void configure(const std::string& more) {
        world_.configure(
            {.ca_extra = "legacy = [\"des-cbc-reply\", \"sha1-reply\"]\nlegacy_until = 2099-12-31\n" + more,
             .identity_extra = "key_usage = [\"digitalSignature\"]\nextended_key_usage = [\"clientAuth\"]\n"});
    }

    [[nodiscard]] RunResult once() const {
        return world_.once({{"HWENROLL_CLOCK_FILE=" + clock_->path().string()}, {}, {}});
    }

    [[nodiscard]] Certificate leaf() const {
        return certificates_from_pem(read_file(world_.live() / "cert.pem")).value().front();
    }

    /// A certificate ends 365 days after the second in which it is made: a renewal in the same one would end no later.
    static void await_the_second_after(const Certificate& issued) {
        while (std::chrono::floor<Seconds>(std::chrono::system_clock::now()) + std::chrono::days(365) <=
               issued.not_after()) {
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
    }

    void expect_renewal() {
        const RunResult first = once();
        ASSERT_EQ(first.exit_code, 0) << first.err;
        const Certificate before = leaf();
        await_the_second_after(before);
        clock_->advance(due);
        const RunResult renewed = once();
        ASSERT_EQ(renewed.exit_code, 0) << renewed.err;
        EXPECT_NE(leaf(), before);
        EXPECT_NE(leaf().public_key(), before.public_key());
        EXPECT_GE(leaf().not_after(), before.not_after()) << "invariant 3";
        EXPECT_EQ(world_.objects("Private Key Object"), 2) << "the old key waits for its end";
        world_.expect_no_canary({first.err, renewed.err});
        const RunResult verified =
            run({"openssl", "verify", "-attime", std::to_string(clock_->now().time_since_epoch().count()), "-CAfile",
                 (world_.live() / "ca.pem").string(), (world_.live() / "cert.pem").string()});
        EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
        EXPECT_EQ(once().exit_code, 0);
    }

    EnrollmentWorld world_;
    std::unique_ptr<ClockFile> clock_;
};

TEST_F(ScepserverRenewal, REN_7_by_post_with_the_challenge_again) {
    configure("renewal_challenge = \"send\"\n");
    expect_renewal();
}

TEST_F(ScepserverRenewal, REN_7_by_get_with_the_challenge_again) {
    configure("renewal_challenge = \"send\"\nhttp = \"get\"\n");
    expect_renewal();
}

TEST_F(ScepserverRenewal, REN_7_without_the_challenge_it_is_refused_and_the_old_certificate_stays) {
    configure("");
    ASSERT_EQ(once().exit_code, 0);
    const Certificate before = leaf();
    clock_->advance(due);
    const RunResult refused = once();
    EXPECT_EQ(refused.exit_code, 76) << refused.err;
    EXPECT_THAT(refused.err, AllOf(HasSubstr("E-CA-REJECTED web: "), HasSubstr("badRequest"), HasSubstr("challenge")));
    EXPECT_EQ(leaf(), before);
}

}  // namespace
}  // namespace hwenroll::test
