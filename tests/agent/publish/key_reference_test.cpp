#include "agent/publish/key_reference.h"

#include <gtest/gtest.h>

#include "tests/support/child_process.h"

namespace hwenroll::publish {
namespace {

// The independent reader is openssl's ASN.1 parser; pkcs11-provider exists only on Debian 13.
TEST(KeyReference, is_the_structure_that_pkcs11_provider_reads) {
    const auto pem = key_reference_pem("pkcs11:token=lab;id=%01;object=web;type=private");
    ASSERT_TRUE(pem) << pem.error().line();
    EXPECT_TRUE(pem->starts_with("-----BEGIN PKCS#11 PROVIDER URI-----\n"));
    EXPECT_TRUE(pem->ends_with("-----END PKCS#11 PROVIDER URI-----\n"));
    test::ChildOptions options;
    options.input = *pem;
    const auto parsed = test::run({"openssl", "asn1parse", "-inform", "PEM"}, options);
    EXPECT_EQ(parsed.exit_code, 0) << parsed.err;
    EXPECT_EQ(parsed.out,
              "    0:d=0  hl=2 l=  76 cons: SEQUENCE          \n"
              "    2:d=1  hl=2 l=  25 prim: VISIBLESTRING     :PKCS#11 Provider URI v1.0\n"
              "   29:d=1  hl=2 l=  47 prim: UTF8STRING        :pkcs11:token=lab;id=%01;object=web;type=private\n");
}

TEST(KeyReference, has_lengths_of_several_octets) {
    const std::string uri = "pkcs11:object=" + std::string(1000, 'x');
    const auto pem = key_reference_pem(uri);
    ASSERT_TRUE(pem);
    test::ChildOptions options;
    options.input = *pem;
    const auto parsed = test::run({"openssl", "asn1parse", "-inform", "PEM"}, options);
    EXPECT_EQ(parsed.exit_code, 0) << parsed.err;
    EXPECT_NE(parsed.out.find("   31:d=1  hl=4 l=1014 prim: UTF8STRING        :" + uri), std::string::npos)
        << parsed.out;
}

// Invariant 7: a PIN neither gets into a file nor into the message.
TEST(KeyReference, refuses_what_is_no_uri_of_a_key_and_never_repeats_it) {
    for (const char* uri : {"", "lab", "pkcs11:token=a b", "pkcs11:token=lab?pin-value=canary", "pkcs11:\ntoken=canary",
                            "pkcs11:token=lab?pin-source=/canary", "pkcs11:token=l\xC3\xA4"}) {
        const auto pem = key_reference_pem(uri);
        ASSERT_FALSE(pem) << uri;
        EXPECT_EQ(pem.error().line().find("canary"), std::string::npos);
    }
    EXPECT_FALSE(key_reference_pem("pkcs11:" + std::string(5000, 'x')));
}

}  // namespace
}  // namespace hwenroll::publish
