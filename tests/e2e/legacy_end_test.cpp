// The end of `legacy` (legacy_until) while the agent holds what it has learnt under it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/daemon_world.h"

namespace hwenroll::test {
namespace {

using testing::HasSubstr;

constexpr Seconds day{86'400};

/// Twelve hours into a day: its end is within the time that a CA's certificates are held for.
TimePoint noon_of_a_day() {
    return std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now()) + std::chrono::hours(36);
}

/// A CA with an RA whose certificate it has signed with SHA-1.
class LegacyEnd : public testing::Test {
 protected:
    LegacyEnd() {
        world_.stop_ca();
        const auto ca = world_.directory() / "ca";
        write_file(ca / "extensions",
                   "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment\n"
                   "extendedKeyUsage=1.3.6.1.5.5.7.3.28\n");
        const RunResult signed_again =
            run({"sh", "-euc",
                 "openssl req -new -key ra.key -subj '/CN=hwenroll lab RA/O=hwenroll lab' -out ra.csr; "
                 "openssl x509 -req -in ra.csr -CA ca.pem -CAkey ca.key -set_serial 77 -sha1 -days 300 "
                 "-extfile extensions -out ra.pem"},
                {{}, ca, ""});
        EXPECT_EQ(signed_again.exit_code, 0) << signed_again.err;
        world_.restart_ca(arguments());
    }
    static std::vector<std::string> arguments() {
        return {"--topology", "one-ra", "--lifetime", std::to_string(120 * day.count()),
                "--backdate", "0",      "--renewal",  "both"};
    }
    void permit_until(TimePoint last_day) {
        world_.configure(
            {.ca_extra = "legacy = [\"sha1-reply\"]\nlegacy_until = " + to_iso8601(last_day).substr(0, 10) + "\n"});
    }
    DaemonWorld world_{arguments(), noon_of_a_day()};
};

TEST_F(LegacyEnd, SIG_15_C27_what_is_held_of_the_ca_is_judged_again_when_the_permission_ends) {
    permit_until(world_.now());
    world_.start_daemon();
    world_.eventually("the enrollment", [&] { return world_.word() == "OK"; });
    world_.advance(std::chrono::hours(11));
    EXPECT_EQ(world_.command({"renew", "web"}).exit_code, 0);
    world_.eventually("a renewal within the day", [&] { return world_.generation() == "gen-002"; });
    world_.advance(std::chrono::hours(1));
    (void)world_.command({"renew", "web"});
    // It has the CA itself to write to, whose RA may not answer any more.
    world_.eventually("the refusal", [&] { return world_.said("E-SCEP-SIGNER web: "); });
    EXPECT_EQ(world_.generation(), "gen-002");
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(LegacyEnd, SIG_15_a_permission_that_is_a_day_longer_is_in_force_for_that_day) {
    permit_until(world_.now() + day);
    world_.start_daemon();
    world_.eventually("the enrollment", [&] { return world_.word() == "OK"; });
    world_.advance(std::chrono::hours(12));
    EXPECT_EQ(world_.command({"renew", "web"}).exit_code, 0);
    world_.eventually("the renewal", [&] { return world_.generation() == "gen-002"; });
    EXPECT_EQ(world_.stop_daemon(), 0);
}

}  // namespace
}  // namespace hwenroll::test
