// The lab CA's CRLs and certificates on request (SRV-11).
#include <gmock/gmock.h>

#include "tests/lab_ca/test_lab_ca.h"

namespace hwenroll::lab_ca::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

using CrlPtr = OpenSslPtr<X509_CRL>;

CrlPtr parsed(const Bytes& der) {
    const unsigned char* in = der.data();
    return CrlPtr(d2i_X509_CRL(nullptr, &in, static_cast<long>(der.size())));
}

long number_of(X509_CRL* crl) {
    const OpenSslPtr<ASN1_INTEGER> number(
        static_cast<ASN1_INTEGER*>(X509_CRL_get_ext_d2i(crl, NID_crl_number, nullptr, nullptr)));
    return number ? ASN1_INTEGER_get(number.get()) : -1;
}

class CrlTest : public LabCaTest {
 protected:
    void SetUp() override { begin({}); }

    void begin(CrlPolicy policy) {
        LabCaOptions made = options();
        made.crl = std::move(policy);
        start(std::move(made));
    }

    /// A certificate of the CA for `identity_`, which is not its signer.
    Certificate issue() {
        recipe_ = {};
        recipe_.transaction_id = "T" + std::to_string(++transactions_);
        return leaf(send(recipe_), identity_);
    }

    OpenedReply ask(const char* type, Bytes content) {
        RequestRecipe recipe;
        recipe.message_type = type;
        recipe.transaction_id = "Q" + std::to_string(++transactions_);
        recipe.content = std::move(content);
        return send(recipe);
    }

    CrlPtr by_http() {
        const HttpReply reply = lab("/crl/1.crl");
        EXPECT_EQ(reply.status, 200);
        EXPECT_EQ(reply.content_type, "application/pkix-crl");
        return parsed(reply.body);
    }

    static bool lists(X509_CRL* crl, const Certificate& certificate) {
        X509_REVOKED* entry = nullptr;
        return X509_CRL_get0_by_serial(crl, &entry, X509_get0_serialNumber(certificate.get())) == 1;
    }

    RequestRecipe recipe_;
    int transactions_ = 0;
};

TEST_F(CrlTest, SRV_11_GetCert_brings_the_certificate_of_that_serial_number) {
    const Certificate certificate = issue();
    const OpenedReply reply = ask("21", make_issuer_and_serial(certificate));
    EXPECT_EQ(reply.status(), "0");
    EXPECT_THAT(reply.certificates, ElementsAre(certificate));
    EXPECT_THAT(findings(), Not(Contains("QRY-2")));
}

TEST_F(CrlTest, QRY_2_FI_4_what_was_not_issued_is_badCertId) {
    issue();
    const ClientIdentity other = ClientIdentity::make("CN=somebody else", clock_.now());
    EXPECT_EQ(ask("21", make_issuer_and_serial(*other.certificate)).status(), "2/4");
    EXPECT_THAT(findings(), Contains("QRY-2"));
    EXPECT_EQ(ask("22", make_issuer_and_serial(*other.certificate)).status(), "2/4");
}

TEST_F(CrlTest, SRV_11_GetCRL_brings_one_list_and_no_certificate) {
    const Certificate certificate = issue();
    const OpenedReply reply = ask("22", make_issuer_and_serial(certificate));
    EXPECT_EQ(reply.status(), "0");
    EXPECT_THAT(reply.certificates, IsEmpty());
    ASSERT_THAT(reply.crls, SizeIs(1));
    const CrlPtr crl = parsed(reply.crls[0]);
    EXPECT_EQ(X509_CRL_verify(crl.get(), ca_->certificate().public_key().get()), 1);
    EXPECT_EQ(lab("/crl/1.crl").body, reply.crls[0]) << "the same by HTTP";
}

TEST_F(CrlTest, SRV_11_the_number_rises_with_every_list_over_restarts) {
    const Certificate certificate = issue();
    EXPECT_EQ(number_of(by_http().get()), 1);
    EXPECT_EQ(number_of(by_http().get()), 1) << "nothing new";
    EXPECT_EQ(lab("/lab/revoke", "serial=" + to_hex(certificate.serial()) + "&reason=keyCompromise").status, 200);
    const CrlPtr second = by_http();
    EXPECT_EQ(number_of(second.get()), 2);
    EXPECT_TRUE(lists(second.get(), certificate));
    clock_.advance(std::chrono::days(4));
    EXPECT_EQ(number_of(by_http().get()), 3) << "after half of its life";
    start(options());
    const CrlPtr fourth = by_http();
    EXPECT_EQ(number_of(fourth.get()), 4);
    EXPECT_TRUE(lists(fourth.get(), certificate));
    EXPECT_EQ(lab("/lab/restore", "serial=" + to_hex(certificate.serial())).status, 200);
    EXPECT_FALSE(lists(by_http().get(), certificate));
}

TEST_F(CrlTest, SRV_11_certificates_name_the_distribution_points_of_the_options) {
    begin({std::chrono::days(7), {"self", "file:///etc/passwd"}});
    HttpRequest asked = post_request(request({}));
    asked.headers.insert(asked.headers.begin(), {"Host", "192.0.2.1:8080"});
    const Certificate certificate = leaf(opened(ca_->answer(asked)), identity_);
    const OpenSslPtr<BIO> text(BIO_new(BIO_s_mem()));
    const int at = X509_get_ext_by_NID(certificate.get(), NID_crl_distribution_points, -1);
    ASSERT_GE(at, 0);
    X509V3_EXT_print(text.get(), X509_get_ext(certificate.get(), at), 0, 0);
    char* data = nullptr;
    const long size = BIO_get_mem_data(text.get(), &data);
    const std::string printed(data, static_cast<std::size_t>(size));
    EXPECT_THAT(printed, HasSubstr("URI:http://192.0.2.1:8080/crl/1.crl"));
    EXPECT_THAT(printed, HasSubstr("URI:file:///etc/passwd"));
}

TEST_F(CrlTest, SRV_11_hostile_forms) {
    const Certificate certificate = issue();
    const Bytes question = make_issuer_and_serial(certificate);
    EVP_PKEY* const key = ca_->certificate().public_key().get();
    const auto form = [&](const std::string& word) { EXPECT_EQ(lab("/lab/crl", "form=" + word).status, 200) << word; };
    form("other-issuer");
    EXPECT_EQ(X509_CRL_verify(by_http().get(), key), 0);
    form("bad-signature");
    EXPECT_EQ(X509_CRL_verify(by_http().get(), key), 0);
    form("older");
    EXPECT_EQ(number_of(by_http().get()), 0);
    form("expired");
    EXPECT_LT(*time_of(X509_CRL_get0_nextUpdate(by_http().get())), clock_.now());
    form("delta");
    EXPECT_GE(X509_CRL_get_ext_by_NID(by_http().get(), NID_delta_crl, -1), 0);
    form("critical");
    EXPECT_GE(X509_CRL_get_ext_by_critical(by_http().get(), 1, -1), 0);
    form("huge");
    EXPECT_GT(lab("/crl/1.crl").body.size(), 400'000U);
    form("certificate");
    const OpenedReply reply = ask("22", question);
    EXPECT_THAT(reply.certificates, SizeIs(1));
    EXPECT_THAT(reply.crls, IsEmpty());
    form("to-file");
    EXPECT_EQ(lab("/crl/1.crl").status, 302);
    form("gone");
    EXPECT_EQ(lab("/crl/1.crl").status, 404);
    EXPECT_EQ(ask("22", question).status(), "2/4");
    EXPECT_EQ(lab("/lab/crl", "form=unheard-of").status, 404);
    EXPECT_EQ(lab("/crl/7.crl").status, 404);
    EXPECT_EQ(lab("/lab/crl", "cert=pending").status, 200);
    EXPECT_EQ(ask("21", question).status(), "3");
    EXPECT_EQ(lab("/lab/crl", "cert=other-serial").status, 200);
    EXPECT_THAT(ask("21", question).certificates, ElementsAre(ca_->certificate()));
}

}  // namespace
}  // namespace hwenroll::lab_ca::test
