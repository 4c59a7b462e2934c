#include "agent/runtime/query_jobs.h"

#include <gmock/gmock.h>

#include "tests/keystore/software_token.h"
#include "tests/scep/request/test_pki.h"
#include "transport/scep/cert_rep.h"
#include "transport/scep/query.h"
#include "transport/scep/signed_data.h"

namespace hwenroll::runtime {
namespace {

using keystore::test::SoftwareToken;

constexpr std::string_view canary = "canary-challenge-7HQ9";

class SignQuery : public testing::Test {
 protected:
    SignQuery() {
        auto set = scep::authenticate({ca_}, {{ca_.fingerprint()}, test::present()});
        plan_.authority = std::make_shared<const Authority>(Authority{*std::move(set), {}, 1});
        plan_.key = {{1}, token_->key().public_key.spki()};
        plan_.subject = DistinguishedName::from_text("CN=web").value();
        plan_.certificate_serial = Bytes(16, 0x5A);
        plan_.issuer = ca_.subject();
        plan_.serial = {0x12, 0x34};
        plan_.transaction_id.value = "00112233";
        plan_.nonce.value.fill(7);
        plan_.algorithms = {scep::Digest::sha256, scep::ContentCipher::aes128, scep::KeyTransport::pkcs1};
        plan_.challenge = config::SecretSource{config::SecretSource::Kind::file, "/nowhere/" + std::string(canary)};
        plan_.now = test::present();
    }

    /// What the CA takes out of a query's envelope.
    [[nodiscard]] Bytes asked(const SignedQuery& query) const {
        const auto message = scep::parse_signed_data(query.message, {});
        EXPECT_TRUE(message);
        const auto content = scep::open_envelope(*message->content, ca_, key_.get(), {}, {});
        EXPECT_TRUE(content) << content.error().line();
        return to_bytes(content->reveal());
    }

    test::Key key_ = test::rsa_key(7);
    Certificate ca_ = test::self_signed(test::ca_spec("CN=CA"), key_);
    std::shared_ptr<SoftwareToken> token_ = std::make_shared<SoftwareToken>();
    QueryPlan plan_;
};

TEST_F(SignQuery, CSR_8_SEC_3_a_query_names_a_certificate_and_holds_no_challenge) {
    for (const auto type : {scep::MessageType::get_cert, scep::MessageType::get_crl}) {
        plan_.type = type;
        const auto query = sign_query(token_, plan_);
        ASSERT_TRUE(query) << query.error().line() << "; the challenge cannot be read and is not needed";
        EXPECT_EQ(asked(*query), scep::issuer_and_serial_data(plan_.issuer, plan_.serial));
    }
}

TEST_F(SignQuery, QRY_7_with_a_certificate_that_the_key_signs_for_itself_where_there_is_no_other) {
    const auto query = sign_query(token_, plan_);
    ASSERT_TRUE(query) << query.error().line();
    EXPECT_TRUE(query->signer.is_self_issued());
    EXPECT_EQ(query->signer.public_key(), token_->key().public_key);
    EXPECT_EQ(query->signer.subject(), plan_.subject);

    test::CertificateSpec spec;
    spec.subject = "CN=web";
    const test::Key of_token(token_->key().public_key.get(), [kept = token_->key().public_key](EVP_PKEY*) {});
    const Certificate current = test::issued(spec, of_token, ca_, key_);
    plan_.certificate = current.der();
    const auto by_current = sign_query(token_, plan_);
    ASSERT_TRUE(by_current) << by_current.error().line();
    EXPECT_EQ(by_current->signer, current);
}

}  // namespace
}  // namespace hwenroll::runtime
