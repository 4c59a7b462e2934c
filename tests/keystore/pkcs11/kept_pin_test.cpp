// Where the PIN is that outlives its login (T14; invariant 7).
#include "keystore/pkcs11/kept_pin.h"

#include <fstream>
#include <sstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hwenroll::keystore::pkcs11 {
namespace {

/// VmFlags of the mapping that begins at `address` (proc(5), smaps).
std::string flags_of(const void* address) {
    std::ostringstream begin;
    begin << std::hex << reinterpret_cast<std::uintptr_t>(address) << '-';
    std::ifstream maps("/proc/self/smaps");
    bool found = false;
    for (std::string line; std::getline(maps, line);) {
        found = found || line.starts_with(begin.str());
        if (found && line.starts_with("VmFlags:")) {
            return line + ' ';
        }
    }
    return {};
}

TEST(KeptPin, T14_invariant_7_is_locked_in_no_core_file_and_in_no_child) {
    auto kept = KeptPin::keep(Secret(as_bytes("1234")));
    ASSERT_TRUE(kept) << kept.error().line();
    const KeptPin moved = *std::move(kept);
    EXPECT_TRUE(equal(moved.reveal(), as_bytes("1234")));
    const std::string flags = flags_of(moved.reveal().data());
    for (const auto* const flag : {" dd ", " dc "}) {
        EXPECT_THAT(flags, testing::HasSubstr(flag));
    }
    // The sanitizers' mlock(2) does nothing.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    EXPECT_THAT(flags, testing::HasSubstr(" lo "));
#endif
}

TEST(KeptPin, T14_longer_than_any_is_refused) {
    EXPECT_FALSE(KeptPin::keep(Secret(Bytes(5000, 1))));
}

}  // namespace
}  // namespace hwenroll::keystore::pkcs11
