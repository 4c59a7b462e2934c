// Rollover as a client sees it (SRV-10): GetNextCACert, shadow certificates, and the switch.
#include <gmock/gmock.h>

#include "tests/lab_ca/test_lab_ca.h"

namespace hwenroll::lab_ca {
namespace {

using hwenroll::test::read_file;
using std::chrono::days;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using namespace test;

/// A CMS SignedData as libcrypto reads it.
class OpenedCms {
 public:
    explicit OpenedCms(const Bytes& der) {
        const unsigned char* at = der.data();
        cms_.reset(d2i_CMS_ContentInfo(nullptr, &at, static_cast<long>(der.size())));
        if (!cms_ || at != der.data() + der.size()) {
            throw std::runtime_error("no CMS");
        }
    }

    /// Of the `certificates` field.
    [[nodiscard]] std::vector<Certificate> certificates() const {
        const OpenSslPtr<STACK_OF(X509)> stack(CMS_get1_certs(cms_.get()));
        std::vector<Certificate> out;
        for (int i = 0; i < sk_X509_num(stack.get()); ++i) {
            out.push_back(Certificate::of(sk_X509_value(stack.get(), i)).value());
        }
        return out;
    }

    [[nodiscard]] int signers() const { return sk_CMS_SignerInfo_num(CMS_get0_SignerInfos(cms_.get())); }
    [[nodiscard]] bool has_content() const { return CMS_is_detached(cms_.get()) == 0; }

    /// The signed content, when the signature is by `signer`.
    std::optional<Bytes> verified_by(const Certificate& signer) {
        const OpenSslPtr<BIO> detached(has_content() ? nullptr : BIO_new_mem_buf("", 0));
        const OpenSslPtr<BIO> content(BIO_new(BIO_s_mem()));
        const OpenSslPtr<STACK_OF(X509)> trusted(sk_X509_new_null());
        X509_up_ref(signer.get());
        sk_X509_push(trusted.get(), signer.get());
        if (CMS_verify(cms_.get(), trusted.get(), nullptr, detached.get(), content.get(),
                       CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY | CMS_NOINTERN) != 1) {
            take_openssl_errors();
            return std::nullopt;
        }
        char* data = nullptr;
        const long size = BIO_get_mem_data(content.get(), &data);
        return to_bytes(as_bytes({data, static_cast<std::size_t>(size)}));
    }

 private:
    OpenSslPtr<CMS_ContentInfo> cms_;
};

/// A CA of 365 days that rolls over 30 days before its end (REN-2), just after the next CA has appeared.
class RolloverTest : public LabCaTest {
 protected:
    void SetUp() override { start(rolling_options()); }

    LabCaOptions rolling_options() {
        LabCaOptions out = options();
        out.rollover.lifetime = days(365);
        out.rollover.auto_rollover = days(30);
        out.issue.lifetime = days(120);
        out.capabilities.keywords.emplace_back("Renewal");
        return out;
    }

    /// Starts anew and goes on to day 336.
    void start_in_rollover(LabCaOptions options) {
        start(std::move(options));
        old_ = ca_->certificate();
        clock_.advance(days(336));
        identity_ = ClientIdentity::make(identity_.subject, clock_.now());
    }

    std::string caps() { return std::string(as_text(ca_->answer(get_request("operation=GetCACaps")).body)); }

    HttpReply next_ca_reply() { return ca_->answer(get_request("operation=GetNextCACert")); }

    /// From the form that RFC 8894 wants.
    Certificate next_ca() {
        const HttpReply reply = next_ca_reply();
        EXPECT_EQ(reply.status, 200);
        return OpenedCms(OpenedCms(reply.body).verified_by(ca_->certificate()).value()).certificates().at(0);
    }

    /// Asks for a certificate of `recipient`'s CA; the reply is signed by `signer`.
    OpenedReply send_to(const Certificate& recipient, const Certificate& signer, const RequestRecipe& recipe) {
        const HttpReply reply = ca_->answer(post_request(make_request(recipe, identity_, recipient, clock_.now())));
        EXPECT_EQ(reply.status, 200);
        return open_reply(reply.body, signer, identity_);
    }

    OpenedReply send_to(const Certificate& recipient, const RequestRecipe& recipe = {}) {
        return send_to(recipient, ca_->certificate(), recipe);
    }

    std::optional<Certificate> old_;
};

TEST_F(RolloverTest, ROLL_4_before_it_exists_there_is_none) {
    EXPECT_THAT(caps(), HasSubstr("GetNextCACert\n"));
    EXPECT_EQ(next_ca_reply().status, 404);
    clock_.advance(days(335) - Seconds(1));
    EXPECT_EQ(next_ca_reply().status, 404);
    clock_.advance(Seconds(1));
    EXPECT_EQ(next_ca_reply().status, 200);
}

TEST_F(RolloverTest, ROLL_2_the_next_CA_comes_signed_by_the_current_one) {
    start_in_rollover(rolling_options());
    const HttpReply reply = next_ca_reply();
    EXPECT_EQ(reply.content_type, "application/x-x509-next-ca-cert");
    EXPECT_THAT(findings(), IsEmpty());
    OpenedCms outer(reply.body);
    EXPECT_THAT(outer.certificates(), ElementsAre(ca_->certificate()));
    const OpenedCms inner(outer.verified_by(ca_->certificate()).value());
    EXPECT_EQ(inner.signers(), 0);
    ASSERT_EQ(inner.certificates().size(), 1U);
    const Certificate next = inner.certificates()[0];
    EXPECT_TRUE(next.is_ca());
    EXPECT_EQ(next.subject(), ca_->certificate().subject());
    EXPECT_NE(next.serial(), ca_->certificate().serial());
    EXPECT_EQ(next.not_after(), ca_->certificate().not_after() + days(365));
}

TEST_F(RolloverTest, SRV_10_the_envelope_says_which_CA_issues_and_its_certificate_begins_at_the_switch) {
    start_in_rollover(rolling_options());
    const Certificate next = next_ca();
    const Certificate shadow = leaf(send_to(next), identity_);
    EXPECT_THAT(findings(), IsEmpty());
    EXPECT_EQ(X509_verify(shadow.get(), next.public_key().get()), 1);
    EXPECT_EQ(shadow.not_before(), old_->not_after());
    EXPECT_EQ(shadow.not_after(), old_->not_after() + days(120));
    RequestRecipe ordinary;
    ordinary.transaction_id = "AA";
    const Certificate capped = leaf(send_to(*old_, ordinary), identity_);
    EXPECT_EQ(X509_verify(capped.get(), old_->public_key().get()), 1);
    EXPECT_EQ(capped.not_after(), old_->not_after()) << "REN-1";
    EXPECT_EQ(issued()[0]["generation"], 2);
    EXPECT_EQ(issued()[1]["generation"], 1);
}

TEST_F(RolloverTest, ROLL_10_an_issued_certificate_of_the_old_CA_asks_the_next_one_without_a_challenge) {
    start_in_rollover(rolling_options());
    identity_.certificate = leaf(send_to(*old_), identity_);
    RequestRecipe renewal;
    renewal.message_type = "17";
    renewal.transaction_id = "17";
    renewal.challenge.reset();
    EXPECT_EQ(send_to(next_ca(), renewal).status(), "0");
    EXPECT_THAT(findings(), IsEmpty());
}

TEST_F(RolloverTest, SRV_10_at_the_end_of_the_old_CA_the_next_one_takes_over_and_a_restart_changes_nothing) {
    start_in_rollover(rolling_options());
    const Certificate next = next_ca();
    identity_.certificate = leaf(send_to(next), identity_);
    clock_.advance(days(29) - Seconds(1));
    EXPECT_EQ(ca_->answer(get_request("operation=GetCACert")).body, old_->der());
    clock_.advance(Seconds(1));
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(ca_->answer(get_request("operation=GetCACert")).body, next.der());
        EXPECT_EQ(next_ca_reply().status, 404);
        start(rolling_options());
    }
    RequestRecipe renewal;
    renewal.message_type = "17";
    renewal.transaction_id = "17";
    renewal.challenge.reset();
    EXPECT_EQ(send_to(next, renewal).status(), "0") << "the shadow certificate is valid now";
    renewal.transaction_id = "18";
    EXPECT_EQ(send_to(*old_, renewal).status(), "2/1") << "BADC-7";
    clock_.advance(days(335));
    EXPECT_EQ(next_ca().not_before(), next.not_after() - days(30)) << "another rollover";
}

TEST_F(RolloverTest, ROLL_17_a_request_pending_across_the_switch_is_issued_by_the_CA_it_was_for) {
    LabCaOptions pending = rolling_options();
    pending.decision.pending = 1;
    start_in_rollover(std::move(pending));
    const Certificate next = next_ca();
    EXPECT_EQ(send_to(next).status(), "3");
    clock_.advance(days(30));
    RequestRecipe poll;
    poll.message_type = "20";
    poll.content = make_issuer_and_subject(next.subject(), identity_.certificate->subject());
    const Certificate late = leaf(send_to(next, poll), identity_);
    EXPECT_EQ(X509_verify(late.get(), next.public_key().get()), 1);
    EXPECT_EQ(late.not_before(), clock_.now() - Seconds(60)) << "an ordinary certificate by now";
    EXPECT_THAT(findings(), Not(Contains("MSG-22")));
}

TEST_F(RolloverTest, ROLL_17_a_request_for_the_old_CA_that_is_decided_after_its_end_is_issued_by_the_new_one) {
    LabCaOptions pending = rolling_options();
    pending.decision.pending = 1;
    start_in_rollover(std::move(pending));
    EXPECT_EQ(send_to(*old_).status(), "3");
    clock_.advance(days(30));
    RequestRecipe poll;
    poll.message_type = "20";
    poll.content = make_issuer_and_subject(old_->subject(), identity_.certificate->subject());
    const Certificate late = leaf(send_to(ca_->certificate(), poll), identity_);
    EXPECT_EQ(X509_verify(late.get(), ca_->certificate().public_key().get()), 1);
}

TEST_F(RolloverTest, ROLL_13_a_shadow_certificate_may_be_valid_at_once) {
    LabCaOptions hasty = rolling_options();
    hasty.shadow.valid_at_once = true;
    start_in_rollover(std::move(hasty));
    EXPECT_EQ(leaf(send_to(next_ca()), identity_).not_before(), clock_.now() - Seconds(60));
}

TEST_F(RolloverTest, ROLL_15_the_old_CA_may_issue_it_all_the_same) {
    LabCaOptions confused = rolling_options();
    confused.shadow.issued_by_current = true;
    start_in_rollover(std::move(confused));
    const Certificate issued_by_old = leaf(send_to(next_ca()), identity_);
    EXPECT_EQ(X509_verify(issued_by_old.get(), old_->public_key().get()), 1);
    EXPECT_EQ(issued_by_old.not_after(), old_->not_after());
}

TEST_F(RolloverTest, ROLL_12_the_next_CA_may_sign_the_reply) {
    LabCaOptions by_next = rolling_options();
    by_next.shadow.answered_by_next = true;
    start_in_rollover(std::move(by_next));
    const Certificate next = next_ca();
    EXPECT_TRUE(send_to(next, next, {}).signature_good);
    RequestRecipe ordinary;
    ordinary.transaction_id = "AA";
    EXPECT_TRUE(send_to(*old_, *old_, ordinary).signature_good);
}

TEST_F(RolloverTest, ROLL_17_the_keyword_may_be_missing_or_vanish) {
    LabCaOptions silent = rolling_options();
    silent.shadow.keyword = NextCaKeyword::never;
    start(std::move(silent));
    EXPECT_THAT(caps(), Not(HasSubstr("GetNextCACert")));
    LabCaOptions vanishing = rolling_options();
    vanishing.shadow.keyword = NextCaKeyword::until_shadow;
    start(std::move(vanishing));
    EXPECT_THAT(caps(), HasSubstr("GetNextCACert"));
    clock_.advance(days(336));
    EXPECT_THAT(caps(), Not(HasSubstr("GetNextCACert")));
}

TEST_F(RolloverTest, ROLL_17_the_CA_may_switch_early) {
    LabCaOptions early = rolling_options();
    early.rollover.switch_early = days(10);
    start_in_rollover(std::move(early));
    const Certificate next = next_ca();
    clock_.advance(days(19));
    EXPECT_EQ(ca_->certificate(), next);
    EXPECT_EQ(leaf(send_to(next), identity_).not_before(), clock_.now() - Seconds(60));
}

TEST_F(RolloverTest, ROLL_17_BAD_125_to_BAD_129_every_wrong_form_of_the_reply) {
    const auto reply_in = [&](NextCaForm form) {
        LabCaOptions wrong = rolling_options();
        wrong.shadow.form = form;
        start(std::move(wrong));
        return OpenedCms(next_ca_reply().body);
    };
    start_in_rollover(rolling_options());
    const Certificate next = next_ca();
    const auto inside = [](OpenedCms& cms, const Certificate& signer) {
        const auto content = cms.verified_by(signer);
        return content ? OpenedCms(*content).certificates() : std::vector<Certificate>();
    };

    OpenedCms flat = reply_in(NextCaForm::flat);
    EXPECT_FALSE(flat.has_content());
    EXPECT_TRUE(flat.verified_by(*old_));
    EXPECT_THAT(flat.certificates(), Contains(next));

    const OpenedCms naked = reply_in(NextCaForm::unsigned_only);
    EXPECT_EQ(naked.signers(), 0);
    EXPECT_THAT(naked.certificates(), ElementsAre(next));

    OpenedCms stranger = reply_in(NextCaForm::unknown_signer);
    EXPECT_THAT(inside(stranger, *old_), IsEmpty());
    ASSERT_EQ(stranger.certificates().size(), 1U);
    EXPECT_EQ(stranger.certificates()[0].subject(), old_->subject());
    EXPECT_THAT(inside(stranger, stranger.certificates()[0]), ElementsAre(next));

    OpenedCms by_itself = reply_in(NextCaForm::next_signed);
    EXPECT_THAT(inside(by_itself, next), ElementsAre(next));

    OpenedCms again = reply_in(NextCaForm::current_again);
    EXPECT_THAT(inside(again, *old_), ElementsAre(*old_));

    OpenedCms extra = reply_in(NextCaForm::outer_extra);
    EXPECT_THAT(inside(extra, *old_), ElementsAre(next));
    EXPECT_EQ(extra.certificates().size(), 2U);
    EXPECT_THAT(extra.certificates(), Contains(*old_));

    OpenedCms empty = reply_in(NextCaForm::empty);
    EXPECT_TRUE(empty.verified_by(*old_));
    EXPECT_THAT(inside(empty, *old_), IsEmpty());
}

TEST_F(RolloverTest, ROLL_5_ROLL_17_the_RA_may_sign_it_or_stand_in_it) {
    LabCaOptions by_ra = rolling_options();
    by_ra.shadow.form = NextCaForm::ra_signed;
    start_in_rollover(std::move(by_ra));
    const HttpReply authorities = ca_->answer(get_request("operation=GetCACert"));
    EXPECT_EQ(authorities.content_type, "application/x-x509-ca-ra-cert");
    const std::vector<Certificate> both = OpenedCms(authorities.body).certificates();
    ASSERT_EQ(both.size(), 2U);
    const Certificate& ra = both[0].is_ca() ? both[1] : both[0];
    EXPECT_EQ(X509_verify(ra.get(), old_->public_key().get()), 1);
    OpenedCms outer(next_ca_reply().body);
    EXPECT_FALSE(outer.verified_by(*old_));
    EXPECT_TRUE(OpenedCms(outer.verified_by(ra).value()).certificates().at(0).is_ca());

    LabCaOptions with_ra = rolling_options();
    with_ra.shadow.form = NextCaForm::ra_only;
    start(std::move(with_ra));
    const auto content = OpenedCms(next_ca_reply().body).verified_by(*old_);
    EXPECT_FALSE(OpenedCms(content.value()).certificates().at(0).is_ca());
}

}  // namespace
}  // namespace hwenroll::lab_ca
