// SEC-18, CACERT-5: a GetCACert body is not signed, so a damaged one may well be another set of certificates. What
// counts are the roles under the pin: no certificate that is not one of the CA's own, octet for octet, gets one, and
// the roles are those that the certificates which came through intact have by themselves. (Whoever can alter a body can
// also leave certificates out of it; an operator who wants to be sure of an intermediate CA pins that.)
#include <algorithm>

#include <gtest/gtest.h>

#include "tests/scep/damage/damaged_copies.h"
#include "tests/scep/reply/captured_exchange.h"
#include "tests/scep/request/test_pki.h"
#include "transport/scep/ca_set.h"

namespace hwenroll::scep {
namespace {

using test::DamageCase;
using Certificates = std::vector<Certificate>;

bool has(const Certificates& set, const Certificate& certificate) {
    return std::ranges::find(set, certificate) != set.end();
}

class DamagedCaSet : public testing::TestWithParam<DamageCase> {
 protected:
    /// The roles of `received` under the pin of the recorded root.
    [[nodiscard]] Result<CaSet> roles_of(const Certificates& received) const {
        return authenticate(received, {.pinned = {root_.fingerprint()}, .now = test::capture_time()});
    }

    [[nodiscard]] Certificates intact_ones(const Certificates& received) const {
        Certificates intact;
        std::ranges::copy_if(received, std::back_inserter(intact),
                             [&](const Certificate& certificate) { return has(recorded_, certificate); });
        return intact;
    }

    Bytes body_ = test::capture(GetParam().name);
    Certificates recorded_ = parse_ca_certificates(body_, {}).value();
    Certificate root_ = *std::ranges::find_if(recorded_, &Certificate::is_self_issued);
};

void expect_same_roles(const CaSet& a, const CaSet& b, std::size_t at) {
    EXPECT_EQ(a.anchor, b.anchor) << at;
    EXPECT_EQ(a.issuer, b.issuer) << at;
    EXPECT_EQ(a.recipient, b.recipient) << at;
    EXPECT_EQ(a.signers, b.signers) << at;
    EXPECT_EQ(a.intermediates, b.intermediates) << at;
}

TEST_P(DamagedCaSet, SEC_18_cut_at_any_length_is_an_error) {
    test::for_each_cut(GetParam(), body_,
                       [&](const Bytes& cut) { EXPECT_FALSE(parse_ca_certificates(cut, {})) << cut.size(); });
}

TEST_P(DamagedCaSet, SEC_18_with_one_octet_altered_gives_no_role_to_a_stranger) {
    ASSERT_TRUE(roles_of(recorded_)) << roles_of(recorded_).error().line();
    std::size_t refused = 0;
    test::for_each_flip(GetParam(), body_, test::three_flips(), [&](const Bytes& damaged, std::size_t at) {
        const auto received = parse_ca_certificates(damaged, {});
        const auto roles = received ? roles_of(*received) : fail(received.error());
        if (!roles) {
            EXPECT_FALSE(roles.error().line().empty()) << at;
            ++refused;
            return;
        }
        const auto expected = roles_of(intact_ones(*received));
        ASSERT_TRUE(expected) << at << expected.error().line();
        expect_same_roles(*roles, *expected, at);
    });
    EXPECT_GT(refused, body_.size() / GetParam().parts);
}

INSTANTIATE_TEST_SUITE_P(Captures, DamagedCaSet,
                         testing::ValuesIn(test::divided({{"micromdm210.GetCACert.bin", ""},
                                                          {"step-aes.GetCACert.bin", ""},
                                                          {"jscep.GetCACert.bin", ""},
                                                          {"jscep.GetNextCACert.bin", ""}},
                                                         1)),
                         test::case_name);

}  // namespace
}  // namespace hwenroll::scep
