// Opening of envelopes (ENV-*, SEC-9, BAD-91 … BAD-106).
// Not here: BAD-100 and BAD-102 (ec_envelope_test.cpp), BAD-104 (the count of failures is the lifecycle's).
#include "transport/scep/envelope.h"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "base/pem.h"
#include "tests/scep/reply/asn1_forge.h"
#include "tests/scep/reply/reply_forge.h"
#include "tests/scep/request/counting_token.h"
#include "tests/scep/request/openssl_program.h"
#include "transport/scep/certification_request.h"

namespace hwenroll::scep {
namespace {

namespace asn1 = test::asn1;
using test::ForgedEnvelope;
using test::issued_leaf;
using test::world;
using ::testing::HasSubstr;

Result<Secret> open(const ForgedEnvelope& envelope, const LegacyPermissions& legacy = {}) {
    return open_envelope(envelope.build(), world().request_signer, world().client_key.get(), legacy, {});
}

bool opens_to(const Result<Secret>& opened, const Bytes& plaintext) {
    return opened && equal(opened->reveal(), plaintext);
}

// ENV-10, ENV-16, ALG-9
TEST(Envelope, ALG_9_ENV_10_ENV_16_BAD_92_good_envelopes_open) {
    struct Good {
        const char* id;
        std::function<void(ForgedEnvelope&)> change;
    };
    const Good cases[] = {
        {"AES-128", [](auto& /*e*/) {}},
        {"AES-192",
         [](auto& e) {
             e.cipher = "AES-192-CBC";
             e.cipher_oid = "2.16.840.1.101.3.4.1.22";
         }},
        {"AES-256",
         [](auto& e) {
             e.cipher = "AES-256-CBC";
             e.cipher_oid = "2.16.840.1.101.3.4.1.42";
         }},
        {"3DES",
         [](auto& e) {
             e.cipher = "DES-EDE3-CBC";
             e.cipher_oid = "1.2.840.113549.3.7";
         }},
        {"by subject key", [](auto& e) { e.recipient_id = test::subject_key_id(world().request_signer); }},
        {"content in pieces", [](auto& e) { e.content_in_pieces = true; }},
        {"BAD-92 ours second",
         [](auto& e) {
             e.more_recipients = {
                 asn1::sequence({asn1::integer(0), test::issuer_and_serial(world().other),
                                 asn1::algorithm("1.2.840.113549.1.1.1"), asn1::octet_string(Bytes(256, 1))}),
                 asn1::tagged(3, {asn1::null()})};
         }},
    };
    for (const Good& one : cases) {
        SCOPED_TRACE(one.id);
        ForgedEnvelope envelope;
        one.change(envelope);
        const auto opened = open(envelope, {false, true, false, false});
        EXPECT_TRUE(opens_to(opened, envelope.plaintext)) << (opened ? "other content" : opened.error().line());
    }
}

TEST(Envelope, ENV_20_originator_and_unprotected_attributes_are_ignored) {
    ForgedEnvelope envelope;
    envelope.originator = asn1::tagged(0, {asn1::tagged(0, {world().other.der()})});
    envelope.unprotected_attributes = asn1::tagged(
        1, {asn1::sequence({asn1::oid("1.2.840.113549.1.9.4"), asn1::set({asn1::octet_string(Bytes(32, 1))})})});
    const auto opened = open(envelope);
    EXPECT_TRUE(opens_to(opened, envelope.plaintext)) << (opened ? "other content" : opened.error().line());
}

// ENV-10: the certificate that we make for a first request can be named by its subject key identifier (version 2).
TEST(Envelope, ENV_10_openssl_addresses_our_own_signer_certificate_by_its_key_identifier) {
    const auto signer = build_signer_certificate(
        DistinguishedName::from_text("CN=web01").value(), world().client_key.get(), Bytes(16, 0x5A),
        test::present() - std::chrono::days(1), test::present() + std::chrono::days(14), Digest::sha256);
    ASSERT_TRUE(signer) << signer.error().line();
    const Bytes content = test::degenerate({issued_leaf().der()});
    test::OpenSslProgram openssl;
    const auto outcome = test::OpenSslProgram::run(
        {"cms", "-encrypt", "-keyid", "-aes128", "-binary", "-outform", "DER", "-in", openssl.file("content", content),
         "-out", openssl.path("envelope"), "-recip", openssl.file("signer.pem", to_pem(*signer))});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    const std::string octets = openssl.contents("envelope");
    const Bytes envelope = to_bytes(as_bytes(octets));
    const auto data = parse_enveloped_data(envelope, {});
    ASSERT_TRUE(data) << data.error().line();
    ASSERT_EQ(data->recipients.size(), 1U);
    EXPECT_TRUE(data->recipients[0].id.subject_key_id) << "the test's own premise";
    EXPECT_TRUE(opens_to(open_envelope(envelope, *signer, world().client_key.get(), {}, {}), content));
    EXPECT_EQ(open_envelope(envelope, world().other, world().other_key.get(), {}, {}).error().code(),
              ErrorCode::scep_recipient)
        << "another key has another identifier";
}

struct BadEnvelope {
    const char* id;
    ErrorCode code;
    const char* word;
    std::function<void(ForgedEnvelope&)> spoil;
};

TEST(Envelope, ENV_17_SEC_10_BAD_91_BAD_96_to_BAD_99_spoilt_envelopes_are_refused_for_what_is_wrong) {
    const auto other_recipient = [](std::uint8_t tag) {
        return [tag](ForgedEnvelope& e) {
            e.recipient_id = test::issuer_and_serial(world().other);
            e.more_recipients = {asn1::value(tag, {asn1::integer(0)})};
        };
    };
    const BadEnvelope cases[] = {
        {"BAD-91", ErrorCode::scep_recipient, "serial",
         [](auto& e) { e.recipient_id = test::issuer_and_serial(world().other); }},
        {"BAD-91 same name, other serial", ErrorCode::scep_recipient, "serial",
         [](auto& e) {
             e.recipient_id = asn1::sequence({world().request_signer.issuer().der(), asn1::integer(9)});
         }},
        {"BAD-101 password", ErrorCode::scep_recipient, "password", other_recipient(0xA3)},
        {"by key agreement", ErrorCode::scep_recipient, "key agreement", other_recipient(0xA1)},
        {"BAD-96", ErrorCode::scep_algorithm, "des-cbc-reply",
         [](auto& e) {
             e.cipher_oid = "1.3.14.3.2.7";
             e.iv_parameters = asn1::octet_string(Bytes(8, 1));
         }},
        {"3DES without permission", ErrorCode::scep_algorithm, "des3",
         [](auto& e) {
             e.cipher = "DES-EDE3-CBC";
             e.cipher_oid = "1.2.840.113549.3.7";
         }},
        {"BAD-97 RC2", ErrorCode::scep_algorithm, "rc2", [](auto& e) { e.cipher_oid = "1.2.840.113549.3.2"; }},
        {"BAD-97 GCM", ErrorCode::scep_algorithm, "gcm", [](auto& e) { e.cipher_oid = "2.16.840.1.101.3.4.1.6"; }},
        {"BAD-97 unknown", ErrorCode::scep_algorithm, "1.2.3.4", [](auto& e) { e.cipher_oid = "1.2.3.4"; }},
        {"BAD-97 AuthEnvelopedData", ErrorCode::scep_algorithm, "AuthEnvelopedData",
         [](auto& e) { e.content_info_oid = "1.2.840.113549.1.9.16.1.23"; }},
        {"no EnvelopedData", ErrorCode::scep_envelope, "data",
         [](auto& e) { e.content_info_oid = "1.2.840.113549.1.7.1"; }},
        {"BAD-98 no IV", ErrorCode::scep_envelope, "16", [](auto& e) { e.iv_parameters = Bytes{}; }},
        {"BAD-98 IV of 8 octets", ErrorCode::scep_envelope, "16",
         [](auto& e) { e.iv_parameters = asn1::octet_string(Bytes(8, 1)); }},
        {"BAD-98 IV of 0 octets", ErrorCode::scep_envelope, "16",
         [](auto& e) { e.iv_parameters = asn1::octet_string({}); }},
        {"BAD-98 IV as INTEGER", ErrorCode::scep_envelope, "16",
         [](auto& e) { e.iv_parameters = asn1::value(0x02, {Bytes(16, 1)}); }},
        {"BAD-99 OAEP", ErrorCode::scep_algorithm, "", [](auto& e) { e.transport_oid = "1.2.840.113549.1.1.7"; }},
        {"ENV-16 detached", ErrorCode::scep_envelope, "no encrypted content", [](auto& e) { e.content_absent = true; }},
    };
    for (const BadEnvelope& one : cases) {
        SCOPED_TRACE(one.id);
        ForgedEnvelope envelope;
        one.spoil(envelope);
        const auto opened = open(envelope);
        ASSERT_FALSE(opened);
        EXPECT_EQ(opened.error().code(), one.code) << opened.error().line();
        EXPECT_THAT(opened.error().line(), HasSubstr(one.word));
    }
}

TEST(Envelope, a_body_that_is_none_is_refused) {
    for (const Bytes& body : {Bytes{}, Bytes{0}, asn1::octet_string(Bytes(20, 1)), world().ca.der()}) {
        const auto opened = open_envelope(body, world().request_signer, world().client_key.get(), {}, {});
        ASSERT_FALSE(opened);
        EXPECT_EQ(opened.error().code(), ErrorCode::scep_envelope) << opened.error().line();
    }
}

/// A ciphertext of the right length without the padding of PKCS#1.
Bytes without_padding() {
    Bytes block(256, 0x5A);
    block[0] = 0;
    const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, world().client_key.get(), nullptr));
    Bytes out(256);
    std::size_t size = out.size();
    EVP_PKEY_encrypt_init(context.get());
    EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_NO_PADDING);
    EXPECT_EQ(EVP_PKEY_encrypt(context.get(), out.data(), &size, block.data(), block.size()), 1);
    return out;
}

Bytes trailing_garbage() {
    Bytes text = ForgedEnvelope().plaintext;
    text.push_back(0);
    return text;
}

// SEC-9, ENV-15, BAD-93, BAD-94, BAD-95, BAD-103, BAD-106: one face for all of them.
TEST(Envelope, SEC_9_ENV_15_BAD_93_to_BAD_95_BAD_106_every_failure_behind_the_recipient_check_looks_the_same) {
    struct Unopenable {
        const char* id;
        std::function<void(ForgedEnvelope&)> spoil;
    };
    const Unopenable cases[] = {
        {"BAD-93 padding", [](auto& e) { e.encrypted_key = without_padding(); }},
        {"BAD-93 zeros", [](auto& e) { e.encrypted_key = Bytes(256, 0); }},
        {"BAD-93 larger than the modulus", [](auto& e) { e.encrypted_key = Bytes(256, 0xFF); }},
        {"BAD-94 key too short", [](auto& e) { e.content_key = Bytes(8, 1); }},
        {"BAD-94 key too long", [](auto& e) { e.content_key = Bytes(32, 1); }},
        {"BAD-94 empty key", [](auto& e) { e.content_key = Bytes{}; }},
        {"another key", [](auto& e) { e.content_key = Bytes(16, 1); }},
        {"BAD-95 half a block", [](auto& e) { e.encrypted_content = Bytes(24, 1); }},
        {"BAD-95 empty", [](auto& e) { e.encrypted_content = Bytes{}; }},
        {"BAD-103 too long", [](auto& e) { e.encrypted_key = Bytes(257, 1); }},
        {"BAD-103 too short", [](auto& e) { e.encrypted_key = Bytes(128, 1); }},
        {"BAD-103 one octet too short", [](auto& e) { e.shortened_key = true; }},
        {"BAD-103 empty", [](auto& e) { e.encrypted_key = Bytes{}; }},
        {"BAD-106 trailing octet", [](auto& e) { e.plaintext = trailing_garbage(); }},
        {"plaintext is no ASN.1", [](auto& e) { e.plaintext = Bytes(100, 0xFF); }},
        {"plaintext is empty", [](auto& e) { e.plaintext.clear(); }},
    };
    std::string face;
    for (const Unopenable& one : cases) {
        SCOPED_TRACE(one.id);
        ForgedEnvelope envelope;
        one.spoil(envelope);
        const auto opened = open(envelope);
        ASSERT_FALSE(opened);
        EXPECT_EQ(opened.error().code(), ErrorCode::scep_decrypt) << opened.error().line();
        face = face.empty() ? opened.error().line() : face;
        EXPECT_EQ(opened.error().line(), face);
    }
}

/// Decrypts with a software key, and counts.
class OpeningToken : public test::CountingToken {
 public:
    explicit OpeningToken(const test::Key& key) : CountingToken(key), key_(key) {}

    Result<Secret> decrypt(const keystore::KeyReference& /*key*/, keystore::DecryptMechanism /*mechanism*/,
                           ByteView ciphertext) override {
        ++decryptions;
        const OpenSslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, key_.get(), nullptr));
        Bytes out(static_cast<std::size_t>(EVP_PKEY_get_size(key_.get())));
        std::size_t size = out.size();
        if (refuse || EVP_PKEY_decrypt_init(context.get()) != 1 ||
            EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) != 1 ||
            EVP_PKEY_decrypt(context.get(), out.data(), &size, ciphertext.data(), ciphertext.size()) != 1) {
            return fail(ErrorCode::token_operation, "C_Decrypt failed", "CKR_ENCRYPTED_DATA_INVALID");
        }
        out.resize(size);
        return Secret(std::move(out));
    }

 private:
    test::Key key_;
};

// SEC-9 (2), TOK-1, BAD-103: one private operation for an envelope of ours, none for one that cannot be.
TEST(Envelope, SEC_9_TOK_1_TOK_6_BAD_103_the_token_is_asked_once_and_only_for_what_can_be_a_ciphertext) {
    const auto token = std::make_shared<OpeningToken>(world().client_key);
    const OpenSslPtr<EVP_PKEY> key = test::token_key(token, world().client_key);
    const auto open_on_token = [&](const ForgedEnvelope& envelope) {
        token->decryptions = 0;
        return open_envelope(envelope.build(), world().request_signer, key.get(), {}, {});
    };
    ForgedEnvelope good;
    EXPECT_TRUE(opens_to(open_on_token(good), good.plaintext));
    EXPECT_EQ(token->decryptions, 1);

    ForgedEnvelope bad_padding;
    bad_padding.encrypted_key = without_padding();
    EXPECT_EQ(open_on_token(bad_padding).error().code(), ErrorCode::scep_decrypt);
    EXPECT_EQ(token->decryptions, 1);

    ForgedEnvelope too_long;
    too_long.encrypted_key = Bytes(257, 1);
    EXPECT_EQ(open_on_token(too_long).error().code(), ErrorCode::scep_decrypt);
    ForgedEnvelope foreign;
    foreign.recipient_id = test::issuer_and_serial(world().other);
    EXPECT_EQ(open_on_token(foreign).error().code(), ErrorCode::scep_recipient);
    EXPECT_EQ(token->decryptions, 0);

    token->refuse = true;
    EXPECT_EQ(open_on_token(good).error().code(), ErrorCode::scep_decrypt);
    EXPECT_EQ(ERR_peek_error(), 0UL);
}

// REN-3, ENV-10, ENV-11: a renewal's reply, made by openssl for the certificate that signed the request, opens with the
// key of that certificate and not with the one of the CSR.
TEST(Envelope, REN_3_ENV_10_the_reply_to_a_renewal_opens_with_the_key_of_the_present_certificate) {
    auto present_spec = test::leaf_spec();
    present_spec.extensions.emplace_back("subjectKeyIdentifier", "hash");
    const Certificate present = issued_leaf(present_spec);
    const test::Key new_key = test::rsa_key(8);
    auto spec = test::leaf_spec();
    spec.serial = 4712;
    const Bytes plaintext =
        test::degenerate({test::issued(spec, new_key, world().ca, world().ca_key).der(), world().ca.der()});
    for (const bool by_key : {false, true}) {
        test::OpenSslProgram openssl;
        std::vector<std::string> arguments{"cms",      "-encrypt",
                                           "-binary",  "-aes-128-cbc",
                                           "-outform", "DER",
                                           "-in",      openssl.file("plain", plaintext),
                                           "-out",     openssl.path("envelope"),
                                           "-recip",   openssl.file("present.pem", to_pem(present))};
        if (by_key) {
            arguments.emplace_back("-keyid");
        }
        const auto made = test::OpenSslProgram::run(arguments);
        ASSERT_EQ(made.exit_code, 0) << made.err;
        const std::string text = openssl.contents("envelope");
        const auto token = std::make_shared<OpeningToken>(world().client_key);
        const auto opened =
            open_envelope(as_bytes(text), present, test::token_key(token, world().client_key).get(), {}, {});
        ASSERT_TRUE(opens_to(opened, plaintext)) << opened.error().line();
        EXPECT_EQ(token->decryptions, 1);
        EXPECT_EQ(open_envelope(as_bytes(text), present, new_key.get(), {}, {}).error().code(),
                  ErrorCode::scep_decrypt);
        EXPECT_EQ(open_envelope(as_bytes(text), world().ra, world().ra_key.get(), {}, {}).error().code(),
                  ErrorCode::scep_recipient);
        IssueExpectation expected = world().issue;
        expected.public_key = PublicKey::of(new_key.get()).value();
        expected.current = present;
        const auto judged = accept_certificate(read_degenerate(opened->reveal(), {}).value(), expected);
        ASSERT_FALSE(judged) << "as long as the present one";
        EXPECT_EQ(judged.error().code(), ErrorCode::scep_no_progress);
        expected.current = issued_leaf([] {
            auto shorter = test::leaf_spec();
            shorter.not_after -= std::chrono::days(300);
            return shorter;
        }());
        EXPECT_TRUE(accept_certificate(read_degenerate(opened->reveal(), {}).value(), expected));
    }
}

}  // namespace
}  // namespace hwenroll::scep
