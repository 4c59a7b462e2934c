#include "agent/cli/scrubbed_text.h"

#include <sstream>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hwenroll::test {
namespace {

using cli::scrubbed;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

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

/// A key as a hook would print it; each of its words is a canary.
const std::vector<std::string>& printed_key() {
    static const std::vector<std::string> lines{"-----BEGIN PRIVATE KEY-----",
                                                "MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQCcanaryone1234",
                                                "/canarytwo9w0BAQEFAASCBKgwggSkAgEAAoIBAQC7VJTUt9Us8cKjMzEfYyji",
                                                "canary3canaryAB=", "-----END PRIVATE KEY-----"};
    return lines;
}

/// Lines `from` up to `to` of it as the journal shows them, with a line of another process between each two.
std::string in_the_journal(std::size_t from, std::size_t to) {
    std::string text;
    for (std::size_t i = from; i < to; ++i) {
        text += "2026-11-26T20:00:00+0000 host hwenroll-hook[7]: " + printed_key()[i] + "\n";
        text += "2026-11-26T20:00:00+0000 host hwenrolld[8]: identity web: event " + std::to_string(i) + "\n";
    }
    return text;
}

/// The lines of a text, the last first.
std::string upside_down(const std::string& text) {
    std::string out;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) {
        out = line + "\n" + out;
    }
    return out;
}

TEST(ScrubbedText, invariant_7_P15_a_key_in_the_journal_is_left_out_whole_cut_off_and_upside_down) {
    const std::string whole = in_the_journal(0, 5);
    for (const std::string& text : {whole, in_the_journal(1, 5), in_the_journal(2, 5), in_the_journal(0, 3),
                                    upside_down(whole), upside_down(whole + whole)}) {
        const std::string left = scrubbed(text);
        for (std::size_t i = 1; i < 4; ++i) {
            EXPECT_THAT(left, Not(HasSubstr(printed_key()[i]))) << text;
        }
        EXPECT_THAT(left, HasSubstr("(left out)"));
    }
    for (const std::string& text : {std::string("canaryABCDEF\n-----END PRIVATE KEY-----\nafter it\n"),
                                    std::string("-----END PRIVATE KEY-----\ncanaryABCDEF\nafter it\n")}) {
        EXPECT_THAT(scrubbed(text), AllOf(Not(HasSubstr("canaryABCDEF")), HasSubstr("after it"))) << text;
    }
}

TEST(ScrubbedText, a_block_upside_down_takes_no_other_line_and_digests_stay) {
    const std::string digest(64, 'a');
    EXPECT_THAT(scrubbed(upside_down("first\n" + in_the_journal(0, 5) + "last " + digest + "\n")),
                AllOf(HasSubstr("first\n"), HasSubstr("last " + digest), HasSubstr("event 2")));
    const std::string names = "no marker: ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef\n";
    EXPECT_EQ(scrubbed(names), names);
}

TEST(ScrubbedText, a_section_with_a_block_that_is_cut_off_takes_nothing_of_the_next) {
    const std::string text = scrubbed({{"journal", in_the_journal(0, 3)}, {"files", "/etc/hwenroll:\n"}});
    EXPECT_THAT(text, AllOf(HasSubstr("==== journal ====\n"), HasSubstr("==== files ====\n/etc/hwenroll:\n"),
                            Not(HasSubstr("canaryone"))));
}

TEST(ScrubbedText, SEC_14_lines_stay_lines_and_control_characters_are_seen) {
    EXPECT_EQ(scrubbed("one\n\ntwo \x1b[31m\n"), "one\n\ntwo \\x1b[31m\n");
    EXPECT_EQ(scrubbed(""), "");
    const std::string all(5000, 'a');
    EXPECT_EQ(scrubbed(all), all + "\n") << "no line is cut";
}

}  // namespace
}  // namespace hwenroll::test
