// hwenroll-token on a SoftHSM2 of the test's own, with the fault shim between them.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "keystore/worker/worker_token.h"
#include "tests/keystore/try_login.h"
#include "tests/support/softhsm.h"
#include "tests/support/test_paths.h"

namespace hwenroll::keystore {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

inline const std::string worker_path = hwenroll::test::program("hwenroll-token");
inline const std::string shim_path = hwenroll::test::module("libhwenroll-pkcs11-shim.so");
inline constexpr auto canary_pin = "canary-4711";

/// A token `lab` whose PIN is the canary, and workers for it.
class WorkerFixture : public testing::Test {
 protected:
    void SetUp() override {
        softhsm_.init_token("lab", "87654321", canary_pin);
        options_.name = "lab";
        options_.module = shim_path;
        options_.uri = test::SoftHsm::token_uri("lab");
        options_.pin = softhsm_.pin_file(canary_pin);
        options_.deadlines = {20s, 20s, 60s};
    }

    /// A token whose module breaks calls by `rule`, counted over all workers of the test.
    [[nodiscard]] std::unique_ptr<WorkerToken> token(const std::string& rule = {}) const {
        return std::make_unique<WorkerToken>(program(rule), options_);
    }

    [[nodiscard]] WorkerProgram program(const std::string& rule = {}) const {
        return {worker_path,
                {"HWENROLL_SHIM_RULE=" + rule, "HWENROLL_SHIM_LOG=" + log_.string(), "HWENROLL_SHIM_COUNT=log"}};
    }

    /// How often the workers of this test have called `function` so far.
    [[nodiscard]] std::size_t calls(const std::string& function) const {
        const std::string log = std::filesystem::exists(log_) ? '\n' + test::read_file(log_) : "";
        std::size_t found = 0;
        for (auto at = log.find('\n' + function + '\n'); at != std::string::npos;
             at = log.find('\n' + function + '\n', at + 1)) {
            ++found;
        }
        return found;
    }

    /// The file of the only token: SoftHSM2 writes it anew before C_Login returns, with a number in it that grows.
    [[nodiscard]] std::string token_file() const {
        const std::filesystem::directory_iterator token(softhsm_.token_directory());
        return test::read_file(token->path() / "token.object");
    }

    static void log_in(Token& token) {
        const auto outcome = try_login(token);
        ASSERT_EQ(outcome.result, LoginOutcome::Result::accepted) << outcome.error->line();
    }

    /// A key made by a worker that breaks nothing.
    [[nodiscard]] KeyReference make_key() const {
        const WorkerProgram plain{worker_path, {}};
        WorkerToken token(plain, options_);
        log_in(token);
        return token.generate(KeySpec::rsa_2048, key_id_, "web").value().key;
    }

    test::SoftHsm softhsm_;
    Pkcs11Options options_;
    std::filesystem::path log_ = softhsm_.directory() / "calls";
    const KeyId key_id_{Bytes(16, 0x5A)};
    const Bytes message_{'m', 'e', 's', 's', 'a', 'g', 'e'};
};

}  // namespace hwenroll::keystore
