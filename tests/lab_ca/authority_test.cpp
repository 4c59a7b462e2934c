// The CA's own key and certificate, and what it puts into certificates.
#include "tests/lab_ca/authority.h"

#include <sys/stat.h>

#include <gmock/gmock.h>

#include "base/pem.h"
#include "tests/lab_ca/test_client.h"
#include "tests/lab_ca/test_server.h"

namespace hwenroll::lab_ca {
namespace {

using hwenroll::test::read_file;
using hwenroll::test::TemporaryDirectory;
using hwenroll::test::write_file;
using testing::ElementsAre;
using namespace test;

class AuthorityTest : public testing::Test {
 protected:
    CertificationRequest csr_of(const RequestRecipe& recipe) {
        return CertificationRequest::from_der(make_csr(recipe, identity_)).value();
    }

    TemporaryDirectory directory_;
    SettableClock clock_;
    ClientIdentity identity_ = ClientIdentity::make("CN=web01,O=Example,C=DE", clock_.now());
    AuthorityTerms terms_{clock_.now() - Seconds(60), clock_.now() + std::chrono::days(3650)};
    Authority authority_ = Authority::open(directory_.path(), "ca", terms_).value();
};

TEST_F(AuthorityTest, CACERT_10_the_root_may_sign_and_receive) {
    const Certificate& root = authority_.certificate();
    EXPECT_TRUE(root.is_ca());
    EXPECT_EQ(root.key_usage(),
              static_cast<std::uint32_t>(KU_KEY_CERT_SIGN | KU_CRL_SIGN | KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT));
    EXPECT_EQ(root.public_key().text(), "RSA 2048");
    EXPECT_EQ(X509_verify(root.get(), root.public_key().get()), 1);
}

TEST_F(AuthorityTest, is_the_same_after_a_restart_and_its_key_is_private) {
    const auto again = Authority::open(directory_.path(), "ca", terms_).value();
    EXPECT_EQ(again.certificate(), authority_.certificate());
    struct stat status {};
    ASSERT_EQ(stat((directory_ / "ca.key").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(AuthorityTest, refuses_a_key_that_is_not_the_certificate_s) {
    const TemporaryDirectory other;
    (void)Authority::open(other.path(), "ca", terms_).value();
    write_file(directory_ / "ca.key", read_file(other / "ca.key"), 0600);
    const auto opened = Authority::open(directory_.path(), "ca", terms_);
    ASSERT_FALSE(opened);
    EXPECT_THAT(opened.error().line(), testing::HasSubstr("do not belong together"));
}

TEST_F(AuthorityTest, copies_what_was_requested) {
    RequestRecipe recipe;
    recipe.extensions = {{NID_key_usage, "critical,digitalSignature"},
                         {NID_ext_key_usage, "serverAuth,clientAuth"},
                         {NID_subject_alt_name, "DNS:web01.example.com,IP:192.0.2.1"}};
    const Certificate issued = authority_.issue(csr_of(recipe), {}, clock_.now()).value();
    EXPECT_EQ(issued.subject(), DistinguishedName::from_text("CN=web01,O=Example,C=DE").value());
    EXPECT_EQ(issued.public_key(), PublicKey::of(identity_.key.get()).value());
    EXPECT_THAT(issued.subject_alt_names(), ElementsAre("dns:web01.example.com", "ip:192.0.2.1"));
    EXPECT_EQ(issued.key_usage(), static_cast<std::uint32_t>(KU_DIGITAL_SIGNATURE));
    EXPECT_EQ(X509_get_extended_key_usage(issued.get()), static_cast<std::uint32_t>(XKU_SSL_SERVER | XKU_SSL_CLIENT));
    EXPECT_FALSE(issued.is_ca());
    EXPECT_EQ(X509_verify(issued.get(), authority_.certificate().public_key().get()), 1);
    EXPECT_EQ(X509_check_issued(authority_.certificate().get(), issued.get()), X509_V_OK);  // AKI too
    EXPECT_EQ(issued.serial().size(), 16U);
    EXPECT_EQ(issued.not_before(), clock_.now() - Seconds(60));
    EXPECT_EQ(issued.not_after(), clock_.now() + std::chrono::days(90));
    const std::string serial = to_hex(issued.serial());
    EXPECT_EQ(read_file(directory_ / "issued" / (serial + ".pem")), to_pem(issued));
    EXPECT_EQ(read_file(directory_ / "serial"), serial + "\n");
}

TEST_F(AuthorityTest, SRV_12_may_ignore_what_was_requested) {
    RequestRecipe recipe;
    recipe.extensions = {{NID_key_usage, "critical,digitalSignature"}, {NID_subject_alt_name, "DNS:web01"}};
    const IssuePolicy policy{.usage = IssueUsage::ignore};
    const Certificate issued = authority_.issue(csr_of(recipe), policy, clock_.now()).value();
    EXPECT_THAT(issued.subject_alt_names(), ElementsAre());
    EXPECT_EQ(issued.key_usage(), static_cast<std::uint32_t>(KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT));
}

TEST_F(AuthorityTest, REN_1_no_certificate_outlives_the_root) {
    const IssuePolicy policy{.lifetime = std::chrono::days(36500)};
    const Certificate issued = authority_.issue(csr_of({}), policy, clock_.now()).value();
    EXPECT_EQ(issued.not_after(), authority_.certificate().not_after());
}

TEST_F(AuthorityTest, SRV_10_lifetimes_of_seconds) {
    const IssuePolicy policy{.lifetime = Seconds(90), .backdate = Seconds(3)};
    const Certificate issued = authority_.issue(csr_of({}), policy, clock_.now()).value();
    EXPECT_EQ(issued.not_before(), clock_.now() - Seconds(3));
    EXPECT_EQ(issued.not_after(), clock_.now() + Seconds(90));
    const Certificate early = authority_.issue(csr_of({}), policy, terms_.not_before).value();
    EXPECT_EQ(early.not_before(), terms_.not_before) << "not before its CA";
    const auto late = authority_.issue(csr_of({}), policy, terms_.not_after + Seconds(1));
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().text, "this CA has ended");
}

TEST_F(AuthorityTest, refuses_a_ca_s_key_usage_and_repeated_extensions) {
    for (const auto& extensions :
         {std::vector<std::pair<int, std::string>>{{NID_key_usage, "critical,keyCertSign"}},
          std::vector<std::pair<int, std::string>>{{NID_subject_alt_name, "DNS:a"}, {NID_subject_alt_name, "DNS:b"}}}) {
        RequestRecipe recipe;
        recipe.extensions = extensions;
        const auto issued = authority_.issue(csr_of(recipe), {}, clock_.now());
        ASSERT_FALSE(issued);
        EXPECT_EQ(issued.error().fail_info, FailInfo::bad_request);
    }
}

}  // namespace
}  // namespace hwenroll::lab_ca
