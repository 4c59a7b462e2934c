// The daemon with its key in a TPM behind tpm2-pkcs11, whose store the daemon's environment names: a life from the
// first request over its CA's rollover.
#include "tests/support/tpm2_pkcs11.h"

#include <gtest/gtest.h>

#include "tests/e2e/daemon_world.h"
#include "tests/support/required_tokens.h"

namespace hwenroll::test {
namespace {

class Tpm2Pkcs11Daemon : public testing::Test {
 protected:
    void SetUp() override {
        if (const auto missing = Tpm2Pkcs11::missing()) {
            ASSERT_FALSE(tokens_are_required()) << *missing;
            GTEST_SKIP() << *missing;
        }
        token_ = std::make_unique<Tpm2Pkcs11>(canary_pin);
        world_ = std::make_unique<DaemonWorld>(lives_with_rollover());
        world_->configure({.module = Tpm2Pkcs11::module()});
        world_->start_daemon(token_->environment());
        world_->eventually("the enrollment", [&] { return world_->word() == "OK"; });
    }

    /// A signature through the same module in another program fits cert.pem. Not through libp11's engine, with which
    /// tpm2-tss 3.2.1 cannot start a session in one process (docs/token-quirks.md).
    void expect_used_by_consumers() const {
        const std::string data = (world_->directory() / "data").string();
        const std::string public_key = (world_->directory() / "public.pem").string();
        write_file(data, "data");
        token_->must({"pkcs11-tool", "--module", Tpm2Pkcs11::module(), "--token-label", "lab", "--login", "--pin",
                      canary_pin, "--id", key_id(), "--sign", "--mechanism", "SHA256-RSA-PKCS", "--input-file", data,
                      "--output-file", data + ".sig"});
        write_file(public_key,
                   run({"openssl", "x509", "-in", (world_->live() / "cert.pem").string(), "-noout", "-pubkey"}).out);
        EXPECT_EQ(
            run({"openssl", "dgst", "-sha256", "-verify", public_key, "-signature", data + ".sig", data}).exit_code, 0);
    }

    /// As key.uri names it, in hexadecimal.
    [[nodiscard]] std::string key_id() const {
        const std::string uri = read_file(world_->live() / "key.uri");
        const std::size_t from = uri.find(";id=") + 4;
        std::string id = uri.substr(from, uri.find(';', from) - from);
        std::erase(id, '%');
        return id;
    }

    /// Time goes on while `holds` is waited for: what ends a login is tried again after a minute.
    void pass_until(const std::string& what, const std::function<bool()>& holds) const {
        world_->eventually(what, [&] {
            world_->advance(Seconds(10));
            return holds();
        });
    }

    [[nodiscard]] std::size_t keys_on_token() const {
        const std::string listed = token_->must({"pkcs11-tool", "--module", Tpm2Pkcs11::module(), "--token-label",
                                                 "lab", "--login", "--pin", canary_pin, "--list-objects"});
        std::size_t count = 0;
        for (std::size_t at = listed.find("Private Key"); at != std::string::npos;
             at = listed.find("Private Key", at + 1)) {
            ++count;
        }
        return count;
    }

    std::unique_ptr<Tpm2Pkcs11> token_;
    std::unique_ptr<DaemonWorld> world_;
};

// tpm2-pkcs11 1.9.0 gives a key that is made after the first one was destroyed another key's handle (T6, T17).
TEST_F(Tpm2Pkcs11Daemon, ROLL_14_carries_the_identity_over_its_ca_s_rollover) {
    expect_used_by_consumers();
    world_->go_to_day(91);
    pass_until("the renewal", [&] { return world_->word() == "OK" && world_->generation() == "gen-002"; });
    world_->go_to_day(175);
    pass_until("the shadow", [&] { return world_->word() == "SHADOW-READY" && world_->anchors() == 2; });
    expect_used_by_consumers();
    const auto before = world_->leaf();
    world_->go_to_day(200.5);
    pass_until("the switch",
               [&] { return world_->word() == "OK" && world_->leaf() != before && world_->anchors() == 1; });
    expect_used_by_consumers();
    EXPECT_EQ(world_->issued().size(), 3U);
    world_->go_to_day(203);
    pass_until("the old keys' end", [&] {
        const std::string history = world_->command({"history", "web"}).out;
        return history.find("destroyed", history.find("destroyed") + 1) != std::string::npos;
    });
    EXPECT_EQ(keys_on_token(), 1U);
    expect_used_by_consumers();
    EXPECT_EQ(world_->stop_daemon(), 0);
}

TEST_F(Tpm2Pkcs11Daemon, P14_T15_is_renewed_after_its_broker_was_started_again) {
    token_->take_away();
    token_->bring_back();
    world_->go_to_day(91);
    pass_until("the renewal", [&] { return world_->word() == "OK" && world_->generation() == "gen-002"; });
    EXPECT_TRUE(world_->said("E-TOKEN-OPERATION")) << "or nothing was proved";
    expect_used_by_consumers();
    EXPECT_EQ(world_->stop_daemon(), 0);
}

}  // namespace
}  // namespace hwenroll::test
