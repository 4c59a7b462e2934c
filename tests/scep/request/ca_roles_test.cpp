// Which certificates of a CA's set receive requests and sign replies.
#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/scep/request/ca_set_pki.h"

namespace hwenroll::scep {
namespace {

using std::chrono::days;
using std::chrono::hours;
using test::Key;
using test::present;
using test_set::authenticate_now;
using test_set::cmc_ra;
using test_set::fingerprint_text;
using test_set::pki;
using test_set::request_agent;
using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::UnorderedElementsAre;

// ----- roles -----

TEST(Authenticate, BAD_27_SIG_13_an_end_entity_without_an_RA_purpose_gets_no_role) {
    const std::vector<std::string> purposes{"", "clientAuth", "serverAuth,clientAuth", "anyExtendedKeyUsage"};
    for (const std::string& purpose : purposes) {
        const Certificate client = pki().ra("Client", "digitalSignature,keyEncipherment", purpose);
        const auto set = authenticate_now({pki().root, pki().intermediate, client}, pki().root);
        ASSERT_TRUE(set);
        EXPECT_EQ(set->recipient, pki().intermediate) << purpose;
        EXPECT_THAT(set->signers, ElementsAre(pki().intermediate)) << purpose;
        EXPECT_THAT(set->warnings, ElementsAre(HasSubstr(fingerprint_text(client))));
        ASSERT_THAT(set->unused, SizeIs(1));
        EXPECT_THAT(set->unused[0].advice, HasSubstr("ra_fingerprints"));
        EXPECT_EQ(set->unused[0].certificate, client);
    }
}

TEST(Authenticate, SIG_13_the_lines_that_would_pin_it_are_printed_ready_to_paste) {
    const Certificate plain = pki().ra("Plain", "digitalSignature,keyEncipherment", "");
    const Certificate agent = pki().ra("Agent", "digitalSignature");
    const auto line = [](const std::string& list) {
        return "set ra = \"pinned\" and ra_fingerprints = [" + list + "]";
    };
    const std::string alone = "\"" + fingerprint_text(plain) + "\"";
    const auto one = authenticate_now({pki().root, pki().intermediate, plain}, pki().root);
    ASSERT_TRUE(one);
    EXPECT_THAT(one->warnings, ElementsAre(Not(HasSubstr("set ra ="))));
    EXPECT_THAT(one->unused[0].advice, HasSubstr(line(alone)));

    // What is an RA already stays one, so that an RA for each purpose is pinned whole.
    const auto beside = authenticate_now({pki().root, pki().intermediate, plain, agent}, pki().root);
    ASSERT_TRUE(beside);
    EXPECT_THAT(beside->unused[0].advice,
                testing::AnyOf(HasSubstr(line(alone + ", \"" + fingerprint_text(agent) + "\"")),
                               HasSubstr(line("\"" + fingerprint_text(agent) + "\", " + alone))));
    const RaRule as_printed{RaRule::Kind::pinned, {plain.fingerprint(), agent.fingerprint()}};
    const auto pinned = authenticate({plain, agent, pki().root, pki().intermediate},
                                     {{pki().root.fingerprint()}, present(), {}, as_printed});
    ASSERT_TRUE(pinned) << pinned.error().line();
    EXPECT_EQ(pinned->recipient, plain);
    EXPECT_THAT(pinned->signers, UnorderedElementsAre(pki().intermediate, plain, agent));
    EXPECT_THAT(pinned->unused, IsEmpty());
}

TEST(Authenticate, SIG_12_SIG_13_either_RA_purpose_makes_a_signer_and_a_recipient) {
    for (const char* purpose : {cmc_ra, request_agent}) {
        const Certificate ra = pki().ra("RA", "digitalSignature,keyEncipherment", purpose);
        const auto set = authenticate_now({pki().root, pki().intermediate, ra}, pki().root);
        ASSERT_TRUE(set);
        EXPECT_EQ(set->issuer, pki().intermediate);
        EXPECT_EQ(set->recipient, ra);
        EXPECT_THAT(set->signers, ElementsAre(pki().intermediate, ra));
        EXPECT_THAT(set->intermediates, ElementsAre(pki().intermediate));
        EXPECT_THAT(set->warnings, IsEmpty());
    }
}

// ----- the rule for RAs -----

/// A second CA below the root, newer than the first, with an RA of its own.
struct Sibling {
    Key key = test::rsa_key(6);
    Certificate ca = [this] {
        test::CertificateSpec spec = test::ca_spec("CN=Sibling");
        spec.not_before = present() - hours(1);
        return test::issued(spec, key, pki().root, pki().root_key);
    }();
    Certificate ra =
        test::issued(test::ra_spec("CN=Sibling RA", "digitalSignature,keyEncipherment"), test::rsa_key(7), ca, key);
    Certificate client = test::issued(test::ra_spec("CN=Sibling client", "digitalSignature,keyEncipherment", ""),
                                      test::rsa_key(7), ca, key);
};

Result<CaSet> authenticate_by(const RaRule& rule, const std::vector<Certificate>& received) {
    return authenticate(received, {{pki().root.fingerprint()}, present(), {}, rule, {}});
}

const RaRule any_issued{RaRule::Kind::issued_by_ca, {}};

RaRule pinned(const std::vector<Certificate>& certificates) {
    RaRule rule{RaRule::Kind::pinned, {}};
    for (const Certificate& certificate : certificates) {
        rule.fingerprints.push_back(certificate.fingerprint());
    }
    return rule;
}

TEST(RaRule, SIG_13_pinned_takes_the_pinned_ones_whatever_their_purpose_and_no_others) {
    const Certificate plain = pki().ra("Plain", "digitalSignature,keyEncipherment", "");
    const Certificate agent = pki().ra("Agent", "digitalSignature,keyEncipherment");
    const auto set = authenticate_by(pinned({plain}), {agent, pki().root, plain, pki().intermediate});
    ASSERT_TRUE(set) << set.error().line();
    EXPECT_EQ(set->issuer, pki().intermediate);
    EXPECT_EQ(set->recipient, plain);
    EXPECT_THAT(set->signers, ElementsAre(pki().intermediate, plain));
    EXPECT_THAT(set->warnings, ElementsAre(AllOf(HasSubstr(fingerprint_text(agent)), HasSubstr("ra_fingerprints"))));
}

TEST(RaRule, SIG_13_pinned_without_a_usable_match_fails_and_says_why) {
    const Certificate agent = pki().ra("Agent", "digitalSignature,keyEncipherment");
    test::CertificateSpec old = test::ra_spec("CN=Old RA", "digitalSignature,keyEncipherment");
    old.not_before = present() - days(20);
    old.not_after = present() - days(2);
    const Certificate expired = test::issued(old, pki().ra_key, pki().intermediate, pki().intermediate_key);
    const Certificate missing = pki().ra("Missing", "keyEncipherment");
    const auto set = authenticate_by(pinned({missing, expired, pki().intermediate}),
                                     {agent, expired, pki().root, pki().intermediate});
    ASSERT_FALSE(set);
    EXPECT_EQ(set.error().code(), ErrorCode::ca_certificate);
    EXPECT_THAT(set.error().line(),
                AllOf(HasSubstr(fingerprint_text(missing) + ": it was not received"),
                      HasSubstr(fingerprint_text(expired) + "): it expired"),
                      HasSubstr(fingerprint_text(pki().intermediate) + ": it is a CA"), HasSubstr("ra_fingerprints")));
    EXPECT_EQ(authenticate_by(pinned({}), {pki().root}).error().code(), ErrorCode::ca_certificate);
    EXPECT_TRUE(authenticate_by(pinned({missing, agent}), {agent, pki().root, pki().intermediate})) << "one suffices";
}

TEST(RaRule, BAD_28_a_pin_does_not_replace_the_path_to_the_anchor) {
    const Certificate foreign =
        test::self_signed(test::ra_spec("CN=RA", "digitalSignature,keyEncipherment"), test::rsa_key(4));
    const auto set = authenticate_by(pinned({foreign}), {foreign, pki().root, pki().intermediate});
    ASSERT_FALSE(set);
    EXPECT_EQ(set.error().code(), ErrorCode::ca_certificate);
    EXPECT_THAT(set.error().line(), AllOf(HasSubstr(fingerprint_text(foreign)), HasSubstr("does not chain")));
}

TEST(RaRule, SEC_4_SEC_3_an_added_CA_with_RA_is_undecidable_and_gets_no_challenge) {
    const Sibling sibling;
    const std::vector<Certificate> received{sibling.ra, pki().root, sibling.ca, pki().intermediate};
    for (const RaRule& rule : {RaRule{}, any_issued}) {
        const auto set = authenticate_by(rule, received);
        ASSERT_FALSE(set);
        EXPECT_EQ(set.error().code(), ErrorCode::ca_certificate);
        EXPECT_THAT(set.error().line(),
                    AllOf(HasSubstr(fingerprint_text(pki().intermediate)), HasSubstr(fingerprint_text(sibling.ca)),
                          HasSubstr("'fingerprint'"), HasSubstr("ra_fingerprints")));
    }
    const auto by_anchor = authenticate_now(received, pki().intermediate);
    ASSERT_TRUE(by_anchor) << by_anchor.error().line();
    EXPECT_EQ(by_anchor->recipient, pki().intermediate);
    EXPECT_EQ(authenticate_by(pinned({sibling.ra}), received)->recipient, sibling.ra) << "the operator named it";
}

TEST(RaRule, CACERT_9_a_renewed_intermediate_is_one_CA_and_its_newest_certificate_issues) {
    test::CertificateSpec spec = test::ca_spec("CN=Issuing");
    spec.serial = 91;
    spec.not_before = present() - hours(1);
    const Certificate renewed = test::issued(spec, pki().intermediate_key, pki().root, pki().root_key);
    const Certificate by_old = pki().ra("RA old", "digitalSignature");
    const Certificate by_new =
        test::issued(test::ra_spec("CN=RA new", "keyEncipherment"), test::rsa_key(4), renewed, pki().intermediate_key);
    std::vector<Certificate> received{pki().root, pki().intermediate, by_old, renewed, by_new};
    for (const RaRule& rule : {RaRule{}, pinned({by_old, by_new}), any_issued}) {
        const auto set = authenticate_by(rule, received);
        ASSERT_TRUE(set) << set.error().line();
        EXPECT_EQ(set->issuer, renewed);
        EXPECT_EQ(set->recipient, by_new);
        EXPECT_THAT(set->signers, UnorderedElementsAre(renewed, pki().intermediate, by_old, by_new));
        EXPECT_THAT(set->intermediates, ElementsAre(renewed, pki().intermediate)) << "the newest is preferred";
        EXPECT_THAT(set->warnings, IsEmpty());
    }
    const auto without = authenticate_now({pki().root, pki().intermediate, renewed}, pki().root);
    ASSERT_TRUE(without) << without.error().line();
    EXPECT_EQ(without->issuer, renewed);
    EXPECT_THAT(without->warnings, IsEmpty());
}

TEST(RaRule, SIG_13_a_pinned_RA_of_a_CA_above_the_issuer_counts) {
    const Certificate ra = test::issued(test::ra_spec("CN=RA", "digitalSignature,keyEncipherment"), pki().ra_key,
                                        pki().root, pki().root_key);
    const auto set = authenticate_by(pinned({ra}), {ra, pki().intermediate, pki().root});
    ASSERT_TRUE(set) << set.error().line();
    EXPECT_EQ(set->issuer, pki().intermediate);
    EXPECT_EQ(set->recipient, ra);
    EXPECT_THAT(set->signers, ElementsAre(pki().intermediate, ra));
    EXPECT_THAT(set->intermediates, ElementsAre(pki().intermediate));
    EXPECT_THAT(set->warnings, IsEmpty());
}

TEST(RaRule, SIG_13_issued_by_ca_takes_what_the_issuing_CA_issued) {
    const Certificate plain = pki().ra("Plain", "digitalSignature,keyEncipherment", "");
    const auto set = authenticate_by(any_issued, {pki().root, plain, pki().intermediate});
    ASSERT_TRUE(set) << set.error().line();
    EXPECT_EQ(set->issuer, pki().intermediate);
    EXPECT_EQ(set->recipient, plain);
    EXPECT_THAT(set->signers, ElementsAre(pki().intermediate, plain));
    EXPECT_THAT(set->warnings, IsEmpty());
}

TEST(RaRule, SIG_12_the_anchor_is_the_issuer_of_the_RAs_that_it_issued) {
    const Certificate ra = test::issued(test::ra_spec("CN=RA", "digitalSignature,keyEncipherment"), pki().ra_key,
                                        pki().root, pki().root_key);
    for (const RaRule& rule : {RaRule{}, pinned({ra}), any_issued}) {
        const auto alone = authenticate_by(rule, {pki().root, ra});
        ASSERT_TRUE(alone) << alone.error().line();
        EXPECT_EQ(alone->issuer, pki().root);
        EXPECT_THAT(alone->signers, ElementsAre(pki().root, ra));
    }
    for (const RaRule& rule : {RaRule{}, any_issued}) {
        EXPECT_EQ(authenticate_by(rule, {pki().intermediate, pki().root, ra}).error().code(), ErrorCode::ca_certificate)
            << "undecidable beside a CA below the root";
    }
}

TEST(RaRule, CACERT_9_an_added_sibling_CA_does_not_change_the_issuer_of_a_set_with_a_pinned_RA) {
    const Sibling sibling;
    const Certificate deeper = test::issued(test::ca_spec("CN=Deeper"), test::rsa_key(4), sibling.ca, sibling.key);
    const Certificate ra = pki().ra("RA", "digitalSignature,keyEncipherment");
    const std::vector<Certificate> received{sibling.ca, pki().root, deeper, ra, pki().intermediate};
    const auto set = authenticate_by(pinned({ra}), received);
    ASSERT_TRUE(set) << set.error().line();
    EXPECT_EQ(set->issuer, pki().intermediate) << "though the others are newer and deeper";
    EXPECT_EQ(set->recipient, ra);
    EXPECT_THAT(set->signers, ElementsAre(pki().intermediate, ra));
    EXPECT_THAT(set->intermediates, ElementsAre(pki().intermediate));
    EXPECT_THAT(set->warnings, ElementsAre(AllOf(HasSubstr(fingerprint_text(pki().intermediate)),
                                                 HasSubstr("other CAs were received"))));
    EXPECT_EQ(authenticate_by({}, received).error().code(), ErrorCode::ca_certificate) << "undecidable";
}

TEST(RaRule, BAD_27_SEC_4_an_RA_of_a_sibling_CA_becomes_neither_recipient_nor_signer) {
    const Sibling sibling;
    const Certificate ra = pki().ra("RA", "digitalSignature,keyEncipherment");
    const std::vector<Certificate> received{sibling.ra, sibling.ca, pki().root, ra, pki().intermediate};
    // Both CAs have an RA: the set alone does not tell whose challenge this is, so nothing is sent to either.
    const auto set = authenticate_by({}, received);
    ASSERT_FALSE(set);
    EXPECT_EQ(set.error().code(), ErrorCode::ca_certificate);
    EXPECT_THAT(set.error().line(),
                AllOf(HasSubstr(fingerprint_text(pki().intermediate)), HasSubstr(fingerprint_text(sibling.ca)),
                      HasSubstr("'fingerprint'"), HasSubstr("ra_fingerprints")));
    // What the message advises helps, either way.
    const auto by_pin = authenticate_by(pinned({ra}), received);
    ASSERT_TRUE(by_pin) << by_pin.error().line();
    const auto by_anchor = authenticate_now(received, pki().intermediate);
    ASSERT_TRUE(by_anchor) << by_anchor.error().line();
    for (const CaSet& decided : {*by_pin, *by_anchor}) {
        EXPECT_EQ(decided.issuer, pki().intermediate);
        EXPECT_EQ(decided.recipient, ra);
        EXPECT_THAT(decided.signers, ElementsAre(pki().intermediate, ra));
        EXPECT_THAT(decided.warnings, Contains(HasSubstr(fingerprint_text(sibling.ra))));
    }
}

TEST(RaRule, BAD_27_SEC_4_of_pinned_RAs_only_those_of_the_issuing_CA_count) {
    const Sibling sibling;
    const Certificate ra = pki().ra("RA", "digitalSignature,keyEncipherment");
    const auto set =
        authenticate_by(pinned({ra, sibling.ra}), {ra, sibling.ra, sibling.ca, pki().root, pki().intermediate});
    ASSERT_TRUE(set) << set.error().line();
    EXPECT_EQ(set->issuer, sibling.ca) << "the newer of two that the operator named";
    EXPECT_EQ(set->recipient, sibling.ra);
    EXPECT_THAT(set->signers, ElementsAre(sibling.ca, sibling.ra));
    EXPECT_THAT(set->warnings,
                UnorderedElementsAre(AllOf(HasSubstr(fingerprint_text(ra)), HasSubstr("RA of another CA")),
                                     AllOf(HasSubstr(fingerprint_text(sibling.ca)), HasSubstr("other CAs"))));
}

TEST(RaRule, BAD_27_a_client_of_a_sibling_is_an_RA_of_the_issuing_CA_under_no_rule) {
    const Sibling sibling;
    const Certificate ra = pki().ra("RA", "digitalSignature,keyEncipherment");
    const std::vector<Certificate> received{sibling.client, sibling.ca, pki().root, ra, pki().intermediate};
    const auto set = authenticate_by(pinned({ra}), received);
    ASSERT_TRUE(set) << set.error().line();
    EXPECT_EQ(set->recipient, ra);
    EXPECT_THAT(set->signers, ElementsAre(pki().intermediate, ra));
    for (const RaRule& rule : {RaRule{}, any_issued}) {
        EXPECT_EQ(authenticate_by(rule, received).error().code(), ErrorCode::ca_certificate) << "undecidable";
    }
}

TEST(RaRule, CACERT_9_Q_NDES_4_every_rule_takes_both_RAs_of_NDES) {
    const Certificate sign = pki().ra("MSCEP-RA sign", "digitalSignature", request_agent);
    const Certificate encrypt = pki().ra("MSCEP-RA encrypt", "keyEncipherment", request_agent);
    for (const RaRule& rule : {RaRule{}, pinned({sign, encrypt}), any_issued}) {
        const auto set = authenticate_by(rule, {encrypt, pki().root, sign, pki().intermediate});
        ASSERT_TRUE(set) << set.error().line();
        EXPECT_EQ(set->recipient, encrypt);
        EXPECT_THAT(set->signers, UnorderedElementsAre(pki().intermediate, sign, encrypt));
    }
}

TEST(RaRule, CACERT_9_a_set_of_CAs_only_is_the_same_under_every_rule_that_names_no_RA) {
    for (const RaRule& rule : {RaRule{}, any_issued}) {
        const auto set = authenticate_by(rule, {pki().root, pki().intermediate});
        ASSERT_TRUE(set);
        EXPECT_EQ(set->issuer, pki().intermediate);
        EXPECT_EQ(set->recipient, pki().intermediate);
        EXPECT_THAT(set->signers, ElementsAre(pki().intermediate));
    }
}

TEST(RaRule, Q_STEP_1_the_decrypter_of_step_ca_counts_when_it_is_pinned_or_issued_by_the_CA) {
    const Certificate decrypter = pki().ra("SCEP decrypter", "keyEncipherment,dataEncipherment", "");
    const std::vector<Certificate> received{decrypter, pki().intermediate, pki().root};
    EXPECT_EQ(authenticate_by({}, received)->recipient, pki().intermediate);
    EXPECT_EQ(authenticate_by(pinned({decrypter}), received)->recipient, decrypter);
    EXPECT_EQ(authenticate_by(any_issued, received)->recipient, decrypter);
}

TEST(Authenticate, CACERT_9_Q_NDES_4_SEC_8_two_RAs_for_two_purposes) {
    const Certificate sign = pki().ra("MSCEP-RA sign", "digitalSignature", request_agent);
    const Certificate encrypt = pki().ra("MSCEP-RA encrypt", "keyEncipherment", request_agent);
    const auto set = authenticate_now({encrypt, pki().root, sign, pki().intermediate}, pki().root);
    ASSERT_TRUE(set);
    EXPECT_EQ(set->recipient, encrypt);
    EXPECT_THAT(set->signers, UnorderedElementsAre(pki().intermediate, sign, encrypt));
}

TEST(Authenticate, ENV_2_Q_OXI_5_the_order_of_recipients) {
    test::CertificateSpec newer_spec = test::ra_spec("CN=RA newer", "keyEncipherment");
    newer_spec.not_before = present() - hours(1);
    const Certificate newer = test::issued(newer_spec, test::rsa_key(3), pki().intermediate, pki().intermediate_key);
    const std::vector<Certificate> best_first{newer, pki().ra("RA keyEncipherment", "keyEncipherment"),
                                              pki().ra("RA dataEncipherment", "dataEncipherment"), pki().ra("RA", ""),
                                              pki().intermediate};
    std::vector<Certificate> received{best_first.rbegin(), best_first.rend()};
    received.push_back(pki().root);
    received.push_back(pki().ra("RA sign", "digitalSignature"));
    for (const Certificate& expected : best_first) {
        const auto set = authenticate_now(received, pki().root);
        ASSERT_TRUE(set);
        EXPECT_EQ(set->recipient.subject().text(), expected.subject().text());
        std::erase(received, expected);
    }
}

/// What a CRL says.
CaExpectation with_revoked(const std::vector<Certificate>& revoked) {
    CaExpectation expected{{pki().root.fingerprint()}, present()};
    expected.is_revoked = [revoked](const Certificate& one) {
        return std::ranges::find(revoked, one) != revoked.end();
    };
    return expected;
}

TEST(Authenticate, BAD_49_SEC_3_SIG_14_a_good_RA_takes_the_place_of_a_revoked_one_beside_it) {
    const Certificate bad = pki().ra("Bad", "critical,digitalSignature,keyEncipherment");
    const Certificate good = pki().ra("Good", "critical,digitalSignature,dataEncipherment");
    const std::vector<Certificate> received{pki().root, pki().intermediate, bad, good};
    ASSERT_EQ(authenticate(received, with_revoked({}))->recipient, bad) << "ENV-2 would choose it";
    const auto set = authenticate(received, with_revoked({bad}));
    ASSERT_TRUE(set) << set.error().line();
    EXPECT_EQ(set->recipient, good);
    EXPECT_THAT(set->signers, UnorderedElementsAre(pki().intermediate, good));
    EXPECT_THAT(set->revoked, ElementsAre(bad));
    EXPECT_EQ(set->issuer, pki().intermediate);
}

TEST(Authenticate, BAD_49_SEC_3_without_another_RA_nothing_is_sent_and_the_CA_is_no_substitute) {
    const Certificate bad = pki().ra("Bad", "critical,digitalSignature,keyEncipherment");
    const Certificate signs = pki().ra("Signs", "critical,digitalSignature");
    for (const std::vector<Certificate>& received : {std::vector<Certificate>{pki().root, pki().intermediate, bad},
                                                     {pki().root, pki().intermediate, bad, signs}}) {
        const auto set = authenticate(received, with_revoked({bad}));
        ASSERT_FALSE(set) << received.size();
        EXPECT_EQ(set.error().code(), ErrorCode::ca_certificate);
        EXPECT_THAT(set.error().line(), AllOf(HasSubstr("the RA certificate 'CN=Bad' is revoked"),
                                              HasSubstr("requests would be encrypted to it")));
    }
}

TEST(Authenticate, BAD_49_SIG_14_a_revoked_RA_that_only_signs_is_left_out_and_a_revoked_CA_stays) {
    const Certificate receives = pki().ra("Receives", "critical,keyEncipherment");
    const Certificate signs = pki().ra("Signs", "critical,digitalSignature");
    const auto set =
        authenticate({pki().root, pki().intermediate, receives, signs}, with_revoked({signs, pki().intermediate}));
    ASSERT_TRUE(set) << set.error().line();
    EXPECT_EQ(set->recipient, receives);
    EXPECT_THAT(set->signers, UnorderedElementsAre(pki().intermediate, receives));
    EXPECT_THAT(set->revoked, ElementsAre(signs));
}

TEST(Authenticate, ENV_2_Q_EJBCA_4_an_EC_CA_with_an_RSA_RA) {
    const Key ec = test::new_ec_key();
    const Certificate root = test::self_signed(test::ca_spec("CN=EC root"), ec);
    const Certificate ra = test::issued(test::ra_spec("CN=RA", "keyEncipherment"), test::rsa_key(3), root, ec);
    const auto set = authenticate_now({root, ra}, root);
    ASSERT_TRUE(set) << set.error().line();
    EXPECT_EQ(set->issuer, root);
    EXPECT_EQ(set->recipient, ra);
}

TEST(Authenticate, BAD_38_ENV_7_with_EC_certificates_only_there_is_no_recipient) {
    const Key ec = test::new_ec_key();
    const Certificate root = test::self_signed(test::ca_spec("CN=EC root"), ec);
    const Certificate sign = test::issued(test::ra_spec("CN=RA", "digitalSignature"), test::rsa_key(3), root, ec);
    EXPECT_EQ(authenticate_now({root}, root).error().code(), ErrorCode::ca_no_recipient);
    EXPECT_EQ(authenticate_now({root, sign}, root).error().code(), ErrorCode::ca_no_recipient)
        << "an RA that may only sign";
}

TEST(Authenticate, ENV_5_where_requests_may_go_under_the_challenge_an_EC_issuer_receives_them_if_nobody_else_can) {
    const Key ec = test::new_ec_key();
    const Certificate root = test::self_signed(test::ca_spec("CN=EC root"), ec);
    const Certificate sign = test::issued(test::ra_spec("CN=RA", "digitalSignature"), test::rsa_key(3), root, ec);
    const Certificate encrypt = test::issued(test::ra_spec("CN=RA 2", "keyEncipherment"), test::rsa_key(4), root, ec);
    const auto believed = [&](const std::vector<Certificate>& received) {
        return authenticate(received, {.pinned = {root.fingerprint()}, .now = present(), .by_password = true});
    };
    for (const auto& received : {std::vector{root}, std::vector{root, sign}}) {
        const auto set = believed(received);
        ASSERT_TRUE(set) << set.error().line();
        EXPECT_EQ(set->recipient, root);
        EXPECT_THAT(set->warnings, Each(Not(HasSubstr("keyEncipherment"))));
    }
    const auto rsa = believed({root, sign, encrypt});
    ASSERT_TRUE(rsa) << rsa.error().line();
    EXPECT_EQ(rsa->recipient, encrypt);
    EXPECT_THAT(authenticate_now({root}, root).error().line(), HasSubstr("set envelope = \"password\""));
}

// SIG-13, Q-STEP-1: an EC CA with an RSA decrypter that nothing but its place says is one.
TEST(Authenticate, SIG_13_Q_STEP_1_the_only_possible_recipient_is_named_with_the_lines_that_would_pin_it) {
    const Key ec = test::new_ec_key();
    const Certificate root = test::self_signed(test::ca_spec("CN=EC root"), ec);
    const Certificate decrypter =
        test::issued(test::ra_spec("CN=Decrypter", "keyEncipherment", ""), test::rsa_key(3), root, ec);
    const auto set = authenticate_now({root, decrypter}, root);
    ASSERT_FALSE(set);
    EXPECT_EQ(set.error().code(), ErrorCode::ca_no_recipient);
    EXPECT_THAT(set.error().line(), AllOf(HasSubstr("'CN=Decrypter'"), HasSubstr("neither the purpose cmcRA"),
                                          HasSubstr("set ra = \"pinned\" and ra_fingerprints = [\"" +
                                                    fingerprint_text(decrypter) + "\"]")));
    const RaRule as_printed{RaRule::Kind::pinned, {decrypter.fingerprint()}};
    EXPECT_EQ(authenticate({root, decrypter}, {{root.fingerprint()}, present(), {}, as_printed})->recipient, decrypter);
}

/// An RA whose certificate has expired two days ago.
Certificate expired_ra(const std::string& usage, const std::string& purpose = cmc_ra) {
    test::CertificateSpec spec = test::ra_spec("CN=Old RA", usage, purpose);
    spec.not_before = present() - days(20);
    spec.not_after = present() - days(2);
    return test::issued(spec, test::rsa_key(3), pki().root, pki().root_key);
}

// The CA's own certificate is no substitute: what is encrypted to it the RA cannot open.
TEST(Authenticate, C15_Q_NDES_11_an_expired_RA_is_named_with_its_end) {
    const Certificate expired = expired_ra("keyEncipherment");
    const auto set = authenticate_now({pki().root, expired}, pki().root);
    ASSERT_FALSE(set);
    EXPECT_EQ(set.error().code(), ErrorCode::ca_certificate);
    EXPECT_THAT(set.error().line(),
                AllOf(HasSubstr("the RA certificate 'CN=Old RA' (" + fingerprint_text(expired)),
                      HasSubstr("expired at " + to_iso8601(expired.not_after())), HasSubstr("must renew it")));
    for (const RaRule& rule :
         {RaRule{RaRule::Kind::pinned, {expired.fingerprint()}}, RaRule{RaRule::Kind::issued_by_ca, {}}}) {
        const auto by_rule = authenticate({pki().root, expired}, {{pki().root.fingerprint()}, present(), {}, rule});
        ASSERT_FALSE(by_rule);
        EXPECT_EQ(by_rule.error().code(), ErrorCode::ca_certificate);
        EXPECT_THAT(by_rule.error().line(), HasSubstr("expired at " + to_iso8601(expired.not_after())));
    }
    // Nor when the RA that signs is another one, whose certificate is good.
    const Certificate sign =
        test::issued(test::ra_spec("CN=Sign", "digitalSignature"), test::rsa_key(4), pki().root, pki().root_key);
    EXPECT_EQ(authenticate_now({pki().root, expired, sign}, pki().root).error().code(), ErrorCode::ca_certificate);
}

TEST(Authenticate, C15_an_expired_RA_beside_its_successor_is_a_warning) {
    const Certificate expired = expired_ra("keyEncipherment");
    test::CertificateSpec spec = test::ra_spec("CN=RA", "keyEncipherment");
    const Certificate renewed = test::issued(spec, test::rsa_key(4), pki().root, pki().root_key);
    const auto set = authenticate_now({pki().root, expired, renewed}, pki().root);
    ASSERT_TRUE(set) << set.error().line();
    EXPECT_EQ(set->recipient, renewed);
    EXPECT_THAT(set->warnings, ElementsAre(AllOf(HasSubstr("expired"), HasSubstr(fingerprint_text(expired)))));
    ASSERT_THAT(set->unused, SizeIs(1)) << "a reply that it signs can be explained";
    EXPECT_EQ(set->unused[0].certificate, expired);
}

TEST(Authenticate, C15_what_expired_and_was_no_RA_stands_in_nobodys_way) {
    for (const Certificate& expired : {expired_ra("keyEncipherment", ""), expired_ra("digitalSignature")}) {
        const auto set = authenticate_now({pki().root, expired}, pki().root);
        ASSERT_TRUE(set) << set.error().line();
        EXPECT_EQ(set->recipient, pki().root);
        EXPECT_THAT(set->warnings, ElementsAre(AllOf(HasSubstr("expired"), HasSubstr(fingerprint_text(expired)))));
    }
}

TEST(Authenticate, C15_ENV_2_an_expired_RA_of_another_CA_than_the_issuing_one_stands_in_nobodys_way) {
    const Certificate expired = expired_ra("keyEncipherment");  // of the root
    const auto set = authenticate_now({pki().root, pki().intermediate, expired}, pki().root);
    ASSERT_TRUE(set) << set.error().line();
    EXPECT_EQ(set->recipient, pki().intermediate);
}

// Whoever has any certificate of the CA can add it on the way: it must not be the one that is recommended.
TEST(Authenticate, SIG_13_SEC_4_of_several_possible_recipients_none_is_recommended) {
    const Key ec = test::new_ec_key();
    const Certificate root = test::self_signed(test::ca_spec("CN=EC root"), ec);
    const Certificate decrypter =
        test::issued(test::ra_spec("CN=Decrypter", "keyEncipherment", ""), test::rsa_key(3), root, ec);
    const Certificate client = test::issued(test::ra_spec("CN=A", "keyEncipherment", ""), test::rsa_key(4), root, ec);
    const auto set = authenticate_now({root, decrypter, client}, root);
    ASSERT_FALSE(set);
    EXPECT_EQ(set.error().code(), ErrorCode::ca_no_recipient);
    EXPECT_THAT(set.error().line(), Not(HasSubstr("ra_fingerprints")));
}

// K1: a clock that is not trusted refuses nobody.
TEST(Authenticate, C15_K1_an_RA_does_not_expire_by_a_clock_that_is_not_trusted) {
    const Certificate expired = expired_ra("keyEncipherment");
    ParseLimits limits;
    limits.judges_time = false;
    const auto set = authenticate({pki().root, expired}, {{pki().root.fingerprint()}, present(), limits});
    ASSERT_TRUE(set) << set.error().line();
    EXPECT_EQ(set->recipient, expired);
}

TEST(Authenticate, CACERT_10_Q_NDES_5_missing_key_usages_are_warnings) {
    test::CertificateSpec spec = test::ca_spec("CN=Root");
    spec.extensions[1].second = "critical,keyCertSign,cRLSign";
    const Certificate bare = test::self_signed(spec, test::rsa_key(1));
    const auto set = authenticate_now({bare}, bare);
    ASSERT_TRUE(set);
    EXPECT_EQ(set->recipient, bare);
    EXPECT_THAT(set->warnings, UnorderedElementsAre(HasSubstr("digitalSignature"), HasSubstr("keyEncipherment")));
}

TEST(Authenticate, captured_sets_of_three_servers) {
    const auto load = [](const char* name) { return parse_ca_certificates(test::capture(name), {}).value(); };
    const auto step = load("step-aes.GetCACert.bin");
    const auto root =
        std::ranges::find_if(step, [](const Certificate& certificate) { return certificate.is_self_issued(); });
    ASSERT_NE(root, step.end());
    const auto set = authenticate_now(step, *root);
    ASSERT_TRUE(set) << set.error().line();
    EXPECT_EQ(set->issuer.subject().text(), "CN=StepIntermediate");
    EXPECT_EQ(set->recipient, set->issuer);
    for (const char* name : {"micromdm210.GetCACert.bin", "jscep.GetCACert.bin"}) {
        const auto single = load(name);
        const auto authentic = authenticate_now(single, single.front());
        ASSERT_TRUE(authentic) << name << ": " << authentic.error().line();
        EXPECT_EQ(authentic->recipient, single.front());
    }
}

}  // namespace
}  // namespace hwenroll::scep
