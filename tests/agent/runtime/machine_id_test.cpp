#include "agent/runtime/machine_id.h"

#include <string>

#include <gtest/gtest.h>

#include "tests/support/child_process.h"

namespace hwenroll::runtime {
namespace {

TEST(MachineId, is_told_by_an_hmac_of_it_as_a_uuid) {
    // Computed apart: HMAC-SHA-256 of the application's id under the machine's, 16 octets of it as a UUID of version 4.
    EXPECT_EQ(to_hex(application_id("0123456789abcdef0123456789abcdef\n")), "62FB72D7E53F4CAC9B691230957D1BF6");
    EXPECT_EQ(application_id("0123456789ABCDEF0123456789ABCDEF"), application_id("0123456789abcdef0123456789abcdef\n"));
}

TEST(MachineId, is_nothing_where_the_machine_has_none) {
    for (const char* text : {"", "\n", "uninitialized\n", "00000000000000000000000000000000\n", "0123456789abcdef\n",
                             "0123456789abcdef0123456789abcdeg\n", "0123456789abcdef0123456789abcdef0\n"}) {
        EXPECT_TRUE(application_id(text).empty()) << text;
    }
}

/// A state directory is at home with a build of either kind.
TEST(MachineId, is_what_systemd_makes_of_it) {
    const auto told = test::run({"systemd-id128", "machine-id", "--app-specific=1f6e4c0b528d4a379b0a63d42e71c895"});
    if (told.exit_code != 0) {
        GTEST_SKIP() << "no systemd-id128 here, or no id: " << told.err;
    }
    const auto expected = from_hex(told.out.substr(0, 32));
    ASSERT_TRUE(expected);
    EXPECT_EQ(application_id_of_this_machine(), *expected);
}

}  // namespace
}  // namespace hwenroll::runtime
