// SEC-18, ROLL-5: a damaged GetNextCACert reply is an error or names the same next CA, never another one.
#include <gtest/gtest.h>

#include "tests/scep/damage/damaged_copies.h"
#include "tests/scep/reply/rollover_world.h"

namespace hwenroll::scep {
namespace {

using test::DamageCase;
using test::rollover_world;

/// What is sent is made here, in the form that the case names.
class DamagedNextCa : public testing::TestWithParam<DamageCase> {
 protected:
    static Bytes body() {
        const auto& world = rollover_world();
        if (GetParam().name == "flat") {
            return test::flat_next_ca_reply({world.link, world.next, world.next_ra}).build();
        }
        auto reply = test::next_ca_reply({world.next, world.next_ra});
        reply.ber = GetParam().name == "ber";
        return reply.build();
    }
    /// One body for all tests of a form: signatures are the same in every run, the order of parts too.
    Bytes body_ = body();
};

/// All but the warnings, which tell of what was tolerated.
bool same(const NextCa& a, const NextCa& b) {
    return a.certificates == b.certificates && a.needs_acceptance == b.needs_acceptance &&
           a.set.anchor == b.set.anchor && a.set.issuer == b.set.issuer && a.set.recipient == b.set.recipient &&
           a.set.signers == b.set.signers && a.set.intermediates == b.set.intermediates;
}

TEST_P(DamagedNextCa, SEC_18_cut_at_any_length_is_an_error) {
    test::for_each_cut(GetParam(), body_, [&](const Bytes& cut) {
        const auto result = read_next_ca(cut, rollover_world().expectation);
        ASSERT_FALSE(result) << cut.size();
        EXPECT_FALSE(result.error().line().empty());
    });
}

TEST_P(DamagedNextCa, ROLL_5_with_one_octet_altered_is_an_error_or_says_the_same) {
    const auto intact = read_next_ca(body_, rollover_world().expectation);
    ASSERT_TRUE(intact) << intact.error().line();
    std::size_t refused = 0;
    test::for_each_flip(GetParam(), body_, test::three_flips(), [&](const Bytes& damaged, std::size_t at) {
        const auto result = read_next_ca(damaged, rollover_world().expectation);
        if (!result) {
            EXPECT_FALSE(result.error().line().empty()) << at;
            ++refused;
        } else {
            EXPECT_TRUE(same(*result, *intact)) << at;
        }
    });
    EXPECT_GT(refused, body_.size() / GetParam().parts);
}

INSTANTIATE_TEST_SUITE_P(Forms, DamagedNextCa, testing::ValuesIn(test::divided({{"der", ""}, {"ber", ""}}, 2)),
                         test::case_name);

/// The flat form: beside the anchor, for whose key the link certificate vouches, the set is as unprotected as that of
/// GetCACert.
using DamagedFlatNextCa = DamagedNextCa;

TEST_P(DamagedFlatNextCa, ROLL_6_no_stranger_gets_a_role) {
    const auto& world = rollover_world();
    const std::vector<Certificate> own{world.link, world.next, world.next_ra};
    const auto is_own = [&](const Certificate& certificate) {
        return std::ranges::find(own, certificate) != own.end();
    };
    ASSERT_TRUE(read_next_ca(body_, world.expectation));
    test::for_each_cut(GetParam(), body_,
                       [&](const Bytes& cut) { EXPECT_FALSE(read_next_ca(cut, world.expectation)) << cut.size(); });
    test::for_each_flip(GetParam(), body_, test::three_flips(), [&](const Bytes& damaged, std::size_t at) {
        if (const auto result = read_next_ca(damaged, world.expectation)) {
            EXPECT_TRUE(is_own(result->set.anchor) && is_own(result->set.issuer) && is_own(result->set.recipient))
                << at;
            EXPECT_TRUE(std::ranges::all_of(result->set.signers, is_own)) << at;
        }
    });
}

INSTANTIATE_TEST_SUITE_P(Forms, DamagedFlatNextCa, testing::ValuesIn(test::divided({{"flat", ""}}, 2)),
                         test::case_name);

}  // namespace
}  // namespace hwenroll::scep
