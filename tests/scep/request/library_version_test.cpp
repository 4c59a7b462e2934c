#include "transport/scep/library_version.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hwenroll::test {
namespace {

using scep::known_faults;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

TEST(LibraryVersion, H6_a_release_below_the_floor_of_its_series_is_named_with_the_advisory_and_the_mended_one) {
    EXPECT_THAT(known_faults({3, 0, 20}),
                ElementsAre(AllOf(StartsWith("CVE-2026-45447: "), HasSubstr("mended in 3.0.21"))));
    EXPECT_THAT(known_faults({3, 0, 18}), ElementsAre(StartsWith("CVE-2026-45447"), StartsWith("CVE-2025-15467")));
    EXPECT_THAT(known_faults({3, 5, 6}), ElementsAre(HasSubstr("mended in 3.5.7")));
    EXPECT_THAT(known_faults({4, 0, 0}), ElementsAre(HasSubstr("mended in 4.0.1")));
}

TEST(LibraryVersion, H6_the_floors_themselves_and_what_is_newer_are_good) {
    const std::vector<scep::LibraryVersion> all{{3, 0, 21}, {3, 4, 6}, {3, 5, 7}, {3, 6, 3},
                                                {3, 6, 4},  {4, 0, 1}, {4, 1, 0}, {5, 0, 0}};
    for (const scep::LibraryVersion& good : all) {
        EXPECT_THAT(known_faults(good), IsEmpty()) << good.text();
    }
}

TEST(LibraryVersion, H6_a_series_that_was_never_mended_is_below_the_next_one) {
    EXPECT_THAT(known_faults({3, 1, 99}), ElementsAre(HasSubstr("mended in 3.4.6"), HasSubstr("mended in 3.3.6")));
}

TEST(LibraryVersion, tells_the_one_that_runs) {
    EXPECT_GE(scep::running_library(), (scep::LibraryVersion{3, 0, 0}));
    EXPECT_EQ((scep::LibraryVersion{3, 0, 19}.text()), "3.0.19");
}

}  // namespace
}  // namespace hwenroll::test
