// Another token under the label of the one that an identity's key is on (T22).
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/daemon_world.h"

namespace hwenroll::test {
namespace {

class ExchangedTokenWorld : public testing::Test {
 protected:
    ExchangedTokenWorld() {
        world_.configure({.module = module("libhwenroll-pkcs11-shim.so")});
        start();
        pass_until("its request waits", [this] { return world_.pending() == 1; });
        EXPECT_EQ(world_.stop_daemon(), 0);
        EXPECT_GT(logins(), 0);
        std::filesystem::rename(world_.hsm().token_directory(), aside_);
        std::filesystem::create_directory(world_.hsm().token_directory());
        world_.hsm().init_token("lab", "87654321", canary_pin);
    }

    void start() { world_.start_daemon({"HWENROLL_SHIM_LOG=" + log_.string()}); }

    /// Time goes on while `holds` is waited for.
    void pass_until(const std::string& what, const std::function<bool()>& holds) {
        world_.eventually(what, [&] {
            world_.advance(Seconds(5));
            return holds();
        });
    }

    [[nodiscard]] int logins() const {
        const std::string log = read_file(log_);
        int count = 0;
        for (auto at = log.find("C_Login\n"); at != std::string::npos; at = log.find("C_Login\n", at + 1)) {
            ++count;
        }
        return count;
    }

    DaemonWorld world_{{"--pending-until-approved"}};
    const std::filesystem::path log_ = world_.directory() / "calls";
    const std::filesystem::path aside_ = world_.hsm().directory() / "aside";
};

TEST_F(ExchangedTokenWorld, T22_is_told_by_both_serials_gets_no_pin_and_ends_when_the_first_token_is_back) {
    const int before = logins();
    start();
    pass_until("the exchange is told", [this] {
        return world_.said("token 'lab' is another one than before (there is serial '") &&
               world_.said("' (SoftHSM v2) in place of serial '");
    });
    EXPECT_EQ(logins(), before);
    EXPECT_EQ(world_.stop_daemon(), 0);

    std::filesystem::remove_all(world_.hsm().token_directory());
    std::filesystem::rename(aside_, world_.hsm().token_directory());
    EXPECT_EQ(world_.approve_all(), 1U);
    start();
    pass_until("its certificate is there", [this] { return world_.leaf().has_value(); });
    world_.expect_published(world_.now());
}

TEST_F(ExchangedTokenWorld, T22_an_operator_lets_the_other_token_take_its_place) {
    start();
    pass_until("the exchange is told", [this] { return world_.said("token 'lab' is another one than before"); });
    const int before = logins();
    EXPECT_EQ(world_.command({"resume", "web"}).exit_code, 0);
    pass_until("a login", [&] { return logins() > before; });
    EXPECT_EQ(world_.stop_daemon(), 0);
}

}  // namespace
}  // namespace hwenroll::test
