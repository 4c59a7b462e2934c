// What makes a verified successor of the CA trusted (ROLL-8): `hwenroll ca accept-next` under rollover = "operator",
// its fingerprint under "fingerprint".
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/pem.h"
#include "tests/e2e/daemon_world.h"

namespace hwenroll::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr std::int64_t day_seconds = 86400;
constexpr const char* operator_decides = "rollover = \"operator\"\n";

/// A CA of a year whose successor appears 30 days before its end, and certificates that it caps.
class RolloverTrust : public testing::Test {
 protected:
    /// Configures the CA with these lines and waits for the first certificate.
    void start(const std::string& lines) {
        world_.configure({.ca_extra = lines});
        std::string text = read_file(world_.config());
        text.insert(text.find("[agent]\n") + 8,
                    "on_alert = [\"/bin/sh\", \"-c\", \"echo \\\"$HWENROLL_ALERT\\\" >> " + told_.string() + "\"]\n");
        write_file(world_.config(), text, 0600);
        world_.start_daemon();
        world_.eventually("the enrollment", [&] { return world_.word() == "OK"; });
    }

    [[nodiscard]] std::string successor() const {
        const auto certificates = certificates_from_pem(read_file(world_.directory() / "ca" / "ca-2.pem"));
        return "SHA256:" + to_hex(certificates.value().front().fingerprint(), ':');
    }

    [[nodiscard]] std::string status() const { return world_.command({"status", "web"}).out; }

    void await_candidate() const {
        world_.eventually("the alert", [&] {
            return std::filesystem::exists(told_) && read_file(told_).find("accept-next") != std::string::npos;
        });
    }

    RunResult accept(std::vector<std::string> more = {}) const {
        more.insert(more.begin(), {"ca", "accept-next", "corp"});
        return world_.command(more);
    }

    DaemonWorld world_{{"--ca-lifetime", std::to_string(365 * day_seconds), "--lifetime",
                        std::to_string(365 * day_seconds), "--auto-rollover", std::to_string(30 * day_seconds),
                        "--backdate", "0"}};
    const std::filesystem::path told_ = world_.directory() / "told";
};

TEST_F(RolloverTrust, ROLL_8_ROLL_14_a_successor_waits_for_a_word_over_restarts_and_takes_over_in_time) {
    start(operator_decides);
    EXPECT_EQ(accept().out, "corp: no successor of it waits to be accepted\n");
    EXPECT_EQ(accept().exit_code, 0);
    EXPECT_EQ(world_.command({"ca", "accept-next", "corb"}).exit_code, 64);
    const Certificate first = *world_.leaf();

    world_.go_to_day(336);
    await_candidate();
    const std::string waits = "announces its successor " + successor();
    EXPECT_THAT(read_file(told_), AllOf(HasSubstr("ca corp: "), HasSubstr(waits)));
    EXPECT_THAT(status(), AllOf(HasSubstr(waits),
                                HasSubstr("'hwenroll ca accept-next corp --config " + world_.config().string() + "'")));
    EXPECT_THAT(world_.command({"status"}).out, HasSubstr(waits));
    EXPECT_THAT(world_.command({"history"}).out, HasSubstr("waits for an operator's word"));
    EXPECT_EQ(world_.anchors(), 1U) << "no consumer trusts it";
    EXPECT_EQ(world_.stop_daemon(), 0);
    EXPECT_THAT(status(), HasSubstr(waits)) << "also without an agent";
    EXPECT_EQ(accept().exit_code, 69) << "but nothing is accepted then";

    world_.start_daemon();
    world_.eventually("the candidate", [&] { return world_.listens() && status().find(waits) != std::string::npos; });
    const RunResult other = accept({"--fingerprint", "SHA256:" + std::string(64, 'a')});
    EXPECT_EQ(other.exit_code, 0);
    EXPECT_THAT(other.out, HasSubstr("the successor that waits is another one, " + successor()));
    EXPECT_EQ(accept({"--fingerprint", "SHA256:12"}).exit_code, 64);
    EXPECT_EQ(world_.anchors(), 1U);

    const RunResult accepted = accept({"--fingerprint", successor()});
    EXPECT_EQ(accepted.exit_code, 0) << accepted.err;
    EXPECT_EQ(accepted.out, "corp: " + successor() + " is trusted as its successor from now on\n");
    world_.eventually("the shadow", [&] { return world_.word() == "SHADOW-READY"; });
    world_.eventually("the successor's anchor", [&] { return world_.anchors() == 2; });
    EXPECT_THAT(status(), Not(HasSubstr("accept-next")));
    EXPECT_THAT(accept().out, HasSubstr("is trusted as its successor already"));
    EXPECT_THAT(world_.command({"history"}).out, HasSubstr("accepted by an operator"));
    EXPECT_EQ(*world_.leaf(), first);

    world_.go_to_day(366);
    world_.eventually("the switch", [&] { return world_.word() == "OK" && world_.leaf() != first; });
    EXPECT_EQ(world_.issued().size(), 2U);
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(RolloverTrust, ROLL_8_invariant_10_without_a_word_nothing_of_the_successor_is_trusted_and_a_late_one_helps) {
    start(operator_decides);
    world_.go_to_day(336);
    await_candidate();
    world_.go_to_day(366);
    world_.eventually("the expiry", [&] { return world_.word() == "EXPIRED"; });
    world_.eventually("the refusal",
                      [&] { return world_.daemon().err().find("E-CA-FINGERPRINT") != std::string::npos; });
    EXPECT_EQ(world_.issued().size(), 1U);
    EXPECT_EQ(world_.anchors(), 1U);
    EXPECT_THAT(accept().out, HasSubstr("is trusted as its successor from now on"));
    world_.go_to_day(366.5);
    world_.eventually("the enrollment with the successor",
                      [&] { return world_.word() == "OK" && world_.leaf()->not_after() > world_.day(366.5); });
    EXPECT_EQ(world_.issued().size(), 2U);
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(RolloverTrust, ROLL_8_under_fingerprint_only_the_successor_that_is_configured_is_followed) {
    const auto following = [](const std::string& fingerprint) {
        return "rollover = \"fingerprint\"\nnext_fingerprint = \"" + fingerprint + "\"\n";
    };
    start(following("SHA256:" + std::string(64, 'a')));
    world_.go_to_day(336);
    world_.eventually("the refusal",
                      [&] { return world_.command({"history"}).out.find("E-CA-NEXT") != std::string::npos; });
    EXPECT_EQ(world_.anchors(), 1U);
    EXPECT_THAT(accept().out, HasSubstr("no successor of it waits"));
    EXPECT_EQ(world_.stop_daemon(), 0);
    world_.configure({.ca_extra = following(successor())});
    world_.go_to_day(341);
    world_.start_daemon();
    world_.eventually("the shadow", [&] { return world_.word() == "SHADOW-READY"; });
    EXPECT_EQ(world_.anchors(), 2U);
    EXPECT_EQ(world_.stop_daemon(), 0);
}

}  // namespace
}  // namespace hwenroll::test
