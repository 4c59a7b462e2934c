// Which certificate of a GetNextCACert reply becomes the next trust anchor, and on whose word (ROLL-6, ROLL-7).
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/scep/reply/rollover_world.h"

namespace hwenroll::scep {
namespace {

using std::chrono::days;
using test::CertificateSpec;
using test::flat_next_ca_reply;
using test::Key;
using test::next_ca_reply;
using test::next_ca_spec;
using test::present;
using test::rollover_world;
using test::world;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Change = std::function<void(NextCaExpectation&)>;

Result<NextCa> read(const test::ForgedReply& reply, const Change& change = {}) {
    NextCaExpectation expectation = rollover_world().expectation;
    if (change) {
        change(expectation);
    }
    return read_next_ca(reply.build(), expectation);
}

CertificateSpec ca_like_next(const std::string& subject, long serial) {
    CertificateSpec spec = next_ca_spec();
    spec.subject = subject;
    spec.serial = serial;
    return spec;
}

// ----- certificates that are not signed content -----

TEST(NextCaAnchor, BAD_127_certificates_beside_the_signed_content_are_nothing) {
    const Certificate attackers = test::self_signed(ca_like_next("CN=Test CA,O=Example", 666), test::rsa_key(14));
    auto reply = next_ca_reply({rollover_world().next});
    reply.certificates = {attackers.der(), world().ca.der()};
    const auto result = read(reply);
    ASSERT_TRUE(result) << result.error().line();
    EXPECT_EQ(result->set.anchor, rollover_world().next);
    EXPECT_THAT(result->certificates, ElementsAre(rollover_world().next.der()));
    auto nothing_signed = next_ca_reply({world().ca});
    nothing_signed.certificates = {rollover_world().next.der()};
    EXPECT_EQ(read(nothing_signed).error().code(), ErrorCode::ca_no_next);
}

TEST(NextCaAnchor, BAD_128_ROLL_6_the_flat_form_alone_proves_nothing) {
    for (const auto& received : {std::vector{rollover_world().next}, std::vector{world().ca, rollover_world().next},
                                 std::vector{rollover_world().next, rollover_world().next_ra}}) {
        for (const RolloverRule rule : {RolloverRule::signature, RolloverRule::fingerprint, RolloverRule::operator_}) {
            const auto result = read(flat_next_ca_reply(received), [&](auto& e) { e.rule = rule; });
            ASSERT_FALSE(result);
            EXPECT_EQ(result.error().code(), ErrorCode::ca_next);
            EXPECT_THAT(result.error().line(), HasSubstr("not part of what the CA signed"));
        }
    }
}

TEST(NextCaAnchor, ROLL_6_a_configured_fingerprint_makes_the_flat_form_acceptable) {
    const Certificate attackers = test::self_signed(ca_like_next("CN=Test CA,O=Example", 666), test::rsa_key(14));
    const auto with = [](const Bytes& fingerprint) {
        return [=](NextCaExpectation& e) { e.fingerprints = {Bytes(32, 1), fingerprint}; };
    };
    const auto flat = flat_next_ca_reply({attackers, rollover_world().next_ra, rollover_world().next, world().ca});
    const auto result = read(flat, with(rollover_world().next.fingerprint()));
    ASSERT_TRUE(result) << result.error().line();
    EXPECT_EQ(result->set.anchor, rollover_world().next);
    EXPECT_EQ(result->set.recipient, rollover_world().next_ra);
    EXPECT_EQ(read(flat, with(Bytes(32, 2))).error().code(), ErrorCode::ca_next);
    EXPECT_EQ(read(flat, with(world().ca.fingerprint())).error().code(), ErrorCode::ca_next);
}

TEST(NextCaAnchor, ROLL_6_a_link_certificate_vouches_for_its_key_in_the_flat_form) {
    const auto& next = rollover_world();
    const auto link_only = read(flat_next_ca_reply({next.link}));
    ASSERT_TRUE(link_only) << link_only.error().line();
    EXPECT_EQ(link_only->set.anchor, next.link);
    EXPECT_EQ(link_only->set.issuer, next.link);
    const auto with_root = read(flat_next_ca_reply({next.next_ra, next.link, world().ca, next.next}));
    ASSERT_TRUE(with_root) << with_root.error().line();
    EXPECT_EQ(with_root->set.anchor, next.next) << "GetCACert will show this one";
    EXPECT_EQ(with_root->set.recipient, next.next_ra);
    const Certificate attackers = test::self_signed(ca_like_next("CN=Test CA,O=Example", 101), test::rsa_key(14));
    const auto mixed = read(flat_next_ca_reply({attackers, next.link}));
    ASSERT_TRUE(mixed) << mixed.error().line();
    EXPECT_EQ(mixed->set.anchor, next.link);
    EXPECT_EQ(mixed->set.signers, std::vector{next.link});
    // Someone else's root for the right name and key needs that key's signature.
    const Certificate unsigned_root = test::edited(
        next.next, [](X509* x) { ASN1_INTEGER_set(X509_get_serialNumber(x), 667); }, test::rsa_key(14));
    EXPECT_EQ(read(flat_next_ca_reply({unsigned_root, next.link})).value().set.anchor, next.link);
}

// Whoever runs a subordinate CA of this CA could otherwise put that in the place of the next one.
TEST(NextCaAnchor, ROLL_6_a_subordinate_CA_is_no_link_certificate) {
    const Certificate subordinate =
        test::issued(ca_like_next("CN=Subordinate CA,O=Customer", 104), test::rsa_key(14), world().ca, world().ca_key);
    const auto flat = read(flat_next_ca_reply({subordinate}));
    ASSERT_FALSE(flat);
    EXPECT_EQ(flat.error().code(), ErrorCode::ca_next);
    const auto in_signed_content = read(next_ca_reply({subordinate}));
    ASSERT_TRUE(in_signed_content) << in_signed_content.error().line();
    EXPECT_EQ(in_signed_content->set.issuer, subordinate);
    EXPECT_EQ(in_signed_content->set.anchor, subordinate) << "the CA above it ends";
}

TEST(NextCaAnchor, ROLL_6_a_link_certificate_by_another_key_proves_nothing) {
    auto spec = next_ca_spec();
    spec.serial = 105;
    const Certificate forged = test::issued(spec, rollover_world().next_key, world().ca, test::rsa_key(14));
    EXPECT_EQ(read(flat_next_ca_reply({forged, rollover_world().next})).error().code(), ErrorCode::ca_next);
}

// ----- roots and what comes with them -----

// RFC 4210 §4.4: the new root, the new key under the old one, the old key under the new one.
TEST(NextCaAnchor, ROLL_7_link_certificates_beside_the_new_root_change_nothing) {
    const Key next_key = rollover_world().next_key;
    for (const char* name : {"CN=Test CA,O=Example", "CN=Test CA 2,O=Example"}) {
        const Certificate root = test::self_signed(ca_like_next(name, 101), next_key);
        const Certificate new_with_old = test::issued(ca_like_next(name, 103), next_key, world().ca, world().ca_key);
        auto old_spec = test::ca_spec("CN=Test CA,O=Example");
        old_spec.serial = 104;
        old_spec.not_before = root.not_before();
        const Certificate old_with_new = test::issued(old_spec, world().ca_key, root, next_key);
        for (const auto& reply : {next_ca_reply({old_with_new, new_with_old, root, world().ca}),
                                  next_ca_reply({new_with_old, root}), next_ca_reply({root, old_with_new})}) {
            const auto result = read(reply);
            ASSERT_TRUE(result) << name << result.error().line();
            EXPECT_EQ(result->set.anchor, root);
            EXPECT_EQ(result->set.issuer, root);
            EXPECT_EQ(result->set.recipient, root);
        }
    }
}

TEST(NextCaAnchor, ROLL_7_of_two_new_roots_only_the_operator_can_choose) {
    const Certificate a = rollover_world().next;
    const Certificate b = test::self_signed(ca_like_next("CN=Test CA 2,O=Example", 106), test::rsa_key(14));
    const auto undecided = read(next_ca_reply({a, b}));
    ASSERT_FALSE(undecided);
    EXPECT_EQ(undecided.error().code(), ErrorCode::ca_next);
    EXPECT_THAT(undecided.error().line(), HasSubstr("several"));
    const auto chosen = read(next_ca_reply({a, b}), [&](auto& e) { e.fingerprints = {b.fingerprint()}; });
    ASSERT_TRUE(chosen) << chosen.error().line();
    EXPECT_EQ(chosen->set.anchor, b);
}

// ----- an issuing CA below a root -----

/// A root of 20 years, and an issuing CA that ends with the year.
struct Hierarchy {
    Key root_key = test::rsa_key(15);
    Key issuing_key = test::rsa_key(16);
    Key next_key = test::rsa_key(17);
    Certificate root, issuing, next;
    Hierarchy()
        : root(test::self_signed(root_spec("CN=Root", 1), root_key)),
          issuing(test::issued(issuing_spec(2), issuing_key, root, root_key)),
          next(test::issued(next_spec(3), next_key, root, root_key)) {}
    static CertificateSpec root_spec(const std::string& name, long serial) {
        auto spec = test::ca_spec(name);
        spec.serial = serial;
        spec.not_after = present() + days(7300);
        return spec;
    }
    static CertificateSpec issuing_spec(long serial) {
        auto spec = test::ca_spec("CN=Issuing CA");
        spec.serial = serial;
        return spec;
    }
    static CertificateSpec next_spec(long serial) { return ca_like_next("CN=Issuing CA", serial); }
    [[nodiscard]] test::ForgedReply reply(const std::vector<Certificate>& certificates) const {
        auto made = next_ca_reply(certificates);
        made.signer_id = test::issuer_and_serial(issuing);
        made.signer_key = issuing_key;
        return made;
    }
    [[nodiscard]] Change expectation(const std::vector<Certificate>& set = {}) const {
        const CaSet current = test::ca_set(set.empty() ? std::vector{root, issuing} : set);
        return [current](NextCaExpectation& e) { e.current = current; };
    }
};

TEST(NextCaAnchor, ROLL_7_a_new_issuing_CA_stays_below_the_pinned_root) {
    const Hierarchy world;
    for (const auto& received : {std::vector{world.next}, std::vector{world.next, world.root, world.issuing}}) {
        const auto result = read(world.reply(received), world.expectation());
        ASSERT_TRUE(result) << result.error().line();
        EXPECT_EQ(result->set.anchor, world.root);
        EXPECT_EQ(result->set.issuer, world.next);
        EXPECT_EQ(result->set.recipient, world.next);
        EXPECT_EQ(result->set.intermediates, std::vector{world.next});
        EXPECT_THAT(result->warnings, IsEmpty());
        const auto restored =
            restore_next_ca(result->certificates, {.pinned = {world.root.fingerprint()}, .now = present()});
        ASSERT_TRUE(restored) << "the root is stored too: " << restored.error().line();
        EXPECT_EQ(restored->issuer, world.next);
    }
}

TEST(NextCaAnchor, ROLL_7_a_policy_CA_in_between_is_taken_from_the_set_in_force) {
    const Hierarchy world;
    const Key policy_key = test::rsa_key(18);
    const Certificate policy =
        test::issued(Hierarchy::root_spec("CN=Policy CA", 20), policy_key, world.root, world.root_key);
    const Certificate issuing = test::issued(Hierarchy::issuing_spec(21), world.issuing_key, policy, policy_key);
    const Certificate next = test::issued(Hierarchy::next_spec(22), world.next_key, policy, policy_key);
    auto reply = world.reply({next});
    reply.signer_id = test::issuer_and_serial(issuing);
    const auto result = read(reply, world.expectation({world.root, policy, issuing}));
    ASSERT_TRUE(result) << result.error().line();
    EXPECT_EQ(result->set.anchor, world.root);
    EXPECT_EQ(result->set.issuer, next);
    EXPECT_THAT(result->set.intermediates, ElementsAre(next, policy));
    EXPECT_THAT(result->set.warnings, IsEmpty());
}

// ROLL-7: authorised by the signature of the CA in force (ROLL-5) though nothing else is known above it.
TEST(NextCaAnchor, ROLL_7_a_new_issuing_CA_of_an_unknown_root_is_its_own_anchor) {
    const Hierarchy world;
    const Certificate elsewhere = test::issued(
        Hierarchy::next_spec(4), world.next_key,
        test::self_signed(Hierarchy::root_spec("CN=Unknown Root", 1), test::rsa_key(18)), test::rsa_key(18));
    const auto result = read(world.reply({elsewhere}), world.expectation());
    ASSERT_TRUE(result) << result.error().line();
    EXPECT_EQ(result->set.anchor, elsewhere);
    EXPECT_EQ(result->set.issuer, elsewhere);
}

TEST(NextCaAnchor, ROLL_7_a_new_root_comes_with_its_issuing_CA) {
    const Hierarchy world;
    const Key root_key = test::rsa_key(18);
    const Certificate root = test::self_signed(ca_like_next("CN=Root 2", 1), root_key);
    const Certificate next = test::issued(Hierarchy::next_spec(5), world.next_key, root, root_key);
    const Certificate cross = test::issued(ca_like_next("CN=Root 2", 30), root_key, world.root, world.root_key);
    auto old_spec = Hierarchy::root_spec("CN=Root", 31);
    const Certificate back = test::issued(old_spec, world.root_key, root, root_key);
    for (const auto& received : {std::vector{root, next}, std::vector{next, cross, back, root, world.issuing}}) {
        const auto result = read(world.reply(received), world.expectation());
        ASSERT_TRUE(result) << result.error().line();
        EXPECT_EQ(result->set.anchor, root);
        EXPECT_EQ(result->set.issuer, next);
        EXPECT_EQ(result->set.intermediates, std::vector{next});
    }
}

TEST(NextCaAnchor, ROLL_7_a_fingerprint_of_the_issuing_CA_makes_that_the_anchor) {
    const Hierarchy world;
    const auto result = read(world.reply({world.next, world.root}), [&](auto& e) {
        world.expectation()(e);
        e.rule = RolloverRule::fingerprint;
        e.fingerprints = {world.next.fingerprint()};
    });
    ASSERT_TRUE(result) << result.error().line();
    EXPECT_EQ(result->set.anchor, world.next);
    const auto of_unchanged_root = read(world.reply({world.next}), [&](auto& e) {
        world.expectation()(e);
        e.rule = RolloverRule::fingerprint;
        e.fingerprints = {world.root.fingerprint()};
    });
    ASSERT_TRUE(of_unchanged_root) << of_unchanged_root.error().line();
    EXPECT_EQ(of_unchanged_root->set.anchor, world.root);
}

// A renewed root above an issuing CA that stays is no next issuing CA; requests would be encrypted to the root.
TEST(NextCaAnchor, ROLL_9_a_renewed_root_alone_is_no_next_issuing_CA) {
    const Hierarchy world;
    auto spec = Hierarchy::root_spec("CN=Root", 40);
    spec.not_after += days(3650);
    const Certificate renewed = test::self_signed(spec, world.root_key);
    for (const auto& received : {std::vector{renewed, world.issuing}, std::vector{renewed}}) {
        const auto result = read(world.reply(received), world.expectation());
        ASSERT_FALSE(result);
        EXPECT_THAT(result.error().code(), AnyOf(ErrorCode::ca_next, ErrorCode::ca_no_next)) << result.error().line();
        EXPECT_THAT(result.error().line(), HasSubstr("no new issuing CA"));
    }
}

TEST(NextCaAnchor, BAD_130_ROLL_7_an_issuing_CA_must_be_allowed_to_sign_certificates) {
    const Hierarchy world;
    auto spec = Hierarchy::next_spec(50);
    spec.extensions[1].second = "critical,digitalSignature,keyEncipherment";
    const auto result =
        read(world.reply({test::issued(spec, world.next_key, world.root, world.root_key)}), world.expectation());
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), ErrorCode::ca_next);
    EXPECT_THAT(result.error().line(), HasSubstr("does not allow signing certificates"));
}

// The CA in between, which stays, must not take the place of one that is not acceptable.
TEST(NextCaAnchor, BAD_130_ROLL_7_an_unfit_issuing_CA_has_no_substitute) {
    const Hierarchy world;
    const Key policy_key = test::rsa_key(18);
    const Certificate policy =
        test::issued(Hierarchy::root_spec("CN=Policy CA", 20), policy_key, world.root, world.root_key);
    const Certificate issuing = test::issued(Hierarchy::issuing_spec(21), world.issuing_key, policy, policy_key);
    auto spec = Hierarchy::next_spec(22);
    spec.digest = EVP_sha1();
    auto reply = world.reply({test::issued(spec, world.next_key, policy, policy_key)});
    reply.signer_id = test::issuer_and_serial(issuing);
    const auto result = read(reply, world.expectation({world.root, policy, issuing}));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), ErrorCode::ca_next);
    EXPECT_THAT(result.error().line(), HasSubstr("in force already"));
}

// The root that another CA was pinned to must not come back with a replayed answer.
TEST(NextCaAnchor, ROLL_8_an_anchor_of_before_does_not_come_back) {
    const Hierarchy world;
    const Key old_key = test::rsa_key(18);
    const Certificate old_root = test::self_signed(Hierarchy::root_spec("CN=Root 0", 1), old_key);
    const Certificate below = test::issued(Hierarchy::next_spec(6), world.next_key, old_root, old_key);
    const auto read_with = [&](std::vector<UsedCa> used) {
        return read(world.reply({old_root, below}), [&](auto& e) {
            world.expectation()(e);
            e.used = std::move(used);
        });
    };
    EXPECT_TRUE(read_with({}));
    EXPECT_EQ(read_with({{old_root.fingerprint()}}).error().code(), ErrorCode::ca_next);
}

}  // namespace
}  // namespace hwenroll::scep
