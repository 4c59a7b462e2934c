// Secrets (house rule 11): nothing formats, compares or copies one by accident.
#include "base/secret.h"

#include <type_traits>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace hwenroll {
namespace {

static_assert(!std::is_copy_constructible_v<Secret> && !std::is_copy_assignable_v<Secret>);
static_assert(std::is_nothrow_move_constructible_v<Secret> && std::is_nothrow_move_assignable_v<Secret>);
static_assert(!std::is_convertible_v<Secret, std::string> && !std::is_convertible_v<Secret, ByteView>);
static_assert(!std::is_convertible_v<Bytes, Secret> && !std::is_convertible_v<ByteView, Secret>);
static_assert(!fmt::is_formattable<Secret>::value);

TEST(Secret, takes_over_or_copies) {
    const Bytes original{1, 2, 3};
    const Secret copied{ByteView(original)};
    EXPECT_TRUE(equal(copied.reveal(), original));
    Bytes moved_from = original;
    const Secret taken(std::move(moved_from));
    EXPECT_TRUE(equal(taken.reveal(), original));
    EXPECT_TRUE(moved_from.empty());  // NOLINT(bugprone-use-after-move): the contract under test
}

TEST(Secret, moving_leaves_nothing_behind) {
    Secret first{ByteView(as_bytes("pin"))};
    Secret second = std::move(first);
    EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move): the contract under test
    EXPECT_EQ(as_text(second.reveal()), "pin");
    Secret third{ByteView(as_bytes("old"))};
    third = std::move(second);
    EXPECT_EQ(as_text(third.reveal()), "pin");
    EXPECT_TRUE(second.empty());  // NOLINT(bugprone-use-after-move): the contract under test
}

TEST(Secret, copies_are_independent) {
    Secret first{ByteView(as_bytes("pin"))};
    const Secret second = first.copy();
    first.wipe();
    EXPECT_TRUE(first.empty());
    EXPECT_EQ(as_text(second.reveal()), "pin");
    EXPECT_EQ(second.size(), 3U);
}

TEST(Wipe, overwrites_every_octet) {
    Bytes octets{1, 2, 3};
    wipe(octets);
    EXPECT_EQ(octets, (Bytes{0, 0, 0}));
    wipe({});
}

}  // namespace
}  // namespace hwenroll
