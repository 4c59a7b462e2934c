#include "agent/runtime/resume.h"

#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace hwenroll::runtime {
namespace {

TEST(ReleasePins, of_sections_that_a_reload_has_taken_away_does_nothing) {
    const test::TemporaryDirectory directory;
    auto store = store::Store::open(directory / "state", {});
    ASSERT_TRUE(store);
    config::IdentitySettings identity;
    identity.token = "renamed";
    identity.signer.emplace();
    identity.signer->token = "removed";
    Resumption done;
    EXPECT_TRUE(release_pins(*store, {}, identity, TimePoint(), done));
    EXPECT_FALSE(done.pin_released);
    EXPECT_EQ(done.token, "renamed");
}

}  // namespace
}  // namespace hwenroll::runtime
