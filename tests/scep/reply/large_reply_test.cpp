// Replies as large as the limit allows: read or refused within 64 MiB (invariant 10, SEC-11). How long that takes is a
// benchmark's business (tests/bench/message_bench).
#include "tests/scep/reply/large_reply.h"

#include <fstream>
#include <malloc.h>
#include <sstream>

#include <gtest/gtest.h>

namespace hwenroll::test {
namespace {

/// A line of /proc/self/status in KiB.
long status_line(const std::string& name) {
    std::ifstream in("/proc/self/status");
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with(name + ":")) {
            return std::stol(line.substr(name.size() + 1));
        }
    }
    throw std::runtime_error("no " + name);
}

/// By how many KiB this process grew at most while `work` ran.
template <class Work>
long growth_during(Work work) {
    malloc_trim(0);                               // what is free already would hide growth
    std::ofstream("/proc/self/clear_refs") << 5;  // proc(5): the peak starts again from the present size
    const long before = status_line("VmRSS");
    work();
    return status_line("VmHWM") - before;
}

class Large : public testing::TestWithParam<std::size_t> {};

TEST_P(Large, SEC_11_invariant_10_reply_is_read_or_refused_within_64_MiB) {
    const LargeReply& reply = large_replies().at(GetParam());
    const Bytes body = reply.body();
    std::string outcome;
    const long grown = growth_during([&] { outcome = read_to_the_end(body); });
    RecordProperty("outcome", outcome);
    RecordProperty("KiB", static_cast<int>(grown));
    // One certificate may have 64 KiB (CERT-10), a reply 64 certificates (DEG-7).
    const bool honest = reply.name == "sixty_four_certificates";
    EXPECT_EQ(outcome == "accepted", honest) << reply.name << ": " << outcome;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    EXPECT_LT(grown, 64 * 1024) << reply.name << ": " << outcome;
#endif
}

INSTANTIATE_TEST_SUITE_P(Replies, Large, testing::Range(std::size_t{0}, std::size_t{18}),
                         [](const auto& one) { return large_replies().at(one.param).name; });

TEST(LargeReplies, growth_is_seen) {
    const long grown = growth_during([] {
        Bytes much(std::size_t{80} * 1024 * 1024, 1);
        EXPECT_EQ(much.back(), 1);
    });
    EXPECT_GT(grown, 64 * 1024);
}

TEST(LargeReplies, are_all_tried) {
    EXPECT_EQ(large_replies().size(), 18U);
}

}  // namespace
}  // namespace hwenroll::test
