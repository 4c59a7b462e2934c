#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/pem.h"
#include "tests/scep/request/test_pki.h"
#include "transport/scep/ca_set.h"
#include "transport/scep/der_writer.h"

namespace hwenroll::scep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

const Certificate& some_ca() {
    static const Certificate certificate = test::self_signed(test::ca_spec("CN=CA"), test::rsa_key(1));
    return certificate;
}

Result<std::vector<Certificate>> parse(ByteView body) {
    return parse_ca_certificates(body, {});
}

std::vector<std::string> subjects(const Result<std::vector<Certificate>>& certificates) {
    std::vector<std::string> names;
    for (const Certificate& certificate : certificates.value()) {
        names.push_back(certificate.subject().text());
    }
    return names;
}

TEST(CaCertificates, CT_1_CT_2_CT_6_captured_bodies_of_three_servers) {
    EXPECT_THAT(subjects(parse(test::capture("micromdm210.GetCACert.bin"))), ElementsAre("C=US,O=scep-ca,OU=SCEP CA"));
    EXPECT_THAT(subjects(parse(test::capture("jscep.GetCACert.bin"))), ElementsAre("CN=Certification Authority"));
    EXPECT_THAT(subjects(parse(test::capture("step-aes.GetCACert.bin"))),
                testing::UnorderedElementsAre("CN=StepIntermediate", "CN=StepRoot"));
}

TEST(CaCertificates, BAD_34_SEC_18_captured_bodies_cut_anywhere_are_errors) {
    for (const char* name : {"micromdm210.GetCACert.bin", "jscep.GetCACert.bin", "step-aes.GetCACert.bin"}) {
        const Bytes body = test::capture(name);
        for (std::size_t size = 0; size < body.size(); ++size) {
            const Bytes cut(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(size));  // so that asan sees reads
            EXPECT_FALSE(parse(cut)) << name << " cut at " << size;
        }
    }
}

TEST(CaCertificates, SEC_18_captured_bodies_with_any_octet_changed_do_no_harm) {
    for (const char* name : {"micromdm210.GetCACert.bin", "step-aes.GetCACert.bin"}) {
        const Bytes body = test::capture(name);
        for (std::size_t at = 0; at < body.size(); ++at) {
            for (const std::uint8_t flip : {0x01, 0x80, 0xFF}) {
                Bytes changed = body;
                changed[at] ^= flip;
                const auto parsed = parse(changed);
                EXPECT_TRUE(!parsed || parsed->size() <= 2) << name << " changed at " << at;
            }
        }
    }
}

TEST(CaCertificates, HTTP_22_a_reply_that_is_not_SCEP_is_named_as_such) {
    for (const std::string& body :
         {std::string(), std::string("<html><body>login"), std::string("operation not implemented")}) {
        EXPECT_EQ(parse(as_bytes(body)).error().code(), ErrorCode::ca_not_scep) << body;
    }
    EXPECT_THAT(parse(as_bytes("<html>\x1B[2J")).error().line(), HasSubstr("<html>\\x1b[2J"));
}

TEST(CaCertificates, BAD_36_CT_7_PEM_is_refused_by_name) {
    const auto parsed = parse(as_bytes(to_pem(some_ca())));
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().code(), ErrorCode::ca_not_scep);
    EXPECT_THAT(parsed.error().line(), HasSubstr("PEM"));
}

TEST(CaCertificates, CACERT_2_CT_6_Q_OXI_3_one_certificate_or_a_set_of_one_are_the_same) {
    EXPECT_THAT(parse(some_ca().der()).value(), ElementsAre(some_ca()));
    EXPECT_THAT(parse(test::certificates_only({some_ca()})).value(), ElementsAre(some_ca()));
}

TEST(CaCertificates, a_truncated_body_is_told_from_a_malformed_one) {
    const Bytes whole = test::certificates_only({some_ca()});
    EXPECT_EQ(parse(ByteView(whole).first(whole.size() - 1)).error().code(), ErrorCode::ca_truncated);
    Bytes longer = whole;
    longer.push_back(0);
    EXPECT_EQ(parse(longer).error().code(), ErrorCode::scep_structure);
    Bytes certificate = some_ca().der();
    certificate.push_back(0);
    EXPECT_EQ(parse(certificate).error().code(), ErrorCode::scep_structure);
    EXPECT_EQ(parse(Bytes{0x30, 0x03, 0x02, 0x01, 0x05}).error().code(), ErrorCode::scep_structure);
}

TEST(CaCertificates, BAD_33_a_set_without_certificates) {
    EXPECT_EQ(parse(test::certificates_only({})).error().code(), ErrorCode::ca_certificate);
}

TEST(CaCertificates, BAD_32_DEG_7_64_certificates_are_accepted_and_no_more) {
    std::vector<Certificate> many;
    const test::Key key = test::new_ec_key();
    for (int i = 0; i < 65; ++i) {
        many.push_back(test::self_signed(test::ca_spec("CN=CA " + std::to_string(i)), key));
    }
    const auto refused = parse(test::certificates_only(many));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::ca_certificate);
    EXPECT_THAT(refused.error().line(), HasSubstr("65"));
    many.pop_back();
    EXPECT_THAT(parse(test::certificates_only(many)).value(), SizeIs(64));
}

TEST(CaCertificates, DEG_7_duplicates_are_dropped) {
    EXPECT_THAT(parse(test::certificates_only({some_ca(), some_ca(), some_ca()})).value(), ElementsAre(some_ca()));
}

TEST(CaCertificates, SEC_11_too_large_or_too_deep_a_body_is_refused) {
    ParseLimits limits;
    limits.max_message = some_ca().der().size() - 1;
    EXPECT_EQ(parse_ca_certificates(some_ca().der(), limits).error().code(), ErrorCode::ca_too_big);
    Bytes deep;
    for (int i = 0; i < 100000; ++i) {
        deep.insert(deep.end(), {0x30, 0x80});
    }
    EXPECT_EQ(parse(deep).error().code(), ErrorCode::scep_structure);
}

TEST(CaCertificates, DEG_6_other_kinds_of_certificate_are_skipped) {
    const Bytes list = der::constructed(der::tag_context(0), {der::value(0xA1, Bytes{0x05, 0x00}), some_ca().der(),
                                                              der::value(0xA3, Bytes{0x06, 0x01, 0x2A, 0x05, 0x00})});
    const Bytes content = der::constructed(der::tag_sequence, {der::object_identifier("1.2.840.113549.1.7.1")});
    const Bytes data = der::constructed(der::tag_sequence, {der::small_integer(1), der::value(der::tag_set, {}),
                                                            content, list, der::value(der::tag_set, {})});
    const Bytes body = der::constructed(
        der::tag_sequence, {der::object_identifier("1.2.840.113549.1.7.2"), der::value(der::tag_context(0), data)});
    EXPECT_THAT(parse(body).value(), ElementsAre(some_ca()));
}

TEST(CaCertificates, DEG_2_BAD_40_a_set_with_a_signer_is_read_like_one_without) {
    EXPECT_THAT(subjects(parse(test::capture("micromdm210-badchallenge.43.rep.der"))), SizeIs(1));
}

TEST(CaCertificates, another_kind_of_CMS_is_malformed) {
    const Bytes enveloped =
        der::constructed(der::tag_sequence, {der::object_identifier("1.2.840.113549.1.7.3"),
                                             der::value(der::tag_context(0), der::constructed(der::tag_sequence, {}))});
    EXPECT_EQ(parse(enveloped).error().code(), ErrorCode::scep_structure);
}

}  // namespace
}  // namespace hwenroll::scep
