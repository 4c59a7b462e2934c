// The proof by simulation: nothing is violated in years of a fleet, and each planted bug is seen. docs/simulation.md.
#include "tests/simulation/simulation.h"

#include <algorithm>
#include <sstream>

#include <gtest/gtest.h>

namespace hwenroll::simulation {
namespace {

/// A smaller fleet under the sanitizers, which are some ten times slower.
constexpr std::uint32_t share = HWENROLL_SIMULATED_SHARE;
/// Fewer than some 500 and chance alone puts 1.5 times the mean (N18) into one of the bins after the outage: with 166
/// the mean is 11, and 19 are three standard deviations above it.
constexpr std::uint32_t seeded_fleet = std::max(800U, 2000U / share);

Outcome live(const Options& options) {
    std::ostringstream nowhere;
    Outcome outcome = run(options, nowhere);
    std::cout << report(options, outcome);
    return outcome;
}

bool violates(const Outcome& outcome, std::string_view rule) {
    return std::ranges::any_of(outcome.violations, [&](const Violation& one) { return one.rule == rule; });
}

class SimulationSeed : public testing::TestWithParam<std::uint64_t> {};

TEST_P(SimulationSeed, nothing_is_violated_in_three_years_of_two_thousand_identities) {
    const Outcome outcome = live({.identities = seeded_fleet, .years = 3, .seed = GetParam()});
    EXPECT_TRUE(outcome.violations.empty());
    EXPECT_GT(outcome.figures.shadows, seeded_fleet / 2) << "the rollover is part of it";
}

INSTANTIATE_TEST_SUITE_P(Simulation, SimulationSeed, testing::Values(1, 2, 3));

TEST(Simulation, N18_nothing_is_violated_in_ten_years_of_ten_thousand_identities) {
    const Outcome outcome = live({.identities = 10'000 / share, .years = 10, .seed = 4});
    EXPECT_TRUE(outcome.violations.empty());
    EXPECT_GT(outcome.recovery, hour) << "the outage was one";
    EXPECT_LE(outcome.after_outage.ratio(), 1.5);
}

TEST(Simulation, N18_without_jitter_the_load_after_the_outage_is_seen) {
    const Outcome outcome = live({.identities = 2000 / share, .years = 1, .seed = 1, .plant = Plant::jitter_off});
    EXPECT_TRUE(violates(outcome, "load"));
}

TEST(Simulation, K1_K10_a_clock_that_is_always_believed_is_seen) {
    const Outcome outcome = live({.identities = 1000 / share, .years = 3, .seed = 1, .plant = Plant::no_clock_floor});
    EXPECT_TRUE(violates(outcome, "retirement"));
    EXPECT_TRUE(violates(outcome, "invariant 1"));
}

TEST(Simulation, invariant_1_a_key_that_is_destroyed_before_its_successor_is_published_is_seen) {
    const Outcome outcome =
        live({.identities = 400 / share, .years = 1, .seed = 1, .plant = Plant::destroy_before_publish});
    EXPECT_TRUE(violates(outcome, "invariant 1"));
}

TEST(Simulation, the_same_seed_leads_to_the_same_outcome_whatever_the_number_of_threads) {
    Options options{.identities = 200 / share, .years = 2, .seed = 7, .plant = Plant::no_clock_floor};
    options.threads = 1;
    const std::string alone = report(options, live(options));
    options.threads = 3;
    EXPECT_EQ(report(options, live(options)), alone);
    options.seed = 8;
    EXPECT_NE(report(options, live(options)), alone);
}

TEST(Simulation, a_violation_is_seen_again_when_its_identity_lives_alone) {
    Options options{.identities = 400 / share, .years = 2, .seed = 1, .plant = Plant::no_clock_floor};
    const Outcome fleet = live(options);
    ASSERT_FALSE(fleet.violations.empty());
    const Violation& violation = fleet.violations.front();
    options.trace = violation.identity;
    std::ostringstream trace;
    const Outcome alone = run(options, trace);
    ASSERT_EQ(alone.violations.size(), 1U);
    EXPECT_EQ(alone.violations.front().at, violation.at);
    EXPECT_EQ(alone.violations.front().what, violation.what);
    EXPECT_NE(trace.str().find("CertificateIssued"), std::string::npos);
}

}  // namespace
}  // namespace hwenroll::simulation
