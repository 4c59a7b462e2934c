// GetNextCACert: whether a reply and the CA in it are acceptable (ROLL-*, CT-3, BAD-125 … BAD-134).
// Not here: ROLL-1 (OperationUrl), ROLL-10 (RenewalReq), ROLL-12 (ReplySignature), ROLL-13 and ROLL-15
// (ShadowCertificate), and which next CA becomes the trust anchor (next_ca_anchor_test.cpp).
#include "transport/scep/next_ca.h"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/pem.h"
#include "tests/scep/reply/asn1_forge.h"
#include "tests/scep/reply/captured_exchange.h"
#include "tests/scep/reply/rollover_world.h"
#include "tests/scep/request/openssl_program.h"
#include "transport/scep/signed_data.h"

namespace hwenroll::scep {
namespace {

namespace asn1 = test::asn1;
using std::chrono::days;
using test::flat_next_ca_reply;
using test::next_ca_reply;
using test::next_ca_spec;
using test::OpenSslProgram;
using test::present;
using test::rollover_world;
using test::world;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr const char* oid_of_signed_data = "1.2.840.113549.1.7.2";

using Change = std::function<void(NextCaExpectation&)>;

Result<NextCa> read(const Bytes& body, const Change& change = {}) {
    NextCaExpectation expectation = rollover_world().expectation;
    if (change) {
        change(expectation);
    }
    return read_next_ca(body, expectation);
}

Result<NextCa> read_set(const std::vector<Certificate>& certificates, const Change& change = {}) {
    return read(next_ca_reply(certificates).build(), change);
}

test::CertificateSpec next_with(const std::function<void(test::CertificateSpec&)>& change) {
    test::CertificateSpec spec = next_ca_spec();
    change(spec);
    return spec;
}

Certificate next_self_signed(const std::function<void(test::CertificateSpec&)>& change) {
    return test::self_signed(next_with(change), rollover_world().next_key);
}

// ----- the message -----

// BAD-134: the label of the body is nobody's word, so the function does not even see it.
TEST(NextCa, CT_3_ROLL_2_BAD_134_the_next_CA_is_read_from_the_signed_content) {
    const auto read = read_set({rollover_world().next});
    ASSERT_TRUE(read) << read.error().line();
    EXPECT_EQ(read->set.anchor, rollover_world().next);
    EXPECT_EQ(read->set.issuer, rollover_world().next);
    EXPECT_EQ(read->set.recipient, rollover_world().next);
    EXPECT_THAT(read->set.signers, ElementsAre(rollover_world().next));
    EXPECT_THAT(read->set.intermediates, IsEmpty());
    EXPECT_THAT(read->certificates, ElementsAre(rollover_world().next.der()));
    EXPECT_FALSE(read->needs_acceptance);
    EXPECT_THAT(read->warnings, IsEmpty());
}

// RFC 5652 §5.2 against §4.7.1: the type says one form, servers send either.
TEST(NextCa, ROLL_2_both_content_types_and_both_forms_of_the_content_are_read) {
    const Bytes info = test::degenerate({rollover_world().next.der()});
    const Bytes bare = [&] {
        const auto content = parse_content_info(info, {}).value().content;
        return to_bytes(content.encoding);
    }();
    for (const Bytes& content : {info, bare}) {
        for (const char* type : {"1.2.840.113549.1.7.1", oid_of_signed_data}) {
            for (const bool ber : {false, true}) {
                auto reply = next_ca_reply({});
                reply.content = content;
                reply.content_type = type;
                reply.ber = ber;
                const auto result = read(reply.build());
                ASSERT_TRUE(result) << type << result.error().line();
                EXPECT_EQ(result->set.issuer, rollover_world().next);
            }
        }
    }
    auto other = next_ca_reply({rollover_world().next});
    other.content_type = "1.2.840.113549.1.9.16.1.4";
    EXPECT_EQ(read(other.build()).error().code(), ErrorCode::scep_structure);
}

TEST(NextCa, ROLL_2_a_reply_that_openssl_made_is_read) {
    OpenSslProgram openssl;
    const auto set = OpenSslProgram::run(
        {"crl2pkcs7", "-nocrl", "-outform", "DER", "-out", openssl.path("set"), "-certfile",
         openssl.file("next.pem", to_pem(rollover_world().next) + to_pem(rollover_world().next_ra))});
    ASSERT_EQ(set.exit_code, 0) << set.err;
    for (const char* type : {"1.2.840.113549.1.7.1", oid_of_signed_data}) {
        const auto made = OpenSslProgram::run(
            {"cms", "-sign", "-binary", "-nodetach", "-outform", "DER", "-md", "sha256", "-econtent_type", type, "-in",
             openssl.path("set"), "-signer", openssl.file("ca.pem", to_pem(world().ca)), "-inkey",
             openssl.file("key.pem", test::private_pem(world().ca_key)), "-out", openssl.path("reply")});
        ASSERT_EQ(made.exit_code, 0) << made.err;
        const std::string body = openssl.contents("reply");
        const auto result = read(to_bytes(as_bytes(body)));
        ASSERT_TRUE(result) << result.error().line();
        EXPECT_EQ(result->set.issuer, rollover_world().next);
        EXPECT_EQ(result->set.recipient, rollover_world().next_ra);
    }
}

TEST(NextCa, ROLL_3_attributes_of_a_pkiMessage_are_ignored) {
    auto reply = next_ca_reply({rollover_world().next});
    reply.attribute("2.16.840.1.113733.1.9.2").values = {asn1::printable_string("3")};
    reply.attribute("2.16.840.1.113733.1.9.3").values = {asn1::printable_string("2")};
    reply.attribute("2.16.840.1.113733.1.9.7").values = {asn1::printable_string("another transaction")};
    EXPECT_TRUE(read(reply.build()));
}

// ----- who signed -----

struct BadSigner {
    const char* id;
    ErrorCode code;
    std::function<void(test::ForgedReply&)> spoil;
};

// ROLL-17: signature by an unknown key, by the next one.
TEST(NextCa, BAD_125_BAD_126_ROLL_5_only_the_CA_in_force_may_name_the_next_one) {
    const auto signed_by = [](const Certificate& certificate, const test::Key& key) {
        return [=](test::ForgedReply& r) {
            r.signer_id = test::issuer_and_serial(certificate);
            r.signer_key = key;
            r.certificates = {certificate.der(), world().ca.der()};
        };
    };
    const BadSigner cases[] = {
        {"BAD-125 no signer", ErrorCode::scep_signature, [](auto& r) { r.signers = 0; }},
        {"two signers", ErrorCode::scep_signature, [](auto& r) { r.signers = 2; }},
        {"BAD-126 the next CA itself", ErrorCode::scep_signer,
         signed_by(rollover_world().next, rollover_world().next_key)},
        {"BAD-126 another client", ErrorCode::scep_signer, signed_by(world().other, world().other_key)},
        {"BAD-126 the CA's name and number, another key", ErrorCode::scep_signature,
         [](auto& r) { r.signer_key = rollover_world().next_key; }},
        {"ROLL-5 an RA", ErrorCode::scep_signer, signed_by(world().ra, world().ra_key)},
        {"no signed attributes", ErrorCode::scep_attribute, [](auto& r) { r.no_attributes = true; }},
        {"another content than was signed", ErrorCode::scep_signature,
         [](auto& r) { r.message_digest = Bytes(32, 1); }},
        {"another type than was signed", ErrorCode::scep_attribute,
         [](auto& r) { r.content_type_attribute = oid_of_signed_data; }},
        {"SHA-1", ErrorCode::scep_algorithm,
         [](auto& r) {
             r.digest = "SHA1";
             r.digest_oid = "1.3.14.3.2.26";
         }},
    };
    for (const BadSigner& one : cases) {
        SCOPED_TRACE(one.id);
        auto reply = next_ca_reply({rollover_world().next});
        one.spoil(reply);
        const auto result =
            read(reply.build(), [](auto& e) { e.fingerprints = {rollover_world().next.fingerprint()}; });
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code(), one.code) << result.error().line();
    }
    const Bytes unsigned_set = test::degenerate({rollover_world().next.der()});
    EXPECT_EQ(read(unsigned_set).error().code(), ErrorCode::scep_signature);
}

TEST(NextCa, ROLL_5_an_RA_may_sign_only_by_the_operators_leave) {
    auto reply = next_ca_reply({rollover_world().next});
    reply.signer_id = test::issuer_and_serial(world().ra);
    reply.signer_key = world().ra_key;
    EXPECT_EQ(read(reply.build()).error().code(), ErrorCode::scep_signer);
    EXPECT_TRUE(read(reply.build(), [](auto& e) { e.ra_may_sign = true; }));
}

// A renewed CA keeps its key; either certificate may be named.
TEST(NextCa, ROLL_5_the_CA_in_force_may_sign_under_an_older_certificate) {
    auto spec = test::ca_spec("CN=Test CA,O=Example");
    spec.serial = 9;
    const Certificate renewed = test::self_signed(spec, world().ca_key);
    auto current = rollover_world().expectation.current;
    current.issuer = current.anchor = renewed;
    EXPECT_TRUE(read_set({rollover_world().next}, [&](auto& e) { e.current = current; }));
}

TEST(NextCa, ROLL_5_a_CA_that_has_ended_names_no_successor) {
    const auto late =
        read_set({rollover_world().next}, [](auto& e) { e.now = world().ca.not_after() + std::chrono::seconds(1); });
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code(), ErrorCode::scep_signer);
}

TEST(NextCa, ROLL_4_HTTP_22_what_is_no_reply_is_told_by_its_kind) {
    EXPECT_EQ(read({}).error().code(), ErrorCode::ca_not_scep);
    EXPECT_EQ(read(to_bytes(as_bytes("<html>Not Found</html>"))).error().code(), ErrorCode::ca_not_scep);
    EXPECT_EQ(read(test::capture("step-aes.GetNextCACert.bin")).error().code(), ErrorCode::ca_not_scep);
    const Bytes body = next_ca_reply({rollover_world().next}).build();
    EXPECT_EQ(read(body, [&](auto& e) { e.limits.max_message = body.size() - 1; }).error().code(),
              ErrorCode::ca_too_big);
    EXPECT_EQ(read(world().ca.der()).error().code(), ErrorCode::scep_structure);
    EXPECT_EQ(read(next_ca_reply(std::vector(65, rollover_world().next)).build()).error().code(),
              ErrorCode::scep_inner);
    auto reply = next_ca_reply({});
    reply.content = rollover_world().next.der();
    EXPECT_EQ(read(reply.build()).error().code(), ErrorCode::scep_inner) << "a bare certificate";
    reply.content = to_bytes(as_bytes("next"));
    EXPECT_EQ(read(reply.build()).error().code(), ErrorCode::scep_inner);
    reply.content = Bytes{0x30, 0x00};
    EXPECT_EQ(read(reply.build()).error().code(), ErrorCode::scep_inner);
}

// jscep's test servlet: the flat form, SHA-1, and nothing but the CA in force.
TEST(NextCa, BAD_128_BAD_129_the_captured_reply_of_jscep_names_no_next_CA) {
    const Bytes body = test::capture("jscep.GetNextCACert.bin");
    const Certificate ca = parse_ca_certificates(body, {}).value().at(0);
    const auto of_jscep = [&](bool sha1) {
        return [&, sha1](NextCaExpectation& e) {
            e.now = test::capture_time();
            e.legacy.sha1_reply = sha1;
            e.current =
                authenticate({ca}, {.pinned = {ca.fingerprint()}, .now = e.now, .legacy = test::everything_allowed()})
                    .value();
        };
    };
    EXPECT_EQ(read(body, of_jscep(false)).error().code(), ErrorCode::scep_algorithm);
    EXPECT_EQ(read(body, of_jscep(true)).error().code(), ErrorCode::ca_no_next);
}

// ----- nothing new -----

TEST(NextCa, BAD_129_ROLL_4_only_the_present_CA_is_no_next_one) {
    for (const auto& reply : {next_ca_reply({world().ca}), next_ca_reply({world().ca, world().ra}), next_ca_reply({}),
                              flat_next_ca_reply({world().ca}), flat_next_ca_reply({})}) {
        const auto result = read(reply.build());
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code(), ErrorCode::ca_no_next) << result.error().line();
    }
}

TEST(NextCa, ROLL_17_an_answer_without_any_CA_is_refused) {
    const auto result = read_set({rollover_world().next_ra});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), ErrorCode::ca_next);
    EXPECT_THAT(result.error().line(), HasSubstr("no CA certificate"));
}

// ----- what the next CA must be -----

struct BadNext {
    const char* id;
    const char* text;
    Certificate next;
};

// ROLL-17: next CA expired, no CA.
TEST(NextCa, BAD_130_ROLL_7_unfit_next_CAs_are_refused) {
    const test::Key weak = test::new_rsa_key(1024);
    const test::Key sub_key = test::rsa_key(13);
    const auto unrelated = [&](const EVP_MD* digest) {
        auto spec = next_with([&](auto& s) { s.digest = digest; });
        return test::issued(spec, sub_key, test::self_signed(test::ca_spec("CN=Elsewhere"), test::rsa_key(5)),
                            test::rsa_key(5));
    };
    const BadNext cases[] = {
        {"expired", "expired", next_self_signed([](auto& s) {
             s.not_before = present() - days(30);
             s.not_after = present() - days(1);
         })},
        {"ends with the present one", "does not outlive", next_self_signed([](auto& s) {
             s.not_before = present();
             s.not_after = world().ca.not_after();
         })},
        {"ends before it begins", "expired", next_self_signed([](auto& s) { s.not_before = present() + days(4000); })},
        {"no CA", "no CA certificate", next_self_signed([](auto& s) { s.extensions[0].second = "critical,CA:FALSE"; })},
        {"no extensions", "no CA certificate", next_self_signed([](auto& s) { s.extensions.clear(); })},
        {"no keyCertSign", "does not allow signing certificates",
         next_self_signed([](auto& s) { s.extensions[1].second = "critical,digitalSignature,keyEncipherment"; })},
        {"RSA of 1024 bits", "1024", test::self_signed(next_ca_spec(), weak)},
        {"EC of 192 bits", "192", test::self_signed(next_ca_spec(), test::new_ec_key("P-192"))},
        {"SHA-1", "SHA-1", unrelated(EVP_sha1())},
        {"MD5", "md5", unrelated(EVP_md5())},
    };
    for (const BadNext& one : cases) {
        SCOPED_TRACE(one.id);
        for (const RolloverRule rule : {RolloverRule::signature, RolloverRule::fingerprint, RolloverRule::operator_}) {
            const auto result = read_set({one.next}, [&](auto& e) {
                e.rule = rule;
                e.fingerprints = {one.next.fingerprint()};
            });
            ASSERT_FALSE(result);
            EXPECT_EQ(result.error().code(), ErrorCode::ca_next) << result.error().line();
            EXPECT_THAT(result.error().line(), HasSubstr(one.text));
        }
    }
}

TEST(NextCa, ROLL_7_unusual_next_CAs_are_accepted) {
    EXPECT_TRUE(read_set({next_self_signed([](auto& s) { s.digest = EVP_sha1(); })})) << "self-signed";
    EXPECT_TRUE(read_set({next_self_signed([](auto& s) { s.extensions.erase(s.extensions.begin() + 1); })}))
        << "no key usage";
    EXPECT_TRUE(read_set({next_self_signed([](auto& s) { s.not_before = present() - days(10); })})) << "valid already";
    EXPECT_TRUE(read_set({next_self_signed([](auto& s) { s.not_after = world().ca.not_after() + days(1); })}));
    const auto renewed = read_set({test::self_signed(next_ca_spec(), world().ca_key)});
    EXPECT_TRUE(renewed) << "with the same key: " << renewed.error().line();
}

TEST(NextCa, BAD_38_ENV_7_a_next_CA_that_cannot_receive_is_told_from_an_unfit_one) {
    const auto result = read_set({test::self_signed(next_ca_spec(), test::new_ec_key())});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), ErrorCode::ca_no_recipient);
}

TEST(NextCa, ROLL_7_a_gap_and_another_name_are_warnings) {
    const auto gap =
        read_set({next_self_signed([](auto& s) { s.not_before = world().ca.not_after() + std::chrono::hours(1); })});
    ASSERT_TRUE(gap) << gap.error().line();
    EXPECT_THAT(gap->warnings, ElementsAre(HasSubstr("gap")));
    const auto renamed = read_set({next_self_signed([](auto& s) { s.subject = "CN=Test CA 2,O=Example"; })});
    ASSERT_TRUE(renamed) << renamed.error().line();
    EXPECT_THAT(renamed->warnings, ElementsAre(HasSubstr("'CN=Test CA 2,O=Example' instead of")));
}

TEST(NextCa, BAD_132_ROLL_9_requests_must_be_tellable_from_those_to_the_present_CA) {
    const auto twin = read_set({next_self_signed([](auto& s) { s.serial = 1; })});
    ASSERT_FALSE(twin);
    EXPECT_EQ(twin.error().code(), ErrorCode::ca_next);
    EXPECT_THAT(twin.error().line(), HasSubstr("could not be told"));
    EXPECT_TRUE(read_set({next_self_signed([](auto& s) {
        s.serial = 1;
        s.subject = "CN=Test CA 2,O=Example";
    })}));
    auto ra_spec = test::ra_spec("CN=Next RA,O=Example", "critical,digitalSignature,keyEncipherment");
    ra_spec.serial = 2;
    const Certificate ra_twin =
        test::issued(ra_spec, rollover_world().next_ra_key, rollover_world().next, rollover_world().next_key);
    const auto same_ra = read_set({rollover_world().next, ra_twin});
    ASSERT_FALSE(same_ra);
    EXPECT_EQ(same_ra.error().code(), ErrorCode::ca_next);
}

// ROLL-8
TEST(NextCa, BAD_131_ROLL_8_no_CA_comes_back_and_none_that_is_older) {
    const Certificate& next = rollover_world().next;
    const auto after = [&](std::vector<UsedCa> used) {
        return read_set({next}, [&](auto& e) { e.used = std::move(used); });
    };
    const Bytes other(32, 7);
    const auto came_back = after({{other}, {next.fingerprint()}});
    ASSERT_FALSE(came_back);
    EXPECT_EQ(came_back.error().code(), ErrorCode::ca_next);
    EXPECT_THAT(came_back.error().line(), HasSubstr("was in use before"));
    EXPECT_EQ(after({{other, next.not_after()}}).error().code(), ErrorCode::ca_next);
    EXPECT_EQ(after({{other, next.not_after() + days(1)}, {other, present()}}).error().code(), ErrorCode::ca_next);
    EXPECT_TRUE(after({{other, next.not_after() - days(1)}}));
    EXPECT_TRUE(after({{other, std::nullopt}}));
    // A reply of long ago by a CA that is in force again under the same key.
    EXPECT_EQ(read_set({next_self_signed([](auto& s) {
                  s.not_before = present() - days(2000);
                  s.not_after = present() + days(20);
              })})
                  .error()
                  .code(),
              ErrorCode::ca_next);
}

TEST(NextCa, ROLL_8_the_rule_decides_what_else_is_needed) {
    const auto under = [](RolloverRule rule, std::vector<Bytes> fingerprints) {
        return read_set({rollover_world().next}, [&](auto& e) {
            e.rule = rule;
            e.fingerprints = std::move(fingerprints);
        });
    };
    const Bytes right = rollover_world().next.fingerprint();
    const Bytes wrong = world().ca.fingerprint();
    EXPECT_FALSE(under(RolloverRule::signature, {}).value().needs_acceptance);
    EXPECT_FALSE(under(RolloverRule::signature, {wrong}).value().needs_acceptance);
    EXPECT_FALSE(under(RolloverRule::fingerprint, {wrong, right}).value().needs_acceptance);
    EXPECT_TRUE(under(RolloverRule::operator_, {}).value().needs_acceptance);
    for (const auto& list : {std::vector<Bytes>{}, std::vector<Bytes>{wrong}}) {
        const auto refused = under(RolloverRule::fingerprint, list);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code(), ErrorCode::ca_next);
        EXPECT_THAT(refused.error().line(), HasSubstr("next_fingerprint"));
        EXPECT_THAT(refused.error().line(), HasSubstr(to_hex(right, ':')));
    }
}

// ----- the roles -----

TEST(NextCa, ROLL_9_the_roles_are_of_the_next_CA_only) {
    const auto& next = rollover_world();
    for (const auto& received :
         {std::vector{next.next, next.next_ra}, std::vector{world().ra, next.next_ra, world().ca, next.next}}) {
        const auto result = read_set(received);
        ASSERT_TRUE(result) << result.error().line();
        EXPECT_EQ(result->set.anchor, next.next);
        EXPECT_EQ(result->set.issuer, next.next);
        EXPECT_EQ(result->set.recipient, next.next_ra);
        EXPECT_THAT(result->set.signers, UnorderedElementsAre(next.next, next.next_ra));
    }
}

// The RA of a CA that has not begun has not begun either; one of another generation must not delay the CA.
TEST(NextCa, ROLL_9_RAs_count_when_they_are_valid_by_the_time_of_the_takeover) {
    const auto ra = [](TimePoint from) {
        auto spec = test::ra_spec("CN=Next RA,O=Example", "critical,digitalSignature,keyEncipherment");
        spec.serial = 110;
        spec.not_before = from;
        spec.not_after = from + days(400);
        return test::issued(spec, rollover_world().next_ra_key, rollover_world().next, rollover_world().next_key);
    };
    const auto recipient_with = [&](const Certificate& one) {
        return read_set({rollover_world().next, one}).value().set.recipient;
    };
    const TimePoint begin = rollover_world().next.not_before();
    EXPECT_EQ(recipient_with(ra(begin + days(1))), ra(begin + days(1)));
    EXPECT_EQ(recipient_with(ra(present())), ra(present()));
    EXPECT_EQ(recipient_with(ra(present() + days(2500))), rollover_world().next);
}

TEST(NextCa, ROLL_9_SIG_13_the_RA_rule_holds_for_the_next_set_too) {
    auto spec = test::ra_spec("CN=Next RA,O=Example", "critical,digitalSignature,keyEncipherment", "");
    spec.serial = 111;
    spec.not_before = rollover_world().next.not_before();
    spec.not_after = rollover_world().next.not_after();
    const Certificate plain =
        test::issued(spec, rollover_world().next_ra_key, rollover_world().next, rollover_world().next_key);
    const auto without = read_set({rollover_world().next, plain});
    ASSERT_TRUE(without) << without.error().line();
    EXPECT_EQ(without->set.recipient, rollover_world().next);
    const auto pinned = read_set({rollover_world().next, plain}, [&](auto& e) {
        e.ras = {RaRule::Kind::pinned, {plain.fingerprint()}};
    });
    ASSERT_TRUE(pinned) << pinned.error().line();
    EXPECT_EQ(pinned->set.recipient, plain);
    const auto missing = read_set({rollover_world().next, plain}, [&](auto& e) {
        e.ras = {RaRule::Kind::pinned, {world().ra.fingerprint()}};
    });
    EXPECT_EQ(missing.error().code(), ErrorCode::ca_next);
}

// ----- stored and restored -----

void expect_same(const CaSet& a, const CaSet& b) {
    EXPECT_EQ(a.anchor, b.anchor);
    EXPECT_EQ(a.issuer, b.issuer);
    EXPECT_EQ(a.recipient, b.recipient);
    EXPECT_EQ(a.signers, b.signers);
    EXPECT_EQ(a.intermediates, b.intermediates);
    EXPECT_EQ(a.warnings, b.warnings);
}

TEST(RestoredNextCa, ROLL_14_ROLL_16_it_is_the_same_before_and_after_the_switch) {
    const auto result = read_set({world().ca, rollover_world().next, rollover_world().next_ra, world().other});
    ASSERT_TRUE(result) << result.error().line();
    const Bytes anchor = result->set.anchor.fingerprint();
    for (const TimePoint now : {present(), present() + days(301), world().ca.not_after() + days(100)}) {
        const auto restored = restore_next_ca(result->certificates, {.pinned = {anchor}, .now = now});
        ASSERT_TRUE(restored) << restored.error().line();
        expect_same(*restored, result->set);
    }
    std::vector<Bytes> reversed(result->certificates.rbegin(), result->certificates.rend());
    const auto restored = restore_next_ca(reversed, {.pinned = {anchor}, .now = present()});
    ASSERT_TRUE(restored) << restored.error().line();
    expect_same(*restored, result->set);
}

TEST(RestoredNextCa, ROLL_14_another_pin_spoilt_octets_and_an_ended_CA_are_errors) {
    const auto result = read_set({rollover_world().next});
    ASSERT_TRUE(result);
    const auto restored = [&](const std::vector<Bytes>& stored, const Bytes& pin, TimePoint now) {
        return restore_next_ca(stored, {.pinned = {pin}, .now = now});
    };
    const Bytes anchor = result->set.anchor.fingerprint();
    EXPECT_EQ(restored(result->certificates, Bytes(32, 1), present()).error().code(), ErrorCode::ca_fingerprint);
    EXPECT_EQ(restored({Bytes{0x30}}, anchor, present()).error().code(), ErrorCode::scep_structure);
    EXPECT_EQ(restored({}, anchor, present()).error().code(), ErrorCode::ca_fingerprint);
    EXPECT_EQ(restored(result->certificates, anchor, present() + days(3001)).error().code(), ErrorCode::ca_certificate);
}

// GetCACert already shows the next CA: its stored anchor, not the pin in force, recognises it.
TEST(RestoredNextCa, ROLL_17_a_CA_that_has_switched_early_is_recognised_by_the_stored_anchor) {
    const Certificate early = next_self_signed([](auto& s) { s.not_before = present() - days(1); });
    const auto result = read_set({early});
    ASSERT_TRUE(result) << result.error().line();
    const auto shown = parse_ca_certificates(early.der(), {}).value();
    EXPECT_EQ(authenticate(shown, {.pinned = {world().ca.fingerprint()}, .now = present()}).error().code(),
              ErrorCode::ca_fingerprint);
    const auto switched = authenticate(shown, {.pinned = {result->set.anchor.fingerprint()}, .now = present()});
    ASSERT_TRUE(switched);
    expect_same(*switched, result->set);
}

}  // namespace
}  // namespace hwenroll::scep
