// SEC-18, MSG-20, BAD-45: a damaged CertRep is an error or says what the intact one says, never anything else.
#include <gtest/gtest.h>

#include "tests/scep/damage/damaged_copies.h"
#include "tests/scep/reply/captured_exchange.h"

namespace hwenroll::scep {
namespace {

using test::DamageCase;

class DamagedReply : public testing::TestWithParam<DamageCase> {
 protected:
    test::CapturedExchange exchange_ = test::load_exchange(GetParam().name, GetParam().ca_set);
};

/// All but the warnings, which tell of what was tolerated.
void expect_same(const CertRep& a, const CertRep& b, std::size_t at) {
    EXPECT_EQ(a.status, b.status) << at;
    EXPECT_EQ(a.fail_info, b.fail_info) << at;
    EXPECT_EQ(a.fail_info_text, b.fail_info_text) << at;
    EXPECT_EQ(a.hresult, b.hresult) << at;
    EXPECT_EQ(a.envelope, b.envelope) << at;
    EXPECT_EQ(a.digest, b.digest) << at;
    EXPECT_EQ(a.signer, b.signer) << at;
}

TEST_P(DamagedReply, SEC_18_cut_at_any_length_is_an_error) {
    const bool definite = exchange_.reply[1] != 0x80;
    test::for_each_cut(GetParam(), exchange_.reply, [&](const Bytes& cut) {
        const auto reply = read_cert_rep(cut, exchange_.expectation);
        ASSERT_FALSE(reply) << cut.size();
        if (definite && cut.size() >= 4) {
            EXPECT_EQ(reply.error().code(), ErrorCode::ca_truncated) << cut.size();
        }
    });
}

TEST_P(DamagedReply, SEC_18_with_one_octet_altered_is_an_error_or_says_the_same) {
    const auto intact = read_cert_rep(exchange_.reply, exchange_.expectation);
    ASSERT_TRUE(intact) << intact.error().line();
    std::size_t refused = 0;
    test::for_each_flip(GetParam(), exchange_.reply, test::three_flips(), [&](const Bytes& damaged, std::size_t at) {
        if (const auto reply = read_cert_rep(damaged, exchange_.expectation)) {
            expect_same(*reply, *intact, at);
        } else {
            EXPECT_FALSE(reply.error().line().empty()) << at;
            ++refused;
        }
    });
    // What is not signed (versions, certificates that came along) is the smaller part of every recorded reply.
    EXPECT_GT(refused, exchange_.reply.size() / GetParam().parts);
}

INSTANTIATE_TEST_SUITE_P(Captures, DamagedReply,
                         testing::ValuesIn(test::divided({{"micromdm210.41", "micromdm210.GetCACert.bin"},
                                                          {"micromdm210-badchallenge.43", "micromdm210.GetCACert.bin"},
                                                          {"micromdmHEAD.16", ""},
                                                          {"step-aes.64", "step-aes.GetCACert.bin"},
                                                          {"step-aes256.70", "step-aes.GetCACert.bin"},
                                                          {"step-def.66", "step-aes.GetCACert.bin"},
                                                          {"step-gcm.68", "step-aes.GetCACert.bin"},
                                                          {"jscep.97", "jscep.GetCACert.bin"}},
                                                         2)),
                         test::case_name);

}  // namespace
}  // namespace hwenroll::scep
