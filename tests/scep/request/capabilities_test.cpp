#include "transport/scep/capabilities.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/scep/request/test_pki.h"

namespace hwenroll::scep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

Capabilities parse(std::string_view body) {
    return parse_capabilities(as_bytes(body));
}

std::string known(std::string_view body) {
    return to_text(parse(body));
}

TEST(Capabilities, CAPS_2_any_line_end_and_none_at_the_end) {
    for (const char* body : {"AES\r\nSHA-256\r\nRenewal\r\n", "AES\nSHA-256\nRenewal\n", "AES\rSHA-256\rRenewal\r",
                             "AES\r\nSHA-256\nRenewal"}) {
        EXPECT_EQ(known(body), "AES, Renewal, SHA-256") << body;
    }
}

TEST(Capabilities, CAPS_3_case_blanks_and_byte_order_mark_do_not_matter) {
    EXPECT_EQ(known("\xEF\xBB\xBF  aes \n\tpostPkioperation\t\nscepstandard"), "AES, POSTPKIOperation, SCEPStandard");
}

TEST(Capabilities, CAPS_4_BAD_19_blank_lines_are_nothing) {
    for (const char* body : {"\n", "\r\n\r\n\r\n", " \n\t\n", "\n\n \r"}) {
        EXPECT_EQ(parse(body), Capabilities()) << "a body of blanks";
    }
    EXPECT_EQ(known("\n\nAES\n\n"), "AES");
}

TEST(Capabilities, CAPS_4_BAD_20_only_whole_words_count) {
    const Capabilities capabilities = parse("SCEPStandardX\nAES128\nSHA\nPOST\nRenewalReq\nDES\nAES SHA-256\nSHA-2561");
    EXPECT_EQ(to_text(capabilities), "");
    EXPECT_THAT(capabilities.unknown, SizeIs(8));
}

TEST(Capabilities, BAD_21_one_huge_line_is_no_capability) {
    const Capabilities capabilities = parse(std::string(1U << 20U, 'A'));
    EXPECT_EQ(to_text(capabilities), "");
    ASSERT_THAT(capabilities.unknown, SizeIs(1));
    EXPECT_LE(capabilities.unknown[0].size(), 80U);
}

TEST(Capabilities, BAD_22_a_NUL_inside_a_word_makes_another_word) {
    using namespace std::string_view_literals;
    const Capabilities capabilities = parse("A\0ES\nSHA-256\0\nAES"sv);
    EXPECT_EQ(to_text(capabilities), "AES");
    EXPECT_THAT(capabilities.unknown, ElementsAre("A\\x00ES", "SHA-256\\x00"));
}

TEST(Capabilities, CAPS_5_unknown_words_are_kept_for_the_log_and_only_256_of_them) {
    EXPECT_THAT(parse("Example.com-Name\nAES\nSHA-384\nUpdate").unknown,
                ElementsAre("Example.com-Name", "SHA-384", "Update"));
    std::string many;
    for (int i = 0; i < 1000; ++i) {
        many += "word" + std::to_string(i) + "\n";
    }
    const Capabilities capabilities = parse(many + "AES");
    EXPECT_THAT(capabilities.unknown, SizeIs(256));
    EXPECT_TRUE(capabilities.aes) << "known words count wherever they stand";
}

TEST(Capabilities, CAPS_5_unknown_words_are_printable) {
    EXPECT_THAT(parse("\x1B[31mred\n\xE2\x80\xAE"
                      "evil")
                    .unknown,
                ElementsAre("\\x1b[31mred", "\\u{202e}evil"));
}

TEST(Capabilities, CAPS_6_every_keyword_sets_its_flag_and_no_other) {
    const std::vector<std::pair<std::string, bool Capabilities::*>> keywords{
        {"AES", &Capabilities::aes},
        {"DES3", &Capabilities::des3},
        {"GetNextCACert", &Capabilities::get_next_ca_cert},
        {"POSTPKIOperation", &Capabilities::post_pki_operation},
        {"Renewal", &Capabilities::renewal},
        {"SHA-1", &Capabilities::sha1},
        {"SHA-256", &Capabilities::sha256},
        {"SHA-512", &Capabilities::sha512},
        {"SCEPStandard", &Capabilities::scep_standard}};
    for (const auto& [word, flag] : keywords) {
        Capabilities expected;
        expected.*flag = true;
        EXPECT_EQ(parse(word + "\n"), expected) << word;
    }
}

TEST(Capabilities, CAPS_7_an_empty_body_announces_nothing) {
    EXPECT_EQ(parse(""), Capabilities());
}

TEST(Capabilities, CAPS_9_a_portal_page_announces_nothing_and_is_warned_of) {
    const Capabilities capabilities =
        parse("<!DOCTYPE html>\n<html><body>Welcome! We support AES, SHA-256 and DES3.\n</body></html>");
    EXPECT_EQ(to_text(capabilities), "");
    EXPECT_THAT(capabilities.warnings, ElementsAre(HasSubstr("does not look like capabilities")));
    EXPECT_EQ(known("Supported here: AES, SHA-256"), "") << "one line of prose";
    EXPECT_THAT(parse("AES\nnonsense").warnings, IsEmpty());
}

TEST(Capabilities, CAPS_10_SCEPStandard_implies_AES_POST_and_SHA_256_and_nothing_else) {
    const Capabilities capabilities = parse("SCEPStandard");
    EXPECT_TRUE(capabilities.allows_aes());
    EXPECT_TRUE(capabilities.allows_post());  // HTTP-7
    EXPECT_TRUE(capabilities.allows_sha256());
    EXPECT_FALSE(capabilities.allows_renewal() || capabilities.allows_next_ca() || capabilities.des3 ||
                 capabilities.sha1 || capabilities.sha512);
}

TEST(Capabilities, CAPS_11_CAPS_12_Q_EJBCA_2_renewal_and_the_next_CA_need_their_own_words) {
    EXPECT_TRUE(parse("Renewal").allows_renewal());
    EXPECT_FALSE(parse("Renewal").allows_next_ca());
    EXPECT_TRUE(parse("GetNextCACert").allows_next_ca());
    EXPECT_FALSE(parse("GetNextCACert").allows_renewal());
}

TEST(Capabilities, their_text_is_one_line_and_reads_back) {
    for (unsigned bits = 0; bits < 512; ++bits) {
        Capabilities some;
        some.aes = (bits & 1U) != 0;
        some.des3 = (bits & 2U) != 0;
        some.get_next_ca_cert = (bits & 4U) != 0;
        some.post_pki_operation = (bits & 8U) != 0;
        some.renewal = (bits & 16U) != 0;
        some.sha1 = (bits & 32U) != 0;
        some.sha256 = (bits & 64U) != 0;
        some.sha512 = (bits & 128U) != 0;
        some.scep_standard = (bits & 256U) != 0;
        EXPECT_EQ(parse(to_text(some)), some) << to_text(some);
        EXPECT_EQ(to_text(some).find('\n'), std::string::npos);
    }
}

TEST(Capabilities, captured_bodies_of_three_servers) {
    const std::string all = "AES, DES3, POSTPKIOperation, Renewal, SHA-1, SHA-256, SCEPStandard";
    EXPECT_EQ(to_text(parse_capabilities(test::capture("micromdm210.GetCACaps.bin"))), all);
    EXPECT_EQ(to_text(parse_capabilities(test::capture("step-aes.GetCACaps.bin"))), all);
    EXPECT_EQ(to_text(parse_capabilities(test::capture("jscep.GetCACaps.bin"))),
              "AES, DES3, POSTPKIOperation, SHA-1, SHA-256, SHA-512");
}

TEST(Capabilities, SEC_18_captured_bodies_cut_anywhere_announce_nothing_that_the_whole_does_not) {
    for (const char* name : {"micromdm210.GetCACaps.bin", "step-aes.GetCACaps.bin", "jscep.GetCACaps.bin"}) {
        const Bytes body = test::capture(name);
        const std::string whole = to_text(parse_capabilities(body));
        for (std::size_t size = 0; size < body.size(); ++size) {
            const std::string cut = to_text(parse_capabilities(ByteView(body).first(size)));
            for (const char* word : {"AES", "DES3", "GetNextCACert", "POSTPKIOperation", "Renewal", "SHA-1,", "SHA-256",
                                     "SHA-512", "SCEPStandard"}) {
                EXPECT_TRUE(cut.find(word) == std::string::npos || whole.find(word) != std::string::npos)
                    << name << " cut at " << size << " announces " << word;
            }
        }
    }
}

Result<Algorithms> choose(std::string_view body, const LegacyPermissions& legacy = {}) {
    return choose_algorithms(parse(body), legacy);
}

constexpr LegacyPermissions no_legacy{};

LegacyPermissions all_legacy() {
    return {true, true, true, true};
}

TEST(Algorithms, ALG_1_ALG_4_AES_128_and_SHA_256_whenever_they_are_offered) {
    constexpr Algorithms wanted{Digest::sha256, ContentCipher::aes128};
    for (const char* body : {"AES\nSHA-256", "SCEPStandard", "AES\nDES3\nSHA-1\nSHA-256\nSHA-512\nSCEPStandard"}) {
        EXPECT_EQ(choose(body, no_legacy).value(), wanted) << body;
        EXPECT_EQ(choose(body, all_legacy()).value(), wanted) << body << " with legacy permitted";
    }
}

TEST(Algorithms, ALG_5_SHA_512_when_it_is_the_only_good_digest) {
    EXPECT_EQ(choose("AES\nSHA-512\nSHA-1").value(), (Algorithms{Digest::sha512, ContentCipher::aes128}));
}

TEST(Algorithms, ALG_2_ALG_3_Q_DOG_2_triple_DES_only_by_the_operators_leave) {
    for (const char* body : {"DES3\nSHA-256", "SHA-256"}) {
        const auto refused = choose(body);
        ASSERT_FALSE(refused) << body;
        EXPECT_EQ(refused.error().code(), ErrorCode::ca_algorithm);
        LegacyPermissions legacy;
        legacy.des3 = true;
        EXPECT_EQ(choose(body, legacy).value(), (Algorithms{Digest::sha256, ContentCipher::des3})) << body;
    }
}

TEST(Algorithms, ALG_6_SHA_1_only_by_the_operators_leave) {
    for (const char* body : {"AES\nSHA-1", "AES"}) {
        const auto refused = choose(body);
        ASSERT_FALSE(refused) << body;
        EXPECT_EQ(refused.error().code(), ErrorCode::ca_algorithm);
        EXPECT_THAT(refused.error().line(), HasSubstr("the CA announces AES"));
        LegacyPermissions legacy;
        legacy.sha1_request = true;
        EXPECT_EQ(choose(body, legacy).value(), (Algorithms{Digest::sha1, ContentCipher::aes128})) << body;
    }
}

TEST(Algorithms, ALG_7_BAD_24_CAPS_14_nothing_enables_DES_or_MD5) {
    for (const char* body : {"DES\nMD5", "", "<html>"}) {
        EXPECT_EQ(choose(body).error().code(), ErrorCode::ca_algorithm) << body;
        EXPECT_THAT(choose(body).error().line(), HasSubstr("announces none"));
        EXPECT_EQ(choose(body, all_legacy()).value(), (Algorithms{Digest::sha1, ContentCipher::des3})) << body;
    }
}

// ALG-4, ALG-8, SEC-5: nobody vouches for an announcement, so that it has no say where the operator has spoken.
TEST(Algorithms, ALG_4_ALG_8_SEC_5_what_the_operator_fixes_counts_whatever_is_announced) {
    const AlgorithmChoice strong{Digest::sha512, ContentCipher::aes256, KeyTransport::oaep};
    constexpr Algorithms wanted{Digest::sha512, ContentCipher::aes256, KeyTransport::oaep};
    for (const char* body : {"SCEPStandard", "AES\nSHA-256", "DES3\nSHA-1", ""}) {
        EXPECT_EQ(choose_algorithms(parse(body), no_legacy, strong).value(), wanted) << body;
        EXPECT_EQ(choose_algorithms(parse(body), all_legacy(), strong).value(), wanted) << body << ", all permitted";
    }
    EXPECT_EQ(choose_algorithms(parse("SCEPStandard"), no_legacy, {{}, ContentCipher::aes192}).value(),
              (Algorithms{Digest::sha256, ContentCipher::aes192}))
        << "one at a time";
    EXPECT_EQ(choose_algorithms(parse("SHA-256"), no_legacy, {Digest::sha512}).error().code(), ErrorCode::ca_algorithm)
        << "and of the other the floor holds";
}

// ALG-3: a CA that announces nothing, as its operator knows, and works all the same.
TEST(Algorithms, ALG_3_CAPS_14_a_CA_that_announces_nothing_is_used_by_the_floor_when_its_operator_says_so) {
    EXPECT_THAT(choose("").error().line(), HasSubstr("set digest = \"sha256\""));
    EXPECT_THAT(choose("SHA-256").error().line(), HasSubstr("set cipher = \"aes128\""));
    EXPECT_EQ(choose_algorithms(parse(""), no_legacy, {Digest::sha256, ContentCipher::aes128}).value(), Algorithms{});
}

// A server that announces AES and SHA-2 and cannot do them (RFC 8894 §3.5.2): its operator's way out, for a while.
TEST(Algorithms, ALG_10_Q_NDES_2_weaker_than_announced_only_by_the_operators_word_and_leave) {
    const AlgorithmChoice weak{Digest::sha1, ContentCipher::des3};
    EXPECT_EQ(choose_algorithms(parse("SCEPStandard"), all_legacy(), weak).value(),
              (Algorithms{Digest::sha1, ContentCipher::des3}));
    EXPECT_EQ(choose("SCEPStandard", all_legacy()).value(), Algorithms{}) << "not by the leave alone";
    for (const AlgorithmChoice& one : {AlgorithmChoice{Digest::sha1}, AlgorithmChoice{{}, ContentCipher::des3}}) {
        const auto refused = choose_algorithms(parse("SCEPStandard"), no_legacy, one);
        ASSERT_FALSE(refused) << "nor by the word alone";
        EXPECT_EQ(refused.error().code(), ErrorCode::ca_algorithm);
        EXPECT_THAT(refused.error().line(), HasSubstr("'legacy_until' is over"));
    }
}

Capabilities after(std::string_view before, std::string_view now) {
    return without_downgrade(parse(now), parse(before));
}

TEST(Capabilities, CAPS_13_SEC_5_BAD_23_what_was_once_seen_is_kept_with_a_warning) {
    const Capabilities kept = after("AES\nSHA-256\nPOSTPKIOperation\nRenewal", "DES3\nSHA-1");
    EXPECT_EQ(to_text(kept), "AES, DES3, POSTPKIOperation, SHA-1, SHA-256") << "Renewal may go";
    ASSERT_THAT(kept.warnings, SizeIs(1));
    EXPECT_THAT(kept.warnings[0], HasSubstr("AES, SHA-256, POSTPKIOperation"));
    EXPECT_EQ(choose_algorithms(kept, all_legacy()).value(), (Algorithms{Digest::sha256, ContentCipher::aes128}));
}

TEST(Capabilities, CAPS_13_SCEPStandard_counts_as_what_it_implies) {
    EXPECT_EQ(to_text(after("SCEPStandard", "")), "AES, POSTPKIOperation, SHA-256");
    EXPECT_EQ(after("AES\nSHA-256\nPOSTPKIOperation", "SCEPStandard"), parse("SCEPStandard"));
}

TEST(Capabilities, CAPS_13_a_digest_as_good_takes_the_place_of_the_old_one) {
    EXPECT_EQ(to_text(after("AES\nSHA-256", "AES\nSHA-512")), "AES, SHA-512");
    EXPECT_EQ(to_text(after("AES\nSHA-512", "AES\nSHA-1")), "AES, SHA-1, SHA-512");
}

TEST(Capabilities, CAPS_13_as_much_or_more_is_taken_as_it_is) {
    EXPECT_EQ(after("AES", "AES\nSHA-256"), parse("AES\nSHA-256"));
    EXPECT_EQ(after("", "AES"), parse("AES"));
    EXPECT_EQ(after("AES", "AES\nFuture"), parse("AES\nFuture")) << "what is unknown stays for the log";
}

TEST(Algorithms, SEC_5_permissions_for_replies_do_not_weaken_requests) {
    LegacyPermissions replies;
    replies.des_cbc_reply = true;
    replies.sha1_reply = true;
    EXPECT_FALSE(choose("DES3\nSHA-1", replies));
    EXPECT_FALSE(choose("AES\nSHA-1", replies));
}

}  // namespace
}  // namespace hwenroll::scep
