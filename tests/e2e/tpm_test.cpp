// The daemon with its key wrapped by a TPM 2.0 of its own: a life from the first request over its CA's rollover, and
// what becomes of the key in it.
#include <algorithm>
#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/pem.h"
#include "tests/e2e/daemon_world.h"
#include "tests/e2e/tpm_consumer.h"
#include "tests/support/process_memory.h"
#include "tests/support/software_tpm.h"

namespace hwenroll::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class TpmDaemon : public testing::Test {
 protected:
    TpmDaemon() {
        world_.configure({.token = "type = \"tpm2\"\ntcti = \"" + tpm_.tcti() + "\"\n"});
        world_.start_daemon();
        world_.eventually("the enrollment", [&] { return world_.word() == "OK"; });
    }

    [[nodiscard]] std::filesystem::path generation(const std::string& name) const {
        return world_.live().parent_path() / name;
    }

    void expect_used_by_consumers() const {
        expect_signs_for_consumers(world_, tpm_, (world_.live() / "key.pem").string());
    }

    /// All that the state directory has on the disk.
    [[nodiscard]] std::string state_octets() const {
        std::string octets;
        for (const auto& entry : std::filesystem::directory_iterator(world_.directory() / "state")) {
            octets += entry.is_regular_file() ? read_file(entry.path()) : "";
        }
        return octets;
    }

    SoftwareTpm tpm_;
    DaemonWorld world_{lives_with_rollover()};
};

/// Any line of it but the first and the last: base64 that stands nowhere else.
std::string middle_line(const std::string& pem) {
    const std::size_t first = pem.find('\n', pem.find('\n') + 1) + 1;
    return pem.substr(first, pem.find('\n', first) - first);
}

TEST_F(TpmDaemon, REN_3_an_old_key_is_gone_from_the_generations_and_the_database) {
    const std::string first = read_file(world_.live() / "key.pem");
    EXPECT_THAT(first, HasSubstr("-----BEGIN TSS2 PRIVATE KEY-----"));
    EXPECT_THAT(state_octets(), HasSubstr(middle_line(first))) << "or nothing is proved below";
    expect_used_by_consumers();
    world_.go_to_day(91);
    world_.eventually("the renewal", [&] { return world_.word() == "OK" && world_.generation() == "gen-002"; });
    EXPECT_EQ(read_file(generation("gen-001") / "key.pem"), first) << "somebody may still use it";
    expect_used_by_consumers();

    world_.go_to_day(92.5);
    world_.eventually("the old key's end", [&] { return !std::filesystem::exists(generation("gen-001") / "key.pem"); });
    world_.eventually("its record", [&] {
        return world_.command({"history", "web"}).out.find("destroyed") != std::string::npos;
    });
    EXPECT_THAT(state_octets(), Not(HasSubstr(middle_line(first))));
    expect_used_by_consumers();
    EXPECT_EQ(world_.issued().size(), 2U);
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(TpmDaemon, X1_goes_on_with_the_key_that_it_had_before_a_kill) {
    const std::string first = read_file(world_.live() / "key.pem");
    world_.signal(SIGKILL);
    ASSERT_TRUE(world_.daemon().wait(std::chrono::seconds(10)));
    world_.go_to_day(91);
    world_.start_daemon();
    world_.eventually("the renewal", [&] { return world_.word() == "OK" && world_.generation() == "gen-002"; });
    EXPECT_THAT(world_.messages(), testing::ElementsAre("19", "17")) << "signed by the first key";
    EXPECT_NE(read_file(world_.live() / "key.pem"), first);
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(TpmDaemon, ROLL_14_carries_the_identity_over_its_ca_s_rollover) {
    world_.go_to_day(91);
    world_.eventually("the renewal", [&] { return world_.word() == "OK" && world_.generation() == "gen-002"; });
    world_.go_to_day(175);
    world_.eventually("the shadow", [&] { return world_.word() == "SHADOW-READY" && world_.anchors() == 2; });
    expect_used_by_consumers();
    const auto before = world_.leaf();
    world_.go_to_day(200.5);
    world_.eventually("the switch",
                      [&] { return world_.word() == "OK" && world_.leaf() != before && world_.anchors() == 1; });
    expect_used_by_consumers();
    EXPECT_EQ(world_.issued().size(), 3U);
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(TpmDaemon, P8_a_cleared_tpm_is_told_and_enroll_gets_a_new_key) {
    tpm_.must({"tpm2_clear"});
    world_.go_to_day(91);
    world_.eventually("the complaint", [&] { return world_.said("E-TOKEN-CHANGED web: "); });
    EXPECT_EQ(world_.issued().size(), 1U);
    EXPECT_TRUE(world_.leaf()) << "what is published stays";
    const RunResult wanted = world_.command({"enroll", "web"});
    EXPECT_EQ(wanted.exit_code, 0) << wanted.err;
    world_.eventually("the enrollment", [&] { return world_.word() == "OK" && world_.issued().size() == 2; });
    expect_used_by_consumers();
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(TpmDaemon, P2_T9_invariant_6_a_refused_value_is_given_to_the_tpm_once_over_restarts) {
    const std::filesystem::path auth = world_.directory() / "tpm.auth";
    write_file(auth, "right", 0600);
    world_.configure(
        {.token = "type = \"tpm2\"\ntcti = \"" + tpm_.tcti() + "\"\nauth = \"file:" + auth.string() + "\"\n"});
    world_.reload();
    world_.go_to_day(91);
    world_.eventually("a key with a value", [&] { return world_.word() == "OK" && world_.generation() == "gen-002"; });
    write_file(auth, "wrong", 0600);
    world_.signal(SIGKILL);
    ASSERT_TRUE(world_.daemon().wait(std::chrono::seconds(10)));
    world_.go_to_day(182);
    world_.start_daemon();
    world_.eventually("the refusal", [&] { return world_.said("E-TOKEN-PIN web: "); });
    EXPECT_EQ(world_.stop_daemon(), 0);

    world_.go_to_day(184);
    world_.start_daemon();
    world_.eventually("what is known of it", [&] { return world_.said("E-TOKEN-PIN web: "); });
    EXPECT_THAT(children_of(world_.daemon().pid()), testing::IsEmpty()) << "the TPM is not asked";
    write_file(auth, "right", 0600);
    world_.go_to_day(186);
    world_.eventually("the shadow", [&] { return world_.word() == "SHADOW-READY"; });
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(TpmDaemon, P8_with_reuse_enroll_makes_a_new_key_as_well) {
    ConfigurationChanges changes{.token = "type = \"tpm2\"\ntcti = \"" + tpm_.tcti() + "\"\n"};
    changes.identity_extra += "new_key = \"reuse\"\n";
    world_.configure(changes);
    world_.reload();
    const std::string first = read_file(world_.live() / "key.pem");
    tpm_.must({"tpm2_clear"});
    world_.go_to_day(91);
    world_.eventually("the complaint", [&] { return world_.said("E-TOKEN-CHANGED web: "); });
    EXPECT_EQ(world_.command({"enroll", "web"}).exit_code, 0);
    world_.eventually("the enrollment",
                      [&] { return world_.word() == "OK" && read_file(world_.live() / "key.pem") != first; });
    expect_used_by_consumers();
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(TpmDaemon, F3_moves_to_another_token_and_back_and_leaves_no_wrapped_key) {
    const auto first = world_.leaf();
    const std::string wrapped = read_file(world_.live() / "key.pem");
    world_.configure();
    world_.reload();
    world_.eventually("the certificate of the other token",
                      [&] { return world_.word() == "OK" && world_.leaf() != first; });
    EXPECT_FALSE(world_.said("E-PUBLISH-WRITE"));
    EXPECT_EQ(world_.objects("Private Key Object"), 1);
    world_.go_to_day(2);
    world_.eventually("the end of the wrapped key",
                      [&] { return !std::filesystem::exists(generation("gen-001") / "key.pem"); });
    world_.eventually("its record", [&] {
        return world_.command({"history", "web"}).out.find("destroyed") != std::string::npos;
    });
    EXPECT_THAT(state_octets(), Not(HasSubstr(middle_line(wrapped))));

    const auto second = world_.leaf();
    world_.configure({.token = "type = \"tpm2\"\ntcti = \"" + tpm_.tcti() + "\"\n"});
    world_.reload();
    world_.eventually("the TPM's certificate", [&] { return world_.word() == "OK" && world_.leaf() != second; });
    EXPECT_FALSE(world_.said("E-PUBLISH-WRITE"));
    expect_used_by_consumers();
    EXPECT_EQ(world_.issued().size(), 3U);
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(TpmDaemon, P6_a_tpm_that_is_away_is_waited_for) {
    tpm_.stop();
    world_.go_to_day(91);
    world_.eventually("the complaint", [&] { return world_.said("E-TOKEN-ABSENT web: "); });
    tpm_.start();
    world_.go_to_day(92);
    world_.eventually("the renewal", [&] { return world_.word() == "OK" && world_.generation() == "gen-002"; });
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(TpmDaemon, token_list_shows_it) {
    const RunResult listed = world_.command({"token", "list"});
    EXPECT_EQ(listed.exit_code, 0) << listed.err;
    EXPECT_THAT(listed.out, HasSubstr("tpm2:serial="));
    EXPECT_EQ(world_.stop_daemon(), 0);
}

}  // namespace
}  // namespace hwenroll::test
