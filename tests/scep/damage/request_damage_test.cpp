// SEC-18: damaged requests. scep-lab-ca takes one for nothing else than what was signed; `scep decode`, which verifies
// nothing, shows whatever stands there, printable (SEC-14).
#include <gtest/gtest.h>

#include "tests/lab_ca/scep_request.h"
#include "tests/scep/damage/damaged_copies.h"
#include "tests/scep/reply/captured_exchange.h"
#include "tests/scep/request/test_pki.h"
#include "transport/scep/message_dump.h"

namespace hwenroll {
namespace {

using test::DamageCase;

void expect_printable_dump(const Bytes& body, std::size_t at) {
    const auto dump = scep::dump(body, nullptr, {});
    if (!dump) {
        EXPECT_FALSE(dump.error().line().empty()) << at;
        return;
    }
    for (const scep::DumpLine& line : dump->lines) {
        EXPECT_EQ(line.value, printable(line.value, line.value.size() + 1)) << at;
    }
}

class DamagedRequest : public testing::TestWithParam<DamageCase> {
 protected:
    /// A good signature by a certificate that is good by itself. (One that names another issuer is of an unknown CA and
    /// gets nothing.)
    [[nodiscard]] bool verifies(const lab_ca::ScepRequest& request) const {
        const auto kind = lab_ca::verify_request(request, {authority_}, floor_);
        return kind && *kind == lab_ca::SignerKind::self_signed;
    }

    Bytes body_ = test::capture(GetParam().name);
    Certificate authority_ = test::load_exchange("step-aes.64", "step-aes.GetCACert.bin").anchor;
    lab_ca::AlgorithmFloor floor_ = lab_ca::AlgorithmFloor::with_weak_algorithms().value();
};

TEST_P(DamagedRequest, cut_at_any_length_is_no_request) {
    test::for_each_cut(GetParam(), body_, [&](const Bytes& cut) {
        const auto request = lab_ca::read_scep_request(cut);
        EXPECT_TRUE(!request || !verifies(*request)) << cut.size();
        expect_printable_dump(cut, cut.size());
    });
}

TEST_P(DamagedRequest, with_one_octet_altered_is_refused_or_means_the_same) {
    const auto intact = lab_ca::read_scep_request(body_);
    ASSERT_TRUE(intact && verifies(*intact));
    test::for_each_flip(GetParam(), body_, test::three_flips(), [&](const Bytes& damaged, std::size_t at) {
        const auto request = lab_ca::read_scep_request(damaged);
        if (request && verifies(*request)) {
            EXPECT_EQ(request->transaction_id, intact->transaction_id) << at;
            EXPECT_EQ(request->sender_nonce, intact->sender_nonce) << at;
            EXPECT_EQ(request->message_type, intact->message_type) << at;
            EXPECT_EQ(request->signer_certificate, intact->signer_certificate) << at;
            EXPECT_EQ(request->signed_data.content, intact->signed_data.content) << at;
        }
    });
}

// One flip of each octet: a dump has no second value to compare with, and the fuzz target cert_rep goes further.
TEST_P(DamagedRequest, with_one_octet_altered_is_decoded_to_printable_lines_or_an_error) {
    test::for_each_flip(GetParam(), body_, {0x80},
                        [&](const Bytes& damaged, std::size_t at) { expect_printable_dump(damaged, at); });
}

INSTANTIATE_TEST_SUITE_P(Captures, DamagedRequest,
                         testing::ValuesIn(test::divided({{"micromdm210.41.req.der", ""},
                                                          {"micromdm210-badchallenge.43.req.der", ""},
                                                          {"micromdmHEAD.16.req.der", ""},
                                                          {"step-aes.64.req.der", ""},
                                                          {"step-aes256.70.req.der", ""},
                                                          {"step-def.66.req.der", ""},
                                                          {"step-gcm.68.req.der", ""},
                                                          {"jscep.97.req.der", ""}},
                                                         1)),
                         test::case_name);

/// The recorded CSR without its PEM armour.
Bytes recorded_csr() {
    const Bytes pem = test::capture("r.csr");
    const std::string text(as_text(pem));
    const std::size_t begin = text.find('\n') + 1;
    return from_base64(text.substr(begin, text.find("-----END") - begin)).value();
}

// CSR-1: the signature covers all that counts.
TEST(DamagedCsr, is_refused_or_means_the_same) {
    const Bytes csr = recorded_csr();
    const auto floor = lab_ca::AlgorithmFloor::modern();
    const auto intact = lab_ca::CertificationRequest::from_der(csr);
    ASSERT_TRUE(intact && intact->verify(floor));
    test::for_each_cut({}, csr, [&](const Bytes& cut) {
        EXPECT_FALSE(lab_ca::CertificationRequest::from_der(cut)) << cut.size();
        expect_printable_dump(cut, cut.size());
    });
    test::for_each_flip({}, csr, test::three_flips(), [&](const Bytes& damaged, std::size_t at) {
        expect_printable_dump(damaged, at);
        const auto request = lab_ca::CertificationRequest::from_der(damaged);
        if (request && request->verify(floor)) {
            EXPECT_EQ(request->subject(), intact->subject()) << at;
            EXPECT_EQ(request->public_key(), intact->public_key()) << at;
            EXPECT_EQ(request->attribute_types(), intact->attribute_types()) << at;
        }
    });
}

}  // namespace
}  // namespace hwenroll
