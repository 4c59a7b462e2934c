// X13: SIGTERM ends the agent in whatever state its identity is, within 10 s and with 0, and what it started ends with
// it.
#include <csignal>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/daemon_world.h"
#include "tests/support/test_paths.h"

namespace hwenroll::test {
namespace {

/// A state, how to get there, and how to see that it is reached.
struct State {
    std::string name;
    std::vector<std::string> ca = {};
    std::string shim_rule = {};
    bool hook_hangs = false;
    std::function<bool(const DaemonWorld&)> reached;
};

std::filesystem::path shim_log(const DaemonWorld& world) {
    return world.directory() / "shim.log";
}

std::filesystem::path hook_pid(const DaemonWorld& world) {
    return world.directory() / "hook.pid";
}

std::function<bool(const DaemonWorld&)> called(const std::string& function) {
    return [function](const DaemonWorld& world) {
        return std::filesystem::exists(shim_log(world)) &&
               read_file(shim_log(world)).find(function + "\n") != std::string::npos;
    };
}

std::function<bool(const DaemonWorld&)> shows(const std::string& word) {
    return [word](const DaemonWorld& world) { return world.word() == word; };
}

class Shutdown : public testing::TestWithParam<State> {};

TEST_P(Shutdown, X13_SIGTERM_ends_it_within_ten_seconds) {
    const State& state = GetParam();
    DaemonWorld world(state.ca);
    ConfigurationChanges changes{.module = module("libhwenroll-pkcs11-shim.so"),
                                 .token_extra = "deadline_login = \"60s\"\ndeadline_use = \"60s\"\n"};
    if (state.hook_hangs) {
        changes.identity_extra = "on_change = [[\"/bin/sh\", \"-c\", \"echo $$ > " + hook_pid(world).string() +
                                 ".new; mv " + hook_pid(world).string() + ".new " + hook_pid(world).string() +
                                 "; exec sleep 1000\"]]\n";
    }
    world.configure(changes);
    std::vector<std::string> environment{"HWENROLL_SHIM_MODULE=" + SoftHsm::module(),
                                         "HWENROLL_SHIM_LOG=" + shim_log(world).string()};
    if (!state.shim_rule.empty()) {
        environment.push_back("HWENROLL_SHIM_RULE=" + state.shim_rule);
    }
    world.start_daemon(environment);
    world.eventually(state.name, [&] { return state.reached(world); });
    EXPECT_EQ(world.stop_daemon(), 0) << world.daemon().err();
    if (state.hook_hangs) {
        const pid_t hook = std::stoi(read_file(hook_pid(world)));
        world.eventually("the end of the hook", [&] { return ::kill(hook, 0) != 0; });
    }
}

INSTANTIATE_TEST_SUITE_P(
    In, Shutdown,
    testing::Values(
        State{.name = "login", .shim_rule = "C_Login:*:hang", .reached = called("C_Login")},
        State{.name = "need_key", .shim_rule = "C_GenerateKeyPair:*:hang", .reached = called("C_GenerateKeyPair")},
        State{.name = "need_submit",
              .ca = {"--fault", "PKCSReq:*:delay-50000"},
              .reached = [](const DaemonWorld& world) { return world.messages().size() == 1; }},
        State{.name = "pending", .ca = {"--pending", "99"}, .reached = shows("PENDING")},
        State{.name = "need_publish_with_its_hook_running",
              .hook_hangs = true,
              .reached = [](const DaemonWorld& world) { return std::filesystem::exists(hook_pid(world)); }},
        State{.name = "valid", .reached = shows("OK")},
        State{.name = "held", .ca = {"--refuse", "badRequest:no"}, .reached = shows("HELD(rejected)")}),
    [](const testing::TestParamInfo<State>& state) { return state.param.name; });

TEST(ShutdownOfMany, X13_tokens_that_hang_in_a_login_together_cost_the_time_of_one) {
    DaemonWorld world({});
    const std::string deadlines = "deadline_login = \"60s\"\n";
    std::string others;
    for (const std::string name : {"second", "third", "fourth"}) {
        world.hsm().init_token(name, "87654321", canary_pin);
        others += "[token." + name + "]\ntype = \"pkcs11\"\nmodule = \"" + module("libhwenroll-pkcs11-shim.so") +
                  "\"\nuri = \"pkcs11:token=" + name + "\"\npin = \"file:" + world.pin_path().string() + "\"\n" +
                  deadlines + "[identity." + name + "]\nca = \"corp\"\ntoken = \"" + name +
                  "\"\nsubject = \"CN=" + name + "\"\n";
    }
    world.configure(
        {.module = module("libhwenroll-pkcs11-shim.so"), .token_extra = deadlines, .identity_extra = others});
    world.start_daemon({"HWENROLL_SHIM_MODULE=" + SoftHsm::module(), "HWENROLL_SHIM_RULE=C_Login:*:hang",
                        "HWENROLL_SHIM_LOG=" + shim_log(world).string()});
    world.eventually("a login to each", [&] {
        const std::string calls = std::filesystem::exists(shim_log(world)) ? read_file(shim_log(world)) : std::string();
        std::size_t logins = 0;
        for (std::size_t at = calls.find("C_Login\n"); at != std::string::npos; at = calls.find("C_Login\n", at + 1)) {
            ++logins;
        }
        return logins == 4;
    });
    EXPECT_EQ(world.stop_daemon(), 0) << world.daemon().err();
}

}  // namespace
}  // namespace hwenroll::test
