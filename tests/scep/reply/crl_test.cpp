// CRLs: what can be read, what is believed, what they say (QRY-6, BAD-137 … BAD-140, SEC-17).
#include "transport/scep/crl.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/pem.h"
#include "tests/scep/reply/asn1_forge.h"
#include "tests/scep/reply/crl_forge.h"
#include "tests/scep/reply/reply_forge.h"

namespace hwenroll::scep {
namespace {

using test::crl_extension;
using test::ForgedCrl;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

CrlExpectation expectation() {
    return {test::world().ca, test::present(), {}, {}};
}

/// Reads and judges.
Result<std::vector<std::string>> judged(const ForgedCrl& forged, const CrlExpectation& expected = expectation()) {
    const auto crl = read_crl(forged.build(), expected.limits);
    return crl ? judge_crl(*crl, expected) : fail(crl.error());
}

void expect_unusable(const Result<std::vector<std::string>>& judgement, const std::string& why) {
    ASSERT_FALSE(judgement);
    EXPECT_EQ(judgement.error().code(), ErrorCode::crl_unusable);
    EXPECT_THAT(judgement.error().line(), HasSubstr(why));
}

Bytes issuing_point(std::initializer_list<ByteView> fields) {
    return crl_extension("2.5.29.28", true, test::asn1::sequence(fields));
}

Bytes flag(std::uint8_t number) {
    return test::asn1::value(static_cast<std::uint8_t>(0x80U | number), {Bytes{0xFF}});
}

TEST(ReadCrl, QRY_6_takes_a_list_apart) {
    ForgedCrl forged;
    forged.number = Bytes{0x00, 0x81, 0x02};
    forged.entries = {{{7}, 1}, {{0x99, 1}}};
    const auto crl = read_crl(forged.build(), {});
    ASSERT_TRUE(crl) << crl.error().line();
    EXPECT_EQ(crl->issuer, test::world().ca.subject());
    EXPECT_EQ(crl->this_update, forged.this_update);
    EXPECT_EQ(crl->next_update, forged.next_update);
    EXPECT_EQ(crl->number, (Bytes{0x81, 0x02}));
    EXPECT_EQ(crl->entries, 2U);
    EXPECT_EQ(crl->der, forged.build());
}

TEST(ReadCrl, agrees_with_libcrypto) {
    ForgedCrl forged;
    forged.entries = {{{7}, 1}, {{8}}};
    const Bytes der = forged.build();
    const unsigned char* in = der.data();
    const OpenSslPtr<X509_CRL> theirs(d2i_X509_CRL(nullptr, &in, static_cast<long>(der.size())));
    ASSERT_TRUE(theirs) << take_openssl_errors();
    EXPECT_EQ(X509_CRL_verify(theirs.get(), test::world().ca_key.get()), 1);
    const OpenSslPtr<ASN1_INTEGER> serial(ASN1_INTEGER_new());
    ASN1_INTEGER_set(serial.get(), 7);
    X509_REVOKED* entry = nullptr;
    EXPECT_EQ(X509_CRL_get0_by_serial(theirs.get(), &entry, serial.get()), 1);
}

TEST(ReadCrl, a_PEM_text_is_read_as_well) {
    const Bytes der = ForgedCrl{}.build();
    const std::string text = "Issued today\n" + to_pem("X509 CRL", der);
    const auto crl = read_crl(to_bytes(as_bytes(text)), {});
    ASSERT_TRUE(crl) << crl.error().line();
    EXPECT_EQ(crl->der, der);
    const std::string other = to_pem("CERTIFICATE", test::world().ca.der());
    EXPECT_EQ(read_crl(to_bytes(as_bytes(other)), {}).error().code(), ErrorCode::crl_unusable);
}

TEST(ReadCrl, what_is_no_CRL_is_told) {
    for (const std::string text : {"", "<html>gone</html>", "0", "\x30\x03\x02\x01\x01"}) {
        const auto crl = read_crl(to_bytes(as_bytes(text)), {});
        ASSERT_FALSE(crl) << text;
        EXPECT_EQ(crl.error().code(), ErrorCode::crl_unusable) << text;
    }
    Bytes longer = ForgedCrl{}.build();
    longer.push_back(0);
    EXPECT_EQ(read_crl(longer, {}).error().code(), ErrorCode::crl_unusable);
    EXPECT_FALSE(read_crl(test::world().ca.der(), {}));
}

TEST(ReadCrl, BAD_139_a_list_above_the_limit_is_not_looked_at) {
    ParseLimits limits;
    const Bytes der = ForgedCrl{}.build();
    limits.max_message = der.size() - 1;
    EXPECT_EQ(read_crl(der, limits).error().code(), ErrorCode::ca_too_big);
    limits.max_message = der.size();
    EXPECT_TRUE(read_crl(der, limits));
}

TEST(ReadCrl, QRY_6_delta_and_indirect_lists_and_unknown_critical_extensions_are_refused) {
    const Bytes number = test::asn1::integer(4);
    struct Case {
        Bytes extension;
        std::string why;
    };
    for (const Case& one :
         {Case{crl_extension("2.5.29.27", true, number), "delta"},
          Case{crl_extension("2.5.29.27", false, number), "delta"}, Case{issuing_point({flag(4)}), "indirect"},
          Case{crl_extension("1.2.3.4", true, test::asn1::null()), "1.2.3.4 is not understood"}}) {
        ForgedCrl forged;
        forged.extensions = {one.extension};
        const auto crl = read_crl(forged.build(), {});
        ASSERT_FALSE(crl) << one.why;
        EXPECT_EQ(crl.error().code(), ErrorCode::crl_unusable);
        EXPECT_THAT(crl.error().line(), HasSubstr(one.why));
    }
    ForgedCrl tolerated;
    tolerated.extensions = {crl_extension("1.2.3.4", false, test::asn1::null())};
    EXPECT_TRUE(read_crl(tolerated.build(), {}));
}

TEST(ReadCrl, QRY_6_a_critical_extension_of_an_entry_counts_for_the_list) {
    ForgedCrl forged;
    forged.entries = {{{7}}, {{8}, {}, {crl_extension("2.5.29.29", true, test::asn1::sequence({}))}}};
    EXPECT_THAT(read_crl(forged.build(), {}).error().line(), HasSubstr("indirect"));
    forged.entries[1].extensions = {crl_extension("1.2.3.4", true, test::asn1::null())};
    EXPECT_THAT(read_crl(forged.build(), {}).error().line(), HasSubstr("critical extension 1.2.3.4"));
    forged.entries[1].extensions = {crl_extension("1.2.3.4", false, test::asn1::null())};
    EXPECT_TRUE(read_crl(forged.build(), {}));
}

TEST(ReadCrl, a_number_that_is_none_is_refused) {
    ForgedCrl forged;
    forged.number = Bytes(33, 1);
    EXPECT_FALSE(read_crl(forged.build(), {}));
    forged.number = Bytes{0x80};
    EXPECT_FALSE(read_crl(forged.build(), {}));
    forged.number = Bytes{0};
    EXPECT_EQ(read_crl(forged.build(), {})->number, (Bytes{0}));
}

TEST(JudgeCrl, QRY_6_the_CAs_own_list_is_good) {
    const auto judgement = judged({});
    ASSERT_TRUE(judgement) << judgement.error().line();
    EXPECT_THAT(*judgement, IsEmpty());
}

TEST(JudgeCrl, BAD_138_QRY_6_a_CRL_of_another_issuer_is_refused) {
    ForgedCrl forged;
    forged.issuer = test::world().ra;
    expect_unusable(judged(forged), "of another issuer");
    // A name alone says nothing: the RA's key signs in the CA's name.
    ForgedCrl borrowed;
    borrowed.key = test::world().ra_key;
    EXPECT_EQ(judged(borrowed).error().code(), ErrorCode::crl_unusable);
    expect_unusable(judged(borrowed), "signature");
}

TEST(JudgeCrl, BAD_138_a_bad_signature_is_refused) {
    ForgedCrl forged;
    forged.spoilt_signature = true;
    expect_unusable(judged(forged), "signature of the CRL does not verify");
    ForgedCrl two;
    two.inner_oid = "1.2.840.113549.1.1.12";
    expect_unusable(judged(two), "two signature algorithms");
}

TEST(JudgeCrl, algorithms_below_the_floor_are_refused) {
    ForgedCrl forged;
    forged.signature_oid = "1.2.840.113549.1.1.5";
    forged.digest = EVP_sha1();
    EXPECT_EQ(judged(forged).error().code(), ErrorCode::scep_algorithm);
    CrlExpectation lenient = expectation();
    lenient.legacy.sha1_reply = true;
    EXPECT_TRUE(judged(forged, lenient));
    forged.signature_oid = "1.2.840.113549.1.1.4";
    EXPECT_EQ(judged(forged, lenient).error().code(), ErrorCode::scep_algorithm);
}

TEST(JudgeCrl, BAD_138_a_lower_number_than_that_at_hand_is_refused) {
    CrlExpectation expected = expectation();
    ForgedCrl forged;
    for (const Bytes& at_hand : {Bytes{6}, Bytes{1, 0}}) {
        expected.number = at_hand;
        expect_unusable(judged(forged, expected), "older");
    }
    for (const Bytes& at_hand : {Bytes{5}, Bytes{4}, Bytes{}}) {
        expected.number = at_hand;
        EXPECT_TRUE(judged(forged, expected)) << to_hex(at_hand);
    }
    // Leaving the number out is no way around it.
    forged.number.reset();
    expected.number = {4};
    expect_unusable(judged(forged, expected), "has no cRLNumber");
}

TEST(JudgeCrl, an_earlier_list_without_a_number_is_refused_by_its_time) {
    CrlExpectation expected = expectation();
    ForgedCrl forged;
    forged.number.reset();
    expected.since = forged.this_update;
    EXPECT_TRUE(judged(forged, expected));
    expected.since = forged.this_update + Seconds(1);
    expect_unusable(judged(forged, expected), "older");
}

TEST(JudgeCrl, BAD_138_a_list_past_its_nextUpdate_is_refused) {
    ForgedCrl forged;
    forged.next_update = test::present() - std::chrono::minutes(6);
    CrlExpectation expected = expectation();
    expect_unusable(judged(forged, expected), "expired");
    expected.limits.judges_time = false;  // K1: not by a clock that may be wrong
    EXPECT_TRUE(judged(forged, expected));
}

TEST(JudgeCrl, QRY_6_times_are_judged_with_the_clocks_tolerance) {
    ForgedCrl forged;
    forged.this_update = test::present() + std::chrono::minutes(4);
    EXPECT_TRUE(judged(forged));
    forged.this_update = test::present() + std::chrono::minutes(6);
    expect_unusable(judged(forged), "not valid yet");
    forged.this_update = test::present() - std::chrono::days(1);
    forged.next_update = test::present() - std::chrono::minutes(4);
    EXPECT_TRUE(judged(forged));
}

TEST(JudgeCrl, QRY_6_the_scope_has_to_cover_our_certificate) {
    CrlExpectation expected = expectation();
    expected.points = {"http://ca/one.crl", "http://ca/two.crl"};
    const auto with = [](Bytes extension) {
        ForgedCrl forged;
        forged.extensions = {std::move(extension)};
        return forged;
    };
    EXPECT_TRUE(judged(with(issuing_point({flag(1)})), expected));
    EXPECT_TRUE(judged(with(issuing_point({test::point_name({"http://ca/two.crl"})})), expected));
    expect_unusable(judged(with(issuing_point({test::point_name({"http://ca/three.crl"})})), expected), "another");
    expect_unusable(judged(with(issuing_point({flag(2)})), expected), "other kinds");
    expect_unusable(judged(with(issuing_point({flag(5)})), expected), "other kinds");
    expect_unusable(judged(with(issuing_point({test::asn1::value(0x83, {Bytes{1, 2}})})), expected), "reasons");
    expected.points.clear();
    expect_unusable(judged(with(issuing_point({test::point_name({"http://ca/three.crl"})})), expected), "names none");
    EXPECT_TRUE(judged(with(issuing_point({flag(1)})), expected)) << "a complete list of end entities";
}

TEST(ReadCrl, QRY_6_a_list_says_whether_it_speaks_of_every_end_entity) {
    const auto is_complete = [](std::vector<Bytes> extensions) {
        ForgedCrl forged;
        forged.extensions = std::move(extensions);
        const auto crl = read_crl(forged.build(), {});
        EXPECT_TRUE(crl);
        return crl && crl->complete;
    };
    EXPECT_TRUE(is_complete({}));
    EXPECT_TRUE(is_complete({issuing_point({flag(1)})}));
    EXPECT_FALSE(is_complete({issuing_point({test::point_name({"http://ca/two.crl"})})}));
    EXPECT_FALSE(is_complete({issuing_point({flag(2)})}));
}

TEST(JudgeCrl, a_list_without_nextUpdate_is_tolerated_and_told) {
    ForgedCrl forged;
    forged.next_update.reset();
    const auto judgement = judged(forged);
    ASSERT_TRUE(judgement) << judgement.error().line();
    EXPECT_THAT(*judgement, ElementsAre(HasSubstr("no nextUpdate")));
}

TEST(FindRevocations, finds_entries_with_date_and_reason) {
    ForgedCrl forged;
    forged.entries = {{{7}, 1}, {{0x99, 1}, 6}, {{9}, 8}, {{10}}};
    const auto found = find_revocations(forged.build(), {{7}, {0x99, 1}, {9}, {11}});
    ASSERT_TRUE(found) << found.error().line();
    ASSERT_EQ(found->size(), 2U);
    EXPECT_EQ((*found)[0].serial, (Bytes{7}));
    EXPECT_EQ(reason_text((*found)[0].reason), "keyCompromise");
    EXPECT_EQ((*found)[0].date, test::present() - std::chrono::hours(2));
    EXPECT_FALSE((*found)[0].is_hold());
    EXPECT_TRUE((*found)[1].is_hold());
    EXPECT_THAT(*find_revocations(ForgedCrl{}.build(), {{7}}), IsEmpty());
    EXPECT_EQ(find_revocations(Bytes{0x30, 0x01}, {{7}}).error().code(), ErrorCode::crl_unusable);
}

TEST(DropRevokedSigners, BAD_49_SIG_14_a_reply_signed_by_a_revoked_RA_is_refused) {
    const auto& world = test::world();
    CaSet set{world.ca, world.ca, world.ra, {world.ca, world.ra}, {}, {}};
    ForgedCrl forged;
    forged.entries = {{world.ra.serial(), 1}, {world.ca.serial(), 1}};
    const Bytes list = forged.build();
    const auto is_revoked = [&](const Certificate& certificate) {
        const auto found = find_revocations(list, {certificate.serial()});
        return certificate.issuer() == world.ca.subject() && found && !found->empty();
    };
    ReplyExpectation expected = world.expectation;
    expected.signers = set.signers;
    EXPECT_TRUE(read_cert_rep(test::ForgedReply{}.build(), expected));
    EXPECT_THAT(drop_revoked_signers(set, is_revoked), ElementsAre(world.ra));
    EXPECT_THAT(set.signers, ElementsAre(world.ca)) << "the pinned CA stays";
    expected.signers = set.signers;
    const auto refused = read_cert_rep(test::ForgedReply{}.build(), expected);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::scep_signer);
}

Certificate with_points(const std::string& value) {
    test::CertificateSpec spec = test::leaf_spec();
    spec.extensions.emplace_back("crlDistributionPoints", value);
    return test::issued_leaf(spec);
}

TEST(CrlPointsTest, SEC_17_BAD_140_only_http_and_https_may_be_asked) {
    const CrlPoints points = crl_points(with_points(
        "URI:file:///etc/shadow,URI:http://ca.example.com/a.crl,URI:ldap://ca/cn=x,URI:HTTPS://ca.example.com/b.crl"));
    EXPECT_THAT(points.urls, ElementsAre("http://ca.example.com/a.crl", "HTTPS://ca.example.com/b.crl"));
    EXPECT_THAT(points.refused, ElementsAre("file:///etc/shadow", "ldap://ca/cn=x"));
    EXPECT_EQ(points.names.size(), 4U);
}

ForgedCrl with_point(const Bytes& name) {
    ForgedCrl forged;
    forged.extensions = {issuing_point({name})};
    return forged;
}

// A CA may keep lists for parts of its certificates (RFC 5280 §5.2.5, §6.3.3 (b)(2)(i)).
TEST(JudgeCrl, QRY_6_partitions_with_names_of_any_form_are_told_apart) {
    const auto expects = [](const std::string& value) {
        CrlExpectation expected = expectation();
        expected.points = crl_points(with_points(value)).names;
        return expected;
    };
    // directoryName CN=1 in [4] of fullName.
    const Bytes cn{0x30, 0x0C, 0x31, 0x0A, 0x30, 0x08, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0C, 0x01, 0x31};
    const Bytes directory = test::asn1::value(0xA0, {test::asn1::value(0xA0, {test::asn1::value(0xA4, {cn})})});
    const CrlExpectation by_directory =
        expects("DER:" + to_hex(test::asn1::sequence({test::asn1::sequence({directory})})));
    ASSERT_EQ(by_directory.points.size(), 1U);
    EXPECT_TRUE(judged(with_point(directory), by_directory));
    expect_unusable(judged(with_point(directory), expects("URI:http://ca/1.crl")), "another");
    expect_unusable(judged(with_point(test::point_name({"http://ca/1.crl"})), by_directory), "another");
    EXPECT_TRUE(judged(with_point(test::point_name({"http://ca/1.crl"})), expects("URI:http://ca/1.crl")));
}

TEST(CrlPointsTest, QRY_6_the_scope_tells_certificates_of_other_points_apart) {
    const auto scope = [](const std::string& value) { return scope_of(crl_points(with_points(value))); };
    EXPECT_TRUE(scope_of(crl_points(test::issued_leaf())).empty());
    EXPECT_EQ(scope("URI:http://ca/1.crl").size(), 32U);
    EXPECT_EQ(scope("URI:http://ca/1.crl"), scope("URI:http://ca/1.crl"));
    EXPECT_NE(scope("URI:http://ca/1.crl"), scope("URI:http://ca/2.crl"));
    EXPECT_NE(scope("URI:http://ca/1.crl"), scope("URI:http://ca/1.crl,URI:http://ca/2.crl"));
}

TEST(CrlPointsTest, BAD_140_urls_with_blanks_or_control_characters_are_refused) {
    const CrlPoints points = crl_points(with_points("URI:http://ca/a b.crl"));
    EXPECT_THAT(points.urls, IsEmpty());
    EXPECT_EQ(points.refused.size(), 1U);
}

TEST(CrlPointsTest, a_certificate_without_them_names_none) {
    const CrlPoints points = crl_points(test::issued_leaf());
    EXPECT_TRUE(points.urls.empty() && points.refused.empty() && points.names.empty());
}

}  // namespace
}  // namespace hwenroll::scep
