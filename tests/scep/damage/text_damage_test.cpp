// SEC-18, CAPS-2…9: bodies of text. Any body is a legal answer to GetCACaps, so a damaged one has to announce what a
// second, simpler reader finds in it; an error text is never a set of certificates or a reply, whatever happens to it.
#include <algorithm>

#include <gtest/gtest.h>

#include "tests/scep/damage/damaged_copies.h"
#include "tests/scep/reply/captured_exchange.h"
#include "tests/scep/request/capabilities_reference.h"
#include "tests/scep/request/test_pki.h"
#include "transport/scep/ca_set.h"
#include "transport/scep/capabilities.h"

namespace hwenroll::scep {
namespace {

using test::DamageCase;

std::set<std::string> keywords_of(const Capabilities& capabilities) {
    std::set<std::string> keywords;
    std::string rest = to_text(capabilities);
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find(", "), rest.size());
        keywords.insert(rest.substr(0, end));
        rest.erase(0, end + 2);
    }
    return keywords;
}

class DamagedCapabilities : public testing::TestWithParam<DamageCase> {
 protected:
    static void expect_as_reference(const Bytes& body, std::size_t at) {
        EXPECT_EQ(keywords_of(parse_capabilities(body)), test::announced_keywords(as_text(body))) << at;
    }

    Bytes body_ = test::capture(GetParam().name);
};

TEST_P(DamagedCapabilities, cut_at_any_length_announce_their_whole_lines) {
    EXPECT_GE(test::announced_keywords(as_text(body_)).size(), 4U);
    expect_as_reference(body_, body_.size());
    test::for_each_cut(GetParam(), body_, [](const Bytes& cut) { expect_as_reference(cut, cut.size()); });
}

TEST_P(DamagedCapabilities, with_any_octet_as_anything_else_announce_their_whole_lines) {
    test::for_each_flip(GetParam(), body_, test::all_flips(), expect_as_reference);
}

INSTANTIATE_TEST_SUITE_P(Captures, DamagedCapabilities,
                         testing::Values(DamageCase{"micromdm210.GetCACaps.bin", ""},
                                         DamageCase{"step-aes.GetCACaps.bin", ""},
                                         DamageCase{"jscep.GetCACaps.bin", ""}),
                         test::case_name);

class DamagedErrorText : public testing::TestWithParam<DamageCase> {
 protected:
    void expect_refused(const Bytes& body) const {
        EXPECT_FALSE(parse_ca_certificates(body, {})) << to_hex(body);
        EXPECT_FALSE(read_cert_rep(body, exchange_.expectation)) << to_hex(body);
    }

    Bytes body_ = test::capture(GetParam().name);
    test::CapturedExchange exchange_ = test::load_exchange("step-aes.64", "step-aes.GetCACert.bin");
};

TEST_P(DamagedErrorText, is_neither_a_set_nor_a_reply) {
    expect_refused(body_);
    test::for_each_cut(GetParam(), body_, [&](const Bytes& cut) { expect_refused(cut); });
    test::for_each_flip(GetParam(), body_, test::all_flips(),
                        [&](const Bytes& damaged, std::size_t /*at*/) { expect_refused(damaged); });
}

INSTANTIATE_TEST_SUITE_P(Captures, DamagedErrorText,
                         testing::Values(DamageCase{"micromdm210.GetNextCACert.bin", ""},
                                         DamageCase{"step-aes.GetNextCACert.bin", ""}),
                         test::case_name);

}  // namespace
}  // namespace hwenroll::scep
