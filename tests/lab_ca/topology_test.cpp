// What stands above and beside the CA (SRV-4), judged by libcrypto's path building.
#include <gmock/gmock.h>

#include "tests/lab_ca/test_lab_ca.h"

namespace hwenroll::lab_ca {
namespace {

using namespace test;
using testing::Contains;
using testing::IsEmpty;

/// Whether `leaf` chains to `anchor` through `others`.
bool chains(const Certificate& leaf, const Certificate& anchor, const std::vector<Certificate>& others, TimePoint now) {
    const OpenSslPtr<X509_STORE> store(X509_STORE_new());
    const OpenSslPtr<X509_STORE_CTX> context(X509_STORE_CTX_new());
    const OpenSslPtr<STACK_OF(X509)> untrusted(sk_X509_new_null());
    X509_STORE_add_cert(store.get(), anchor.get());
    for (const Certificate& certificate : others) {
        X509_up_ref(certificate.get());
        sk_X509_push(untrusted.get(), certificate.get());
    }
    X509_STORE_CTX_init(context.get(), store.get(), leaf.get(), untrusted.get());
    X509_STORE_CTX_set_time(context.get(), 0, now.time_since_epoch().count());
    return X509_verify_cert(context.get()) == 1;
}

class TopologyTest : public LabCaTest {
 protected:
    void start(Topology topology, RaPurpose purpose = RaPurpose::cmc_ra) {
        LabCaOptions wanted = options();
        wanted.directory = directory_ / "one";
        wanted.hierarchy = {topology, purpose};
        LabCaTest::start(std::move(wanted));
    }

    /// What GetCACert hands out.
    std::vector<Certificate> shown() {
        const HttpReply reply = ca_->answer(get_request("operation=GetCACert"));
        EXPECT_EQ(reply.content_type, "application/x-x509-ca-ra-cert");
        std::vector<Certificate> out;
        const SignedDataSyntax set = read_signed_data(reply.body).value();
        for (const Bytes& der : set.certificates) {
            out.push_back(Certificate::from_der(der).value());
        }
        return out;
    }

    static const Certificate& named(const std::vector<Certificate>& certificates, const std::string& name) {
        for (const Certificate& certificate : certificates) {
            if (certificate.subject().text() == "CN=" + name + ",O=hwenroll lab") {
                return certificate;
            }
        }
        throw std::runtime_error("no certificate of " + name);
    }

    /// A request to `recipient` is answered with a certificate, signed by `signer`.
    OpenedReply enroll(const Certificate& recipient, const Certificate& signer) {
        const HttpReply reply = ca_->answer(post_request(make_request({}, identity_, recipient, clock_.now())));
        EXPECT_EQ(reply.status, 200) << as_text(reply.body);
        EXPECT_THAT(last_finding_ids(directory_ / "one"), IsEmpty());
        OpenedReply opened = open_reply(reply.body, signer, identity_);
        EXPECT_TRUE(opened.signature_good);
        EXPECT_EQ(opened.status(), "0");
        return opened;
    }
};

TEST_F(TopologyTest, SRV_4_an_intermediate_is_issued_by_a_root_that_outlives_it) {
    start(Topology::intermediate);
    const auto certificates = shown();
    ASSERT_EQ(certificates.size(), 2U);
    const Certificate& root = named(certificates, "hwenroll lab root");
    EXPECT_TRUE(root.is_self_issued());
    EXPECT_FALSE(ca_->certificate().is_self_issued());
    EXPECT_TRUE(ca_->certificate().is_ca());
    EXPECT_GT(root.not_after(), ca_->certificate().not_after());
    const OpenedReply reply = enroll(ca_->certificate(), ca_->certificate());
    EXPECT_TRUE(chains(leaf(reply, identity_), root, {ca_->certificate()}, clock_.now()));
    EXPECT_FALSE(chains(leaf(reply, identity_), root, {}, clock_.now()));
}

TEST_F(TopologyTest, SRV_4_one_RA_opens_requests_and_signs_replies) {
    start(Topology::one_ra);
    const Certificate ra = named(shown(), "hwenroll lab RA");
    EXPECT_EQ(ra.key_usage(), static_cast<unsigned>(KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT));
    EXPECT_FALSE(ra.is_ca());
    const OpenedReply reply = enroll(ra, ra);
    EXPECT_TRUE(chains(leaf(reply, identity_), ca_->certificate(), {}, clock_.now()));
    EXPECT_TRUE(chains(ra, ca_->certificate(), {}, clock_.now()));
}

TEST_F(TopologyTest, SRV_4_Q_NDES_4_a_split_RA_opens_with_one_key_and_signs_with_the_other) {
    start(Topology::split_ra, RaPurpose::microsoft);
    const auto certificates = shown();
    ASSERT_EQ(certificates.size(), 3U);
    const Certificate signs = named(certificates, "hwenroll lab RA signing");
    const Certificate opens = named(certificates, "hwenroll lab RA encryption");
    EXPECT_EQ(signs.key_usage(), static_cast<unsigned>(KU_DIGITAL_SIGNATURE));
    EXPECT_EQ(opens.key_usage(), static_cast<unsigned>(KU_KEY_ENCIPHERMENT));
    EXPECT_NE(signs.public_key(), opens.public_key());
    const OpenSslPtr<EXTENDED_KEY_USAGE> usage(
        static_cast<EXTENDED_KEY_USAGE*>(X509_get_ext_d2i(signs.get(), NID_ext_key_usage, nullptr, nullptr)));
    ASSERT_TRUE(usage);
    std::string purpose(64, '\0');
    purpose.resize(static_cast<std::size_t>(OBJ_obj2txt(purpose.data(), 64, sk_ASN1_OBJECT_value(usage.get(), 0), 1)));
    EXPECT_EQ(purpose, "1.3.6.1.4.1.311.20.2.1");
    enroll(opens, signs);
}

TEST_F(TopologyTest, BADC_7_an_envelope_for_the_CA_or_the_wrong_RA_is_badMessageCheck) {
    start(Topology::split_ra);
    const auto certificates = shown();
    const Certificate signs = named(certificates, "hwenroll lab RA signing");
    for (const Certificate& wrong : {ca_->certificate(), signs}) {
        const HttpReply reply = ca_->answer(post_request(make_request({}, identity_, wrong, clock_.now())));
        EXPECT_EQ(open_reply(reply.body, signs, identity_).status(), "2/1");
        EXPECT_THAT(last_finding_ids(directory_ / "one"), Contains("ENV-4"));
    }
}

TEST_F(TopologyTest, SRV_4_a_CA_with_an_EC_key_has_an_RSA_RA) {
    start(Topology::ec_ca);
    EXPECT_TRUE(ca_->certificate().public_key().is_ec());
    EXPECT_EQ(ca_->certificate().key_usage() & KU_KEY_ENCIPHERMENT, 0U);
    const Certificate ra = named(shown(), "hwenroll lab RA");
    EXPECT_TRUE(ra.public_key().is_rsa());
    const OpenedReply reply = enroll(ra, ra);
    EXPECT_TRUE(chains(leaf(reply, identity_), ca_->certificate(), {}, clock_.now()));
}

TEST_F(TopologyTest, SRV_4_a_restart_changes_no_certificate) {
    for (const Topology topology : {Topology::intermediate, Topology::split_ra}) {
        std::filesystem::remove_all(directory_ / "one");
        start(topology);
        const auto before = shown();
        clock_.advance(std::chrono::hours(24));
        start(topology);
        EXPECT_EQ(shown(), before);
    }
}

TEST_F(TopologyTest, SRV_4_nothing_but_a_single_root_rolls_over) {
    LabCaOptions wanted = options();
    wanted.hierarchy.topology = Topology::one_ra;
    wanted.rollover.auto_rollover = Seconds(100);
    const auto refused = LabCa::open(std::move(wanted), clock_);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::config_value);
}

TEST_F(TopologyTest, a_damaged_RA_file_is_named) {
    start(Topology::one_ra);
    hwenroll::test::write_file(directory_ / "one" / "ra.key", "no key");
    LabCaOptions wanted = options();
    wanted.directory = directory_ / "one";
    wanted.hierarchy.topology = Topology::one_ra;
    const auto refused = LabCa::open(std::move(wanted), clock_);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().line(), testing::HasSubstr("'ra'"));
}

}  // namespace
}  // namespace hwenroll::lab_ca
