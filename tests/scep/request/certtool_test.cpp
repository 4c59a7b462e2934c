// The requests that we build as GnuTLS reads them: a second reader that shares no code with libcrypto (CSR-1 … CSR-3).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/scep/request/openssl_program.h"
#include "tests/scep/request/test_pki.h"
#include "tests/support/child_process.h"
#include "transport/scep/certification_request.h"

namespace hwenroll::scep {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class CerttoolRequest : public testing::Test {
 protected:
    void SetUp() override {
        if (test::run({"sh", "-c", "command -v certtool"}).exit_code != 0) {
            GTEST_SKIP() << "certtool (gnutls-bin) is not installed";
        }
    }

    static CertificationRequest request() {
        CertificationRequest request;
        request.subject = DistinguishedName::from_text("CN=web01.example.com,O=Example").value();
        return request;
    }

    /// What certtool says about the request; fails the test unless it verifies the signature.
    static std::string shown(const CertificationRequest& request, const test::Key& key = test::rsa_key(1),
                             std::string_view challenge = {}) {
        const auto csr = build_csr(request, key.get(), Secret(as_bytes(challenge)));
        EXPECT_TRUE(csr) << csr.error().line();
        test::OpenSslProgram files;
        const auto result =
            test::run({"certtool", "--crq-info", "--inder", "--infile", files.file("csr", csr->reveal())});
        EXPECT_EQ(result.exit_code, 0) << result.err;
        EXPECT_THAT(result.out, HasSubstr("Self signature: verified"));
        return result.out;
    }

    /// The same for one subject alternative name.
    static std::string shown_name(const std::string& name) {
        CertificationRequest contents = request();
        contents.subject_alt_names = {name};
        return shown(contents);
    }
};

TEST_F(CerttoolRequest, CSR_1_subject_key_and_signature_of_an_RSA_request) {
    const std::string text = shown(request());
    EXPECT_THAT(text, AllOf(HasSubstr("Version: 1\n"), HasSubstr("Subject: O=Example,CN=web01.example.com\n"),
                            HasSubstr("Subject Public Key Algorithm: RSA\n"), HasSubstr("(2048 bits)"),
                            HasSubstr("Signature Algorithm: RSA-SHA256\n")));
    EXPECT_THAT(text, AllOf(Not(HasSubstr("Challenge password")), Not(HasSubstr("Extensions:"))));
}

TEST_F(CerttoolRequest, CSR_1_an_RSA_4096_request_with_SHA_512) {
    CertificationRequest contents = request();
    contents.digest = Digest::sha512;
    EXPECT_THAT(shown(contents, test::new_rsa_key(4096)),
                AllOf(HasSubstr("(4096 bits)"), HasSubstr("Signature Algorithm: RSA-SHA512\n")));
}

TEST_F(CerttoolRequest, CSR_1_requests_with_keys_on_both_curves) {
    CertificationRequest contents = request();
    EXPECT_THAT(shown(contents, test::new_ec_key("P-256"), "secret"),
                AllOf(HasSubstr("EC/ECDSA\n"), HasSubstr("SECP256R1\n"), HasSubstr("ECDSA-SHA256\n"),
                      HasSubstr("Challenge password: secret\n")));
    contents.digest = Digest::sha384;
    EXPECT_THAT(shown(contents, test::new_ec_key("P-384")),
                AllOf(HasSubstr("EC/ECDSA\n"), HasSubstr("SECP384R1\n"), HasSubstr("ECDSA-SHA384\n")));
}

TEST_F(CerttoolRequest, CSR_2_a_challenge_of_either_string_type) {
    // certtool writes a value as RFC 4514 §2.4 does, with a backslash before some characters.
    for (const auto& [challenge, text] :
         std::vector<std::pair<std::string, std::string>>{{"Pa55 word'()+,-./:=?", R"(Pa55 word'()\+\,-./:=?)"},
                                                          {"under_score", "under_score"},
                                                          {"gr\xC3\xBC\xC3\x9F", "gr\xC3\xBC\xC3\x9F"}}) {
        EXPECT_THAT(shown(request(), test::rsa_key(1), challenge), HasSubstr("Challenge password: " + text + "\n"));
    }
}

TEST_F(CerttoolRequest, CSR_3_CSR_4_every_key_usage) {
    const std::vector<std::pair<const char*, const char*>> usages{
        {"digitalSignature", "Digital signature."}, {"nonRepudiation", "Non repudiation."},
        {"contentCommitment", "Non repudiation."},  {"keyEncipherment", "Key encipherment."},
        {"dataEncipherment", "Data encipherment."}, {"keyAgreement", "Key agreement."},
        {"keyCertSign", "Certificate signing."},    {"cRLSign", "CRL signing."},
        {"encipherOnly", "Key encipher only."},     {"decipherOnly", "Key decipher only."}};
    for (const auto& [name, text] : usages) {
        CertificationRequest contents = request();
        contents.key_usage = {name};
        EXPECT_THAT(shown(contents), HasSubstr("\t\t\tKey Usage (critical):\n\t\t\t\t" + std::string(text) + "\n" +
                                               "Other Information"));
    }
    CertificationRequest both = request();
    both.key_usage = {"keyEncipherment", "digitalSignature"};
    EXPECT_THAT(shown(both),
                HasSubstr("Key Usage (critical):\n\t\t\t\tDigital signature.\n\t\t\t\tKey encipherment.\n"));
}

TEST_F(CerttoolRequest, CSR_3_extended_key_usages_in_their_order) {
    CertificationRequest contents = request();
    contents.extended_key_usage = {"clientAuth",   "serverAuth",  "codeSigning",      "emailProtection",
                                   "timeStamping", "OCSPSigning", "1.3.6.1.5.5.8.2.2"};
    EXPECT_THAT(shown(contents), HasSubstr("Key Purpose (not critical):\n"
                                           "\t\t\t\tTLS WWW Client.\n"
                                           "\t\t\t\tTLS WWW Server.\n"
                                           "\t\t\t\tCode signing.\n"
                                           "\t\t\t\tEmail protection.\n"
                                           "\t\t\t\tTime stamping.\n"
                                           "\t\t\t\tOCSP signing.\n"
                                           "\t\t\t\t1.3.6.1.5.5.8.2.2\n"));
}

TEST_F(CerttoolRequest, CSR_3_a_DNS_name) {
    EXPECT_THAT(shown_name("dns:web01.example.com"),
                HasSubstr("Subject Alternative Name (not critical):\n\t\t\t\tDNSname: web01.example.com\n"));
}

TEST_F(CerttoolRequest, CSR_3_addresses_of_both_families) {
    EXPECT_THAT(shown_name("ip:192.0.2.1"), HasSubstr("IPAddress: 192.0.2.1\n"));
    EXPECT_THAT(shown_name("ip:2001:db8::1"), HasSubstr("IPAddress: 2001:db8::1\n"));
}

TEST_F(CerttoolRequest, CSR_3_a_mailbox) {
    EXPECT_THAT(shown_name("email:web@example.com"), HasSubstr("RFC822Name: web@example.com\n"));
}

TEST_F(CerttoolRequest, CSR_3_a_URI) {
    EXPECT_THAT(shown_name("uri:https://web01.example.com/id"), HasSubstr("URI: https://web01.example.com/id\n"));
}

TEST_F(CerttoolRequest, CSR_3_a_user_principal_name) {
    EXPECT_THAT(shown_name("upn:web01@corp.example.com"), HasSubstr("User Principal Name: web01@corp.example.com\n"));
}

TEST_F(CerttoolRequest, CSR_3_alternative_names_are_critical_without_a_subject) {
    CertificationRequest contents;
    contents.subject_alt_names = {"dns:a.example.com", "ip:192.0.2.1"};
    EXPECT_THAT(shown(contents), HasSubstr("Subject Alternative Name (critical):\n\t\t\t\tDNSname: a.example.com\n"
                                           "\t\t\t\tIPAddress: 192.0.2.1\n"));
}

}  // namespace
}  // namespace hwenroll::scep
