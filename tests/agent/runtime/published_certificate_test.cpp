// Whose a certificate is that consumers see and the state does not know (O10).
#include "agent/runtime/published_certificate.h"

#include <gtest/gtest.h>

#include "agent/runtime/published_files.h"
#include "tests/keystore/software_token.h"
#include "tests/scep/request/test_pki.h"

namespace hwenroll::runtime {
namespace {

using keystore::test::SoftwareDevice;
using keystore::test::SoftwareToken;
using test::present;

const Bytes key_id(16, 0x5A);

/// A CA, and a token with a key for which it has issued a certificate.
struct Deployment {
    explicit Deployment(const std::string& label) : token(device, *keystore::PinSource::parse("")) {
        EXPECT_TRUE(token.prepare_login());
        EXPECT_EQ(token.login({}).result, keystore::LoginOutcome::Result::accepted);
        EXPECT_TRUE(token.generate(keystore::KeySpec::ec_p256, {key_id}, label));
        identity.name = "web";
        identity.token = "lab";
    }

    [[nodiscard]] Certificate certificate(TimePoint from, TimePoint until) {
        EVP_PKEY* const pair = device->keys.front().pair.get();
        EVP_PKEY_up_ref(pair);
        test::CertificateSpec spec{"CN=web", {{"keyUsage", "critical,digitalSignature"}}, from, until, 2};
        return test::issued(spec, test::Key(pair, EVP_PKEY_free), anchor, authority_key);
    }

    std::optional<lifecycle::KeyRecord> find(const std::vector<Bytes>& own_keys = {}) {
        const Certificate leaf = certificate(present(), present() + std::chrono::days(90));
        const auto found = find_published_key(token, leaf, {}, identity, own_keys);
        EXPECT_TRUE(found);
        return found ? *found : std::nullopt;
    }

    std::shared_ptr<SoftwareDevice> device = std::make_shared<SoftwareDevice>();
    SoftwareToken token;
    config::IdentitySettings identity;
    test::Key authority_key = test::rsa_key(1);
    Certificate anchor = test::self_signed(test::ca_spec("CN=CA"), authority_key);
};

TEST(PublishedCertificate, invariant_3_S10_what_says_what_consumers_see_and_cannot_be_kept_is_looked_for_again) {
    const Error full(ErrorCode::publish_write, "full");
    EXPECT_TRUE(says_what_consumers_see(lifecycle::GenerationPublished{2}));
    EXPECT_TRUE(says_what_consumers_see(lifecycle::PublicationFailed{full, true}));
    EXPECT_TRUE(says_what_consumers_see(lifecycle::PublishedFound{}));
    EXPECT_TRUE(says_what_consumers_see(lifecycle::Started{2, 2, true, true, true}));
    EXPECT_FALSE(says_what_consumers_see(lifecycle::GenerationPublished{2, lifecycle::BesideCertificate{}}))
        << "the certificate is the one before";
    EXPECT_FALSE(says_what_consumers_see(lifecycle::PublicationFailed{full, false}));
    EXPECT_FALSE(says_what_consumers_see(lifecycle::Started{2, 2, true, true, false}));
    EXPECT_FALSE(says_what_consumers_see(lifecycle::Due{}));
}

TEST(PublishedCertificate, S12_invariant_3_beside_a_waiting_certificate_the_current_one_is_looked_for) {
    lifecycle::IdentityState state;
    state.current.emplace().issued.leaf = {0x30};
    EXPECT_TRUE(started_with(state, std::nullopt, {}).current_seen) << "`shown` says it";
    state.next = *state.current;
    EXPECT_TRUE(started_with(state, std::nullopt, {}).current_seen);
    state.next->issued.leaf = {0x33};
    EXPECT_FALSE(started_with(state, std::nullopt, {}).current_seen);
    publish::PublishedState published;
    published.certificate = {0x30};
    EXPECT_TRUE(started_with(state, published, {}).current_seen);
    published.defect = "a file is gone";
    EXPECT_FALSE(started_with(state, published, {}).current_seen);
    published.defect.clear();
    published.certificate = {0x2F};
    EXPECT_FALSE(started_with(state, published, {}).current_seen);
    EXPECT_FALSE(started_with(state, published, {}).next_seen);
}

TEST(PublishedCertificate, O10_TOK_7_a_key_is_the_identity_s_own_by_its_own_label_only) {
    Deployment own("hwenroll web");
    ASSERT_TRUE(own.find());
    EXPECT_FALSE(own.find()->adopted);
    EXPECT_EQ(own.find()->id, key_id);
    for (const char* label : {"hwenroll mail", "hwenroll web2", "hwenroll ", "web", ""}) {
        Deployment other(label);
        ASSERT_TRUE(other.find()) << label;
        EXPECT_TRUE(other.find()->adopted) << label << " is never destroyed for this identity";
    }
}

TEST(PublishedCertificate, O10_TOK_7_a_key_under_a_handle_is_the_identity_s_own_only_where_the_state_knows_it) {
    Deployment tpm("");
    tpm.device->keys.front().description.uri = "handle:0x81000010";
    ASSERT_TRUE(tpm.find());
    EXPECT_TRUE(tpm.find()->adopted);
    EXPECT_TRUE(tpm.find({Bytes(16, 1)})->adopted);
    EXPECT_FALSE(tpm.find({Bytes(16, 1), key_id})->adopted);
    EXPECT_EQ(tpm.find()->uri, "handle:0x81000010");
}

TEST(PublishedCertificate, O10_a_key_that_the_configuration_names_is_somebody_else_s_whatever_its_label) {
    Deployment named("hwenroll web");
    named.identity.key = config::ExistingKey{key_id, {}};
    ASSERT_TRUE(named.find());
    EXPECT_TRUE(named.find()->adopted);
}

TEST(PublishedCertificate, O10_one_that_has_expired_is_told_as_any_other_and_a_stranger_s_is_not) {
    Deployment deployment("hwenroll web");
    deployment.identity.subject = deployment.certificate(present(), present() + Seconds(60)).subject();
    const auto authority = std::make_shared<const Authority>(
        Authority{{deployment.anchor, deployment.anchor, deployment.anchor, {}, {}, {}}, {}});
    const auto judge = [&](const Certificate& leaf) {
        return judge_published(
            {deployment.identity, {}, {}, authority, leaf, {key_id, leaf.public_key().spki(), false}, 7, present()});
    };
    const auto expired = judge(deployment.certificate(present() - std::chrono::days(20), present() - Seconds(1)));
    ASSERT_TRUE(expired) << expired.error().line();
    EXPECT_EQ(expired->issued.not_after, present() - Seconds(1));
    EXPECT_EQ(expired->highest_generation, 7U);
    EXPECT_TRUE(expired->as_configured);

    const test::Key stranger = test::rsa_key(2);
    const Certificate other_anchor = test::self_signed(test::ca_spec("CN=CA"), stranger);
    const Certificate foreign = test::issued({"CN=web", {}, present(), present() + std::chrono::days(90), 3},
                                             test::new_ec_key(), other_anchor, stranger);
    EXPECT_FALSE(judge(foreign));
}

}  // namespace
}  // namespace hwenroll::runtime
