// What the agent and hwenroll-hook say to each other.
#include "agent/runtime/hook_protocol.h"

#include <gmock/gmock.h>

#include "base/error.h"

namespace hwenroll::runtime {
namespace {

TEST(HookProtocol, a_request_is_an_identity_and_a_number) {
    EXPECT_EQ(encode(HookRequest{"web", 12}), "hook 1 web 12");
    EXPECT_EQ(decode_hook_request("hook 1 web 12"), (HookRequest{"web", 12}));
    const HookRequest largest{std::string(64, 'a'), UINT64_MAX};
    EXPECT_EQ(decode_hook_request(encode(largest)), largest);
}

class OddHookRequest : public testing::TestWithParam<std::string> {};

TEST_P(OddHookRequest, is_no_request) {
    EXPECT_EQ(decode_hook_request(GetParam()), std::nullopt);
}

INSTANTIATE_TEST_SUITE_P(Of, OddHookRequest,
                         testing::Values("", "hook", "hook 1 ", "hook 1 web", "hook 1 web ", "hook 2 web 1",
                                         "HOOK 1 web 1", "hook 1 web 0", "hook 1 web 01", "hook 1 web +1",
                                         "hook 1 web -1", "hook 1 web 1 ", "hook 1 web 1\n", "hook 1 web 0x1",
                                         "hook 1 web 18446744073709551616", "hook 1  web 1", "hook 1 web  1",
                                         "hook 1 ../web 1", "hook 1 web/../mail 1", "hook 1 . 1", "hook 1 .. 1",
                                         "hook 1 Web 1", "hook 1 we\nb 1", std::string("hook 1 web\0 1", 13),
                                         std::string("hook 1 web 1\0", 13), "hook 1 " + std::string(65, 'a') + " 1",
                                         "hook 1 web 1 /bin/sh", std::string(4096, 'h')));

TEST(HookProtocol, an_answer_is_a_verdict_and_a_line) {
    for (const HookVerdict verdict :
         {HookVerdict::succeeded, HookVerdict::failed, HookVerdict::timed_out, HookVerdict::refused}) {
        const HookAnswer answer{verdict, "'/bin/false' exited with status 1"};
        EXPECT_EQ(decode_hook_answer(encode(answer)), answer);
    }
    EXPECT_EQ(encode(HookAnswer{HookVerdict::timed_out, "late"}), "1 timed-out late");
}

TEST(HookProtocol, O3_an_answer_is_bounded_and_printable) {
    const std::string packet = encode(HookAnswer{HookVerdict::failed, std::string(10'000, 'x') + "\n"});
    EXPECT_LE(packet.size(), max_hook_answer);
    ASSERT_TRUE(decode_hook_answer(packet));
    EXPECT_EQ(decode_hook_answer("1 failed a\x1b[2Jb")->text, "a\\x1b[2Jb");
}

TEST(HookProtocol, what_is_no_answer_is_not_taken_for_one) {
    for (const char* const packet : {"", "1", "1 ", "1 succeeded", "2 succeeded x", "1 succeededx y", "1 maybe x"}) {
        EXPECT_EQ(decode_hook_answer(packet), std::nullopt) << packet;
    }
    EXPECT_EQ(decode_hook_answer("1 failed " + std::string(max_hook_answer, 'x')), std::nullopt);
}

}  // namespace
}  // namespace hwenroll::runtime
