// Why a reply was not opened: what is the token's trouble is told, what could help an attacker to guess is not (SEC-9).
#include "agent/runtime/message_envelope.h"

#include <gtest/gtest.h>

#include "keystore/openssl/key_provider.h"
#include "tests/keystore/software_token.h"
#include "transport/scep/certification_request.h"
#include "transport/scep/pki_message.h"

namespace hwenroll::test {
namespace {

using keystore::test::SoftwareToken;
using namespace runtime;

constexpr TimePoint now = std::chrono::sys_days(std::chrono::year(2026) / 11 / 23);

class OpenReply : public testing::TestWithParam<scep::KeyTransport> {
 protected:
    OpenReply() {
        const auto handle = keystore::to_evp_pkey(token_, token_->key()).value();
        const auto subject = DistinguishedName::from_text("CN=web").value();
        signer_ = scep::build_signer_certificate(subject, handle.get(), Bytes(16, 0x5A), now - std::chrono::hours(1),
                                                 now + std::chrono::hours(1), scep::Digest::sha256)
                      .value();
        envelope_ = scep::seal(content_, *signer_, scep::ContentCipher::aes128, GetParam()).value();
    }

    [[nodiscard]] Opened open() const {
        return open_reply(token_, envelope_, {token_->key(), *signer_, std::nullopt, {}, {}}).value();
    }

    [[nodiscard]] ErrorCode reason(ErrorCode of_the_token) const {
        token_->fail_with(Error(of_the_token, "what the token says"));
        const Opened opened = open();
        return opened.envelope ? ErrorCode::internal : reason_of(opened).code();
    }

    const Bytes content_{0x30, 0x00};
    std::shared_ptr<SoftwareToken> token_ = std::make_shared<SoftwareToken>();
    std::optional<Certificate> signer_;
    Bytes envelope_;
};

TEST_P(OpenReply, ENV_18_what_is_for_the_key_is_opened) {
    const Opened opened = open();
    ASSERT_TRUE(opened.envelope);
    EXPECT_TRUE(equal(opened.envelope->content.reveal(), content_));
}

TEST_P(OpenReply, ENV_18_SEC_9_what_a_token_does_not_offer_is_told_and_what_it_could_not_decrypt_is_not) {
    EXPECT_EQ(reason(ErrorCode::scep_algorithm), ErrorCode::scep_algorithm);
    EXPECT_EQ(reason(ErrorCode::token_absent), ErrorCode::token_absent);
    EXPECT_EQ(reason(ErrorCode::token_operation), ErrorCode::scep_decrypt);
}

INSTANTIATE_TEST_SUITE_P(By, OpenReply, testing::Values(scep::KeyTransport::pkcs1, scep::KeyTransport::oaep),
                         [](const auto& one) { return one.param == scep::KeyTransport::oaep ? "oaep" : "pkcs1"; });

}  // namespace
}  // namespace hwenroll::test
