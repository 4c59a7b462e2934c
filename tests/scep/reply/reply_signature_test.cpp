// The outer SignedData: who signed, over what, and with what (SIG-*, MSG-3, BAD-41 … BAD-69).
// Not here: BAD-49 (crl_test.cpp).
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/rsa.h>

#include "tests/scep/reply/asn1_forge.h"
#include "tests/scep/reply/reply_forge.h"

namespace hwenroll::scep {
namespace {

namespace asn1 = test::asn1;
using test::ForgedReply;
using test::world;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

Result<CertRep> read(const Bytes& body, const std::function<void(ReplyExpectation&)>& change = {}) {
    ReplyExpectation expectation = world().expectation;
    if (change) {
        change(expectation);
    }
    return read_cert_rep(body, expectation);
}

TEST(ReplySignature, a_good_reply_is_taken) {
    const auto reply = read(ForgedReply().build());
    ASSERT_TRUE(reply) << reply.error().line();
    EXPECT_EQ(reply->status, PkiStatus::success);
    EXPECT_EQ(reply->digest, Digest::sha256);
    EXPECT_EQ(reply->signer, world().ra);
    EXPECT_TRUE(reply->warnings.empty()) << reply->warnings[0];
}

struct BadReply {
    const char* id;
    ErrorCode code;
    std::function<void(ForgedReply&)> spoil;
};

void expect_refused(const std::vector<BadReply>& cases) {
    for (const BadReply& one : cases) {
        SCOPED_TRACE(one.id);
        ForgedReply reply;
        one.spoil(reply);
        const auto result = read(reply.build());
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code(), one.code) << result.error().line();
    }
}

void sign_as_client(ForgedReply& reply) {
    reply.signer_id = test::issuer_and_serial(world().request_signer);
    reply.signer_key = world().client_key;
}

TEST(ReplySignature, SIG_10_BAD_43_BAD_44_a_reply_has_exactly_one_signer) {
    expect_refused({
        {"BAD-43 no signer", ErrorCode::scep_signature, [](auto& r) { r.signers = 0; }},
        {"BAD-44 two signers", ErrorCode::scep_signature, [](auto& r) { r.signers = 2; }},
    });
}

TEST(ReplySignature, BAD_45_another_signature_does_not_verify) {
    expect_refused({
        {"BAD-45 signature of zeros", ErrorCode::scep_signature, [](auto& r) { r.signature = Bytes(256, 0); }},
        {"BAD-45 of zeros, over unsorted attributes", ErrorCode::scep_signature,
         [](auto& r) {
             r.reversed_attributes = true;
             r.signature = Bytes(256, 0);
         }},
    });
}

TEST(ReplySignature, SIG_12_SIG_19_BAD_46_BAD_47_whoever_is_neither_ca_nor_ra_signs_nothing) {
    expect_refused({
        {"BAD-46 unknown signer embedded", ErrorCode::scep_signer,
         [](auto& r) {
             sign_as_client(r);
             r.certificates = {world().request_signer.der()};
         }},
        {"BAD-47 another client of the CA", ErrorCode::scep_signer,
         [](auto& r) {
             r.signer_id = test::issuer_and_serial(world().other);
             r.signer_key = world().other_key;
             r.certificates = {world().other.der(), world().ca.der()};
         }},
    });
}

TEST(ReplySignature, BAD_50_our_own_request_is_no_reply) {
    expect_refused({
        {"BAD-50 our own request reflected", ErrorCode::scep_signer,
         [](auto& r) {
             sign_as_client(r);
             r.attribute("2.16.840.1.113733.1.9.2").values = {asn1::printable_string("19")};
         }},
    });
}

TEST(ReplySignature, MSG_2_SIG_18_BAD_51_BAD_55_attributes_must_be_signed) {
    expect_refused({
        {"BAD-51 no attributes", ErrorCode::scep_attribute, [](auto& r) { r.no_attributes = true; }},
        {"BAD-55 unsigned attributes", ErrorCode::scep_attribute, [](auto& r) { r.attributes_unsigned = true; }},
    });
}

TEST(ReplySignature, SIG_16_BAD_52_BAD_53_BAD_54_digest_and_content_type_are_those_of_the_content) {
    expect_refused({
        {"BAD-52 wrong messageDigest", ErrorCode::scep_signature, [](auto& r) { r.message_digest = Bytes(32, 1); }},
        {"BAD-52 short messageDigest", ErrorCode::scep_signature, [](auto& r) { r.message_digest = Bytes(1, 1); }},
        {"BAD-53 no messageDigest", ErrorCode::scep_attribute, [](auto& r) { r.message_digest = Bytes{}; }},
        {"BAD-54 contradicting contentType", ErrorCode::scep_attribute,
         [](auto& r) { r.content_type_attribute = "1.2.840.113549.1.7.3"; }},
    });
}

TEST(ReplySignature, SIG_15_BAD_56_BAD_57_MD5_and_SHA_1_are_refused) {
    expect_refused({
        {"BAD-56 MD5", ErrorCode::scep_algorithm,
         [](auto& r) {
             r.digest = "MD5";
             r.digest_oid = "1.2.840.113549.2.5";
         }},
        {"BAD-57 SHA-1", ErrorCode::scep_algorithm,
         [](auto& r) {
             r.digest = "SHA1";
             r.digest_oid = "1.3.14.3.2.26";
         }},
    });
}

TEST(ReplySignature, BAD_58_BAD_59_BAD_61_algorithms_that_do_not_belong_together_are_refused) {
    expect_refused({
        {"BAD-58 ECDSA with an RSA key", ErrorCode::scep_algorithm,
         [](auto& r) { r.signature_oid = "1.2.840.10045.4.3.2"; }},
        {"BAD-59 other digest signed than named", ErrorCode::scep_signature,
         [](auto& r) {
             r.digest = "SHA1";
             r.message_digest = sha256(*r.content);
         }},
        {"BAD-61 PSS", ErrorCode::scep_algorithm, [](auto& r) { r.signature_oid = "1.2.840.113549.1.1.10"; }},
        {"digest and signature algorithm disagree", ErrorCode::scep_algorithm,
         [](auto& r) { r.signature_oid = "1.2.840.113549.1.1.13"; }},
    });
}

TEST(ReplySignature, BAD_66_an_object_identifier_of_500_kB_is_refused) {
    expect_refused({
        {"BAD-66 OID of 500 kB", ErrorCode::scep_structure,
         [](auto& r) {
             r.certificates.clear();
             r.signature_oid = "1.2.3.4";
             r.signer_id = asn1::sequence({asn1::value(0x06, {Bytes(500000, 0x01)}), asn1::integer(1)});
         }},
    });
}

TEST(ReplySignature, BAD_69_a_trusted_certificate_wins_over_one_of_its_issuer_and_serial) {
    expect_refused({
        {"BAD-69 trusted issuer and serial, another key", ErrorCode::scep_signature,
         [](auto& r) {
             r.signer_key = world().other_key;
             r.certificates = {
                 test::edited(
                     world().ra, [](X509* x) { X509_set_pubkey(x, world().other_key.get()); }, world().other_key)
                     .der()};
         }},
    });
}

TEST(ReplySignature, SIG_17_content_of_another_type_is_refused) {
    expect_refused({
        {"unknown content type", ErrorCode::scep_structure,
         [](auto& r) { r.content_type = "1.2.840.113549.1.9.16.1.4"; }},
    });
}

void expect_no_structure(const std::vector<std::pair<const char*, Bytes>>& cases) {
    for (const auto& [id, body] : cases) {
        SCOPED_TRACE(id);
        const auto result = read(body);
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code(), ErrorCode::scep_structure) << result.error().line();
    }
}

TEST(ReplySignature, BAD_15_BAD_18_BAD_41_BAD_42_bodies_that_are_no_signed_data_are_refused) {
    Bytes trailing = ForgedReply().build();
    trailing.push_back(0);
    expect_no_structure({
        {"BAD-15 garbage behind", trailing},
        {"BAD-41 OCTET STRING", asn1::octet_string(Bytes(200, 1))},
        {"BAD-41 a certificate", world().ca.der()},
        {"BAD-41 SEQUENCE of nothing", asn1::sequence({})},
        {"BAD-42 EnvelopedData outermost", test::ForgedEnvelope().build()},
    });
}

TEST(ReplySignature, SEC_11_BAD_62_BAD_63_nesting_and_indefinite_lengths_are_bounded) {
    Bytes without_end = [] {
        ForgedReply reply;
        reply.ber = true;
        return reply.build();
    }();
    without_end.resize(without_end.size() - 2);
    Bytes deep{0x05, 0x00};
    for (int i = 0; i < 60; ++i) {
        deep = asn1::sequence({deep});
    }
    expect_no_structure({
        {"BAD-62 nested too deeply", asn1::sequence({deep})},
        {"BAD-63 no end-of-contents", without_end},
    });
}

// HTTP-22, BAD-7, BAD-12, BAD-5 (size)
TEST(ReplySignature, HTTP_22_BAD_7_BAD_12_bodies_from_elsewhere_are_named_for_what_they_are) {
    const auto html = read(to_bytes(as_bytes("\r\n <!DOCTYPE html><html><title>Login \x1b[31m</title>")));
    ASSERT_FALSE(html);
    EXPECT_EQ(html.error().code(), ErrorCode::ca_not_scep);
    EXPECT_THAT(html.error().line(), HasSubstr("HTML page"));
    const auto text = read(to_bytes(as_bytes(std::string(500, 'x'))));
    ASSERT_FALSE(text);
    EXPECT_EQ(text.error().code(), ErrorCode::ca_not_scep);
    EXPECT_LT(text.error().line().size(), 300U);
    const auto empty = read({});
    ASSERT_FALSE(empty);
    EXPECT_EQ(empty.error().code(), ErrorCode::ca_not_scep);
    const auto big = read(ForgedReply().build(), [](ReplyExpectation& e) { e.limits.max_message = 100; });
    ASSERT_FALSE(big);
    EXPECT_EQ(big.error().code(), ErrorCode::ca_too_big);
}

// BAD-48, SIG-14; the design's rule for `now`
TEST(ReplySignature, SIG_14_BAD_48_the_signer_must_be_valid_now) {
    const Bytes body = ForgedReply().build();
    for (const TimePoint when :
         {world().ra.not_after() + std::chrono::hours(1), world().ra.not_before() - std::chrono::hours(1)}) {
        const auto result = read(body, [&](ReplyExpectation& e) { e.now = when; });
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code(), ErrorCode::scep_signer) << result.error().line();
    }
}

// SIG-13, C15: a reply by a certificate of the CA's own set that has no role is refused like any other; the error says
// whose it is and what its operator may do.
TEST(ReplySignature, SIG_13_C15_a_signer_without_a_role_is_named) {
    const std::string line = "set ra = \"pinned\" and ra_fingerprints = [\"SHA256:AA\"]";
    const auto refused = read(ForgedReply().build(), [&](ReplyExpectation& expected) {
        expected.signers = {world().ca};
        expected.unused = {{world().other, "not this one", ""}, {world().ra, "it has no RA purpose", line}};
    });
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::scep_signer);
    EXPECT_THAT(refused.error().line(),
                testing::AllOf(HasSubstr("'" + world().ra.subject().text() + "' (SHA256:"),
                               HasSubstr("it has no RA purpose"), HasSubstr(line), Not(HasSubstr("not this one"))));
    const auto stranger =
        read(ForgedReply().build(), [&](ReplyExpectation& expected) { expected.signers = {world().ca}; });
    ASSERT_FALSE(stranger);
    EXPECT_THAT(stranger.error().line(), HasSubstr("is none of the 1 known signers"));
}

// SEC-4: to name a certificate of the CA in a reply takes no key of it.
TEST(ReplySignature, SEC_4_SIG_13_no_line_to_pin_it_is_printed_for_a_certificate_that_did_not_sign) {
    const std::string line = "set ra = \"pinned\" and ra_fingerprints = [\"SHA256:AA\"]";
    const auto refused = [&](const ForgedReply& reply) {
        const auto result = read(reply.build(), [&](ReplyExpectation& expected) {
            expected.signers = {world().ca};
            expected.unused = {{world().ra, "it has no RA purpose", line}};
        });
        EXPECT_FALSE(result);
        return result ? std::string() : result.error().line();
    };
    EXPECT_THAT(refused(ForgedReply()), HasSubstr(line)) << "it did sign";
    ForgedReply by_another;
    by_another.signer_key = world().ca_key;
    EXPECT_THAT(refused(by_another),
                testing::AllOf(HasSubstr("it has no RA purpose"), HasSubstr("signature is not"), Not(HasSubstr(line))));
}

// SIG-15, SEC-11
TEST(ReplySignature, SIG_15_SEC_11_a_weak_or_absurd_signer_key_is_refused) {
    const test::Key weak = test::new_rsa_key(1024);
    const Certificate certificate =
        test::issued(test::ra_spec("CN=Weak RA", "digitalSignature"), weak, world().ca, world().ca_key);
    ForgedReply reply;
    reply.signer_key = weak;
    reply.signer_id = test::issuer_and_serial(certificate);
    const auto result = read(reply.build(), [&](ReplyExpectation& e) { e.signers = {certificate}; });
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), ErrorCode::scep_signer) << result.error().line();
    const auto limited = read(ForgedReply().build(), [](ReplyExpectation& e) { e.limits.max_exponent_bits = 16; });
    ASSERT_FALSE(limited);
    EXPECT_EQ(limited.error().code(), ErrorCode::scep_signer) << limited.error().line();
}

// SIG-14: a missing bit is tolerated and told.
TEST(ReplySignature, SIG_14_a_signer_without_digital_signature_is_taken_with_a_warning) {
    const Certificate certificate =
        test::issued(test::ra_spec("CN=Odd RA", "keyEncipherment"), world().ra_key, world().ca, world().ca_key);
    ForgedReply reply;
    reply.signer_id = test::issuer_and_serial(certificate);
    const auto result = read(reply.build(), [&](ReplyExpectation& e) { e.signers = {certificate}; });
    ASSERT_TRUE(result) << result.error().line();
    EXPECT_THAT(result->warnings, Contains(HasSubstr("keyUsage")));
}

struct GoodReply {
    const char* id;
    std::function<void(ForgedReply&)> change;
};

void expect_taken(const std::vector<GoodReply>& cases) {
    for (const GoodReply& one : cases) {
        SCOPED_TRACE(one.id);
        ForgedReply reply;
        one.change(reply);
        const auto result = read(reply.build(), [](ReplyExpectation& e) { e.legacy.sha1_reply = true; });
        ASSERT_TRUE(result) << result.error().line();
        EXPECT_EQ(result->envelope, *reply.content);
    }
}

// SIG-7, SIG-11, SIG-12, BAD-57, BAD-64, BAD-68, xipki's form (SIG-17)
TEST(ReplySignature, SIG_7_SIG_11_BAD_64_BAD_68_unusual_but_good_replies_are_taken) {
    expect_taken({
        {"BAD-68 no certificates", [](auto& r) { r.certificates.clear(); }},
        {"SHA-1 with permission",
         [](auto& r) {
             r.digest = "SHA1";
             r.digest_oid = "1.3.14.3.2.26";
             r.signature_oid = "1.2.840.113549.1.1.5";
         }},
        {"SHA-512",
         [](auto& r) {
             r.digest = "SHA512";
             r.digest_oid = "2.16.840.1.101.3.4.2.3";
         }},
        {"the CA itself",
         [](auto& r) {
             r.signer_id = test::issuer_and_serial(world().ca);
             r.signer_key = world().ca_key;
         }},
        {"signer by subject key", [](auto& r) { r.signer_id = test::subject_key_id(world().ra); }},
        {"BER", [](auto& r) { r.ber = true; }},
        {"BAD-64 pieces of one octet",
         [](auto& r) {
             r.ber = true;
             r.piece = 1;
         }},
        {"xipki: content labelled envelopedData",
         [](auto& r) {
             r.ber = true;
             r.content_type = "1.2.840.113549.1.7.3";
         }},
        {"a broken certificate beside it", [](auto& r) { r.certificates = {asn1::sequence({asn1::null()})}; }},
        {"an unknown kind of certificate", [](auto& r) { r.certificates.push_back(asn1::tagged(3, {asn1::null()})); }},
    });
}

TEST(ReplySignature, MSG_3_attributes_in_another_order_than_that_of_DER_verify) {
    expect_taken({
        {"MSG-3 attributes unsorted", [](auto& r) { r.reversed_attributes = true; }},
        {"MSG-3 sent unsorted, signed sorted",
         [](auto& r) {
             r.reversed_attributes = true;
             r.sign_sorted = true;
         }},
    });
}

// SIG-7: EC certificates sign with ECDSA.
TEST(ReplySignature, SIG_7_an_ec_signer_is_taken) {
    const test::Key key = test::new_ec_key();
    const Certificate certificate =
        test::issued(test::ra_spec("CN=EC RA", "digitalSignature"), key, world().ca, world().ca_key);
    ForgedReply reply;
    reply.signer_key = key;
    reply.signer_id = test::issuer_and_serial(certificate);
    reply.signature_oid = "1.2.840.10045.4.3.2";
    const auto trust = [&](ReplyExpectation& e) { e.signers = {certificate}; };
    EXPECT_TRUE(read(reply.build(), trust));
    reply.signature_oid = "1.2.840.113549.1.1.1";
    const auto result = read(reply.build(), trust);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), ErrorCode::scep_algorithm);
}

// BAD-67: both certificates of one subject key are tried.
TEST(ReplySignature, BAD_67_an_ambiguous_subject_key_id_is_resolved_by_the_signature) {
    const Certificate twin = test::edited(
        world().ra, [](X509* x) { X509_set_pubkey(x, world().other_key.get()); }, world().ca_key);
    ForgedReply reply;
    reply.signer_id = test::subject_key_id(world().ra);
    const auto result = read(reply.build(), [&](ReplyExpectation& e) { e.signers = {twin, world().ra}; });
    ASSERT_TRUE(result) << result.error().line();
    EXPECT_EQ(result->signer, world().ra);
}

/// The greatest number whose cube is at most `number`.
OpenSslPtr<BIGNUM> cube_root(const BIGNUM* number) {
    OpenSslPtr<BIGNUM> root(BN_new());
    BN_CTX* context = BN_CTX_new();
    const OpenSslPtr<BIGNUM> square(BN_new());
    const OpenSslPtr<BIGNUM> cube(BN_new());
    for (int bit = BN_num_bits(number) / 3 + 1; bit >= 0; --bit) {
        BN_set_bit(root.get(), bit);
        BN_sqr(square.get(), root.get(), context);
        BN_mul(cube.get(), square.get(), root.get(), context);
        if (BN_cmp(cube.get(), number) > 0) {
            BN_clear_bit(root.get(), bit);
        }
    }
    BN_CTX_free(context);
    return root;
}

test::Key new_key_with_exponent_3() {
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
    const OpenSslPtr<BIGNUM> three(BN_new());
    BN_set_word(three.get(), 3);
    EVP_PKEY* key = nullptr;
    EVP_PKEY_keygen_init(context.get());
    EVP_PKEY_CTX_set_rsa_keygen_bits(context.get(), 2048);
    EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context.get(), three.get());
    EVP_PKEY_keygen(context.get(), &key);
    return {key, EVP_PKEY_free};
}

/// A signature whose cube begins like a PKCS#1 block with the digest of `data` and ends in anything.
Bytes forged_padding(ByteView data) {
    Bytes block{0x00, 0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x00};
    const Bytes info = asn1::sequence({asn1::algorithm("2.16.840.1.101.3.4.2.1"), asn1::octet_string(sha256(data))});
    block.insert(block.end(), info.begin(), info.end());
    block.resize(256, 0xFF);
    const OpenSslPtr<BIGNUM> number(BN_bin2bn(block.data(), static_cast<int>(block.size()), nullptr));
    Bytes signature(256);
    BN_bn2binpad(cube_root(number.get()).get(), signature.data(), static_cast<int>(signature.size()));
    return signature;
}

// BAD-60
TEST(ReplySignature, BAD_60_forged_padding_under_exponent_3_does_not_verify) {
    const test::Key key = new_key_with_exponent_3();
    const Certificate certificate =
        test::issued(test::ra_spec("CN=Cubic RA", "digitalSignature"), key, world().ca, world().ca_key);
    const auto trust = [&](ReplyExpectation& e) { e.signers = {certificate}; };
    ForgedReply reply;
    reply.signer_key = key;
    reply.signer_id = test::issuer_and_serial(certificate);
    EXPECT_TRUE(read(reply.build(), trust));
    reply.make_signature = forged_padding;
    const auto result = read(reply.build(), trust);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), ErrorCode::scep_signature) << result.error().line();
}

}  // namespace
}  // namespace hwenroll::scep
