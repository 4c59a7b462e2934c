// The certificate of an identity that the next CA issues before it takes over (ROLL-12 … ROLL-15, BAD-133).
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/scep/reply/rollover_world.h"
#include "transport/scep/cert_rep.h"

namespace hwenroll::scep {
namespace {

using std::chrono::days;
using std::chrono::hours;
using test::CertificateSpec;
using test::issued_leaf;
using test::leaf_spec;
using test::present;
using test::rollover_world;
using test::world;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Change = std::function<void(CertificateSpec&)>;

/// Issued by the next CA for the time after the rollover.
Certificate shadow(const Change& change = {}) {
    CertificateSpec spec = leaf_spec();
    spec.not_before = rollover_world().next.not_before();
    spec.not_after = spec.not_before + days(365);
    if (change) {
        change(spec);
    }
    return test::issued(spec, world().client_key, rollover_world().next, rollover_world().next_key);
}

/// In use, as long as the CA in force.
Certificate current() {
    CertificateSpec spec = leaf_spec();
    spec.serial = 4000;
    return issued_leaf(spec);
}

IssueExpectation expectation() {
    IssueExpectation expected = world().issue;
    expected.issuer = expected.anchor = rollover_world().next;
    expected.current = current();
    expected.rollover = IssueExpectation::Rollover{rollover_world().expectation.current.signers};
    return expected;
}

Result<IssuedCertificate> accept(const std::vector<Certificate>& received,
                                 const std::function<void(IssueExpectation&)>& change = {}) {
    IssueExpectation expected = expectation();
    if (change) {
        change(expected);
    }
    return accept_certificate(received, expected);
}

TEST(ShadowCertificate, ROLL_13_CERT_4_it_may_begin_in_the_future) {
    const auto result = accept({rollover_world().next, shadow()});
    ASSERT_TRUE(result) << result.error().line();
    EXPECT_EQ(result->leaf, shadow());
    EXPECT_THAT(result->chain, IsEmpty());
    EXPECT_THAT(result->warnings, IsEmpty());
}

TEST(ShadowCertificate, ROLL_13_CERT_4_without_a_rollover_it_may_not) {
    const auto result = accept({shadow()}, [](auto& e) { e.rollover.reset(); });
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), ErrorCode::scep_certificate);
    EXPECT_THAT(result.error().line(), HasSubstr("not valid yet"));
}

// ROLL-13: some CAs do not post-date; the CA itself is not valid yet.
TEST(ShadowCertificate, ROLL_13_one_that_is_valid_already_is_accepted) {
    const auto result = accept({shadow([](auto& s) { s.not_before = present() - days(1); })});
    ASSERT_TRUE(result) << result.error().line();
    EXPECT_THAT(result->warnings, IsEmpty());
}

TEST(ShadowCertificate, ROLL_13_one_that_begins_too_late_is_warned_of) {
    const auto result = accept({shadow([](auto& s) { s.not_before = current().not_after() + hours(1); })});
    ASSERT_TRUE(result) << result.error().line();
    EXPECT_THAT(result->warnings, Contains(HasSubstr("when the present one has ended")));
}

TEST(ShadowCertificate, ROLL_13_CERT_4_its_lifetime_counts_from_its_first_use) {
    const auto lasting = [](Seconds left) {
        return accept({shadow([&](auto& s) {
                          s.not_before = present();
                          s.not_after = rollover_world().next.not_before() + left;
                      })},
                      [](auto& e) { e.current.reset(); });
    };
    EXPECT_TRUE(lasting(hours(1)));
    const auto short_lived = lasting(hours(1) - Seconds(1));
    ASSERT_FALSE(short_lived);
    EXPECT_EQ(short_lived.error().code(), ErrorCode::scep_certificate);
    EXPECT_THAT(short_lived.error().line(), HasSubstr("expires too soon"));
    EXPECT_FALSE(accept({shadow([](auto& s) { s.not_after = s.not_before - days(1); })}, [](auto& e) {
        e.current.reset();
    })) << "ends before it begins";
    EXPECT_FALSE(accept({shadow([](auto& s) {
        s.not_before = present() - days(30);
        s.not_after = present() - days(1);
    })}));
}

TEST(ShadowCertificate, BAD_133_ROLL_15_one_of_the_present_CA_is_told_from_others) {
    CertificateSpec spec = leaf_spec();
    spec.not_after += days(1);
    const Certificate by_present = issued_leaf(spec);
    for (const auto& received : {std::vector{by_present}, std::vector{by_present, world().ca, rollover_world().next}}) {
        const auto result = accept(received);
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code(), ErrorCode::scep_rollover_issuer) << result.error().line();
    }
    // As an ordinary renewal it counts only if it is better (ROLL-15).
    const auto as_renewal = [](const Certificate& one) {
        IssueExpectation expected = world().issue;
        expected.current = current();
        return accept_certificate({one}, expected);
    };
    EXPECT_EQ(as_renewal(by_present).value().leaf, by_present);
    EXPECT_EQ(accept({issued_leaf()}).error().code(), ErrorCode::scep_rollover_issuer);
    EXPECT_EQ(as_renewal(issued_leaf()).error().code(), ErrorCode::scep_no_progress);
}

TEST(ShadowCertificate, ROLL_15_one_of_the_next_CA_is_preferred) {
    CertificateSpec spec = leaf_spec();
    spec.not_before = present();
    spec.not_after += days(1);
    const Certificate shadow_now = shadow([](auto& s) { s.not_before = present() - days(1); });
    for (const auto& received :
         {std::vector{issued_leaf(spec), shadow_now}, std::vector{shadow_now, issued_leaf(spec)}}) {
        const auto result = accept(received);
        ASSERT_TRUE(result) << result.error().line();
        EXPECT_EQ(result->leaf, shadow_now);
    }
}

TEST(ShadowCertificate, DEG_4_it_must_outlive_the_certificate_in_use) {
    const auto shorter = accept({shadow([](auto& s) { s.not_after = current().not_after(); })});
    ASSERT_FALSE(shorter);
    EXPECT_EQ(shorter.error().code(), ErrorCode::scep_no_progress);
    EXPECT_EQ(accept({current()}).error().code(), ErrorCode::scep_no_progress) << "the certificate in use itself";
}

TEST(ShadowCertificate, CERT_2_CERT_3_one_of_any_other_CA_is_refused) {
    CertificateSpec spec = leaf_spec();
    spec.not_after += days(1);
    const auto stranger = test::issued(spec, world().client_key, world().other, world().other_key);
    EXPECT_EQ(accept({stranger}).error().code(), ErrorCode::scep_chain);
    const auto forged = test::issued(spec, world().client_key, rollover_world().next, test::rsa_key(14));
    EXPECT_EQ(accept({forged}).error().code(), ErrorCode::scep_chain);
}

TEST(ShadowCertificate, DEG_8_the_chain_of_the_next_CA_may_begin_in_the_future) {
    const auto ca_from = [](const char* name, Seconds after) {
        CertificateSpec spec = test::ca_spec(name);
        spec.serial = 60;
        spec.not_before = rollover_world().next.not_before() + after;
        spec.not_after = rollover_world().next.not_after();
        return spec;
    };
    const test::Key policy_key = test::rsa_key(14);
    const test::Key issuing_key = test::rsa_key(13);
    const Certificate policy = test::issued(ca_from("CN=Next Policy CA", days(2)), policy_key, rollover_world().next,
                                            rollover_world().next_key);
    const Certificate issuing = test::issued(ca_from("CN=Next Issuing CA", days(1)), issuing_key, policy, policy_key);
    CertificateSpec spec = leaf_spec();
    spec.not_after = present() + days(700);
    const Certificate leaf = test::issued(spec, world().client_key, issuing, issuing_key);
    const auto result = accept({leaf}, [&](auto& e) {
        e.issuer = issuing;
        e.intermediates = {issuing, policy};
    });
    ASSERT_TRUE(result) << result.error().line();
    EXPECT_EQ(result->chain, (std::vector{issuing, policy}));
}

// ROLL-12: the CA answers with its next key, whose certificate is not valid yet, or with the present one.
TEST(ShadowCertificate, ROLL_12_either_CA_may_sign_the_reply) {
    const auto read = [](const Certificate& signer, const test::Key& key, bool rollover) {
        test::ForgedReply reply;
        reply.signer_id = test::issuer_and_serial(signer);
        reply.signer_key = key;
        ReplyExpectation expected = world().expectation;
        if (rollover) {
            expected.next_signers = {rollover_world().next, rollover_world().next_ra};
        }
        return read_cert_rep(reply.build(), expected);
    };
    const auto& next = rollover_world();
    const auto by_next = read(next.next, next.next_key, true);
    ASSERT_TRUE(by_next) << by_next.error().line();
    EXPECT_EQ(by_next->signer, next.next);
    EXPECT_TRUE(read(next.next_ra, next.next_ra_key, true));
    EXPECT_TRUE(read(world().ra, world().ra_key, true));
    EXPECT_EQ(read(next.next, next.next_key, false).error().code(), ErrorCode::scep_signer);
    EXPECT_EQ(read(next.next, world().ca_key, true).error().code(), ErrorCode::scep_signature);
}

}  // namespace
}  // namespace hwenroll::scep
