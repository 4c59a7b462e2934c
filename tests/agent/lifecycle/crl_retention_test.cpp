// What is kept of CRLs that no certificate asks for any more (SIG-14, SEC-3).
#include "agent/lifecycle/crl_retention.h"

#include <gmock/gmock.h>

#include "tests/agent/lifecycle/walk.h"

namespace hwenroll::lifecycle {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const Bytes ca{1};
const Bytes other_ca{2};

/// Made `age` before the start, of a week.
CrlState list(const Bytes& issuer, std::uint8_t scope, Seconds age = {}) {
    CrlState state;
    state.issuer = issuer;
    state.scope = {scope};
    state.crl = {{0xC1, scope}, {5}, start - age, start - age + 7 * day, 3};
    return state;
}

CrlName name(const CrlState& state) {
    return {state.issuer, state.scope};
}

TEST(CrlRetentionTest, SIG_14_SEC_3_the_list_of_former_distribution_points_is_kept_for_its_issuer) {
    const CrlState former = list(ca, 1);
    CrlState missing;  // what is asked for now could not be had
    missing.issuer = ca;
    missing.scope = {2};
    std::vector<CrlState> kept{missing};
    retain_crls(kept, {former}, {name(missing)});
    EXPECT_THAT(kept, ElementsAre(missing, former));
    kept.clear();
    retain_crls(kept, {former}, {name(missing)});
    EXPECT_THAT(kept, ElementsAre(former)) << "nothing was fetched yet";
    kept = {list(other_ca, 2)};
    retain_crls(kept, {former}, {{other_ca, {2}}});
    EXPECT_THAT(kept, ElementsAre(list(other_ca, 2))) << "no certificate of that CA is left";
}

TEST(CrlRetentionTest, SIG_14_of_each_issuer_the_newest_lists_are_kept_and_no_more) {
    std::vector<CrlState> former;
    for (std::uint8_t i = 0; i < 2 * most_retained_crls; ++i) {
        former.push_back(list(ca, i, i * hour));
        former.push_back(list(other_ca, i, i * hour));
    }
    std::vector<CrlState> kept;
    retain_crls(kept, former, {{ca, {0xFF}}, {other_ca, {0xFF}}});
    EXPECT_EQ(kept.size(), 2 * most_retained_crls);
    for (const CrlState& one : kept) {
        EXPECT_LT(one.scope.front(), most_retained_crls);
    }
}

TEST(CrlRetentionTest, a_list_that_was_never_at_hand_says_nothing) {
    CrlState failed;
    failed.issuer = ca;
    std::vector<CrlState> kept;
    retain_crls(kept, {failed}, {{ca, {2}}});
    EXPECT_THAT(kept, IsEmpty());
}

TEST(CrlRetentionTest, QRY_5_a_suspension_counts_until_its_list_has_ended_and_a_newer_one_is_at_hand) {
    const CrlState former = list(ca, 1, 2 * day);
    const CrlState newer = list(ca, 2);
    const TimePoint after = start + 6 * day;
    EXPECT_TRUE(is_outlived(former, {former, newer}, {name(newer)}, after));
    EXPECT_FALSE(is_outlived(former, {former, newer}, {name(newer)}, start)) << "it has not ended";
    EXPECT_FALSE(is_outlived(former, {former}, {name(newer)}, after)) << "the next one may be kept away";
    EXPECT_FALSE(is_outlived(former, {former, list(other_ca, 2)}, {name(newer)}, after)) << "of another CA";
    EXPECT_FALSE(is_outlived(former, {former, newer}, {name(former)}, after)) << "it is fetched still";
}

}  // namespace
}  // namespace hwenroll::lifecycle
