#include "agent/runtime/recipient_rule.h"

#include <gmock/gmock.h>

#include "tests/scep/request/test_pki.h"

namespace hwenroll::runtime {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

/// An EC CA whose RAs have RSA keys.
class RecipientRule : public testing::Test {
 protected:
    [[nodiscard]] scep::CaExpectation expectation() const {
        scep::CaExpectation expected{{ca_.fingerprint()}, test::present()};
        expected.by_password = true;
        return expected;
    }

    [[nodiscard]] Certificate ra(const char* name, const char* usage = "digitalSignature,keyEncipherment",
                                 TimePoint not_after = test::present() + std::chrono::days(300)) const {
        test::CertificateSpec spec = test::ra_spec(name, usage);
        spec.not_after = not_after;
        spec.serial = ++serial_;
        return test::issued(spec, test::rsa_key(1), ca_, key_);
    }

    [[nodiscard]] scep::CaSet set_of(std::vector<Certificate> certificates) const {
        certificates.push_back(ca_);
        auto set = scep::authenticate(certificates, expectation());
        EXPECT_TRUE(set) << set.error().line();
        return *std::move(set);
    }

    [[nodiscard]] lifecycle::AuthorityRecord record_of(std::vector<Certificate> certificates) const {
        lifecycle::AuthorityRecord record;
        record.anchor_fingerprint = ca_.fingerprint();
        certificates.push_back(ca_);
        for (const Certificate& certificate : certificates) {
            record.certificates.push_back(certificate.der());
        }
        return record;
    }

    static IsRevoked those(std::vector<Certificate> revoked) {
        return [revoked = std::move(revoked)](const Certificate& certificate) {
            return std::ranges::find(revoked, certificate) != revoked.end();
        };
    }

    test::Key key_ = test::new_ec_key();
    Certificate ca_ = test::self_signed(test::ca_spec("CN=EC CA"), key_);
    mutable long serial_ = 10;
};

TEST_F(RecipientRule, SEC_3_a_revoked_RA_receives_no_request_and_the_CA_itself_is_not_judged) {
    const Certificate one = ra("CN=RA");
    EXPECT_TRUE(check_not_revoked(set_of({one}), {})) << "nothing is known";
    EXPECT_TRUE(check_not_revoked(set_of({one}), those({})));
    const Status refused = check_not_revoked(set_of({one}), those({one}));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::ca_certificate);
    EXPECT_TRUE(check_not_revoked(set_of({}), those({ca_})));
}

TEST_F(RecipientRule, QRY_5_SEC_3_a_query_goes_to_another_RA_where_the_recipient_is_revoked) {
    const Certificate first = ra("CN=RA 1");
    const Certificate second = ra("CN=RA 2");
    const Certificate signer = ra("CN=Signer", "digitalSignature");
    const scep::CaSet set = set_of({first, second, signer});
    const Certificate& chosen = set.recipient;
    const Certificate& other = chosen == first ? second : first;
    for (const auto type : {scep::MessageType::get_crl, scep::MessageType::get_cert}) {
        const auto query = set_for_query(set, type, those({chosen}));
        ASSERT_TRUE(query);
        EXPECT_EQ(query->set.recipient, other);
        EXPECT_FALSE(query->without_challenge) << "this one is trusted";
    }
}

TEST_F(RecipientRule, QRY_5_SIG_14_only_the_list_itself_is_asked_of_a_revoked_RA_and_without_the_challenge) {
    const Certificate receiver = ra("CN=Receiver", "keyEncipherment");
    const Certificate signer = ra("CN=Signer", "digitalSignature");
    const scep::CaSet set = set_of({receiver, signer});
    ASSERT_EQ(set.recipient, receiver);
    EXPECT_FALSE(set_for_query(set, scep::MessageType::get_cert, those({receiver, signer})));
    const auto list = set_for_query(set, scep::MessageType::get_crl, those({receiver, signer}));
    ASSERT_TRUE(list);
    EXPECT_TRUE(list->set.recipient == receiver) << "a signing key opens nothing";
    EXPECT_TRUE(list->without_challenge);
    EXPECT_THAT(list->set.signers, Contains(signer)) << "the list's own signature counts";

    const auto certificate = set_for_query(set, scep::MessageType::get_cert, those({signer}));
    ASSERT_TRUE(certificate);
    EXPECT_THAT(certificate->set.signers, Not(Contains(signer)));
}

TEST_F(RecipientRule, SEC_5_ENV_5_an_RSA_RA_that_was_seen_is_not_believed_to_be_gone) {
    const Certificate one = ra("CN=RA");
    const scep::CaSet without = set_of({});
    ASSERT_TRUE(without.recipient.public_key().is_ec());
    const Status refused = check_no_downgrade(without, record_of({one}), expectation());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::ca_no_recipient);
    EXPECT_THAT(refused.error().line(), HasSubstr("would go under the challenge"));
    EXPECT_TRUE(check_no_downgrade(set_of({ra("CN=Next RA")}), record_of({one}), expectation()));
    EXPECT_TRUE(check_no_downgrade(without, record_of({}), expectation())) << "it never had one";
}

TEST_F(RecipientRule, SEC_5_K1_an_RA_that_has_expired_since_counts_as_seen) {
    const Certificate old = ra("CN=RA", "keyEncipherment", test::present() - std::chrono::hours(1));
    EXPECT_FALSE(check_no_downgrade(set_of({}), record_of({old}), expectation()));
}

TEST_F(RecipientRule, SEC_5_SIG_13_an_operator_who_names_other_RAs_has_the_last_word) {
    const Certificate rsa = ra("CN=RA");
    const Certificate ec = test::issued(test::ra_spec("CN=EC RA", "digitalSignature"), test::new_ec_key(), ca_, key_);
    scep::CaExpectation named = expectation();
    named.ras = {scep::RaRule::Kind::pinned, {ec.fingerprint()}};
    const auto received = scep::authenticate({ca_, ec}, named);
    ASSERT_TRUE(received) << received.error().line();
    EXPECT_TRUE(check_no_downgrade(*received, record_of({rsa, ec}), named));
    EXPECT_TRUE(check_no_downgrade(*received, record_of({rsa}), named)) << "the named one is new";
    named.ras.fingerprints.push_back(rsa.fingerprint());
    EXPECT_FALSE(check_no_downgrade(*received, record_of({rsa, ec}), named)) << "both are named";
}

TEST_F(RecipientRule, SEC_5_what_was_stored_and_cannot_be_judged_permits_nothing) {
    lifecycle::AuthorityRecord broken = record_of({});
    broken.certificates.push_back({0x30, 0x00});
    EXPECT_FALSE(check_no_downgrade(set_of({}), broken, expectation()));
}

}  // namespace
}  // namespace hwenroll::runtime
