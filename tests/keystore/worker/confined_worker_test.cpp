// What hwenroll-token gives up before vendor code runs in it (docs/adr/0013).
#include <fstream>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "keystore/worker/sanitizer.h"
#include "keystore/worker/token_protocol.h"
#include "tests/keystore/worker/old_kernel.h"
#include "tests/keystore/worker/worker_fixture.h"
#include "tests/support/child_process.h"
#include "tests/support/software_tpm.h"

namespace hwenroll::keystore {
namespace {

using testing::HasSubstr;

/// The value of a line of /proc/PID/status.
std::string status_of(pid_t pid, const std::string& name) {
    std::ifstream status(fmt::format("/proc/{}/status", pid));
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with(name + ":\t")) {
            return line.substr(name.size() + 2);
        }
    }
    return "no such line";
}

class ConfinedWorker : public WorkerFixture {
 protected:
    /// What the probing module found as it was loaded by a worker; `token` has taken it for a token's module.
    [[nodiscard]] std::string probed(bool network) {
        const std::filesystem::path report = softhsm_.directory() / "probe";
        std::filesystem::remove(report);
        options_.module = test::module("libhwenroll-probing-module.so");
        options_.network = network;
        WorkerToken token({worker_path, {"HWENROLL_TEST_PROBE=" + report.string()}}, options_);
        const auto prepared = token.prepare_login();
        EXPECT_FALSE(prepared);
        EXPECT_EQ(prepared.error().code(), ErrorCode::token_module) << prepared.error().line();
        return test::read_file(report);
    }
};

TEST_F(ConfinedWorker, invariant_7_filters_system_calls_and_locks_its_memory_once_it_has_a_module) {
    const auto token = this->token();
    log_in(*token);
    EXPECT_EQ(status_of(token->worker_pid(), "Seccomp"), "2");
    EXPECT_EQ(status_of(token->worker_pid(), "NoNewPrivs"), "1");
    EXPECT_THAT(test::read_file(fmt::format("/proc/{}/limits", token->worker_pid())),
                testing::ContainsRegex("Max core file size +0 +0"));
    if (!sanitized && geteuid() == 0) {
        EXPECT_NE(status_of(token->worker_pid(), "VmLck"), "       0 kB") << "CAP_IPC_LOCK lets it lock all pages";
    }
}

TEST_F(ConfinedWorker, is_confined_before_the_module_is_loaded) {
    const std::string dumpable = sanitized ? "0" : "EPERM";
    EXPECT_EQ(probed(false), "execve EPERM\nPR_SET_DUMPABLE " + dumpable + "\nAF_INET EAFNOSUPPORT\nAF_UNIX 0\n");
}

TEST_F(ConfinedWorker, has_the_network_that_the_configuration_asks_for) {
    const std::string found = probed(true);
    EXPECT_THAT(found, HasSubstr("execve EPERM\n"));
    EXPECT_THAT(found, HasSubstr("\nAF_INET 0\nAF_UNIX 0\n"));
}

TEST_F(ConfinedWorker, reads_the_pin_of_a_command_before_each_login) {
    const std::filesystem::path path = softhsm_.directory() / "command";
    test::write_file(path, fmt::format("#!/bin/sh\necho {}\n", canary_pin), 0700);
    options_.pin = "exec:" + path.string();
    const auto token = this->token();
    for (int round = 0; round < 3; ++round) {
        ASSERT_TRUE(token->describe()) << "which loads the module, and is in the way of the command";
        log_in(*token);
        EXPECT_EQ(status_of(token->worker_pid(), "Seccomp"), "2");
    }
}

TEST_F(ConfinedWorker, lists_the_tokens_of_a_module_under_the_same_rules) {
    const std::filesystem::path report = softhsm_.directory() / "probe";
    const WorkerProgram probed{worker_path, {"HWENROLL_TEST_PROBE=" + report.string()}};
    for (const auto& [network, found] : {std::pair(false, "AF_INET EAFNOSUPPORT"), std::pair(true, "AF_INET 0")}) {
        EXPECT_FALSE(list_tokens(probed, test::module("libhwenroll-probing-module.so"), network, 20s));
        EXPECT_THAT(test::read_file(report), HasSubstr(found));
    }
}

TEST_F(ConfinedWorker, prepares_no_login_after_vendor_code_has_run) {
    const auto worker = WorkerProcess::start(program(), "token 'lab'").value();
    const auto ask = [&worker](RequestBody body) {
        return worker->exchange(std::move(body), steady_clock::now() + 20s, {"token 'lab'", "testing"}).value();
    };
    ASSERT_TRUE(std::holds_alternative<Done>(ask(ConfigureRequest{options_})));
    ASSERT_TRUE(std::holds_alternative<TokenDescription>(ask(DescribeRequest{})));
    const auto refused = ask(PrepareLoginRequest{});
    ASSERT_TRUE(std::holds_alternative<Error>(refused));
    EXPECT_EQ(std::get<Error>(refused).code(), ErrorCode::token_protocol);
    EXPECT_THAT(std::get<Error>(refused).line(), HasSubstr("each login has a worker of its own"));
}

TEST_F(ConfinedWorker, loads_no_module_on_a_kernel_without_filters) {
    const std::filesystem::path said = softhsm_.directory() / "said";
    const pid_t agent = fork();
    ASSERT_GE(agent, 0);
    if (agent == 0) {
        if (pretend_old_kernel()) {
            const auto prepared = token()->prepare_login();
            std::ofstream(said) << (prepared ? "prepared" : prepared.error().line());
        }
        _exit(0);
    }
    ASSERT_EQ(waitpid(agent, nullptr, 0), agent);
    EXPECT_THAT(test::read_file(said), HasSubstr("E-TOKEN-WORKER"));
    EXPECT_THAT(test::read_file(said), HasSubstr("loads no vendor code"));
    EXPECT_EQ(calls("C_Initialize"), 0U);
}

/// A TPM behind TCP needs no `network`: its TCTI says so.
TEST(ConfinedTpmWorker, reaches_a_simulator_over_tcp_and_is_filtered) {
    const test::SoftwareTpm tpm;
    Tpm2Options options;
    options.name = "tpm";
    options.tcti = tpm.tcti();
    WorkerToken token({worker_path, {}}, options);
    const auto described = token.describe();
    ASSERT_TRUE(described) << described.error().line();
    EXPECT_EQ(status_of(token.worker_pid(), "Seccomp"), "2");
}

TEST(ConfinedTpmWorker, reaches_a_simulator_over_a_unix_socket_without_the_network) {
    const test::TemporaryDirectory directory;
    const std::string socket = (directory / "tpm").string();
    test::ChildProcess simulator({"swtpm", "socket", "--tpm2", "--tpmstate", "dir=" + directory.path().string(),
                                  "--server", "type=unixio,path=" + socket, "--ctrl",
                                  "type=unixio,path=" + socket + ".ctrl", "--flags", "not-need-init,startup-clear"});
    Tpm2Options options;
    options.name = "tpm";
    options.tcti = "swtpm:path=" + socket;
    ASSERT_FALSE(needs_network(options));
    WorkerToken token({worker_path, {}}, options);
    auto described = token.describe();
    for (int tries = 0; tries < 500 && !described; ++tries) {
        ASSERT_FALSE(simulator.wait(10ms)) << simulator.err();
        described = token.describe();
    }
    EXPECT_TRUE(described) << described.error().line();
}

TEST(NeedsNetwork, follows_the_configuration_and_the_tcti) {
    const auto tpm = [](const std::string& tcti) {
        Tpm2Options options;
        options.tcti = tcti;
        return needs_network(options);
    };
    for (const auto* tcti : {"swtpm:host=127.0.0.1,port=2321", "swtpm", "mssim:host=tpm.example", "mssim",
                             "libtss2-tcti-swtpm.so.0:port=2321"}) {
        EXPECT_TRUE(tpm(tcti)) << tcti;
    }
    for (const auto* tcti : {"device:/dev/tpmrm0", "device:/dev/swtpm", "tabrmd", "swtpm:path=/run/swtpm.sock", ""}) {
        EXPECT_FALSE(tpm(tcti)) << tcti;
    }
    Tpm2Options remote;
    remote.tcti = "spi-helper";
    remote.network = true;
    EXPECT_TRUE(needs_network(remote));
    EXPECT_FALSE(needs_network(Pkcs11Options{}));
    Pkcs11Options hsm;
    hsm.network = true;
    EXPECT_TRUE(needs_network(hsm));
}

}  // namespace
}  // namespace hwenroll::keystore
