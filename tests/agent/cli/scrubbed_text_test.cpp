#include "agent/cli/scrubbed_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hwenroll::test {
namespace {

using cli::scrubbed;

TEST(ScrubbedText, invariant_7_a_pin_in_a_token_uri_is_left_out_whatever_its_spelling) {
    EXPECT_EQ(scrubbed("uri = \"pkcs11:token=lab?pin-value=canary%2Dpin&pin-source=file:/x\"\n"),
              "uri = \"pkcs11:token=lab?pin-value=(left out)&pin-source=file:/x\"\n");
    EXPECT_EQ(scrubbed("PKCS11:token=lab?PIN-VALUE=canary;x"), "PKCS11:token=lab?PIN-VALUE=(left out);x\n");
    EXPECT_EQ(scrubbed("pin%2Dvalue=canary pin-value%3Dcanary"), "pin%2Dvalue=(left out) pin-value%3D(left out)\n");
    EXPECT_EQ(scrubbed("pin-value=one pin-value=two"), "pin-value=(left out) pin-value=(left out)\n");
}

TEST(ScrubbedText, invariant_7_user_and_password_of_a_url_are_left_out) {
    EXPECT_EQ(scrubbed("proxy = \"http://user:canary@proxy:3128\""), "proxy = \"http://(left out)@proxy:3128\"\n");
    EXPECT_EQ(scrubbed("http://a:b@c@host/ and http://plain/x@y"), "http://(left out)@host/ and http://plain/x@y\n");
    EXPECT_EQ(scrubbed("http://u:p@one http://u:p@two"), "http://(left out)@one http://(left out)@two\n");
}

TEST(ScrubbedText, MSG_4_a_fixed_transaction_id_is_left_out) {
    EXPECT_EQ(scrubbed("txid = \"fixed:canary\"  # x"), "txid = \"fixed:(left out)\"  # x\n");
}

TEST(ScrubbedText, P15_a_key_blob_is_left_out_and_what_follows_it_stays) {
    EXPECT_EQ(scrubbed("a\n-----BEGIN TSS2 PRIVATE KEY-----\nMIICanary\n-----END TSS2 PRIVATE KEY-----\nb\n"),
              "a\n(left out)\nb\n");
    EXPECT_EQ(scrubbed("x -----BEGIN A-----canary-----END A-----\nb"), "x (left out)\nb\n");
    EXPECT_EQ(scrubbed("-----BEGIN A-----\ncanary"), "(left out)\n") << "a block that was cut off";
}

TEST(ScrubbedText, SEC_14_lines_stay_lines_and_control_characters_are_seen) {
    EXPECT_EQ(scrubbed("one\n\ntwo \x1b[31m\n"), "one\n\ntwo \\x1b[31m\n");
    EXPECT_EQ(scrubbed(""), "");
    const std::string all(5000, 'a');
    EXPECT_EQ(scrubbed(all), all + "\n") << "no line is cut";
}

}  // namespace
}  // namespace hwenroll::test
