// A module goes wrong once, in any one PKCS#11 call of an enrollment or a renewal: T2, T3 and what else the fault shim
// does. The daemon lives, the identity of another token does not notice, and all comes to the end that it has without a
// fault.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/e2e/life.h"
#include "tests/support/test_paths.h"

namespace hwenroll::test {
namespace {

using std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr std::int64_t day_seconds = 86400;

/// The other token's identity is there in 1 s or so, whatever its neighbour waits for; a machine under load has been
/// seen to take 15 s without any fault. Shorter than the default deadlines, for TokenHang.
constexpr auto timely = 25s;

/// What a call does in place of its work, or before it.
struct Fault {
    const char* name;
    const char* action;     ///< as the shim's rules have it
    const char* told;       ///< what is said of it; empty: it may go on as if nothing had been
    const char* deadlines;  ///< lines for [token.lab]

    friend std::ostream& operator<<(std::ostream& out, const Fault& fault) { return out << fault.name; }
};

constexpr Fault crash{"T2_crash", "crash", "E-TOKEN-WORKER", ""};

/// A key takes SoftHSM2 some 100 ms, all else a few, on a machine that does other work as well.
constexpr Fault hang{"T3_hang", "hang", "E-TOKEN-DEADLINE",
                     "deadline_login = \"2000ms\"\ndeadline_use = \"2000ms\"\ndeadline_generate = \"6000ms\"\n"};

constexpr Fault every_fault[] = {crash,
                                 hang,
                                 {"T4_absent", "rv=0xe0", "", ""},
                                 {"T5_session_closed", "close", "", ""},
                                 {"T6_handles_invalid", "stale", "", ""},
                                 {"T8_not_initialized", "rv=0x190", "", ""},
                                 {"T13_logout", "logout", "", ""},
                                 {"T15_device_error", "rv=0x30", "", ""}};

/// `web` on token `lab` behind the fault shim, `other` on token `spare`, which has none.
class TwoTokens {
 public:
    /// With COUNT=log the shim counts the calls of all workers of `lab` together.
    explicit TwoTokens(const std::string& rule, const std::string& deadlines = "")
        : world_({"--lifetime", std::to_string(120 * day_seconds), "--backdate", "0", "--renewal", "both",
                  "--signing-time-window", std::to_string(day_seconds)}),
          log_(world_.directory() / "shim.log") {
        world_.hsm().init_token("spare", "87654321", canary_pin);
        world_.configure(
            {.module = module("libhwenroll-pkcs11-shim.so"),
             .token_extra = deadlines,
             .identity_extra = "[token.spare]\ntype = \"pkcs11\"\nmodule = \"" + SoftHsm::module() +
                               "\"\nuri = \"pkcs11:token=spare\"\npin = \"file:" + world_.pin_path().string() +
                               "\"\n[identity.other]\nca = \"corp\"\ntoken = \"spare\"\n"
                               "key = \"rsa:2048\"\nsubject = \"CN=other.example.com\"\n"});
        world_.start_daemon({"HWENROLL_SHIM_MODULE=" + SoftHsm::module(), "HWENROLL_SHIM_LOG=" + log_.string(),
                             "HWENROLL_SHIM_COUNT=log", "HWENROLL_SHIM_RULE=" + rule});
    }

    DaemonWorld& world() { return world_; }

    [[nodiscard]] std::string word_of(const std::string& identity) const {
        const RunResult shown = world_.command({"status", identity, "--json"});
        const auto answer = nlohmann::json::parse(shown.out, nullptr, false);
        return answer.is_discarded() ? shown.err : answer["identities"][0]["state"].get<std::string>();
    }

    /// The functions of `lab` called so far, in their order.
    [[nodiscard]] std::vector<std::string> calls() const {
        std::ifstream in(log_);
        std::vector<std::string> names;
        for (std::string line; std::getline(in, line);) {
            names.push_back(line);
        }
        return names;
    }

    [[nodiscard]] std::ptrdiff_t logins() const {
        const auto names = calls();
        return std::ranges::count(names, "C_Login");
    }

    /// Waits until `holds` while time goes on by `step` between two looks.
    bool settle(const std::string& what, Seconds step, std::chrono::seconds patience,
                const std::function<bool()>& holds) {
        const auto end = steady_clock::now() + patience;
        while (!holds()) {
            if (world_.daemon().wait(0ms) || steady_clock::now() > end) {
                ADD_FAILURE() << what << " did not happen; " << fmt::format("{}", fmt::join(calls(), " ")) << '\n'
                              << world_.daemon().err() << world_.command({"history", "web"}).out;
                return false;
            }
            world_.advance(step);
            std::this_thread::sleep_for(20ms);
        }
        return true;
    }

    /// The clock stands until the other identity is there, so that nothing of `lab` is tried again meanwhile.
    bool enroll() {
        return settle("the other token's identity", Seconds(0), timely, [&] { return word_of("other") == "OK"; }) &&
               settle("the identity", Seconds(20), 60s, [&] { return word_of("web") == "OK"; });
    }

    /// And the end of the old key.
    bool renew() {
        world_.go_to_day(91);
        if (!settle("the other token's renewal", Seconds(0), timely, [&] { return certificates_of("other") == 2; }) ||
            !settle("the renewal", Seconds(20), 60s,
                    [&] { return certificates_of("web") == 2 && word_of("web") == "OK"; })) {
            return false;
        }
        world_.go_to_day(92.5);
        // Another program that logs in just then could make SoftHSM2 fail this one's login, so the token is not asked.
        return settle("the end of the old key", Seconds(20), 60s, [&] {
            return world_.command({"history", "web"}).out.find(" destroyed") != std::string::npos;
        });
    }

    /// As if there had been no fault.
    void expect_end(std::size_t certificates_each) {
        EXPECT_EQ(word_of("web"), "OK");
        EXPECT_EQ(word_of("other"), "OK");
        EXPECT_EQ(world_.issued().size(), 2 * certificates_each) << "none is lost and none is asked for twice";
        world_.expect_published(world_.now());
        EXPECT_EQ(world_.times_said(" other: ") + world_.times_said("spare"), 0U) << world_.daemon().err();
        EXPECT_EQ(world_.times_said("E-TOKEN-PIN"), 0U) << "a fault that comes once forbids no login";
        world_.expect_no_canary({world_.daemon().err()});
    }

 private:
    /// That consumers have seen.
    [[nodiscard]] int certificates_of(const std::string& identity) const {
        const auto current = world_.live().parent_path().parent_path() / identity / "current";
        const std::string name = std::filesystem::read_symlink(current).filename().string();
        return std::stoi(name.substr(name.find('-') + 1));
    }

    DaemonWorld world_;
    std::filesystem::path log_;
};

/// What became of one life.
struct Outcome {
    std::string function;       ///< that went wrong; empty: there are not so many calls
    std::ptrdiff_t logins = 0;  ///< C_Login calls
};

/// A life in which the n-th call goes wrong: of all, or of one function.
Outcome break_call(const Fault& fault, std::size_t n, Stage stage, const std::string& function = "*") {
    const std::string rule = function + ":" + std::to_string(n) + ":" + fault.action;
    SCOPED_TRACE(rule);
    TwoTokens tokens(rule, fault.deadlines);
    if (tokens.enroll() && (stage == Stage::enrollment || tokens.renew())) {
        tokens.expect_end(stage == Stage::enrollment ? 1 : 2);
    }
    EXPECT_EQ(tokens.world().stop_daemon(), 0) << tokens.world().daemon().err();
    auto calls = tokens.calls();
    if (function != "*") {
        std::erase_if(calls, [&](const std::string& each) { return each != function; });
    }
    const Outcome outcome{n <= calls.size() ? calls[n - 1] : "", tokens.logins()};
    // Design, "PIN": each worker logs in once, and a login of unknown outcome is repeated once.
    EXPECT_LE(outcome.logins, outcome.function.empty() ? 1 : 2)
        << fmt::format("{}", fmt::join(tokens.calls(), " ")) << '\n'
        << tokens.world().daemon().err() << tokens.world().command({"history"}).out;
    if (!outcome.function.empty()) {
        // What is tried again before it matters, as the end of an old key, stands in the history alone.
        EXPECT_THAT(tokens.world().daemon().err() + tokens.world().command({"history", "web"}).out,
                    testing::HasSubstr(fault.told))
            << outcome.function;
    }
    return outcome;
}

struct Place {
    Fault fault;
    const char* function;

    friend std::ostream& operator<<(std::ostream& out, const Place& place) {
        return out << place.fault << "_in_" << place.function;
    }
};

class TokenCall : public testing::TestWithParam<Place> {};

TEST_P(TokenCall, T2_T3_that_goes_wrong_costs_neither_daemon_nor_identity_nor_the_other_token) {
    const auto& [fault, function] = GetParam();
    EXPECT_EQ(break_call(fault, 1, Stage::enrollment, function).function, function) << "the call was not made";
}

INSTANTIATE_TEST_SUITE_P(First, TokenCall,
                         testing::Values(Place{crash, "C_Initialize"}, Place{crash, "C_Login"},
                                         Place{crash, "C_GenerateKeyPair"}, Place{crash, "C_Decrypt"},
                                         Place{hang, "C_Login"}, Place{hang, "C_Sign"}),
                         testing::PrintToStringParamName());

// The deadlines are the defaults, all of them longer than what the other identity may take.
TEST(TokenHang, T3_keeps_no_other_token_waiting) {
    for (const std::string function : {"C_Initialize", "C_GenerateKeyPair"}) {
        TwoTokens tokens(function + ":1:hang");
        DaemonWorld& world = tokens.world();
        ASSERT_TRUE(tokens.settle("the other token's identity", Seconds(0), timely,
                                  [&] { return tokens.word_of("other") == "OK"; }));
        ASSERT_TRUE(tokens.settle("the hang", Seconds(0), timely, [&] { return tokens.calls().back() == function; }));
        EXPECT_FALSE(world.said("E-TOKEN-DEADLINE"));
        EXPECT_EQ(world.stop_daemon(), 0);
    }
}

// Design, "PIN": the second login of unknown outcome is the last until an operator has looked.
TEST(TokenLogins, T2_invariant_6_that_were_lost_twice_wait_for_an_operator_whatever_time_passes) {
    TwoTokens tokens("C_Login:1-2:crash");
    DaemonWorld& world = tokens.world();
    ASSERT_TRUE(tokens.settle("the second loss", Seconds(20), 60s, [&] { return world.said("E-TOKEN-PIN web: "); }));
    ASSERT_TRUE(tokens.settle("ten days", Seconds(day_seconds / 4), 60s, [&] { return world.now() > world.day(10); }));
    EXPECT_EQ(tokens.logins(), 2);
    EXPECT_EQ(tokens.word_of("other"), "OK");
    EXPECT_EQ(world.command({"resume", "web"}).exit_code, 0);
    ASSERT_TRUE(tokens.settle("the identity", Seconds(20), 60s, [&] { return tokens.word_of("web") == "OK"; }));
    EXPECT_EQ(tokens.logins(), 3);
    EXPECT_EQ(world.objects("Private Key Object"), 1);
    EXPECT_EQ(world.stop_daemon(), 0);
}

// Nor is there a second one while the token says that tries are low: it may have been counted.
TEST(TokenLogins, T2_T10_that_were_lost_while_tries_are_low_are_not_repeated) {
    TwoTokens tokens("C_Login:1:crash,C_GetTokenInfo:*:flag=count_low");
    DaemonWorld& world = tokens.world();
    ASSERT_TRUE(tokens.settle("the word", Seconds(20), 60s, [&] { return world.said("E-TOKEN-PIN-LOW web: "); }));
    ASSERT_TRUE(tokens.settle("ten days", Seconds(day_seconds / 4), 60s, [&] { return world.now() > world.day(10); }));
    EXPECT_EQ(tokens.logins(), 1);
    EXPECT_EQ(world.command({"resume", "web"}).exit_code, 0);
    ASSERT_TRUE(tokens.settle("the identity", Seconds(20), 60s, [&] { return tokens.word_of("web") == "OK"; }));
    EXPECT_EQ(tokens.logins(), 2);
    EXPECT_EQ(world.stop_daemon(), 0);
}

// The second login is on its way when the operator says that all is well, and ends without having been tried.
TEST(TokenLogins, T15_invariant_6_what_an_operator_has_released_is_not_taken_back_by_a_login_under_way) {
    TwoTokens tokens("C_Login:1:crash,C_Login:2:delay=2000,C_Login:2:rv=0x102,C_Login:3:crash");
    DaemonWorld& world = tokens.world();
    ASSERT_TRUE(tokens.settle("the second login", Seconds(20), 60s, [&] { return tokens.logins() == 2; }));
    EXPECT_EQ(world.command({"resume", "web"}).exit_code, 0);
    ASSERT_TRUE(tokens.settle("the identity", Seconds(20), 60s, [&] { return tokens.word_of("web") == "OK"; }));
    EXPECT_EQ(tokens.logins(), 4) << "the third was the first of unknown outcome since then, and repeated";
    EXPECT_EQ(world.times_said("E-TOKEN-PIN"), 0U);
    EXPECT_EQ(world.stop_daemon(), 0);
}

/// All calls, the n-th in a life of its own, until a life has fewer: for `./test.sh --soak token-calls`.
/// HWENROLL_SWEEP_FROM=N takes up one that was broken off.
class DISABLED_TokenCallSweep : public testing::TestWithParam<Fault> {};

TEST_P(DISABLED_TokenCallSweep, of_an_enrollment_and_a_renewal) {
    const char* from = std::getenv("HWENROLL_SWEEP_FROM");
    int repeated = 0;
    for (std::size_t n = from == nullptr ? 1 : std::stoul(from);; ++n) {
        const Outcome outcome = break_call(GetParam(), n, Stage::renewal);
        if (HasFailure()) {
            FAIL() << GetParam() << " at call " << n << ", " << outcome.function;
        }
        if (outcome.function.empty()) {
            std::cout << GetParam() << ": survived in each of " << n - 1 << " calls; a second login after " << repeated
                      << '\n';
            return;
        }
        repeated += outcome.logins > 1 ? 1 : 0;
    }
}

INSTANTIATE_TEST_SUITE_P(AtEachCall, DISABLED_TokenCallSweep, testing::ValuesIn(every_fault),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace hwenroll::test
