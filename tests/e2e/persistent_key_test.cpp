// The daemon with its keys under a TPM's persistent handles: those that it makes, and those that it finds.
#include <csignal>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/daemon_world.h"
#include "tests/e2e/manufacturer.h"
#include "tests/e2e/tpm_consumer.h"
#include "tests/support/software_tpm.h"

namespace hwenroll::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

/// The daemon is not started yet.
class PersistentKey : public testing::Test {
 protected:
    void configure(const std::string& storage, ConfigurationChanges changes = {}) {
        changes.token = "type = \"tpm2\"\ntcti = \"" + tpm_.tcti() + "\"\n" + storage;
        world_.configure(changes);
    }

    void enroll() {
        world_.start_daemon();
        world_.eventually("the enrollment", [&] { return world_.word() == "OK"; });
    }

    /// An RSA key that another program keeps there, usable as an administrator makes one.
    void keep_foreign_key(const std::string& handle) const {
        const auto at = [&](const char* name) { return (tpm_.directory() / name).string(); };
        tpm_.must({"tpm2_createprimary", "-Q", "-G", "ecc", "-c", at("primary.ctx")});
        tpm_.must({"tpm2_create", "-Q", "-C", at("primary.ctx"), "-G", "rsa2048", "-a",
                   "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|sign|decrypt", "-u", at("key.pub"), "-r",
                   at("key.priv")});
        tpm_.must({"tpm2_flushcontext", "-t"});
        tpm_.must({"tpm2_load", "-Q", "-C", at("primary.ctx"), "-u", at("key.pub"), "-r", at("key.priv"), "-c",
                   at("key.ctx")});
        tpm_.must({"tpm2_evictcontrol", "-Q", "-C", "o", "-c", at("key.ctx"), handle});
        tpm_.must({"tpm2_flushcontext", "-t"});
    }

    [[nodiscard]] std::string handles() const { return tpm_.must({"tpm2_getcap", "handles-persistent"}); }

    [[nodiscard]] std::string published_uri() const { return read_file(world_.live() / "key.uri"); }

    void expect_used_by_consumers() const {
        std::string uri = published_uri();
        uri.pop_back();
        expect_signs_for_consumers(world_, tpm_, uri);
    }

    SoftwareTpm tpm_;
    DaemonWorld world_{lives_with_rollover()};
};

constexpr const char* range = "storage = \"persistent:0x81000010-0x81000013\"\n";

TEST_F(PersistentKey, P15_REN_3_lives_at_the_next_free_handle_until_its_successor_is_in_use) {
    keep_foreign_key("0x81000010");
    configure(range);
    enroll();
    EXPECT_EQ(published_uri(), "handle:0x81000011\n");
    EXPECT_FALSE(std::filesystem::exists(world_.live() / "key.pem")) << "no file can lead to a handle";
    expect_used_by_consumers();

    world_.go_to_day(91);
    world_.eventually("the renewal", [&] { return world_.word() == "OK" && world_.generation() == "gen-002"; });
    EXPECT_EQ(published_uri(), "handle:0x81000012\n");
    EXPECT_THAT(handles(), HasSubstr("0x81000011")) << "somebody may still use it";
    expect_used_by_consumers();
    world_.go_to_day(92.5);
    world_.eventually("the old key's end", [&] {
        return world_.command({"history", "web"}).out.find("destroyed") != std::string::npos;
    });
    EXPECT_THAT(handles(), Not(HasSubstr("0x81000011")));
    EXPECT_THAT(handles(), HasSubstr("0x81000010")) << "another program's";
    expect_used_by_consumers();
    EXPECT_EQ(world_.issued().size(), 2U);
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(PersistentKey, ROLL_14_carries_the_identity_over_its_ca_s_rollover) {
    configure(range);
    enroll();
    world_.go_to_day(91);
    world_.eventually("the renewal", [&] { return world_.word() == "OK" && world_.generation() == "gen-002"; });
    world_.go_to_day(175);
    world_.eventually("the shadow", [&] { return world_.word() == "SHADOW-READY" && world_.anchors() == 2; });
    const std::string before = published_uri();
    world_.go_to_day(200.5);
    world_.eventually("the switch", [&] { return world_.word() == "OK" && world_.anchors() == 1; });
    EXPECT_NE(published_uri(), before);
    expect_used_by_consumers();
    EXPECT_EQ(world_.issued().size(), 3U);
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(PersistentKey, T17_X1_a_key_that_was_kept_before_a_crash_is_found_and_used) {
    configure(range);
    world_.start_daemon(
        {"HWENROLL_FAILPOINT=pair-checked", "HWENROLL_FAILPOINT_SPENT=" + (world_.directory() / "spent").string()});
    world_.eventually("the worker's end", [&] { return world_.said("ended by SIGKILL"); });
    EXPECT_THAT(handles(), HasSubstr("0x81000010"));
    world_.advance(Seconds(60));
    world_.eventually("the enrollment", [&] { return world_.word() == "OK"; });
    EXPECT_EQ(published_uri(), "handle:0x81000010\n");
    EXPECT_THAT(handles(), Not(HasSubstr("0x81000011")));
    world_.signal(SIGKILL);
    ASSERT_TRUE(world_.daemon().wait(std::chrono::seconds(10)));
    world_.go_to_day(91);
    world_.start_daemon();
    world_.eventually("the renewal", [&] { return world_.word() == "OK" && world_.generation() == "gen-002"; });
    EXPECT_THAT(world_.messages(), ElementsAre("19", "17")) << "signed by the first key";
    EXPECT_FALSE(world_.said("E-PUBLISH")) << world_.daemon().err();
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(PersistentKey, T16_P15_a_full_range_is_told_and_another_program_s_key_stays) {
    keep_foreign_key("0x81000010");
    configure("storage = \"persistent:0x81000010\"\n");
    world_.start_daemon();
    world_.eventually("the complaint", [&] { return world_.said("E-TOKEN-FULL web: "); });
    EXPECT_THAT(handles(), HasSubstr("0x81000010"));
    EXPECT_TRUE(world_.issued().empty());
    configure("storage = \"persistent:0x81000010-0x81000011\"\n");
    world_.signal(SIGHUP);
    world_.eventually("the enrollment", [&] { return world_.word() == "OK"; });
    EXPECT_EQ(published_uri(), "handle:0x81000011\n");
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(PersistentKey, P15_an_existing_one_is_enrolled_by_its_handle_and_never_evicted) {
    keep_foreign_key("0x81010001");
    configure("", {.key = "existing:handle:0x81010001", .identity_extra = "new_key = \"reuse\"\n"});
    enroll();
    EXPECT_EQ(published_uri(), "handle:0x81010001\n");
    expect_used_by_consumers();
    world_.go_to_day(91);
    world_.eventually("the renewal", [&] { return world_.word() == "OK" && world_.generation() == "gen-002"; });
    EXPECT_EQ(published_uri(), "handle:0x81010001\n");
    configure("");
    world_.signal(SIGHUP);
    world_.go_to_day(182);
    world_.eventually("a key of its own", [&] { return world_.word() == "OK" && world_.generation() == "gen-003"; });
    world_.go_to_day(184);
    world_.eventually("another look", [&] { return world_.word() == "SHADOW-READY" || world_.word() == "OK"; });
    EXPECT_THAT(handles(), HasSubstr("0x81010001"));
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(PersistentKey, P15_a_certificate_for_an_existing_one_is_adopted_and_one_for_a_wrapped_key_is_not) {
    const std::string file = (world_.directory() / "earlier.pem").string();
    const auto lose_state = [&] {
        EXPECT_EQ(world_.stop_daemon(), 0);
        std::filesystem::copy_file(world_.live() / "fullchain.pem", file,
                                   std::filesystem::copy_options::overwrite_existing);
        std::filesystem::remove_all(world_.directory() / "state");
        std::filesystem::remove_all(world_.directory() / "live");
        configure("", {.challenge = "file:/nowhere"});
        world_.start_daemon();
        world_.eventually("the missing challenge",
                          [&] { return world_.said("E-CHALLENGE-SOURCE") && world_.listens(); });
    };
    keep_foreign_key("0x81010001");
    configure("", {.key = "existing:handle:0x81010001"});
    enroll();
    lose_state();
    const RunResult adopted = world_.command({"adopt", "web", "--certificate", file, "--wait"});
    EXPECT_EQ(adopted.exit_code, 0) << adopted.out << adopted.err;
    EXPECT_EQ(published_uri(), "handle:0x81010001\n");
    expect_used_by_consumers();
    world_.go_to_day(91);
    world_.eventually("the renewal", [&] { return world_.word() == "OK" && world_.generation() == "gen-002"; });
    EXPECT_EQ(world_.messages().back(), "17");
    EXPECT_THAT(handles(), HasSubstr("0x81010001"));

    lose_state();
    const RunResult refused = world_.command({"adopt", "web", "--certificate", file});
    EXPECT_EQ(refused.exit_code, 69);
    EXPECT_THAT(refused.err, testing::AllOf(testing::StartsWith("E-TOKEN-KEY-MISSING web: "),
                                            HasSubstr("not those that it has wrapped")));
    EXPECT_FALSE(std::filesystem::exists(world_.live()));
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(PersistentKey, SIG_4_the_manufacturer_s_key_in_the_TPM_signs_the_first_request) {
    keep_foreign_key("0x81010001");
    Manufacturer maker;
    const std::string spki = (tpm_.directory() / "idevid.spki").string();
    tpm_.must({"tpm2_readpublic", "-Q", "-c", "0x81010001", "-f", "pem", "-o", spki});
    std::vector<std::string> options = lives_with_rollover();
    options.insert(options.end(), {"--manufacturer-ca", maker.root().string()});
    world_.restart_ca(options);
    configure(range,
              {.challenge = "file:/nowhere",
               .identity_extra = fmt::format("signer = {{ token = \"lab\", key = \"existing:handle:0x81010001\", "
                                             "cert = \"{}\" }}\n",
                                             maker.certify_public_key(spki).string())});
    enroll();
    EXPECT_EQ(published_uri(), "handle:0x81000010\n");
    world_.go_to_day(91);
    world_.eventually("the renewal", [&] { return world_.word() == "OK" && world_.generation() == "gen-002"; });
    EXPECT_THAT(world_.messages(), ElementsAre("17", "17")) << "none was signed by a key of its own making";
    EXPECT_THAT(handles(), HasSubstr("0x81010001"));
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(PersistentKey, an_absent_handle_is_told_with_what_to_do) {
    configure("", {.key = "existing:handle:0x81010001"});
    world_.start_daemon();
    world_.eventually("the complaint", [&] {
        return world_.said("E-TOKEN-KEY-MISSING web: the key handle:0x81010001 is not on the token");
    });
    EXPECT_TRUE(world_.issued().empty());
    EXPECT_EQ(world_.stop_daemon(), 0);
}

}  // namespace
}  // namespace hwenroll::test
