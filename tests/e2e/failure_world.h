// A first enrollment that fails.
#pragma once

#include <filesystem>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/store/store.h"
#include "tests/e2e/enrollment_world.h"
#include "tests/e2e/tampering_proxy.h"
#include "tests/support/test_paths.h"

namespace hwenroll::test {

class Failure : public testing::Test {
 protected:
    /// Runs once and expects one line `E-… subject: what…; next` and no trace of success.
    void expect_failure(int exit_code, const std::string& code, const ChildOptions& options = {}) {
        const RunResult result = world_.once(options);
        EXPECT_EQ(result.exit_code, exit_code) << result.err;
        EXPECT_THAT(result.err, testing::MatchesRegex("E-[A-Z-]+ [^\n]*: [^\n]+; [^\n]+\n"))
            << "one line: what, on what, why, what next";
        EXPECT_THAT(result.err, testing::HasSubstr(code + " "));
        EXPECT_EQ(result.out, "");
        EXPECT_FALSE(std::filesystem::exists(world_.live()));
        world_.expect_no_canary({result.out, result.err});
        error_ = result.err;
    }

    /// Calls of one function in the shim's log.
    [[nodiscard]] int calls(const std::string& function) const {
        const std::string log = std::filesystem::exists(shim_log()) ? read_file(shim_log()) : "";
        int count = 0;
        for (std::size_t at = log.find(function + "\n"); at != std::string::npos;
             at = log.find(function + "\n", at + 1)) {
            ++count;
        }
        return count;
    }

    [[nodiscard]] std::filesystem::path shim_log() const { return world_.directory() / "shim.log"; }

    [[nodiscard]] ChildOptions shim(const std::string& rule) const {
        ChildOptions options;
        options.environment = {"HWENROLL_SHIM_MODULE=" + SoftHsm::module(), "HWENROLL_SHIM_LOG=" + shim_log().string()};
        if (!rule.empty()) {
            options.environment.push_back("HWENROLL_SHIM_RULE=" + rule);
        }
        return options;
    }

    /// Gives the [token.*] section another name; everything in it stays.
    void rename_token(const std::string& from, const std::string& to) const {
        std::string text = read_file(world_.config());
        for (const auto& [old_text, new_text] :
             {std::pair("[token." + from + "]", "[token." + to + "]"), std::pair('"' + from + '"', '"' + to + '"')}) {
            for (auto at = text.find(old_text); at != std::string::npos; at = text.find(old_text, at + 1)) {
                text.replace(at, old_text.size(), new_text);
            }
        }
        write_file(world_.config(), text, 0644);
    }

    static std::string shim_module() { return module("libhwenroll-pkcs11-shim.so"); }

    [[nodiscard]] int requests_of(const std::string& operation) const {
        int count = 0;
        for (const std::string& request : world_.requests()) {
            count += request.find(operation) != std::string::npos ? 1 : 0;
        }
        return count;
    }

    [[nodiscard]] int operations() const { return requests_of("PKIOperation"); }

    static std::string proxied(const TamperingProxy& proxy) {
        return "http://127.0.0.1:" + std::to_string(proxy.port()) + "/scep";
    }

    static std::string fingerprint_in(const std::filesystem::path& config) {
        const std::string text = read_file(config);
        const std::size_t from = text.find("fingerprint = ") + std::string("fingerprint = ").size();
        return text.substr(from, text.find('\n', from) - from);
    }

    /// Makes the one fingerprint of the configuration a list.
    void pin_as_well(const std::string& quoted) const {
        std::string text = read_file(world_.config());
        const std::string now = fingerprint_in(world_.config());
        text.replace(text.find(now), now.size(), fmt::format("[{}, {}]", now, quoted));
        write_file(world_.config(), text);
    }

    /// When the identity is tried again, as it is stored.
    [[nodiscard]] std::chrono::system_clock::time_point next_try() const {
        auto opened = store::Store::open_read_only(world_.directory() / "state");
        EXPECT_TRUE(opened);
        const auto state = opened->identity("web");
        EXPECT_TRUE(state);
        return state->wait.until;
    }

    /// What counts against invariant 5, as it is stored.
    [[nodiscard]] std::uint32_t messages() const {
        auto opened = store::Store::open_read_only(world_.directory() / "state");
        EXPECT_TRUE(opened);
        return opened->identity("web")->counters.messages;
    }

    EnrollmentWorld world_;
    std::string error_;
};

}  // namespace hwenroll::test
