// What is inside the envelope: the set of certificates and the one that is accepted (DEG-*, CERT-*, BAD-105 … BAD-124).
// Not here: BAD-123 (how long PENDING may last is the lifecycle's).
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/asn1.h>

#include "tests/scep/reply/asn1_forge.h"
#include "tests/scep/reply/reply_forge.h"

namespace hwenroll::scep {
namespace {

namespace asn1 = test::asn1;
using test::CertificateSpec;
using test::issued_leaf;
using test::leaf_spec;
using test::world;
using ::testing::Contains;
using ::testing::HasSubstr;

Result<IssuedCertificate> accept(const std::vector<Certificate>& received,
                                 const std::function<void(IssueExpectation&)>& change = {}) {
    IssueExpectation expected = world().issue;
    if (change) {
        change(expected);
    }
    return accept_certificate(received, expected);
}

CertificateSpec leaf_with(const std::function<void(CertificateSpec&)>& change) {
    CertificateSpec spec = leaf_spec();
    change(spec);
    return spec;
}

// DEG-1, DEG-2, DEG-6, DEG-7, BAD-122
TEST(Degenerate, DEG_1_DEG_2_DEG_6_BAD_122_odd_sets_are_read) {
    const Bytes leaf = issued_leaf().der();
    const Bytes ca = world().ca.der();
    EXPECT_EQ(read_degenerate(test::degenerate({leaf, ca}), {}).value().size(), 2U);
    EXPECT_EQ(read_degenerate(test::degenerate({ca, leaf, ca, leaf}), {}).value().size(), 2U);
    EXPECT_EQ(read_degenerate(test::degenerate({asn1::tagged(1, {asn1::null()}), leaf, asn1::tagged(3, {})}), {})
                  .value()
                  .size(),
              1U);
    EXPECT_EQ(read_degenerate(test::degenerate({leaf}, {asn1::sequence({})}), {}).value().size(), 1U);
    test::ForgedReply with_signer;
    with_signer.certificates = {leaf};
    with_signer.content = Bytes{};
    with_signer.ber = true;
    EXPECT_EQ(read_degenerate(with_signer.build(), {}).value().size(), 1U);
}

// BAD-105, BAD-107, BAD-32 (limit), BAD-34
TEST(Degenerate, DEG_7_BAD_105_BAD_107_what_is_no_set_of_certificates_is_refused) {
    const Bytes leaf = issued_leaf().der();
    Bytes damaged = leaf;
    damaged[8] ^= 0xFFU;
    const std::vector<std::tuple<const char*, Bytes, ErrorCode>> cases{
        {"BAD-105 bare certificate", leaf, ErrorCode::scep_inner},
        {"BAD-105 envelope", test::ForgedEnvelope().build(), ErrorCode::scep_inner},
        {"BAD-107 none", test::degenerate({}), ErrorCode::scep_no_certificate},
        {"only other kinds", test::degenerate({asn1::tagged(1, {})}), ErrorCode::scep_no_certificate},
        {"DEG-7 too many", test::degenerate(std::vector<Bytes>(65, leaf)), ErrorCode::scep_inner},
        {"malformed certificate", test::degenerate({damaged}), ErrorCode::scep_inner},
        {"nothing", {}, ErrorCode::scep_inner}};
    for (const auto& [id, content, code] : cases) {
        SCOPED_TRACE(id);
        const auto result = read_degenerate(content, {});
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code(), code) << result.error().line();
    }
    EXPECT_EQ(read_degenerate(test::degenerate(std::vector<Bytes>(64, leaf)), {}).value().size(), 1U);
}

TEST(IssuedCertificate, C13_DEG_3_Q_CISCO_3_what_was_asked_for_is_accepted_in_any_order) {
    const Certificate leaf = issued_leaf();
    for (const auto& received : {std::vector{leaf}, std::vector{leaf, world().ca}, std::vector{world().ca, leaf}}) {
        const auto result = accept(received);
        ASSERT_TRUE(result) << result.error().line();
        EXPECT_EQ(result->leaf, leaf);
        EXPECT_TRUE(result->chain.empty());
        EXPECT_TRUE(result->warnings.empty()) << result->warnings[0];
    }
}

struct BadIssue {
    const char* id;
    ErrorCode code;
    Certificate leaf;
};

void expect_refused(const std::vector<BadIssue>& cases) {
    for (const BadIssue& one : cases) {
        SCOPED_TRACE(one.id);
        const auto result = accept({one.leaf});
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code(), one.code) << result.error().line();
    }
}

std::string extension_of_unknown_kind() {
    return "critical,DER:0500";
}

Certificate leaf_with_extension(const char* name, const std::string& value) {
    return issued_leaf(leaf_with([&](CertificateSpec& s) { s.extensions.emplace_back(name, value); }));
}

Certificate leaf_with_serial(const char* hex) {
    return test::edited(
        issued_leaf(),
        [&](X509* x) {
            BIGNUM* number = nullptr;
            BN_hex2bn(&number, hex);
            const OpenSslPtr<BIGNUM> owned(number);
            const OpenSslPtr<ASN1_INTEGER> serial(BN_to_ASN1_INTEGER(number, nullptr));
            X509_set_serialNumber(x, serial.get());
        },
        world().ca_key);
}

TEST(IssuedCertificate, C5_CERT_1_DEG_3_BAD_108_BAD_109_BAD_124_a_certificate_has_our_key) {
    expect_refused({
        {"BAD-108 only the CA", ErrorCode::scep_key_mismatch, world().ca},
        {"BAD-109, BAD-124 another key", ErrorCode::scep_key_mismatch,
         test::issued(leaf_spec(), world().other_key, world().ca, world().ca_key)},
    });
}

TEST(IssuedCertificate, CERT_2_BAD_110_a_certificate_chains_to_the_anchor) {
    expect_refused({
        {"BAD-110 unknown CA", ErrorCode::scep_chain,
         test::issued(leaf_spec(), world().client_key, world().other, world().other_key)},
        {"BAD-110 CA of the same name", ErrorCode::scep_chain,
         test::issued(leaf_spec(), world().client_key, world().ca, world().other_key)},
    });
}

TEST(IssuedCertificate, C6_CERT_5_CERT_6_BAD_111_BAD_117_subject_and_names_are_those_asked_for) {
    expect_refused({
        {"BAD-111", ErrorCode::scep_certificate,
         issued_leaf(leaf_with([](auto& s) { s.subject = "CN=web02.example.com,O=Example"; }))},
        {"BAD-117 SAN missing", ErrorCode::scep_certificate,
         issued_leaf(leaf_with([](auto& s) { s.extensions[2].second = "DNS:web01.example.com"; }))},
    });
}

TEST(IssuedCertificate, C11_CERT_7_BAD_112_a_certificate_is_no_ca) {
    expect_refused({
        {"BAD-112", ErrorCode::scep_certificate, leaf_with_extension("basicConstraints", "critical,CA:TRUE")},
    });
}

TEST(IssuedCertificate, C8_CERT_4_BAD_113_a_certificate_is_valid_now_and_for_long_enough) {
    using std::chrono::hours;
    using std::chrono::minutes;
    const auto now = test::present();
    expect_refused({
        {"BAD-113 expired", ErrorCode::scep_certificate,
         issued_leaf(leaf_with([&](auto& s) { s.not_after = now - minutes(1); }))},
        {"BAD-113 not yet valid", ErrorCode::scep_certificate,
         issued_leaf(leaf_with([&](auto& s) { s.not_before = now + hours(1); }))},
        {"CERT-4 about to expire", ErrorCode::scep_certificate,
         issued_leaf(leaf_with([&](auto& s) { s.not_after = now + minutes(30); }))},
    });
}

TEST(IssuedCertificate, CERT_8_BAD_116_an_unknown_critical_extension_is_refused) {
    expect_refused({
        {"BAD-116", ErrorCode::scep_certificate, leaf_with_extension("1.2.3.4.5", extension_of_unknown_kind())},
    });
}

TEST(IssuedCertificate, BAD_119_an_absurd_serial_is_refused) {
    expect_refused({
        {"BAD-119 negative", ErrorCode::scep_certificate, leaf_with_serial("-05")},
        {"BAD-119 21 octets", ErrorCode::scep_certificate,
         leaf_with_serial("7F0102030405060708090A0B0C0D0E0F1011121314")},
    });
}

TEST(IssuedCertificate, CERT_9_a_weak_signature_is_refused) {
    expect_refused({
        {"CERT-9 SHA-1", ErrorCode::scep_algorithm, issued_leaf(leaf_with([](auto& s) { s.digest = EVP_sha1(); }))},
        {"CERT-9 MD5", ErrorCode::scep_algorithm, issued_leaf(leaf_with([](auto& s) { s.digest = EVP_md5(); }))},
    });
}

// BAD-120: the algorithm inside and outside the signed part must be one.
TEST(IssuedCertificate, BAD_120_two_signature_algorithms_do_not_verify) {
    Bytes der = issued_leaf().der();
    const Bytes sha256_with_rsa = asn1::oid("1.2.840.113549.1.1.11");
    const auto inner = std::search(der.begin(), der.end(), sha256_with_rsa.begin(), sha256_with_rsa.end());
    const auto outer = std::search(inner + 1, der.end(), sha256_with_rsa.begin(), sha256_with_rsa.end());
    ASSERT_NE(outer, der.end());
    *(outer + static_cast<std::ptrdiff_t>(sha256_with_rsa.size()) - 1) = 0x0D;
    const auto result = accept({Certificate::from_der(der).value()});
    ASSERT_FALSE(result);
    EXPECT_THAT(result.error().code(), ::testing::AnyOf(ErrorCode::scep_chain, ErrorCode::scep_algorithm))
        << result.error().line();
}

// CERT-9 with the permission; BAD-118 (year 9999), BAD-119 (zero): accepted, with a word where one is due.
TEST(IssuedCertificate, CERT_4_CERT_9_BAD_118_BAD_119_unusual_certificates_are_accepted) {
    const Certificate sha1 = issued_leaf(leaf_with([](auto& s) { s.digest = EVP_sha1(); }));
    EXPECT_TRUE(accept({sha1}, [](auto& e) { e.legacy.sha1_reply = true; }));
    using namespace std::chrono;
    const Certificate eternal =
        issued_leaf(leaf_with([](auto& s) { s.not_after = sys_days(year(9999) / 12 / 31) + hours(23); }));
    const auto outliving = accept({eternal});
    ASSERT_TRUE(outliving) << outliving.error().line();
    EXPECT_THAT(outliving->warnings, Contains(HasSubstr("outlives")));
    const auto zero = accept({issued_leaf(leaf_with([](auto& s) { s.serial = 0; }))});
    ASSERT_TRUE(zero) << zero.error().line();
    EXPECT_THAT(zero->warnings, Contains(HasSubstr("serial number 0")));
    const auto within = [](Seconds early, Seconds lifetime, Seconds skew) {
        const auto start = test::present() + early;
        return accept({issued_leaf(leaf_with([&](auto& s) {
                          s.not_before = start;
                          s.not_after = start + lifetime;
                      }))},
                      [&](IssueExpectation& e) {
                          e.limits.clock_skew = skew;
                          e.limits.min_lifetime = Seconds(1);
                      })
            .has_value();
    };
    EXPECT_TRUE(within(Seconds(300), days(30), Seconds(300)));
    EXPECT_FALSE(within(Seconds(301), days(30), Seconds(300)));
    EXPECT_TRUE(within(Seconds(6), Seconds(600), Seconds(300))) << "1 % of the lifetime";
    EXPECT_FALSE(within(Seconds(7), Seconds(600), Seconds(300)));
    EXPECT_TRUE(within(Seconds(1), Seconds(30), Seconds(300))) << "the resolution of X.509";
    EXPECT_FALSE(within(Seconds(2), Seconds(30), Seconds(300)));
    const auto soon = accept({issued_leaf(leaf_with([](auto& s) { s.not_before = test::present() + minutes(4); }))});
    EXPECT_TRUE(soon) << soon.error().line();
}

TEST(IssuedCertificate, K1_K7_SEC_16_a_clock_that_is_not_trusted_refuses_none_and_says_so) {
    const auto untrusted = [](auto change) {
        return accept({issued_leaf(leaf_with(change))}, [](IssueExpectation& e) { e.limits.judges_time = false; });
    };
    const auto early = untrusted([](auto& s) { s.not_before = test::present() + std::chrono::hours(1); });
    ASSERT_TRUE(early) << early.error().line();
    EXPECT_THAT(early->warnings, Contains(HasSubstr("clock is not trusted")));
    EXPECT_TRUE(untrusted([](auto& s) { s.not_after = test::present() - std::chrono::hours(1); }));
    EXPECT_FALSE(
        accept({issued_leaf(leaf_with([](auto& s) { s.not_before = test::present() + std::chrono::hours(1); }))}));
}

// Design, limits: at least min(1 h, 10 % of the predecessor's lifetime); a first certificate is its own measure.
TEST(IssuedCertificate, C8_one_that_expires_too_soon_is_refused) {
    const auto with = [](Seconds age, Seconds left, std::optional<Seconds> before = {}) {
        const auto valid_for = [](Seconds since, Seconds until) {
            return issued_leaf(leaf_with([&](auto& s) {
                s.not_before = test::present() - since;
                s.not_after = test::present() + until;
            }));
        };
        return accept({valid_for(age, left)}, [&](IssueExpectation& e) {
            if (before) {
                e.current = valid_for(Seconds(0), *before);
            }
        });
    };
    using namespace std::chrono;
    EXPECT_TRUE(with(Seconds(0), Seconds(60)));
    EXPECT_TRUE(with(Seconds(900), Seconds(100)));
    const auto late = with(Seconds(902), Seconds(98));
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code(), ErrorCode::scep_certificate);
    EXPECT_THAT(late.error().line(), HasSubstr("expires too soon"));
    EXPECT_TRUE(with(days(300), hours(1)));
    EXPECT_FALSE(with(days(300), minutes(59)));
}

// CERT-5 and the rules of `accept`
TEST(IssuedCertificate, C6_CERT_5_BAD_111_the_subject_rule_decides_about_other_subjects) {
    using Rule = IssueExpectation::Subject;
    const Certificate reordered = issued_leaf(leaf_with([](auto& s) { s.subject = "O=Example,CN=web01.example.com"; }));
    const Certificate different = issued_leaf(leaf_with([](auto& s) { s.subject = "CN=other"; }));
    const auto judged = [](const Certificate& leaf, Rule rule) {
        return accept({leaf}, [&](auto& e) { e.subject_rule = rule; });
    };
    EXPECT_TRUE(judged(issued_leaf(), Rule::exact));
    EXPECT_FALSE(judged(reordered, Rule::exact));
    EXPECT_THAT(judged(reordered, Rule::same_rdns).value().warnings, Contains(HasSubstr("order or encoding")));
    EXPECT_FALSE(judged(different, Rule::same_rdns));
    EXPECT_THAT(judged(different, Rule::any).value().warnings, Contains(HasSubstr("changed the subject")));
}

// CERT-6, BAD-117, servers.md: micromdm leaves names out
TEST(IssuedCertificate, C6_CERT_6_BAD_117_the_rule_for_names_decides_and_says_how_to_change_it) {
    const Certificate none = issued_leaf(leaf_with([](auto& s) { s.extensions.pop_back(); }));
    const auto refused = accept({none});
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().line(), HasSubstr("dns:web01.example.com"));
    EXPECT_THAT(refused.error().line(), HasSubstr("accept = { san = \"any\" }"));
    const auto any = accept({none}, [](auto& e) { e.alt_names_rule = IssueExpectation::AltNames::any; });
    ASSERT_TRUE(any) << any.error().line();
    EXPECT_THAT(any->warnings, Contains(HasSubstr("lacks the subjectAltName")));
    const auto more = accept({issued_leaf(leaf_with(
        [](auto& s) { s.extensions[2].second = "DNS:WEB01.example.com,IP:192.0.2.1,DNS:www.example.com"; }))});
    ASSERT_TRUE(more) << more.error().line();
    EXPECT_THAT(more->warnings, Contains(HasSubstr("dns:www.example.com")));
    const auto spelled = accept({issued_leaf(leaf_with([](auto& s) { s.extensions[2].second = "IP:2001:db8::1"; }))},
                                [](auto& e) { e.subject_alt_names = {"ip:2001:0DB8:0:0::1"}; });
    EXPECT_TRUE(spelled) << spelled.error().line();
}

// CERT-6: usages
TEST(IssuedCertificate, C10_CERT_6_missing_usages_are_warnings_or_errors_as_configured) {
    const Certificate less = issued_leaf(leaf_with([](auto& s) {
        s.extensions[0].second = "critical,digitalSignature";
        s.extensions[1].second = "clientAuth";
    }));
    const auto warned = accept({less});
    ASSERT_TRUE(warned) << warned.error().line();
    EXPECT_THAT(warned->warnings, Contains(HasSubstr("keyEncipherment, serverAuth")));
    const auto required = accept({less}, [](auto& e) { e.require_usage = true; });
    ASSERT_FALSE(required);
    EXPECT_EQ(required.error().code(), ErrorCode::scep_certificate);
    const Certificate none =
        issued_leaf(leaf_with([](auto& s) { s.extensions.erase(s.extensions.begin(), s.extensions.begin() + 2); }));
    EXPECT_FALSE(accept({none}, [](auto& e) { e.require_usage = true; }));
    EXPECT_TRUE(accept({issued_leaf()}, [](auto& e) { e.require_usage = true; }));
}

// DEG-3, DEG-4, BAD-115
TEST(IssuedCertificate, C13_DEG_3_DEG_4_BAD_115_the_new_certificate_for_our_key_is_chosen) {
    const Certificate old = issued_leaf();
    const Certificate newer = issued_leaf(leaf_with([](auto& s) {
        s.serial = 4712;
        s.not_before = test::present() - std::chrono::minutes(1);
    }));
    const Certificate foreign = test::issued(leaf_with([](auto& s) { s.not_before = test::present(); }),
                                             world().client_key, world().other, world().other_key);
    EXPECT_EQ(accept({old, foreign, newer}).value().leaf, newer);
    EXPECT_EQ(accept({newer, foreign, old}).value().leaf, newer);
}

// The newest is not taken when it is the one in use or ends no later than that; an earlier notBefore is no objection.
TEST(IssuedCertificate, BAD_114_DEG_4_C8_REN_7_a_renewal_must_bring_a_later_certificate) {
    const auto with = [](long serial, Seconds begins, Seconds ends) {
        return issued_leaf(leaf_with([&](auto& s) {
            s.serial = serial;
            s.not_before = test::present() + begins;
            s.not_after = test::present() + ends;
        }));
    };
    using namespace std::chrono;
    const Certificate current = with(1001, -days(90), days(30));
    const Certificate longer = with(1002, -days(91), days(30) + seconds(1));
    const Certificate as_long = with(1003, -minutes(1), days(30));
    const Certificate shorter = with(1004, -minutes(1), days(29));
    const auto renew = [&](const std::vector<Certificate>& received) {
        return accept(received, [&](auto& e) { e.current = current; });
    };
    EXPECT_EQ(renew({current, as_long, longer, shorter}).value().leaf, longer);
    EXPECT_EQ(renew({shorter, longer, as_long, current}).value().leaf, longer);
    for (const Certificate& one : {as_long, shorter}) {
        const auto refused = renew({one});
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code(), ErrorCode::scep_no_progress);
        EXPECT_THAT(refused.error().line(), HasSubstr("ends no later"));
    }
    const auto same = renew({current});
    ASSERT_FALSE(same);
    EXPECT_EQ(same.error().code(), ErrorCode::scep_no_progress);
    EXPECT_THAT(same.error().line(), HasSubstr("existing certificate"));
    // An issuer numbers its own certificates only.
    const Certificate twin =
        test::issued(leaf_with([](auto& s) { s.serial = 1001; }), world().client_key,
                     test::self_signed(test::ca_spec("CN=Other CA"), test::rsa_key(5)), test::rsa_key(5));
    EXPECT_EQ(renew({twin}).error().code(), ErrorCode::scep_chain);
}

// Design, limits: min(1 h, 10 % of the predecessor's lifetime).
TEST(IssuedCertificate, DEG_4_CERT_4_a_renewal_is_measured_by_its_predecessor) {
    const auto left = [](Seconds predecessor, Seconds remaining) {
        const auto with = [](long serial, TimePoint from, TimePoint until) {
            return issued_leaf(leaf_with([&](auto& s) {
                s.serial = serial;
                s.not_before = from;
                s.not_after = until;
            }));
        };
        const auto now = test::present();
        return accept({with(2, now, now + remaining)}, [&](auto& e) { e.current = with(1, now - predecessor, now); })
            .has_value();
    };
    using namespace std::chrono;
    EXPECT_TRUE(left(minutes(10), minutes(1)));
    EXPECT_FALSE(left(minutes(10), seconds(59)));
    EXPECT_TRUE(left(days(90), hours(1)));
    EXPECT_FALSE(left(days(90), minutes(59)));
    EXPECT_TRUE(left(seconds(2), seconds(1))) << "the resolution of X.509";
}

/// A CA below the world's.
struct Intermediate {
    test::Key key = test::rsa_key(5);
    Certificate certificate;
    explicit Intermediate(const std::function<void(CertificateSpec&)>& change = [](auto&) {})
        : certificate(test::issued(spec(change), key, world().ca, world().ca_key)) {}
    static CertificateSpec spec(const std::function<void(CertificateSpec&)>& change) {
        CertificateSpec made = test::ca_spec("CN=Issuing CA,O=Example");
        made.serial = 50;
        change(made);
        return made;
    }
    [[nodiscard]] Certificate leaf() const { return test::issued(leaf_spec(), world().client_key, certificate, key); }
};

// DEG-8, CERT-2, CERT-3
TEST(IssuedCertificate, C12_DEG_8_CERT_2_CERT_3_the_chain_is_built_from_the_reply_and_the_trusted_set) {
    const Intermediate issuing;
    const auto known = [&](auto& e) {
        e.issuer = issuing.certificate;
        e.intermediates = {issuing.certificate};
    };
    const auto by_set = accept({issuing.leaf()}, known);
    ASSERT_TRUE(by_set) << by_set.error().line();
    EXPECT_EQ(by_set->chain, std::vector{issuing.certificate});
    EXPECT_TRUE(by_set->warnings.empty());
    const auto by_reply = accept({issuing.leaf(), issuing.certificate});
    ASSERT_TRUE(by_reply) << by_reply.error().line();
    EXPECT_EQ(by_reply->chain, std::vector{issuing.certificate});
    EXPECT_THAT(by_reply->warnings, Contains(HasSubstr("only the reply shows")));
    const auto missing = accept({issuing.leaf()});
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code(), ErrorCode::scep_chain);
    const auto wrong_issuer = accept({issued_leaf()}, known);
    ASSERT_FALSE(wrong_issuer);
    EXPECT_EQ(wrong_issuer.error().code(), ErrorCode::scep_chain);
}

// BAD-29, BAD-37, CERT-9 for intermediates
TEST(IssuedCertificate, CACERT_6_CERT_9_BAD_29_BAD_37_an_unfit_intermediate_breaks_the_chain) {
    const auto judged = [](const Intermediate& issuing) {
        return accept({issuing.leaf(), issuing.certificate}).error();
    };
    const Intermediate expired([](auto& s) { s.not_after = test::present() - std::chrono::days(1); });
    EXPECT_EQ(judged(expired).code(), ErrorCode::scep_chain);
    EXPECT_THAT(judged(expired).line(), HasSubstr("expired"));
    const Intermediate weak([](auto& s) { s.digest = EVP_sha1(); });
    EXPECT_EQ(judged(weak).code(), ErrorCode::scep_algorithm);
    const Intermediate no_ca([](auto& s) { s.extensions[0].second = "critical,CA:FALSE"; });
    EXPECT_EQ(judged(no_ca).code(), ErrorCode::scep_chain);
    const Intermediate odd([](auto& s) { s.extensions.emplace_back("1.2.3.4.5", extension_of_unknown_kind()); });
    EXPECT_EQ(judged(odd).code(), ErrorCode::scep_chain);
    const Intermediate narrow([](auto& s) { s.extensions[0].second = "critical,CA:TRUE,pathlen:0"; });
    const test::Key lower_key = test::rsa_key(6);
    const Certificate lower = test::issued(test::ca_spec("CN=Lower CA"), lower_key, narrow.certificate, narrow.key);
    const Certificate leaf = test::issued(leaf_spec(), world().client_key, lower, lower_key);
    const auto too_long = accept({lower, leaf, narrow.certificate});
    ASSERT_FALSE(too_long);
    EXPECT_EQ(too_long.error().code(), ErrorCode::scep_chain);
    EXPECT_THAT(too_long.error().line(), HasSubstr("path length"));
}

// RFC 5280 §4.2.1.10: names beyond what the CA may issue
TEST(IssuedCertificate, name_constraints_hold) {
    const Intermediate constrained(
        [](auto& s) { s.extensions.emplace_back("nameConstraints", "critical,permitted;DNS:example.org"); });
    const auto result = accept({constrained.leaf(), constrained.certificate});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), ErrorCode::scep_chain) << result.error().line();
}

// BAD-30, BAD-31: names and loops lead nowhere and do not hang.
TEST(IssuedCertificate, BAD_30_BAD_31_cross_signed_loops_and_twins_are_bounded) {
    const test::Key a_key = test::rsa_key(5);
    const test::Key b_key = test::rsa_key(6);
    const Certificate a = test::self_signed(test::ca_spec("CN=A"), a_key);
    const Certificate b = test::self_signed(test::ca_spec("CN=B"), b_key);
    const Certificate a_by_b = test::issued(test::ca_spec("CN=A"), a_key, b, b_key);
    const Certificate b_by_a = test::issued(test::ca_spec("CN=B"), b_key, a, a_key);
    const Certificate lost = test::issued(leaf_spec(), world().client_key, a, a_key);
    const auto looped = accept({lost, a_by_b, b_by_a, a, b});
    ASSERT_FALSE(looped);
    EXPECT_EQ(looped.error().code(), ErrorCode::scep_chain);
    // A twin of the right name and another key comes first.
    const Intermediate issuing;
    CertificateSpec twin_spec = test::ca_spec("CN=Issuing CA,O=Example");
    twin_spec.extensions.pop_back();
    twin_spec.serial = 51;
    const Certificate twin = test::issued(twin_spec, world().other_key, world().ca, world().ca_key);
    const auto found = accept({twin, issuing.leaf(), issuing.certificate});
    ASSERT_TRUE(found) << found.error().line();
    EXPECT_EQ(found->chain, std::vector{issuing.certificate});
}

// BAD-121, DEG-5
TEST(IssuedCertificate, DEG_5_BAD_121_a_root_in_the_reply_is_dropped_with_a_note) {
    const Certificate root = test::self_signed(test::ca_spec("CN=Foreign Root"), test::rsa_key(5));
    const auto result = accept({issued_leaf(), root});
    ASSERT_TRUE(result) << result.error().line();
    EXPECT_THAT(result->warnings, Contains(HasSubstr("Foreign Root")));
    const Certificate by_root = test::issued(leaf_spec(), world().client_key, root, test::rsa_key(5));
    EXPECT_FALSE(accept({by_root, root}));
}

// CERT-10
TEST(IssuedCertificate, CERT_10_a_huge_certificate_is_refused) {
    const std::string blob(2 * 70000, 'A');
    const Certificate huge =
        issued_leaf(leaf_with([&](auto& s) { s.extensions.emplace_back("1.2.3.4.5", "DER:0483011170" + blob); }));
    const auto result = accept({huge});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), ErrorCode::scep_certificate) << result.error().line();
}

}  // namespace
}  // namespace hwenroll::scep
