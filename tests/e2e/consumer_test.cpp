// What the daemon makes of a consumer that does, or does not, use what was published: `verify` by TLS and by command.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/life.h"
#include "tests/support/free_port.h"

namespace hwenroll::test {
namespace {

using testing::HasSubstr;

class Consumer : public testing::Test {
 protected:
    /// The configuration of the world with `verify = { VERIFY }`.
    void configure(const std::string& verify) {
        world_.configure({.identity_extra = "san = [\"dns:web01.example.com\"]\nverify = { " + verify + " }\n"});
    }

    /// openssl s_server with what is published now, its key on the token.
    void serve_current() {
        server_.reset();
        const auto generation = world_.live().parent_path() / world_.generation();
        std::string key = read_file(generation / "key.uri");
        key.erase(key.find_last_not_of('\n') + 1);
        server_ = std::make_unique<ChildProcess>(
            std::vector<std::string>{"openssl", "s_server", "-accept", "127.0.0.1:" + std::to_string(port_), "-cert",
                                     (generation / "fullchain.pem").string(), "-engine", "pkcs11", "-keyform", "engine",
                                     "-key", key + "?pin-source=file:" + world_.pin_path().string(), "-quiet"},
            ChildOptions{{"PKCS11_MODULE_PATH=" + SoftHsm::module()}, {}, {}});
        ASSERT_TRUE(wait_until_listening(port_, std::chrono::seconds(10))) << server_->err();
    }

    Life life_{Stage::renewal, {}};
    DaemonWorld& world_ = life_.world();
    std::uint16_t port_ = free_port();
    std::unique_ptr<ChildProcess> server_;
};

TEST_F(Consumer, O4_a_server_that_still_serves_the_old_certificate_keeps_the_old_key_until_it_serves_the_new_one) {
    configure("tls = \"127.0.0.1:" + std::to_string(port_) + "\"");
    life_.begin();
    ASSERT_TRUE(life_.settle("the first failed check", [&] { return life_.said("E-VERIFY-FAILED"); }));
    serve_current();
    ASSERT_TRUE(life_.settle("the first delivery", [&] { return world_.word() == "OK"; }));

    world_.go_to_day(91);
    ASSERT_TRUE(life_.settle("the renewal", [&] { return world_.generation() == "gen-002"; }));
    ASSERT_TRUE(life_.settle("the old one found served", [&] { return life_.said("serves the old certificate"); }));
    EXPECT_EQ(world_.word(), "DEPLOYING");
    world_.go_to_day(93);
    ASSERT_TRUE(life_.settle("more checks", [looks = 0]() mutable { return ++looks > 30; }));
    EXPECT_EQ(world_.objects("Private Key Object"), 2) << "the consumer still uses the old key";
    serve_current();
    ASSERT_TRUE(life_.settle("the second delivery", [&] { return world_.word() == "OK"; }));
    world_.go_to_day(96);
    ASSERT_TRUE(life_.settle("the end of the old key", [&] { return world_.objects("Private Key Object") == 1; }));
    EXPECT_EQ(world_.issued().size(), 2U) << "nothing is issued again for a consumer";
    EXPECT_EQ(world_.stop_daemon(), 0);
}

TEST_F(Consumer, O4_a_verify_command_is_asked_again_until_it_agrees) {
    const std::string agreed = (world_.directory() / "agreed").string();
    const std::string asked = (world_.directory() / "asked").string();
    configure("command = [\"/bin/sh\", \"-c\", \"echo $HWENROLL_REASON $HWENROLL_GENERATION >> " + asked +
              "; test -e " + agreed + "\"]");
    life_.begin();
    ASSERT_TRUE(life_.settle("a refusal", [&] { return life_.said("E-VERIFY-FAILED"); }));
    EXPECT_THAT(read_file(asked), testing::StartsWith("verify 1\n"));
    EXPECT_EQ(world_.word(), "DEPLOYING");
    write_file(agreed, "");
    ASSERT_TRUE(life_.settle("the delivery", [&] { return world_.word() == "OK"; }));
    EXPECT_EQ(world_.issued().size(), 1U);
    EXPECT_EQ(world_.stop_daemon(), 0);
}

}  // namespace
}  // namespace hwenroll::test
