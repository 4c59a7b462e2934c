#include "base/certificate.h"

#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/base/sample_certificate.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/test_paths.h"

namespace hwenroll {
namespace {

using test::make;
using test::SampleCertificate;
using testing::ElementsAre;

/// A CA certificate that a server sent (tests/data/captures).
Bytes captured_ca() {
    const std::string body = test::read_file(test::test_data("captures/micromdm210.GetCACert.bin"));
    return to_bytes(as_bytes(body));
}

TEST(Certificate, reads_what_another_implementation_made) {
    const auto read = Certificate::from_der(captured_ca());
    ASSERT_TRUE(read.has_value()) << read.error().line();
    EXPECT_TRUE(read->is_ca());
    EXPECT_TRUE(read->is_self_issued());
    EXPECT_TRUE(read->public_key().is_rsa());
    EXPECT_EQ(read->der(), captured_ca());
    EXPECT_EQ(read->fingerprint(), sha256(captured_ca())) << "CACERT-4: over the whole DER";
}

void expect_same_summary(const Bytes& der) {
    const auto whole = Certificate::from_der(der);
    const auto summary = summary_of(der);
    ASSERT_TRUE(whole && summary);
    EXPECT_EQ(summary->serial, whole->serial());
    EXPECT_EQ(summary->subject, whole->subject());
    EXPECT_EQ(summary->issuer, whole->issuer());
    EXPECT_EQ(summary->not_before, whole->not_before());
    EXPECT_EQ(summary->not_after, whole->not_after());
}

TEST(CertificateSummary, says_what_the_whole_certificate_says) {
    expect_same_summary(captured_ca());
    expect_same_summary(make({}).der());
}

TEST(CertificateSummary, a_certificate_that_is_cut_anywhere_before_its_key_is_malformed) {
    const Bytes der = make({}).der();
    for (std::size_t size = 0; size < der.size(); ++size) {
        EXPECT_FALSE(summary_of(ByteView(der).first(size))) << size;
    }
    EXPECT_FALSE(summary_of(as_bytes("no certificate")));
}

TEST(Certificate, shows_what_it_was_made_with) {
    SampleCertificate sample;
    sample.subject = "O=Example,CN=a";
    sample.subject_alt_name =
        "DNS:a.example,IP:192.0.2.1,IP:2001:db8::1,email:x@example.com,URI:urn:a,"
        "otherName:msUPN;UTF8:u@example.com,RID:1.2.3";
    sample.key_usage = "digitalSignature,keyEncipherment";
    const Certificate made = make(sample);
    EXPECT_EQ(made.subject().text(), "O=Example,CN=a");
    EXPECT_EQ(made.not_before(), sample.not_before);
    EXPECT_EQ(made.not_after(), sample.not_after);
    EXPECT_THAT(made.subject_alt_names(), ElementsAre("dns:a.example", "ip:192.0.2.1", "ip:2001:db8::1",
                                                      "email:x@example.com", "uri:urn:a", "upn:u@example.com"));
    EXPECT_EQ(made.key_usage(), static_cast<std::uint32_t>(KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT));
    EXPECT_FALSE(made.is_ca());
    EXPECT_TRUE(made.public_key().is_ec());
    EXPECT_EQ(made.public_key().text(), "EC P-256");
}

TEST(Certificate, without_extensions_restricts_nothing) {
    const Certificate plain = make({});
    EXPECT_EQ(plain.key_usage(), ~std::uint32_t{0});
    EXPECT_TRUE(plain.subject_alt_names().empty());
    EXPECT_FALSE(plain.is_ca());
}

TEST(Certificate, is_a_CA_only_when_basicConstraints_says_so) {
    SampleCertificate sample;
    sample.basic_constraints = "critical,CA:TRUE";
    EXPECT_TRUE(make(sample).is_ca());
    sample.basic_constraints = "critical,CA:FALSE";
    EXPECT_FALSE(make(sample).is_ca());
    sample.basic_constraints = "";
    sample.key_usage = "keyCertSign";
    EXPECT_FALSE(make(sample).is_ca());
}

TEST(Certificate, gives_its_serial_without_leading_zero) {
    SampleCertificate sample;
    sample.serial = {0x9a, 0x01};
    EXPECT_EQ(make(sample).serial(), (Bytes{0x9a, 0x01}));
}

TEST(Certificate, equality_and_copies_go_by_DER) {
    const Certificate one = make({});
    const Certificate copy = one;  // NOLINT(performance-unnecessary-copy-initialization)
    EXPECT_EQ(one, copy);
    EXPECT_FALSE(one == make({})) << "another key";
    EXPECT_EQ(Certificate::from_der(one.der()).value(), one);
}

TEST(Certificate, refuses_DER_that_is_cut_has_a_tail_or_is_something_else) {
    const Bytes der = make({}).der();
    Bytes longer = der;
    longer.push_back(0);
    for (const Bytes& bad :
         {Bytes(der.begin(), der.end() - 1), longer, Bytes{}, Bytes{0x30, 0x00}, to_bytes(as_bytes("<html>"))}) {
        const auto read = Certificate::from_der(bad);
        ASSERT_FALSE(read.has_value());
        EXPECT_EQ(read.error().code(), ErrorCode::scep_structure);
    }
}

// Every cut of a real certificate is refused and none of them is read past its end (the sanitizers watch).
TEST(Certificate, refuses_every_prefix_of_itself) {
    const Bytes der = make({}).der();
    for (std::size_t size = 0; size < der.size(); ++size) {
        const Bytes prefix(der.begin(), der.begin() + static_cast<long>(size));
        EXPECT_FALSE(Certificate::from_der(prefix).has_value()) << size;
    }
}

TEST(Asn1Time, is_UTCTime_before_2050_and_GeneralizedTime_from_then_on) {  // RFC 5280 §4.1.2.5
    using namespace std::chrono;
    const TimePoint before = sys_days(2049y / December / 31) + 23h + 59min + 59s;
    EXPECT_EQ(ASN1_STRING_type(to_asn1_time(before).get()), V_ASN1_UTCTIME);
    EXPECT_EQ(ASN1_STRING_type(to_asn1_time(before + 1s).get()), V_ASN1_GENERALIZEDTIME);
    for (const TimePoint time :
         {before, before + 1s, TimePoint(sys_days(1970y / January / 1)), TimePoint(sys_days(2000y / February / 29)),
          TimePoint(sys_days(9999y / December / 31))}) {
        EXPECT_EQ(time_of(to_asn1_time(time).get()).value(), time) << to_iso8601(time);
    }
}

TEST(Asn1Time, that_is_missing_or_malformed_is_refused) {
    EXPECT_EQ(time_of(nullptr).error().code(), ErrorCode::scep_structure);
    const OpenSslPtr<ASN1_TIME> odd(ASN1_STRING_type_new(V_ASN1_UTCTIME));
    ASN1_STRING_set(odd.get(), "991332000000Z", -1);
    EXPECT_EQ(time_of(odd.get()).error().code(), ErrorCode::scep_structure);
}

}  // namespace
}  // namespace hwenroll
