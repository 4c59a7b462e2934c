// Which certificate of a CA's set is the anchor, and which CA below it issues.
#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/scep/request/ca_set_pki.h"

namespace hwenroll::scep {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using test::Key;
using test::present;
using test_set::authenticate_at;
using test_set::authenticate_now;
using test_set::fingerprint_text;
using test_set::pki;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

// ----- the anchor -----

TEST(Authenticate, CACERT_5_SEC_8_a_single_CA_has_every_role) {
    const auto set = authenticate_now({pki().root}, pki().root);
    ASSERT_TRUE(set) << set.error().line();
    EXPECT_EQ(set->anchor, pki().root);
    EXPECT_EQ(set->issuer, pki().root);
    EXPECT_EQ(set->recipient, pki().root);
    EXPECT_THAT(set->signers, ElementsAre(pki().root));
    EXPECT_THAT(set->intermediates, IsEmpty());
    EXPECT_THAT(set->warnings, IsEmpty());
}

TEST(Authenticate, BAD_25_without_a_match_nothing_is_trusted_and_all_that_came_is_listed) {
    const auto set = authenticate({pki().root, pki().intermediate}, {{Bytes(32, 0xAB)}, present()});
    ASSERT_FALSE(set);
    EXPECT_EQ(set.error().code(), ErrorCode::ca_fingerprint);
    EXPECT_THAT(set.error().line(), AllOf(HasSubstr(fingerprint_text(pki().root)), HasSubstr("CN=Root"),
                                          HasSubstr(fingerprint_text(pki().intermediate))));
    EXPECT_EQ(authenticate({pki().root}, {{}, present()}).error().code(), ErrorCode::ca_fingerprint) << "no pin";
    EXPECT_EQ(authenticate({}, {{Bytes(32, 0)}, present()}).error().code(), ErrorCode::ca_fingerprint);
}

TEST(Authenticate, CACERT_4_a_pin_is_all_32_octets) {
    Bytes shorter = pki().root.fingerprint();
    shorter.pop_back();
    EXPECT_FALSE(authenticate({pki().root}, {{shorter, {}}, present()}));
    EXPECT_TRUE(authenticate({pki().root}, {{shorter, pki().root.fingerprint()}, present()})) << "one match suffices";
}

TEST(Authenticate, CACERT_5_with_several_matches_the_first_acceptable_pin_wins) {
    const Certificate expired = [] {
        test::CertificateSpec spec = test::ca_spec("CN=Old");
        spec.not_after = present() - days(1);
        spec.not_before = present() - days(9);
        return test::self_signed(spec, test::rsa_key(4));
    }();
    const auto set =
        authenticate({pki().intermediate, pki().root, expired},
                     {{expired.fingerprint(), pki().root.fingerprint(), pki().intermediate.fingerprint()}, present()});
    ASSERT_TRUE(set) << set.error().line();
    EXPECT_EQ(set->anchor, pki().root);
}

TEST(Authenticate, BAD_26_a_match_must_be_a_CA) {
    const Certificate leaf = pki().ra("RA", "digitalSignature,keyEncipherment");
    const auto set = authenticate_now({pki().root, pki().intermediate, leaf}, leaf);
    ASSERT_FALSE(set);
    EXPECT_EQ(set.error().code(), ErrorCode::ca_certificate);
    EXPECT_THAT(set.error().line(), AllOf(HasSubstr("no CA certificate"), HasSubstr(fingerprint_text(leaf))));
    test::CertificateSpec spec = test::ca_spec("CN=Root");
    spec.extensions[1].second = "critical,digitalSignature,keyEncipherment";
    const Certificate no_signer = test::self_signed(spec, test::rsa_key(1));
    EXPECT_EQ(authenticate_now({no_signer}, no_signer).error().code(), ErrorCode::ca_certificate);
}

TEST(Authenticate, an_anchor_out_of_its_time_is_refused) {
    EXPECT_EQ(authenticate_at(pki().root.not_after() + minutes(1), {pki().root}, pki().root).error().code(),
              ErrorCode::ca_certificate);
    EXPECT_EQ(authenticate_at(pki().root.not_before() - hours(1), {pki().root}, pki().root).error().code(),
              ErrorCode::ca_certificate);
    EXPECT_TRUE(authenticate_at(pki().root.not_after(), {pki().root}, pki().root));
    EXPECT_TRUE(authenticate_at(pki().root.not_before() - minutes(4), {pki().root}, pki().root)) << "clocks differ";
}

TEST(Authenticate, the_clock_skew_is_a_limit) {
    const auto at = [](TimePoint now, Seconds skew) {
        ParseLimits limits;
        limits.clock_skew = skew;
        return authenticate({pki().root}, {{pki().root.fingerprint()}, now, limits}).has_value();
    };
    const TimePoint start = pki().root.not_before();
    EXPECT_TRUE(at(start - Seconds(60), Seconds(60)));
    EXPECT_FALSE(at(start - Seconds(61), Seconds(60)));
    EXPECT_TRUE(at(start - Seconds(1), Seconds(0))) << "the resolution of X.509";
    EXPECT_FALSE(at(start - Seconds(2), Seconds(0)));
    EXPECT_TRUE(at(start - hours(2), hours(2)));
}

TEST(Authenticate, K1_a_clock_that_is_not_trusted_refuses_no_anchor) {
    ParseLimits limits;
    limits.judges_time = false;
    const TimePoint without_battery = std::chrono::sys_days(std::chrono::year(2002) / 1 / 1);
    EXPECT_TRUE(authenticate({pki().root}, {{pki().root.fingerprint()}, without_battery, limits}));
    EXPECT_TRUE(authenticate({pki().root}, {{pki().root.fingerprint()}, pki().root.not_after() + hours(1), limits}));
    EXPECT_FALSE(authenticate({pki().intermediate}, {{pki().root.fingerprint()}, without_battery, limits}));
}

TEST(Authenticate, a_certificate_of_minutes_tolerates_seconds) {
    test::CertificateSpec spec = test::ca_spec("CN=Lab");
    spec.not_before = present();
    spec.not_after = present() + minutes(5);
    const Certificate lab = test::self_signed(spec, test::rsa_key(1));
    EXPECT_TRUE(authenticate_at(present() - Seconds(3), {lab}, lab));
    EXPECT_FALSE(authenticate_at(present() - Seconds(4), {lab}, lab));
}

/// A certificate whose RSA key has these big-endian numbers.
Certificate with_rsa_numbers(const Bytes& modulus, const Bytes& exponent) {
    test::CertificateSpec spec = test::ca_spec("CN=Odd key");
    auto key = PublicKey::from_rsa(modulus, exponent);
    const Key public_half(key.value().get(), [](EVP_PKEY*) {});
    return test::issued(spec, public_half, pki().root, pki().root_key);
}

TEST(Authenticate, BAD_35_absurd_RSA_keys_are_refused) {
    const Bytes exponent{1, 0, 1};
    Bytes odd(256, 0xD5);
    Bytes even = odd;
    even.back() = 0xD4;
    const Bytes huge(1025, 0xD5);
    const std::vector<std::pair<const char*, Certificate>> bad{
        {"even modulus", with_rsa_numbers(even, exponent)},
        {"1024 bits", with_rsa_numbers(Bytes(128, 0xD5), exponent)},
        {"8200 bits", with_rsa_numbers(huge, exponent)},
        {"exponent 1", with_rsa_numbers(odd, {1})},
        {"even exponent", with_rsa_numbers(odd, {4})},
        {"exponent of 64 bits", with_rsa_numbers(odd, {0x80, 0, 0, 0, 0, 0, 0, 1})},
        {"1 bit", with_rsa_numbers({1}, exponent)}};
    for (const auto& [what, certificate] : bad) {
        const auto set = authenticate_now({certificate}, certificate);
        ASSERT_FALSE(set) << what;
        EXPECT_EQ(set.error().code(), ErrorCode::ca_certificate) << what;
    }
    const Certificate good = with_rsa_numbers(odd, exponent);
    EXPECT_TRUE(authenticate_now({good}, good)) << "the control";
}

TEST(Authenticate, BAD_35_an_absurd_key_below_the_anchor_is_not_used) {
    const Certificate weak =
        test::issued(test::ca_spec("CN=Weak"), test::new_rsa_key(1024), pki().root, pki().root_key);
    const auto set = authenticate_now({pki().root, weak}, pki().root);
    ASSERT_FALSE(set);
    EXPECT_EQ(set.error().code(), ErrorCode::ca_certificate);
    EXPECT_THAT(set.error().line(), HasSubstr("1024"));
}

// ----- chains -----

TEST(Authenticate, CACERT_6_CACERT_9_below_a_root_the_intermediate_issues) {
    const auto set = authenticate_now({pki().root, pki().intermediate}, pki().root);
    ASSERT_TRUE(set) << set.error().line();
    EXPECT_EQ(set->anchor, pki().root);
    EXPECT_EQ(set->issuer, pki().intermediate);
    EXPECT_EQ(set->recipient, pki().intermediate) << "never the root (ENV-2)";
    EXPECT_THAT(set->signers, ElementsAre(pki().intermediate));
    EXPECT_THAT(set->intermediates, ElementsAre(pki().intermediate));
}

TEST(Authenticate, CACERT_9_a_pinned_intermediate_is_anchor_and_issuer_and_the_root_above_it_is_dropped) {
    const auto set = authenticate_now({pki().root, pki().intermediate}, pki().intermediate);
    ASSERT_TRUE(set) << set.error().line();
    EXPECT_EQ(set->anchor, pki().intermediate);
    EXPECT_EQ(set->issuer, pki().intermediate);
    EXPECT_THAT(set->intermediates, IsEmpty());
    EXPECT_THAT(set->warnings, ElementsAre(AllOf(HasSubstr("CN=Root"), HasSubstr("does not chain"))));
}

TEST(Authenticate, CACERT_9_the_lowest_of_three_levels_issues) {
    const Key key = test::rsa_key(4);
    const Certificate low = test::issued(test::ca_spec("CN=Low"), key, pki().intermediate, pki().intermediate_key);
    const auto set = authenticate_now({low, pki().intermediate, pki().root}, pki().root);
    ASSERT_TRUE(set);
    EXPECT_EQ(set->issuer, low);
    EXPECT_THAT(set->intermediates, ElementsAre(low, pki().intermediate));
}

TEST(Authenticate, CACERT_9_of_siblings_the_newest_issues_and_a_warning_says_so) {
    test::CertificateSpec spec = test::ca_spec("CN=Issuing 2");
    spec.not_before = present() - hours(1);
    const Certificate newer = test::issued(spec, test::rsa_key(4), pki().root, pki().root_key);
    for (const auto& received : {std::vector<Certificate>{pki().root, pki().intermediate, newer},
                                 std::vector<Certificate>{newer, pki().intermediate, pki().root}}) {
        const auto set = authenticate_now(received, pki().root);
        ASSERT_TRUE(set);
        EXPECT_EQ(set->issuer, newer);
        EXPECT_THAT(set->intermediates, ElementsAre(newer));
        EXPECT_THAT(set->warnings, Contains(AllOf(HasSubstr("side by side"), HasSubstr(fingerprint_text(newer)))));
    }
}

TEST(Authenticate, CACERT_2_BAD_39_the_order_of_the_set_does_not_matter) {
    std::vector<Certificate> received{pki().root, pki().intermediate, pki().ra("Sign", "digitalSignature"),
                                      pki().ra("Encrypt", "keyEncipherment"), pki().ra("Client", "", "clientAuth")};
    std::ranges::sort(received, {}, &Certificate::der);
    const auto first = authenticate_now(received, pki().root);
    ASSERT_TRUE(first);
    const auto by_der = [](const Certificate& a, const Certificate& b) { return a.der() < b.der(); };
    while (std::next_permutation(received.begin(), received.end(), by_der)) {
        const auto set = authenticate_now(received, pki().root);
        ASSERT_TRUE(set);
        EXPECT_EQ(set->issuer, first->issuer);
        EXPECT_EQ(set->recipient, first->recipient);
        EXPECT_EQ(set->signers, first->signers);
        EXPECT_EQ(set->warnings, first->warnings);
    }
}

TEST(Authenticate, BAD_28_a_foreign_self_signed_RA_is_dropped) {
    const Certificate foreign =
        test::self_signed(test::ra_spec("CN=RA", "digitalSignature,keyEncipherment"), test::rsa_key(4));
    const auto set = authenticate_now({pki().root, foreign}, pki().root);
    ASSERT_TRUE(set);
    EXPECT_EQ(set->recipient, pki().root);
    EXPECT_THAT(set->signers, ElementsAre(pki().root));
    EXPECT_THAT(set->warnings, ElementsAre(HasSubstr(fingerprint_text(foreign))));
}

TEST(Authenticate, BAD_28_a_forgery_with_the_right_issuer_name_is_dropped) {
    const Certificate impostor = test::self_signed(test::ca_spec("CN=Root"), test::rsa_key(4));
    const Certificate forged =
        test::issued(test::ra_spec("CN=RA", "keyEncipherment"), test::rsa_key(3), impostor, test::rsa_key(4));
    const auto set = authenticate_now({forged, pki().root, impostor}, pki().root);
    ASSERT_TRUE(set);
    EXPECT_EQ(set->recipient, pki().root);
    EXPECT_THAT(set->warnings,
                ElementsAre(AllOf(HasSubstr(fingerprint_text(forged)), HasSubstr(fingerprint_text(impostor)))));
}

TEST(Authenticate, BAD_29_an_expired_intermediate_does_not_make_the_root_the_issuer) {
    test::CertificateSpec spec = test::ca_spec("CN=Issuing");
    spec.not_before = present() - days(20);
    spec.not_after = present() - days(2);
    const Certificate expired = test::issued(spec, test::rsa_key(2), pki().root, pki().root_key);
    const auto set = authenticate_now({pki().root, expired}, pki().root);
    ASSERT_FALSE(set);
    EXPECT_EQ(set.error().code(), ErrorCode::ca_certificate);
    EXPECT_THAT(set.error().line(), AllOf(HasSubstr("expired"), HasSubstr(fingerprint_text(expired))));
    const auto renewed = authenticate_now({pki().root, expired, pki().intermediate}, pki().root);
    ASSERT_TRUE(renewed) << "another one is valid";
    EXPECT_EQ(renewed->issuer, pki().intermediate);
}

TEST(Authenticate, BAD_30_of_CAs_with_one_name_the_signature_chooses) {
    test::CertificateSpec plain = test::ca_spec("CN=Same");
    plain.extensions.pop_back();  // no key identifiers to choose by
    const Certificate one = test::issued(plain, test::rsa_key(4), pki().root, pki().root_key);
    plain.serial = 2;
    const Certificate other = test::issued(plain, test::rsa_key(5), pki().root, pki().root_key);
    for (const int number : {4, 5}) {
        const Certificate ra = test::issued(test::ra_spec("CN=RA", "keyEncipherment"), test::rsa_key(3),
                                            number == 4 ? one : other, test::rsa_key(number));
        const RaRule rule{RaRule::Kind::pinned, {ra.fingerprint()}};  // or two CAs would be undecidable
        const auto set =
            authenticate({other, ra, one, pki().root}, {{pki().root.fingerprint()}, present(), {}, rule, {}});
        ASSERT_TRUE(set) << set.error().line();
        EXPECT_EQ(set->recipient, ra);
    }
}

TEST(Authenticate, BAD_31_cross_signed_CAs_end_the_search) {
    const Key a_key = test::rsa_key(4);
    const Key b_key = test::rsa_key(5);
    const Certificate a = test::self_signed(test::ca_spec("CN=A"), a_key);
    const Certificate b = test::self_signed(test::ca_spec("CN=B"), b_key);
    const Certificate a_by_b = test::issued(test::ca_spec("CN=A"), a_key, b, b_key);
    const Certificate b_by_a = test::issued(test::ca_spec("CN=B"), b_key, a, a_key);
    const auto set = authenticate_now({b_by_a, b, a_by_b, a}, a);
    ASSERT_TRUE(set) << set.error().line();
    EXPECT_EQ(set->anchor, a);
    EXPECT_EQ(set->issuer, b_by_a);
    EXPECT_THAT(set->intermediates, ElementsAre(b_by_a));
}

TEST(Authenticate, BAD_31_SEC_11_a_set_that_needs_too_many_trials_is_refused) {
    // Many CAs of one name, none of which signed any of the many others of that name.
    std::vector<Certificate> received{pki().root};
    for (int i = 0; i < 12; ++i) {
        const Key key = test::new_ec_key();
        test::CertificateSpec spec;
        spec.subject = "CN=Same";
        spec.extensions = {{"basicConstraints", "critical,CA:TRUE"}};
        spec.serial = 100 + i;
        received.push_back(test::issued(spec, key, pki().root, pki().root_key));
        const Certificate unsent = test::self_signed(spec, test::new_ec_key());
        spec.subject = "CN=Leaf " + std::to_string(i);
        received.push_back(test::issued(spec, key, unsent, test::new_ec_key()));
    }
    const auto set = authenticate_now(received, pki().root);
    ASSERT_FALSE(set);
    EXPECT_EQ(set.error().code(), ErrorCode::ca_certificate);
    EXPECT_THAT(set.error().line(), HasSubstr("100 signatures"));
}

TEST(Authenticate, BAD_37_a_path_length_of_0_allows_no_intermediate) {
    const Certificate root = test::self_signed(test::ca_spec("CN=Root", "critical,CA:TRUE,pathlen:0"), pki().root_key);
    const Certificate below = test::issued(test::ca_spec("CN=Issuing"), pki().intermediate_key, root, pki().root_key);
    const Certificate ra =
        test::issued(test::ra_spec("CN=RA", "keyEncipherment"), test::rsa_key(3), below, pki().intermediate_key);
    const auto set = authenticate_now({root, below, ra}, root);
    // The anchor's own constraint binds as any other: RFC 5280 leaves that to the trust anchor's owner.
    ASSERT_FALSE(set);
    EXPECT_EQ(set.error().code(), ErrorCode::ca_certificate);
    EXPECT_THAT(set.error().line(), HasSubstr("path length"));
}

TEST(Authenticate, SEC_11_paths_have_at_most_ten_intermediates) {
    ParseLimits limits;
    limits.max_path = 1;
    const Certificate low =
        test::issued(test::ca_spec("CN=Low"), test::rsa_key(4), pki().intermediate, pki().intermediate_key);
    const Certificate ra =
        test::issued(test::ra_spec("CN=RA", "keyEncipherment"), test::rsa_key(3), low, test::rsa_key(4));
    const std::vector<Certificate> received{pki().root, pki().intermediate, low, ra};
    const auto set = authenticate(received, {{pki().root.fingerprint()}, present(), limits});
    ASSERT_TRUE(set) << set.error().line();
    EXPECT_EQ(set->recipient, low) << "the RA stands below two";
    EXPECT_EQ(authenticate_now(received, pki().root)->recipient, ra);
}

TEST(Authenticate, an_unknown_critical_extension_or_a_weak_digest_bars_a_certificate) {
    test::CertificateSpec critical = test::ra_spec("CN=RA", "keyEncipherment");
    critical.extensions.emplace_back("1.2.3.4", "critical,DER:0500");
    const Certificate odd = test::issued(critical, test::rsa_key(3), pki().root, pki().root_key);
    test::CertificateSpec sha1 = test::ra_spec("CN=RA 2", "keyEncipherment");
    sha1.digest = EVP_sha1();
    const Certificate old = test::issued(sha1, test::rsa_key(3), pki().root, pki().root_key);
    const auto set = authenticate_now({pki().root, odd, old}, pki().root);
    ASSERT_TRUE(set);
    EXPECT_EQ(set->recipient, pki().root);
    EXPECT_THAT(set->warnings,
                ElementsAre(AllOf(HasSubstr("2 certificates"), HasSubstr(fingerprint_text(odd)), HasSubstr("critical"),
                                  HasSubstr(fingerprint_text(old)), HasSubstr("SHA-1"))));
}

/// A root, an issuing CA and its RA, the last two signed with `digest`.
struct OldSet {
    explicit OldSet(const EVP_MD* digest) {
        test::CertificateSpec ca_spec = test::ca_spec("CN=Old issuing");
        ca_spec.digest = digest;
        issuing = test::issued(ca_spec, pki().intermediate_key, pki().root, pki().root_key);
        test::CertificateSpec ra_spec = test::ra_spec("CN=Old RA", "digitalSignature,keyEncipherment");
        ra_spec.digest = digest;
        ra = test::issued(ra_spec, pki().ra_key, issuing, pki().intermediate_key);
    }
    [[nodiscard]] Result<CaSet> judged(const LegacyPermissions& legacy) const {
        return authenticate({ra, pki().root, issuing}, {{pki().root.fingerprint()}, present(), {}, {}, legacy});
    }
    Certificate issuing = pki().root;
    Certificate ra = pki().root;
};

constexpr LegacyPermissions sha1_reply{false, false, true, false};

TEST(Authenticate, SIG_15_with_sha1_reply_an_issuing_CA_and_an_RA_signed_with_SHA_1_are_used) {
    const OldSet old(EVP_sha1());
    const auto set = old.judged(sha1_reply);
    ASSERT_TRUE(set) << set.error().line();
    EXPECT_EQ(set->issuer, old.issuing);
    EXPECT_EQ(set->recipient, old.ra);
    EXPECT_THAT(set->signers, ElementsAre(old.issuing, old.ra));
    EXPECT_THAT(set->warnings, IsEmpty());
}

TEST(Authenticate, SIG_15_without_sha1_reply_they_are_refused_and_the_permission_is_named) {
    const OldSet old(EVP_sha1());
    for (const LegacyPermissions& others : {LegacyPermissions{}, LegacyPermissions{true, true, false, true}}) {
        const auto set = old.judged(others);
        ASSERT_FALSE(set);
        EXPECT_EQ(set.error().code(), ErrorCode::ca_certificate);
        EXPECT_THAT(set.error().line(), AllOf(HasSubstr(fingerprint_text(old.issuing)), HasSubstr("sha1-reply")));
    }
}

TEST(Authenticate, SIG_15_MD5_is_refused_with_every_permission) {
    const OldSet old(EVP_md5());
    const auto set = old.judged({true, true, true, true});
    ASSERT_FALSE(set);
    EXPECT_EQ(set.error().code(), ErrorCode::ca_certificate);
    EXPECT_THAT(set.error().line(), HasSubstr("md5"));
    test::CertificateSpec spec = test::ra_spec("CN=RA", "keyEncipherment");
    spec.digest = EVP_md5();
    const Certificate ra = test::issued(spec, pki().ra_key, pki().intermediate, pki().intermediate_key);
    const auto without = authenticate({ra, pki().root, pki().intermediate},
                                      {{pki().root.fingerprint()}, present(), {}, {}, {true, true, true, true}});
    ASSERT_TRUE(without) << without.error().line();
    EXPECT_EQ(without->recipient, pki().intermediate);
    EXPECT_THAT(without->warnings, ElementsAre(AllOf(HasSubstr(fingerprint_text(ra)), HasSubstr("md5"))));
}

TEST(Authenticate, BAD_35_with_sha1_reply_keys_below_the_floor_stay_refused) {
    const Certificate weak =
        test::issued(test::ca_spec("CN=Weak"), test::new_rsa_key(1024), pki().root, pki().root_key);
    const auto set =
        authenticate({pki().root, weak}, {{pki().root.fingerprint()}, present(), {}, {}, {true, true, true, true}});
    ASSERT_FALSE(set);
    EXPECT_THAT(set.error().line(), HasSubstr("1024"));
}

TEST(Authenticate, a_link_certificate_or_a_reissued_anchor_takes_no_role) {
    const Certificate reissued = [] {
        test::CertificateSpec spec = test::ca_spec("CN=Root");
        spec.serial = 77;
        return test::self_signed(spec, pki().root_key);
    }();
    test::CertificateSpec next = test::ca_spec("CN=Root");
    next.serial = 78;
    const Certificate link = test::issued(next, test::rsa_key(4), pki().root, pki().root_key);
    const auto set = authenticate_now({link, reissued, pki().root}, pki().root);
    ASSERT_TRUE(set) << set.error().line();
    EXPECT_EQ(set->issuer, pki().root);
    EXPECT_THAT(set->intermediates, IsEmpty());
    EXPECT_THAT(set->warnings, ElementsAre(HasSubstr("2 certificates are not used")));
}

TEST(Authenticate, SEC_4_BAD_28_however_many_certificates_are_of_no_use_one_line_says_so_and_pins_none) {
    std::vector<Certificate> received{pki().root, pki().intermediate};
    for (const char* name : {"One", "Two", "Three", "Four", "Five"}) {
        received.push_back(pki().ra(name, "digitalSignature,keyEncipherment", ""));
    }
    const auto set = authenticate_now(received, pki().root);
    ASSERT_TRUE(set) << set.error().line();
    EXPECT_THAT(set->unused, SizeIs(5));
    EXPECT_THAT(set->warnings, ElementsAre(AllOf(HasSubstr("5 certificates are not used: "), HasSubstr("and 2 more"),
                                                 Not(HasSubstr("ra_fingerprints")), Not(HasSubstr("set ra =")))));
}

}  // namespace
}  // namespace hwenroll::scep
