// Opening of envelopes for EC keys: by the challenge and by key agreement (ENV-5 … ENV-12, ENV-19, BAD-100 … BAD-102).
#include <algorithm>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/pem.h"
#include "keystore/openssl/agreed_key.h"
#include "tests/keystore/software_token.h"
#include "tests/lab_ca/asn1_reader.h"
#include "tests/scep/reply/asn1_forge.h"
#include "tests/scep/reply/ec_forge.h"
#include "tests/scep/request/openssl_program.h"
#include "transport/scep/certification_request.h"
#include "transport/scep/pki_message.h"

namespace hwenroll::scep {
namespace {

namespace asn1 = test::asn1;
using keystore::test::SoftwareToken;
using test::forged_password;
using test::ForgedPasswordEnvelope;
using test::issued_leaf;
using test::OpenSslProgram;
using test::world;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// An EC key on a token and the certificate that signed with it.
struct EcClient {
    explicit EcClient(keystore::KeySpec spec = keystore::KeySpec::ec_p256)
        : token(spec), certificate(certificate_for(token.key().public_key)) {}

    static Certificate certificate_for(const PublicKey& key) {
        test::CertificateSpec spec;
        spec.subject = "CN=web01.example.com,O=Example";
        spec.serial = 0x5252;
        spec.extensions = {{"subjectKeyIdentifier", "hash"}};
        return test::issued(spec, test::Key(key.get(), [kept = key](EVP_PKEY*) {}), world().ca, world().ca_key);
    }

    Result<Secret> agree(const KeyAgreement& with) {
        ++agreements;
        return keystore::open_agreed_key(
            token, token.key(),
            {with.originator, with.digest, with.wrap_algorithm, with.user_keying_material, with.wrapped_key});
    }

    /// `password` empty: none is there to be asked for.
    Result<OpenedEnvelope> open(ByteView envelope, std::string_view password = {}, const ParseLimits& limits = {}) {
        EcRecipient recipient{[this](const KeyAgreement& with) { return agree(with); }};
        if (!password.empty()) {
            recipient.password = [this, password] {
                ++questions;
                return Result<Secret>(Secret(as_bytes(password)));
            };
        }
        return open_envelope(envelope, certificate, recipient, {}, limits);
    }

    SoftwareToken token;
    Certificate certificate;
    int agreements = 0;
    int questions = 0;
};

const Bytes& content() {
    static const Bytes made = test::degenerate({issued_leaf().der()});
    return made;
}

bool opens_to(const Result<OpenedEnvelope>& opened, const Bytes& plaintext) {
    return opened && equal(opened->content.reveal(), plaintext);
}

std::string reason(const Result<OpenedEnvelope>& opened) {
    return opened ? "opened" : opened.error().line();
}

// ----- requests under the challenge -----

TEST(SealByPassword, ENV_5_ENV_6_openssl_opens_what_is_encrypted_under_the_challenge) {
    for (const ContentCipher cipher : {ContentCipher::aes128, ContentCipher::aes192, ContentCipher::aes256}) {
        SCOPED_TRACE(to_text(cipher));
        const auto sealed = seal_by_password(as_bytes("a request"), Secret(as_bytes(forged_password)), cipher);
        ASSERT_TRUE(sealed) << sealed.error().line();
        OpenSslProgram openssl;
        const auto outcome =
            OpenSslProgram::run({"cms", "-decrypt", "-inform", "DER", "-in", openssl.file("envelope", *sealed),
                                 "-pwri_password", std::string(forged_password)});
        EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
        EXPECT_EQ(outcome.out, "a request");
    }
}

TEST(SealByPassword, ENV_4_ENV_6_has_the_parameters_of_the_profile) {
    const auto sealed =
        seal_by_password(as_bytes("a request"), Secret(as_bytes(forged_password)), ContentCipher::aes128);
    ASSERT_TRUE(sealed) << sealed.error().line();
    EXPECT_EQ(test::der_fault(*sealed), "");
    const auto tree = lab_ca::read_asn1(*sealed).value();
    const auto& data = tree.children.at(1).children.at(0);
    EXPECT_EQ(lab_ca::small_integer(data.children.at(0)), 3) << "the version of EnvelopedData";
    const auto& recipients = data.children.at(1);
    ASSERT_EQ(recipients.children.size(), 1U);
    const auto& recipient = recipients.children.at(0);
    EXPECT_EQ(recipient.whole[0], 0xA3);
    EXPECT_EQ(lab_ca::small_integer(recipient.children.at(0)), 0);
    const auto& derivation = recipient.children.at(1);
    EXPECT_EQ(lab_ca::oid_text(derivation.children.at(0)), "1.2.840.113549.1.5.12");
    const auto& parameters = derivation.children.at(1);
    EXPECT_EQ(parameters.children.at(0).content.size(), 16U) << "salt";
    EXPECT_GE(lab_ca::small_integer(parameters.children.at(1)).value_or(0), 100'000);
    EXPECT_EQ(lab_ca::oid_text(parameters.children.at(2).children.at(0)), "1.2.840.113549.2.9");
    EXPECT_EQ(lab_ca::oid_text(recipient.children.at(2).children.at(0)), "1.2.840.113549.1.9.16.3.9");
    EXPECT_EQ(lab_ca::oid_text(recipient.children.at(2).children.at(1).children.at(0)), "2.16.840.1.101.3.4.1.2");
}

TEST(SealByPassword, ENV_6_no_two_envelopes_have_a_salt_a_vector_or_a_key_in_common) {
    const Secret password(as_bytes(forged_password));
    const auto one = seal_by_password(as_bytes("a request"), password, ContentCipher::aes128);
    const auto other = seal_by_password(as_bytes("a request"), password, ContentCipher::aes128);
    ASSERT_TRUE(one && other);
    const auto salt = [](const Bytes& envelope) {
        const Bytes recipient = test::only_recipient(envelope);
        const auto tree = lab_ca::read_asn1(recipient).value();
        return to_bytes(tree.children.at(1).children.at(1).children.at(0).content);
    };
    EXPECT_NE(salt(*one), salt(*other));
    EXPECT_FALSE(equal(ByteView(*one).last(16), ByteView(*other).last(16)));
}

TEST(SealByPassword, ENV_8_ENV_9_without_a_challenge_nothing_is_made) {
    const auto sealed = seal_by_password(as_bytes("a request"), Secret(), ContentCipher::aes128);
    ASSERT_FALSE(sealed);
    EXPECT_EQ(sealed.error().code(), ErrorCode::challenge_source);
}

TEST(SealByPassword, ALG_1_is_never_in_single_des) {
    const auto sealed = seal_by_password(as_bytes("a request"), Secret(as_bytes(forged_password)), ContentCipher::des);
    ASSERT_FALSE(sealed);
    EXPECT_EQ(sealed.error().code(), ErrorCode::ca_algorithm);
}

// ----- replies under the challenge -----

TEST(PasswordEnvelope, ENV_12_what_openssl_encrypts_under_the_challenge_is_opened) {
    EcClient client;
    OpenSslProgram openssl;
    const auto outcome = OpenSslProgram::run({"cms", "-encrypt", "-aes256", "-binary", "-outform", "DER", "-in",
                                              openssl.file("content", content()), "-out", openssl.path("envelope"),
                                              "-pwri_password", std::string(forged_password)});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    const std::string octets = openssl.contents("envelope");
    const auto opened = client.open(as_bytes(octets), forged_password);
    EXPECT_TRUE(opens_to(opened, content())) << reason(opened);
    EXPECT_EQ(client.questions, 1);
    EXPECT_EQ(client.agreements, 0);
}

TEST(PasswordEnvelope, ENV_6_what_we_encrypt_ourselves_is_opened) {
    EcClient client;
    const auto sealed = seal_by_password(content(), Secret(as_bytes(forged_password)), ContentCipher::aes256);
    ASSERT_TRUE(sealed);
    EXPECT_TRUE(opens_to(client.open(*sealed, forged_password), content()));
}

TEST(PasswordEnvelope, ENV_19_each_pseudo_random_function_and_cipher_opens) {
    struct Good {
        const char* digest;
        const char* function;
        const char* cipher;
        const char* cipher_oid;
    };
    const Good cases[] = {{"SHA1", "1.2.840.113549.2.7", "AES-128-CBC", "2.16.840.1.101.3.4.1.2"},
                          {"SHA224", "1.2.840.113549.2.8", "AES-192-CBC", "2.16.840.1.101.3.4.1.22"},
                          {"SHA256", "1.2.840.113549.2.9", "AES-256-CBC", "2.16.840.1.101.3.4.1.42"},
                          {"SHA384", "1.2.840.113549.2.10", "AES-128-CBC", "2.16.840.1.101.3.4.1.2"},
                          {"SHA512", "1.2.840.113549.2.11", "AES-256-CBC", "2.16.840.1.101.3.4.1.42"}};
    EcClient client;
    for (const Good& one : cases) {
        SCOPED_TRACE(one.digest);
        ForgedPasswordEnvelope envelope;
        envelope.digest = one.digest;
        envelope.function_oid = one.function;
        envelope.cipher = one.cipher;
        envelope.cipher_oid = one.cipher_oid;
        const auto opened = client.open(envelope.build(), forged_password);
        EXPECT_TRUE(opens_to(opened, envelope.plaintext)) << reason(opened);
    }
    ForgedPasswordEnvelope by_default;
    by_default.digest = "SHA1";
    by_default.function_absent = true;
    EXPECT_TRUE(opens_to(client.open(by_default.build(), forged_password), by_default.plaintext));
}

TEST(PasswordEnvelope, ENV_19_few_iterations_are_warned_of) {
    EcClient client;
    const auto few = client.open(test::cms_by_password(content(), forged_password, 999), forged_password);
    ASSERT_TRUE(few) << reason(few);
    ASSERT_EQ(few->warnings.size(), 1U);
    EXPECT_THAT(few->warnings[0], HasSubstr("only 999 iterations"));
    const auto enough = client.open(test::cms_by_password(content(), forged_password, 1000), forged_password);
    ASSERT_TRUE(enough) << reason(enough);
    EXPECT_THAT(enough->warnings, IsEmpty());
}

TEST(PasswordEnvelope, BAD_100_ENV_19_the_work_is_bounded_by_the_configuration) {
    EcClient client;
    ParseLimits limits;
    limits.max_pbkdf2 = 5000;
    const Bytes within = test::cms_by_password(content(), forged_password, 5000);
    EXPECT_TRUE(opens_to(client.open(within, forged_password, limits), content()));
    const auto over = client.open(test::cms_by_password(content(), forged_password, 5001), forged_password, limits);
    ASSERT_FALSE(over);
    EXPECT_EQ(over.error().code(), ErrorCode::scep_envelope);
    EXPECT_THAT(over.error().line(), HasSubstr("5001 iterations"));
    EXPECT_THAT(over.error().line(), HasSubstr("max_pbkdf2"));
}

struct BadPassword {
    const char* id;
    ErrorCode code;
    const char* word;
    std::function<void(ForgedPasswordEnvelope&)> spoil;
};

TEST(PasswordEnvelope, BAD_100_ENV_19_spoilt_parameters_are_refused_for_what_is_wrong) {
    const BadPassword cases[] = {
        {"2^31 iterations", ErrorCode::scep_envelope, "2147483648 iterations",
         [](auto& e) {
             e.iterations_encoded = asn1::value(0x02, {Bytes{0, 0x80, 0, 0, 0}});
         }},
        {"iterations beyond 64 bits", ErrorCode::scep_envelope, "iterations",
         [](auto& e) { e.iterations_encoded = asn1::value(0x02, {Bytes(40, 0x7F)}); }},
        {"no iterations", ErrorCode::scep_envelope, "not above 0",
         [](auto& e) { e.iterations_encoded = asn1::integer(0); }},
        {"fewer than none", ErrorCode::scep_envelope, "not above 0",
         [](auto& e) { e.iterations_encoded = asn1::value(0x02, {Bytes{0x80}}); }},
        {"no salt", ErrorCode::scep_envelope, "salt", [](auto& e) { e.salt = {}; }},
        {"a salt of 65 octets", ErrorCode::scep_envelope, "salt", [](auto& e) { e.salt = Bytes(65, 1); }},
        {"HMAC-MD5", ErrorCode::scep_algorithm, "pseudo-random",
         [](auto& e) { e.function_oid = "1.2.840.113549.2.6"; }},
        {"another derivation", ErrorCode::scep_algorithm, "derivation",
         [](auto& e) { e.derivation_oid = "1.3.6.1.4.1.11591.4.11"; }},
        {"no derivation", ErrorCode::scep_envelope, "keyDerivationAlgorithm",
         [](auto& e) { e.derivation_absent = true; }},
        {"another wrapping", ErrorCode::scep_algorithm, "wrapped",
         [](auto& e) { e.wrap_oid = "2.16.840.1.101.3.4.1.5"; }},
        {"3DES", ErrorCode::scep_algorithm, "des-ede3", [](auto& e) { e.cipher_oid = "1.2.840.113549.3.7"; }},
        {"a key length that is not the cipher's", ErrorCode::scep_envelope, "keyLength",
         [](auto& e) { e.key_length = asn1::integer(32); }},
        {"a vector of 8 octets", ErrorCode::scep_envelope, "vector",
         [](auto& e) { e.vector = asn1::octet_string(Bytes(8, 1)); }},
    };
    EcClient client;
    for (const BadPassword& one : cases) {
        SCOPED_TRACE(one.id);
        ForgedPasswordEnvelope envelope;
        one.spoil(envelope);
        const auto opened = client.open(envelope.build(), forged_password);
        ASSERT_FALSE(opened);
        EXPECT_EQ(opened.error().code(), one.code) << reason(opened);
        EXPECT_THAT(reason(opened), HasSubstr(one.word));
    }
}

TEST(PasswordEnvelope, ENV_19_a_key_length_that_is_the_ciphers_is_no_fault) {
    EcClient client;
    ForgedPasswordEnvelope envelope;
    envelope.key_length = asn1::integer(16);
    EXPECT_TRUE(opens_to(client.open(envelope.build(), forged_password), envelope.plaintext));
}

TEST(PasswordEnvelope, SEC_9_every_failure_behind_the_parameters_looks_the_same) {
    struct Unopenable {
        const char* id;
        std::function<void(ForgedPasswordEnvelope&)> spoil;
    };
    const Unopenable cases[] = {
        {"wrong challenge", [](auto& e) { e.password = "another challenge than ours"; }},
        {"check value", [](auto& e) { e.unwrapped = [](Bytes& blocks) { blocks[2] ^= 1U; }; }},
        {"length too large", [](auto& e) { e.unwrapped = [](Bytes& blocks) { blocks[0] = 255; }; }},
        {"length too small", [](auto& e) { e.unwrapped = [](Bytes& blocks) { blocks[0] = 8; }; }},
        {"one block", [](auto& e) { e.wrapped_key = Bytes(16, 1); }},
        {"nothing wrapped", [](auto& e) { e.wrapped_key = Bytes{}; }},
        {"no whole block", [](auto& e) { e.wrapped_key = Bytes(33, 1); }},
        {"a megabyte", [](auto& e) { e.wrapped_key = Bytes(std::size_t{1} << 16U, 1); }},
        {"trailing octet", [](auto& e) { e.plaintext.push_back(0); }},
    };
    EcClient client;
    for (const Unopenable& one : cases) {
        SCOPED_TRACE(one.id);
        ForgedPasswordEnvelope envelope;
        one.spoil(envelope);
        const auto opened = client.open(envelope.build(), forged_password);
        ASSERT_FALSE(opened);
        EXPECT_EQ(opened.error().code(), ErrorCode::scep_decrypt);
        EXPECT_EQ(reason(opened), "E-SCEP-DECRYPT the envelope of the reply cannot be opened; " +
                                      std::string(error_info(ErrorCode::scep_decrypt).next));
    }
}

TEST(PasswordEnvelope, ENV_10_two_recipients_by_password_are_for_nobody) {
    EcClient client;
    const Bytes envelope = test::cms_by_password(content(), forged_password, 1000);
    const Bytes recipient = test::only_recipient(envelope);
    const auto opened = client.open(test::with_recipients(envelope, {recipient, recipient}), forged_password);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), ErrorCode::scep_recipient);
    EXPECT_EQ(client.questions, 0) << "nothing was derived";
}

TEST(PasswordEnvelope, BAD_92_recipients_of_other_kinds_beside_ours_are_left_alone) {
    EcClient client;
    const Bytes envelope = test::cms_by_password(content(), forged_password, 1000);
    const Bytes other = asn1::sequence({asn1::integer(0), test::issuer_and_serial(world().other),
                                        asn1::algorithm("1.2.840.113549.1.1.1"), asn1::octet_string(Bytes(256, 1))});
    for (const Bytes& beside : {other, asn1::tagged(1, {asn1::null()}), asn1::tagged(2, {asn1::null()})}) {
        const auto opened =
            client.open(test::with_recipients(envelope, {beside, test::only_recipient(envelope)}), forged_password);
        EXPECT_TRUE(opens_to(opened, content())) << reason(opened);
    }
}

TEST(PasswordEnvelope, BAD_101_is_not_for_an_rsa_key) {
    const Bytes envelope = test::cms_by_password(content(), forged_password, 1000);
    const auto opened = open_envelope(envelope, world().request_signer, world().client_key.get(), {}, {});
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), ErrorCode::scep_recipient);
    EXPECT_THAT(opened.error().line(), HasSubstr("a recipient by password"));
}

TEST(PasswordEnvelope, ENV_12_is_for_nobody_where_no_challenge_is_to_be_asked_for) {
    EcClient client;
    const auto opened = client.open(test::cms_by_password(content(), forged_password, 1000));
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), ErrorCode::scep_recipient);
    EXPECT_THAT(opened.error().line(), HasSubstr("set envelope = \"password\""));
}

TEST(PasswordEnvelope, SEC_2_a_challenge_that_cannot_be_read_is_the_error) {
    EcClient client;
    const EcRecipient recipient{[&](const KeyAgreement& with) { return client.agree(with); },
                                [] { return Result<Secret>(fail(ErrorCode::challenge_source, "no such file")); }};
    const auto opened =
        open_envelope(test::cms_by_password(content(), forged_password, 1000), client.certificate, recipient, {}, {});
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), ErrorCode::challenge_source);
}

// ----- replies by key agreement -----

TEST(AgreementEnvelope, ENV_12_Q_NDES_10_a_key_agreement_reply_is_opened) {
    for (const keystore::KeySpec spec : {keystore::KeySpec::ec_p256, keystore::KeySpec::ec_p384}) {
        for (const bool by_key : {false, true}) {
            EcClient client(spec);
            const auto opened = client.open(test::cms_by_agreement(content(), client.certificate, by_key));
            EXPECT_TRUE(opens_to(opened, content())) << reason(opened);
            EXPECT_EQ(client.agreements, 1);
        }
    }
}

TEST(AgreementEnvelope, ENV_12_each_hash_and_wrapping_that_openssl_has_is_opened) {
    for (const char* digest : {"sha1", "sha224", "sha256", "sha384", "sha512"}) {
        for (const char* wrap : {"-aes128-wrap", "-aes192-wrap", "-aes256-wrap"}) {
            SCOPED_TRACE(std::string(digest) + wrap);
            EcClient client;
            OpenSslProgram openssl;
            const auto outcome = OpenSslProgram::run(
                {"cms", "-encrypt", "-aes128", "-binary", "-outform", "DER", "-in", openssl.file("content", content()),
                 "-out", openssl.path("envelope"), "-recip", openssl.file("cert.pem", to_pem(client.certificate)),
                 "-keyopt", std::string("ecdh_kdf_md:") + digest, wrap});
            ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
            const std::string octets = openssl.contents("envelope");
            const auto opened = client.open(as_bytes(octets));
            EXPECT_TRUE(opens_to(opened, content())) << reason(opened);
        }
    }
}

TEST(AgreementEnvelope, ENV_10_our_certificate_comes_before_the_challenge) {
    EcClient client;
    const Bytes envelope = test::cms_by_agreement(content(), client.certificate);
    const Bytes both = test::with_recipients(
        envelope, {ForgedPasswordEnvelope().recipient(Bytes(16, 9)), test::only_recipient(envelope)});
    EXPECT_TRUE(opens_to(client.open(both, forged_password), content()));
    EXPECT_EQ(client.questions, 0);
}

TEST(AgreementEnvelope, BAD_91_BAD_92_somebody_elses_is_left_alone) {
    EcClient client;
    EcClient other;
    const auto theirs = client.open(test::cms_by_agreement(content(), other.certificate, true));
    ASSERT_FALSE(theirs);
    EXPECT_EQ(theirs.error().code(), ErrorCode::scep_recipient);
    EXPECT_THAT(theirs.error().line(), HasSubstr("key agreement"));
    const Bytes envelope = test::cms_by_agreement(content(), client.certificate);
    const Bytes beside = test::only_recipient(test::cms_by_agreement(content(), other.certificate, true));
    EXPECT_TRUE(
        opens_to(client.open(test::with_recipients(envelope, {beside, test::only_recipient(envelope)})), content()));
    EXPECT_EQ(client.agreements, 1);
}

/// `envelope` with the sender's point, an encoded BIT STRING, replaced.
Bytes with_point(const Bytes& envelope, const Bytes& bits) {
    const Bytes recipient = test::only_recipient(envelope);
    const auto tree = lab_ca::read_asn1(recipient).value();
    const auto& key = tree.children.at(1).children.at(0);
    const Bytes originator = asn1::tagged(0, {asn1::tagged(1, {key.children.at(0).whole, bits})});
    return test::with_recipients(envelope, {asn1::tagged(1, {tree.children.at(0).whole, originator,
                                                             tree.children.at(2).whole, tree.children.at(3).whole})});
}

TEST(AgreementEnvelope, BAD_102_points_that_are_none_do_not_reach_the_token) {
    EcClient client;
    const Bytes envelope = test::cms_by_agreement(content(), client.certificate);
    const auto bits = [](Bytes point) {
        point.insert(point.begin(), 0);
        return asn1::value(0x03, {point});
    };
    Bytes off_the_curve = client.token.key().public_key.point();
    off_the_curve.back() ^= 1U;
    const SoftwareToken p384(keystore::KeySpec::ec_p384);
    Bytes beyond_the_field(65, 0xFF);
    beyond_the_field[0] = 4;
    Bytes zero(65, 0);
    zero[0] = 4;
    for (const Bytes& point : {off_the_curve, Bytes{0}, Bytes{}, p384.key().public_key.point(), beyond_the_field, zero,
                               Bytes(65, 0), Bytes(33, 2)}) {
        const auto opened = client.open(with_point(envelope, bits(point)));
        ASSERT_FALSE(opened);
        EXPECT_EQ(opened.error().code(), ErrorCode::scep_decrypt) << reason(opened);
        EXPECT_EQ(client.agreements, 0);
    }
    const auto no_octets = client.open(with_point(envelope, asn1::value(0x03, {Bytes{3, 8}})));
    ASSERT_FALSE(no_octets);
    EXPECT_EQ(no_octets.error().code(), ErrorCode::scep_envelope);
}

TEST(AgreementEnvelope, SEC_9_a_key_that_does_not_unwrap_looks_like_content_that_does_not_decrypt) {
    EcClient client;
    EcClient other;
    // The same name and number, so that it is ours, and another key.
    const Bytes wrong_key = test::cms_by_agreement(content(), other.certificate);
    const auto opened = client.open(wrong_key);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), ErrorCode::scep_decrypt);
    EXPECT_EQ(client.agreements, 1);
    Bytes trailing = content();
    trailing.push_back(0);
    const Bytes wrong_content = test::cms_by_agreement(trailing, client.certificate);
    const auto spoilt = client.open(wrong_content);
    ASSERT_FALSE(spoilt);
    EXPECT_EQ(spoilt.error().line(), opened.error().line());
    client.token.fail_with(Error(ErrorCode::token_absent, "gone"));
    EXPECT_EQ(client.open(test::cms_by_agreement(content(), client.certificate)).error().line(), opened.error().line())
        << "the keystore knows the difference";
}

TEST(AgreementEnvelope, ENV_12_other_schemes_are_named) {
    EcClient client;
    const Bytes envelope = test::cms_by_agreement(content(), client.certificate);
    const Bytes recipient = test::only_recipient(envelope);
    const auto tree = lab_ca::read_asn1(recipient).value();
    const auto& fields = tree.children;
    const auto with = [&](const Bytes& originator, const Bytes& algorithm) {
        return client.open(test::with_recipients(
            envelope, {asn1::tagged(1, {fields.at(0).whole, originator, algorithm, fields.at(3).whole})}));
    };
    const Bytes wrap = asn1::sequence({asn1::oid("2.16.840.1.101.3.4.1.5")});
    const auto mqv = with(to_bytes(fields.at(1).whole), asn1::algorithm("1.3.132.1.15.1", wrap));
    ASSERT_FALSE(mqv);
    EXPECT_EQ(mqv.error().code(), ErrorCode::scep_algorithm);
    const auto by_certificate =
        with(asn1::tagged(0, {test::issuer_and_serial(world().ca)}), to_bytes(fields.at(2).whole));
    ASSERT_FALSE(by_certificate);
    EXPECT_EQ(by_certificate.error().code(), ErrorCode::scep_algorithm);
    const auto des_wrap =
        with(to_bytes(fields.at(1).whole),
             asn1::algorithm("1.3.132.1.11.1", asn1::sequence({asn1::oid("1.2.840.113549.1.9.16.3.6")})));
    ASSERT_FALSE(des_wrap);
    EXPECT_EQ(des_wrap.error().code(), ErrorCode::scep_algorithm);
}

TEST(AgreementEnvelope, ENV_12_is_not_for_an_rsa_key) {
    EcClient client;
    const auto opened = open_envelope(test::cms_by_agreement(content(), client.certificate), world().request_signer,
                                      world().client_key.get(), {}, {});
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), ErrorCode::scep_recipient);
}

// ----- damage -----

TEST(EcEnvelope, SEC_11_what_is_cut_or_changed_anywhere_is_an_error_or_our_content) {
    EcClient client;
    for (const Bytes& whole : {test::cms_by_password(content(), forged_password, 1),
                               test::cms_by_agreement(content(), client.certificate)}) {
        const Bytes recipient = test::only_recipient(whole);
        const auto end = std::ranges::search(whole, recipient).end();
        const auto before_content = static_cast<std::size_t>(end - whole.begin());
        for (std::size_t size = 0; size < whole.size(); ++size) {
            const auto opened = client.open(ByteView(whole).first(size), forged_password);
            ASSERT_FALSE(opened) << size;
        }
        ParseLimits limits;
        limits.max_pbkdf2 = 1000;
        for (std::size_t at = 0; at < before_content; ++at) {
            for (const std::uint8_t bit : {0x01, 0x80}) {
                Bytes changed = whole;
                changed[at] ^= bit;
                const auto opened = client.open(changed, forged_password, limits);
                ASSERT_TRUE(!opened || equal(opened->content.reveal(), content())) << at;
            }
        }
    }
}

}  // namespace
}  // namespace hwenroll::scep
