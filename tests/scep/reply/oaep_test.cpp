// Replies whose content key is encrypted by RSAES-OAEP (ENV-18, SEC-10, BAD-99, SEC-9).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/pem.h"
#include "keystore/openssl/key_provider.h"
#include "tests/scep/reply/asn1_forge.h"
#include "tests/scep/reply/reply_forge.h"
#include "tests/scep/request/counting_token.h"
#include "tests/scep/request/openssl_program.h"
#include "transport/scep/envelope_algorithms.h"

namespace hwenroll::scep {
namespace {

namespace asn1 = test::asn1;
using test::ForgedEnvelope;
using test::world;
using ::testing::HasSubstr;

constexpr const char* oid_oaep = "1.2.840.113549.1.1.7";
constexpr const char* oid_mgf1 = "1.2.840.113549.1.1.8";
constexpr const char* oid_label = "1.2.840.113549.1.1.9";
constexpr const char* oid_sha1 = "1.3.14.3.2.26";
constexpr const char* oid_sha256 = "2.16.840.1.101.3.4.2.1";
constexpr const char* oid_sha512 = "2.16.840.1.101.3.4.2.3";
constexpr const char* oid_md5 = "1.2.840.113549.2.5";

Bytes hash_of(const char* hash) {
    return asn1::tagged(0, {asn1::algorithm(hash)});
}

Bytes mask_of(const char* hash) {
    return asn1::tagged(1, {asn1::algorithm(oid_mgf1, asn1::algorithm(hash))});
}

Bytes label_of(ByteView label) {
    return asn1::tagged(2, {asn1::sequence({asn1::oid(oid_label), asn1::octet_string(label)})});
}

/// By OAEP with `hash` in truth; what it says of that is `parameters`.
ForgedEnvelope oaep_envelope(const EVP_MD* hash, std::optional<Bytes> parameters) {
    ForgedEnvelope envelope;
    envelope.transport_oid = oid_oaep;
    envelope.oaep = hash;
    envelope.transport_parameters = std::move(parameters);
    return envelope;
}

Result<Secret> open(const ForgedEnvelope& envelope) {
    return open_envelope(envelope.build(), world().request_signer, world().client_key.get(), {}, {});
}

bool opens_to(const Result<Secret>& opened, const Bytes& plaintext) {
    return opened && equal(opened->reveal(), plaintext);
}

TEST(OaepEnvelope, ENV_18_opens_with_SHA_1_and_SHA_256_by_whole_parameters) {
    const std::pair<const EVP_MD*, Bytes> cases[] = {
        {EVP_sha1(), asn1::sequence({})},  // all of RFC 4055's defaults, as DER writes them
        {EVP_sha1(), asn1::sequence({hash_of(oid_sha1), mask_of(oid_sha1), label_of({})})},
        {EVP_sha256(), asn1::sequence({hash_of(oid_sha256), mask_of(oid_sha256)})},
        {EVP_sha256(), asn1::sequence({hash_of(oid_sha256), mask_of(oid_sha256), label_of({})})},
    };
    for (const auto& [hash, parameters] : cases) {
        const ForgedEnvelope envelope = oaep_envelope(hash, parameters);
        const auto opened = open(envelope);
        EXPECT_TRUE(opens_to(opened, envelope.plaintext))
            << to_hex(parameters) << (opened ? "" : opened.error().line());
    }
}

// openssl's own idea of both, in place of ours.
TEST(OaepEnvelope, ENV_18_opens_what_openssl_makes) {
    for (const char* hash : {"sha1", "sha256"}) {
        test::OpenSslProgram openssl;
        const auto made = test::OpenSslProgram::run(
            {"cms", "-encrypt", "-binary", "-aes-128-cbc", "-outform", "DER", "-in",
             openssl.file("plain", asn1::sequence({asn1::integer(5)})), "-out", openssl.path("envelope"), "-recip",
             openssl.file("own.pem", to_pem(world().request_signer)), "-keyopt", "rsa_padding_mode:oaep", "-keyopt",
             std::string("rsa_oaep_md:") + hash});
        ASSERT_EQ(made.exit_code, 0) << made.err;
        const std::string text = openssl.contents("envelope");
        const auto opened = open_envelope(as_bytes(text), world().request_signer, world().client_key.get(), {}, {});
        EXPECT_TRUE(opens_to(opened, asn1::sequence({asn1::integer(5)})))
            << hash << (opened ? "" : opened.error().line());
    }
}

// BAD-99, SEC-10: nothing takes the place of parameters that are not there or cannot be read; PKCS#1 v1.5, which this
// content key would open by, least of all.
TEST(OaepEnvelope, BAD_99_SEC_10_ENV_18_never_falls_back) {
    struct Bad {
        const char* id;
        std::optional<Bytes> parameters;
        const char* says;
    };
    Bytes cut = asn1::sequence({hash_of(oid_sha256), mask_of(oid_sha256)});
    cut[1] -= 2;
    cut.resize(cut.size() - 2);
    const Bad cases[] = {
        {"none", Bytes(), "parameters are missing"},
        {"NULL", asn1::null(), "cannot be read"},
        {"an OCTET STRING", asn1::octet_string(Bytes(4, 1)), "cannot be read"},
        {"an unknown member", asn1::sequence({asn1::tagged(3, {asn1::null()})}), "cannot be read"},
        {"members out of order", asn1::sequence({mask_of(oid_sha256), hash_of(oid_sha256)}), "cannot be read"},
        {"a mask without a hash", asn1::sequence({asn1::tagged(1, {asn1::sequence({asn1::oid(oid_mgf1)})})}),
         "cannot be read"},
        {"MD5", asn1::sequence({hash_of(oid_md5), mask_of(oid_md5)}), "its hash is md5"},
        {"SHA-512", asn1::sequence({hash_of(oid_sha512), mask_of(oid_sha512)}), "its hash is sha512"},
        {"two hashes", asn1::sequence({hash_of(oid_sha256)}), "one hash in both"},
        {"another mask", asn1::sequence({asn1::tagged(1, {asn1::algorithm(oid_label, asn1::algorithm(oid_sha1))})}),
         "one hash in both"},
        {"a label", asn1::sequence({label_of(as_bytes("x"))}), "has a label"},
    };
    for (const Bad& bad : cases) {
        for (const EVP_MD* hash : {static_cast<const EVP_MD*>(nullptr), EVP_sha1(), EVP_sha256()}) {
            const auto opened = open(oaep_envelope(hash, bad.parameters));
            ASSERT_FALSE(opened) << bad.id;
            EXPECT_EQ(opened.error().code(), ErrorCode::scep_algorithm) << bad.id << ": " << opened.error().line();
            EXPECT_THAT(opened.error().line(), HasSubstr(bad.says)) << bad.id;
        }
    }
    const auto unreadable = open(oaep_envelope(nullptr, cut));
    EXPECT_FALSE(unreadable);
    ForgedEnvelope other;
    other.transport_oid = "1.2.840.113549.1.1.10";
    EXPECT_EQ(open(other).error().code(), ErrorCode::scep_algorithm);
}

// SEC-9, SEC-10: what was not encrypted as it says has the one face of every failure.
TEST(OaepEnvelope, SEC_9_SEC_10_another_padding_than_it_says_does_not_open) {
    const Bytes sha1 = asn1::sequence({});
    const Bytes sha256 = asn1::sequence({hash_of(oid_sha256), mask_of(oid_sha256)});
    ForgedEnvelope v15_says_oaep = oaep_envelope(nullptr, sha1);
    ForgedEnvelope oaep_says_v15;
    oaep_says_v15.oaep = EVP_sha1();
    ForgedEnvelope spoilt = oaep_envelope(EVP_sha256(), sha256);
    spoilt.encrypted_key = Bytes(256, 0x11);
    std::string face;
    for (const ForgedEnvelope& envelope :
         {v15_says_oaep, oaep_says_v15, oaep_envelope(EVP_sha256(), sha1), oaep_envelope(EVP_sha1(), sha256), spoilt}) {
        const auto opened = open(envelope);
        ASSERT_FALSE(opened);
        EXPECT_EQ(opened.error().code(), ErrorCode::scep_decrypt);
        face = face.empty() ? opened.error().line() : face;
        EXPECT_EQ(opened.error().line(), face);
    }
}

/// Remembers by what it was asked to decrypt, and offers no OAEP.
class PlainToken : public test::CountingToken {
 public:
    explicit PlainToken(const test::Key& key) : CountingToken(key) {}

    Result<Secret> decrypt(const keystore::KeyReference& /*key*/, keystore::DecryptMechanism mechanism,
                           ByteView /*ciphertext*/) override {
        asked.push_back(mechanism);
        return fail(ErrorCode::scep_algorithm, "token 'lab' does not decrypt by RSAES-OAEP", "CKR_ARGUMENTS_BAD");
    }

    std::vector<keystore::DecryptMechanism> asked;
};

// ENV-18: the token is asked for what the envelope says, once, and why it could not is not lost.
TEST(OaepEnvelope, ENV_18_SEC_10_the_token_is_asked_once_by_the_mechanism_of_the_envelope) {
    using keystore::DecryptMechanism;
    const auto token = std::make_shared<PlainToken>(world().client_key);
    const OpenSslPtr<EVP_PKEY> key = test::token_key(token, world().client_key);
    for (const ForgedEnvelope& envelope :
         {oaep_envelope(EVP_sha1(), asn1::sequence({})),
          oaep_envelope(EVP_sha256(), asn1::sequence({hash_of(oid_sha256), mask_of(oid_sha256)})), ForgedEnvelope()}) {
        EXPECT_EQ(open_envelope(envelope.build(), world().request_signer, key.get(), {}, {}).error().code(),
                  ErrorCode::scep_decrypt);
        ASSERT_TRUE(keystore::last_key_error(key.get()));
        EXPECT_EQ(keystore::last_key_error(key.get())->code(), ErrorCode::scep_algorithm);
    }
    EXPECT_THAT(token->asked, testing::ElementsAre(DecryptMechanism::rsa_oaep_sha1, DecryptMechanism::rsa_oaep_sha256,
                                                   DecryptMechanism::rsa_pkcs1));
}

TEST(EnvelopeAlgorithms, SEC_5_are_told_as_the_envelope_names_them) {
    const auto told = [](const ForgedEnvelope& envelope) {
        return algorithms_of(envelope.build(), world().request_signer, {}).value();
    };
    EXPECT_EQ(told({}).cipher, ContentCipher::aes128);
    EXPECT_EQ(told({}).key_encryption, "RSAES-PKCS1-v1_5");
    EXPECT_EQ(
        told(oaep_envelope(EVP_sha256(), asn1::sequence({hash_of(oid_sha256), mask_of(oid_sha256)}))).key_encryption,
        "RSAES-OAEP with SHA-256");
    EXPECT_EQ(told(oaep_envelope(EVP_sha1(), Bytes())).key_encryption, "rsaesOaep") << "what is refused has a name too";
    ForgedEnvelope other;
    other.cipher_oid = "1.2.840.113549.3.2";
    EXPECT_FALSE(told(other).cipher) << "RC2";
    other.recipient_id = test::issuer_and_serial(world().other);
    EXPECT_EQ(told(other).key_encryption, "");
    EXPECT_FALSE(algorithms_of(as_bytes("garbage"), world().request_signer, {}));
}

}  // namespace
}  // namespace hwenroll::scep
