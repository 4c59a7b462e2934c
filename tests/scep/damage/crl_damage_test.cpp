// SEC-18, QRY-6: a damaged CRL is an error or says what the intact one says, never anything else.
#include <gtest/gtest.h>

#include "tests/scep/damage/damaged_copies.h"
#include "tests/scep/reply/crl_forge.h"
#include "tests/scep/reply/reply_forge.h"
#include "transport/scep/crl.h"

namespace hwenroll::scep {
namespace {

using test::DamageCase;

class DamagedCrl : public testing::TestWithParam<DamageCase> {
 protected:
    DamagedCrl() {
        test::ForgedCrl forged;
        forged.entries = {{{7}, 1}, {{0x99, 1}, 6}, {{10}}};
        der_ = forged.build();
    }

    Result<std::vector<Revocation>> look_up(const Bytes& der) const {
        const CrlExpectation expected{test::world().ca, test::present(), {}, {}};
        const auto crl = read_crl(der, expected.limits);
        const auto judged = crl ? judge_crl(*crl, expected) : fail(crl.error());
        return judged ? find_revocations(crl->der, {{7}, {0x99, 1}, {10}, {11}}) : fail(judged.error());
    }

    Bytes der_;
};

TEST_P(DamagedCrl, cut_at_any_length_is_an_error) {
    test::for_each_cut(GetParam(), der_, [&](const Bytes& cut) { ASSERT_FALSE(look_up(cut)) << cut.size(); });
}

TEST_P(DamagedCrl, with_one_octet_altered_is_an_error_or_says_the_same) {
    ASSERT_EQ(look_up(der_)->size(), 3U);
    std::size_t refused = 0;
    test::for_each_flip(GetParam(), der_, test::three_flips(), [&](const Bytes& damaged, std::size_t at) {
        const auto found = look_up(damaged);
        if (!found) {
            EXPECT_FALSE(found.error().line().empty()) << at;
            ++refused;
            return;
        }
        ASSERT_EQ(found->size(), 3U) << at;
        EXPECT_EQ((*found)[0].serial, (Bytes{7})) << at;
        EXPECT_TRUE((*found)[1].is_hold()) << at;
    });
    // All but the outer algorithm's parameters is signed or framing.
    EXPECT_GT(refused, der_.size() / GetParam().parts * 5 / 2);
}

TEST_P(DamagedCrl, searching_an_unread_damaged_list_ends) {
    test::for_each_flip(GetParam(), der_, test::three_flips(), [&](const Bytes& damaged, std::size_t at) {
        const auto found = find_revocations(damaged, {{7}});
        EXPECT_TRUE(found || !found.error().line().empty()) << at;
    });
}

INSTANTIATE_TEST_SUITE_P(Forged, DamagedCrl, testing::ValuesIn(test::divided({{"crl", ""}}, 2)), test::case_name);

}  // namespace
}  // namespace hwenroll::scep
