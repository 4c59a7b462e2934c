// Invariant 10: the largest CRL that the limits let in is fetched, looked into and published within 64 MiB.
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/crl_world.h"
#include "tests/support/process_memory.h"

namespace hwenroll::test {
namespace {

/// In KiB.
constexpr long most = 64L * 1024;

/// Entries of 39 octets that make nearly 16 MiB, the default of max_crl_bytes, and the quarter of it that a reply to
/// GetCRL may have, with room for the envelope around them.
constexpr std::size_t entries_of_largest = 428'000;
constexpr std::size_t entries_of_largest_text = 316'000;  // as PEM, 65 characters for 48 octets
constexpr std::size_t entries_of_largest_reply = 105'000;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool measured = false;
#else
constexpr bool measured = true;
#endif

const std::vector<std::string> own_point{"--crl-point", "self"};

/// A daemon that has a list without entries gets one of `entries`.
void expect_little_memory(CrlWorld& crl, std::size_t entries) {
    DaemonWorld& world = crl.world();
    ASSERT_TRUE(crl.begin());
    const auto small = memory_of(world.daemon().pid());
    const std::string generation = world.generation();
    crl.lengthen(entries);
    const RunResult fetched = crl.fetch();
    EXPECT_EQ(fetched.exit_code, 0) << fetched.err;
    EXPECT_THAT(fetched.out, testing::HasSubstr(std::to_string(entries) + " entries"));
    world.eventually("the long list", [&] { return world.generation() != generation && world.word() == "OK"; });
    EXPECT_GT(crl.list().size(), entries * 39 / 3 * 4) << "the list is not as long as it is to be";
    const auto large = memory_of(world.daemon().pid());
    ASSERT_TRUE(small && large);
    testing::Test::RecordProperty("KiB_grown", static_cast<int>(large->peak - small->peak));
    testing::Test::RecordProperty("KiB_peak", static_cast<int>(large->peak));
    EXPECT_EQ(world.stop_daemon(), 0);
    if (measured) {
        EXPECT_LT(large->peak, most) << "of which " << large->peak - small->peak << " KiB are for the list";
    }
}

TEST(CrlMemory, invariant_10_the_longest_list_of_a_distribution_point_costs_less_than_64_MiB) {
    CrlWorld crl("cdp", own_point);
    expect_little_memory(crl, entries_of_largest);
}

TEST(CrlMemory, invariant_10_the_longest_PEM_text_of_a_distribution_point_costs_less_than_64_MiB) {
    CrlWorld crl("cdp", {"--crl-point", "self", "--crl-form", "pem"});
    expect_little_memory(crl, entries_of_largest_text);
}

TEST(CrlMemory, invariant_10_the_longest_reply_to_GetCRL_costs_less_than_64_MiB) {
    CrlWorld crl("scep");
    expect_little_memory(crl, entries_of_largest_reply);
}

TEST(CrlMemory, invariant_10_once_publishes_the_longest_list_within_64_MiB) {
    std::vector<long> peaks;
    for (const std::size_t entries : {std::size_t{0}, entries_of_largest}) {
        TemporaryDirectory outside;
        const std::string log = (outside / "peak").string();
        // The hook of the second generation, which has the list, runs as a child of the agent.
        CrlWorld crl("cdp", own_point, "", "",
                     "on_change = [[\"/bin/sh\", \"-c\", \"grep VmHWM /proc/$PPID/status >> " + log + "\"]]\n");
        crl.lengthen(entries);
        DaemonWorld& world = crl.world();
        const RunResult done = world.once({{"HWENROLL_CLOCK_FILE=" + world.clock_path().string()}, {}, {}});
        ASSERT_EQ(done.exit_code, 0) << done.err;
        EXPECT_EQ(crl.list().size() > (std::size_t{16} << 20U), entries > 0);
        std::istringstream lines(read_file(log));
        std::string word;
        long peak = 0;
        while (lines >> word >> peak >> word) {
        }
        ASSERT_GT(peak, 0) << read_file(log);
        peaks.push_back(peak);
    }
    RecordProperty("KiB_grown", static_cast<int>(peaks[1] - peaks[0]));
    RecordProperty("KiB_peak", static_cast<int>(peaks[1]));
    if (measured) {
        EXPECT_LT(peaks[1], most) << "of which " << peaks[1] - peaks[0] << " KiB are for the list";
    }
}

}  // namespace
}  // namespace hwenroll::test
