// Renewals and what a manufacturer's certificate may do (SRV-8, SRV-20).
#include <gmock/gmock.h>

#include "base/pem.h"
#include "tests/lab_ca/test_lab_ca.h"

namespace hwenroll::lab_ca {
namespace {

using testing::IsEmpty;
using testing::UnorderedElementsAre;
using namespace test;

TEST_F(RenewalTest, SRV_8_an_issued_certificate_renews_itself_without_a_challenge) {
    const OpenedReply reply = send(recipe_);
    EXPECT_EQ(reply.status(), "0");
    EXPECT_THAT(findings(), IsEmpty());
    EXPECT_EQ(leaf(reply, next_).subject(), identity_.certificate->subject());
}

TEST_F(RenewalTest, SRV_8_a_PKCSReq_of_an_issued_certificate_renews_too_and_is_noted) {
    recipe_.message_type = "19";
    EXPECT_EQ(send(recipe_).status(), "0");
    EXPECT_THAT(findings(), UnorderedElementsAre("SIG-3"));
}

TEST_F(RenewalTest, CSR_6_a_challenge_that_comes_along_must_be_right) {
    recipe_.challenge = "wrong-secret";
    expect_refused(recipe_, "2/2");
    EXPECT_THAT(findings(), UnorderedElementsAre("CSR-6"));
}

TEST_F(RenewalTest, SRV_8_another_subject_is_refused) {
    next_ = ClientIdentity::make("CN=web02.example.com,O=Example", clock_.now());
    expect_refused(recipe_, "2/2");
    EXPECT_THAT(findings(), UnorderedElementsAre("REN-7"));
    recipe_.message_type = "19";
    expect_refused(recipe_, "2/2");  // nor does it admit by another type
}

TEST_F(RenewalTest, SRV_20_BADC_4_a_self_signed_certificate_renews_nothing) {
    identity_ = ClientIdentity::make(identity_.subject, clock_.now());
    expect_refused(recipe_, "2/2");
    EXPECT_THAT(findings(), UnorderedElementsAre("SIG-1", "SIG-1"));  // signs a 17; is for another key than the PKCS#10
    next_.certify(identity_, ca_->certificate().subject().text(), clock_.now());
    identity_ = std::move(next_);
    recipe_.requested = nullptr;
    expect_refused(recipe_, "2/1");  // names this CA as its issuer, which did not sign it
}

TEST_F(RenewalTest, REN_5_an_expired_certificate_renews_nothing) {
    clock_.advance(Seconds(3601));
    expect_refused(recipe_, "2/2");
    EXPECT_THAT(findings(), UnorderedElementsAre("REN-5"));
}

TEST_F(RenewalTest, SEC_5_a_weak_digest_is_noted) {
    recipe_.digest = EVP_sha1();
    expect_refused(recipe_, "2/0");
    LabCaOptions options = default_options(directory_.path());
    options.capabilities = Capabilities::from_list("AES,POSTPKIOperation,Renewal,SCEPStandard,SHA-1");
    options.allow_weak_requests = true;
    start(std::move(options));
    EXPECT_EQ(send(recipe_).status(), "0");
    EXPECT_THAT(findings(), UnorderedElementsAre("SEC-5", "ALG-11"));
}

TEST_F(RenewalTest, CAPS_11_a_renewal_that_is_not_announced_is_refused) {
    start(default_options(directory_.path()));
    expect_refused(recipe_, "2/2");
    EXPECT_THAT(findings(), UnorderedElementsAre("CAPS-11"));
}

TEST_F(RenewalTest, REN_3_the_reply_is_encrypted_to_the_old_key) {
    const HttpReply reply = ca_->answer(post_request(request(recipe_)));
    EXPECT_EQ(open_reply(reply.body, ca_->certificate(), identity_).certificates.size(), 2U);
    EXPECT_THROW(open_reply(reply.body, ca_->certificate(), next_), std::runtime_error);
}

TEST_F(RenewalTest, REN_6_a_17_may_be_announced_and_refused) {
    LabCaOptions refusing = renewing_options();
    refusing.admission.renewal.renewal_req = false;
    start(std::move(refusing));
    expect_refused(recipe_, "2/2");
    recipe_.message_type = "19";
    recipe_.transaction_id = "19";
    EXPECT_EQ(send(recipe_).status(), "0");
}

TEST_F(RenewalTest, SRV_8_only_a_17_may_renew) {
    LabCaOptions strict = renewing_options();
    strict.admission.renewal.pkcs_req = false;
    start(std::move(strict));
    recipe_.message_type = "19";
    expect_refused(recipe_, "2/2");
    recipe_.message_type = "17";
    EXPECT_EQ(send(recipe_).status(), "0");
}

TEST_F(RenewalTest, SRV_8_a_revoked_certificate_renews_nothing_even_after_a_restart) {
    EXPECT_EQ(lab("/lab/revoke", "serial=00").status, 404);
    EXPECT_EQ(lab("/lab/revoke", "serial=" + to_hex(identity_.certificate->serial())).status, 200);
    expect_refused(recipe_, "2/2");
    start(renewing_options());
    expect_refused(recipe_, "2/2");
    EXPECT_EQ(send(recipe_).attributes.at("1.3.6.1.5.5.7.24.1").text, "the signer's certificate is revoked");
}

TEST_F(RenewalTest, SRV_8_DEG_4_the_same_key_may_get_the_old_certificate_again) {
    LabCaOptions stuck = renewing_options();
    stuck.no_progress = NoProgress::same_key;
    start(std::move(stuck));
    recipe_.requested = nullptr;
    EXPECT_EQ(leaf(send(recipe_), identity_), *identity_.certificate);
    EXPECT_EQ(issued().size(), 1U);
    recipe_.requested = &next_;
    recipe_.transaction_id = "18";
    EXPECT_EQ(leaf(send(recipe_), next_).subject(), identity_.certificate->subject());
    EXPECT_EQ(issued().size(), 2U);
}

TEST_F(RenewalTest, SRV_8_every_renewal_may_get_the_old_certificate_again) {
    LabCaOptions stuck = renewing_options();
    stuck.no_progress = NoProgress::always;
    start(std::move(stuck));
    EXPECT_EQ(leaf(send(recipe_), identity_), *identity_.certificate);
}

/// `identity_` holds the certificate of a manufacturer, `maker_`.
class ManufacturerTest : public LabCaTest {
 protected:
    void SetUp() override {
        identity_.certify(maker_, maker_.subject, clock_.now());
        LabCaOptions trusting = options();
        trusting.capabilities = Capabilities::from_list("AES,POSTPKIOperation,Renewal,SCEPStandard,SHA-256");
        trusting.manufacturers = {*maker_.certificate};
        start(std::move(trusting));
        recipe_.challenge.reset();
    }

    ClientIdentity make_maker() {
        const TimePoint now = clock_.now();
        SigningIdentity root = make_root({now, now + std::chrono::days(3650), "CN=maker"}).value();
        return {std::move(root.key), std::move(root.certificate), "CN=maker"};
    }

    ClientIdentity maker_ = make_maker();
    RequestRecipe recipe_;
};

TEST_F(ManufacturerTest, SRV_8_SIG_4_its_certificate_admits_without_a_challenge) {
    for (const char* type : {"19", "17"}) {
        recipe_.message_type = type;
        recipe_.transaction_id = type;
        const OpenedReply reply = send(recipe_);
        EXPECT_EQ(reply.status(), "0") << type;
        EXPECT_EQ(leaf(reply, identity_).issuer(), ca_->certificate().subject());
        EXPECT_THAT(findings(), IsEmpty());
    }
}

TEST_F(ManufacturerTest, SIG_4_may_be_for_another_key_and_name) {
    const ClientIdentity wanted = ClientIdentity::make("CN=web01", clock_.now());
    recipe_.requested = &wanted;
    EXPECT_EQ(leaf(send(recipe_), wanted).subject(), wanted.certificate->subject());
}

TEST_F(ManufacturerTest, SRV_20_an_expired_or_forged_one_does_not) {
    const ClientIdentity thief = ClientIdentity::make("CN=thief", clock_.now());
    identity_.certify(thief, maker_.subject, clock_.now());
    expect_refused(recipe_, "2/2");
    identity_.certify(maker_, maker_.subject, clock_.now());
    clock_.advance(std::chrono::days(8));
    expect_refused(recipe_, "2/2");
}

TEST_F(ManufacturerTest, SRV_20_a_copy_of_its_own_name_does_not) {
    identity_ = ClientIdentity::make(maker_.subject, clock_.now());
    expect_refused(recipe_, "2/2");
}

}  // namespace
}  // namespace hwenroll::lab_ca
