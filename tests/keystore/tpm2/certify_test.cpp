// Evidence that a TPM holds a key (TPM2_Certify), as its verifier reads it.
#include <cstdlib>
#include <tss2/tss2_mu.h>

#include <gmock/gmock.h>

#include "keystore/evidence_signature.h"
#include "tests/keystore/tpm2/tpm_test.h"
#include "tests/support/test_paths.h"

namespace hwenroll::keystore::test {
namespace {

using ::hwenroll::test::read_file;
using ::hwenroll::test::run;
using ::hwenroll::test::write_file;
using ::testing::HasSubstr;

const Bytes nonce(32, 0xA5);

TPMT_PUBLIC area_in(const Bytes& octets) {
    TPM2B_PUBLIC area{};
    std::size_t offset = 0;
    EXPECT_EQ(Tss2_MU_TPM2B_PUBLIC_Unmarshal(octets.data(), octets.size(), &offset, &area), TSS2_RC_SUCCESS);
    EXPECT_EQ(offset, octets.size());
    return area.publicArea;
}

class Certify : public TpmTest {
 protected:
    /// A P-256 key that the caller keeps.
    [[nodiscard]] KeyReference new_key(std::uint8_t id = 1) const {
        return logged_in()->generate(KeySpec::ec_p256, key_id(id), "web").value().key;
    }

    [[nodiscard]] KeyEvidence evidence_of(const KeyReference& key) const {
        auto evidence = logged_in()->certify(key, nonce);
        EXPECT_TRUE(evidence) << evidence.error().line();
        return evidence.value_or(KeyEvidence());
    }

    /// DER of a certificate with about `size` octets.
    [[nodiscard]] Bytes certificate(std::size_t size, const std::string& name = "ek") const {
        const auto at = [&](const char* file) { return (tpm_.directory() / file).string(); };
        const auto made = run({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                               "-nodes", "-keyout", at("ek.key"), "-outform", "der", "-out", at("ek.der"), "-subj",
                               "/CN=" + name, "-addext", "nsComment=" + std::string(size > 400 ? size - 400 : 0, 'x')});
        EXPECT_EQ(made.exit_code, 0) << made.err;
        return to_bytes(as_bytes(read_file(at("ek.der"))));
    }

    /// Defines an NV index as manufacturers do, as far as an owner can, and writes it.
    void keep(const std::string& index, const Bytes& octets,
              const std::string& attributes = "ownerread|authread|no_da|ownerwrite") const {
        write_file(tpm_.directory() / "index", std::string(as_text(octets)));
        tpm_.must({"tpm2_nvdefine", "-Q", "-C", "o", "-s", std::to_string(octets.size()), "-a", attributes, index});
        tpm_.must({"tpm2_nvwrite", "-Q", "-C", "o", "-i", "index", index});
    }

    /// The key is not certified: token_attest, with this in its text.
    void expect_not_attested(const KeyReference& key, const std::string& why) const {
        const auto refused = logged_in()->certify(key, nonce);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code(), ErrorCode::token_attest);
        EXPECT_THAT(refused.error().line(), HasSubstr(why));
        expect_nothing_loaded();
    }
};

class CertifyKind : public Certify, public ::testing::WithParamInterface<KeySpec> {};

TEST_P(CertifyKind, certifies_a_key_that_the_caller_keeps) {
    const auto token = logged_in();
    const auto key = token->generate(GetParam(), key_id(1), "web").value().key;
    const auto evidence = token->certify(key, nonce);
    ASSERT_TRUE(evidence) << evidence.error().line();
    expect_certified(*evidence, key, nonce);
    expect_nothing_loaded();
}

TEST_P(CertifyKind, certifies_a_persistent_key) {
    const auto token = logged_in(persistent_options());
    const auto key = token->generate(GetParam(), key_id(1), "web").value().key;
    const auto evidence = token->certify(key, nonce);
    ASSERT_TRUE(evidence) << evidence.error().line();
    expect_certified(*evidence, key, nonce);
    expect_nothing_loaded();
}

INSTANTIATE_TEST_SUITE_P(Kinds, CertifyKind, ::testing::Values(KeySpec::rsa_2048, KeySpec::ec_p256, KeySpec::ec_p384),
                         [](const auto& test) {
                             return (is_ec(test.param) ? "P" : "RSA") + std::to_string(bits_of(test.param));
                         });

TEST_F(Certify, its_attestation_key_signs_only_what_the_TPM_itself_says) {
    const auto area = area_in(evidence_of(new_key()).attestation_public);
    constexpr TPMA_OBJECT needed = TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                   TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_NODA;
    EXPECT_EQ(area.objectAttributes & needed, needed);
    EXPECT_EQ(area.objectAttributes & TPMA_OBJECT_DECRYPT, 0U);
    EXPECT_EQ(area.type, TPM2_ALG_ECC);
    EXPECT_EQ(area.parameters.eccDetail.curveID, TPM2_ECC_NIST_P256);
    EXPECT_EQ(area.parameters.eccDetail.scheme.scheme, TPM2_ALG_ECDSA);
    EXPECT_EQ(area.parameters.eccDetail.scheme.details.ecdsa.hashAlg, TPM2_ALG_SHA256);
}

TEST_F(Certify, its_attestation_key_is_the_TPM_s_for_life) {
    const KeyEvidence first = evidence_of(new_key());
    EXPECT_EQ(evidence_of(new_key()).attestation_public, first.attestation_public);
    EXPECT_EQ(evidence_of(new_key()).attestation_key, first.attestation_key);
    tpm_.stop();
    tpm_.start();
    EXPECT_EQ(evidence_of(new_key()).attestation_public, first.attestation_public);
    tpm_.must({"tpm2_clear"});
    EXPECT_EQ(evidence_of(new_key()).attestation_public, first.attestation_public);
    tpm_.replace();
    EXPECT_NE(evidence_of(new_key()).attestation_key, first.attestation_key);
}

TEST_F(Certify, another_key_and_another_nonce_have_other_evidence) {
    const auto token = logged_in();
    const KeyReference key = new_key(1);
    const KeyReference other = new_key(2);
    const auto of_key = token->certify(key, nonce).value();
    const auto of_other = token->certify(other, nonce).value();
    EXPECT_NE(of_key.key_public, of_other.key_public);
    EXPECT_NE(of_key.certify_info, of_other.certify_info);
    expect_certified(of_other, other, nonce);
    expect_certified(token->certify(key, Bytes(32, 1)).value(), key, Bytes(32, 1));
}

TEST_F(Certify, a_nonce_has_1_to_64_octets) {
    const auto token = logged_in();
    const KeyReference key = new_key();
    for (const std::size_t size : {1, 64}) {
        const auto evidence = token->certify(key, Bytes(size, 7));
        ASSERT_TRUE(evidence) << evidence.error().line();
        expect_certified(*evidence, key, Bytes(size, 7));
    }
    for (const std::size_t size : {0, 65}) {
        const auto refused = token->certify(key, Bytes(size, 7));
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code(), ErrorCode::token_operation);
        EXPECT_THAT(refused.error().why(), HasSubstr("a nonce has 1 to 64 octets, not " + std::to_string(size)));
    }
}

TEST_F(Certify, a_key_with_an_authorization_value_is_certified_by_it) {
    const Tpm2Options options = with_auth("canary-4711");
    const auto key = logged_in(options)->generate(KeySpec::rsa_2048, key_id(1), "web").value().key;
    const auto evidence = logged_in(options)->certify(key, nonce);
    ASSERT_TRUE(evidence) << evidence.error().line();
    expect_certified(*evidence, key, nonce);
    const auto without = logged_in()->certify(key, nonce);
    ASSERT_FALSE(without);
    EXPECT_EQ(without.error().code(), ErrorCode::token_pin_source);
}

// Invariant 6.
TEST_F(Certify, P2_T9_a_refused_value_is_given_to_its_key_once) {
    make_counting_key();
    const auto token = logged_in(with_auth("wrong"));
    const auto key = token->find(counting_id_).value()->key;
    for (int tries = 0; tries < 3; ++tries) {
        const auto refused = token->certify(key, nonce);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code(), ErrorCode::token_pin);
    }
    EXPECT_EQ(refusals(), 1);
    expect_nothing_loaded();
    const auto right = logged_in(with_auth("right"))->certify(key, nonce);
    ASSERT_TRUE(right) << right.error().line();
    expect_certified(*right, key, nonce);
}

TEST_F(Certify, P8_a_key_from_before_the_TPM_was_cleared_is_told_by_name) {
    const KeyReference key = new_key();
    tpm_.must({"tpm2_clear"});
    const auto refused = logged_in()->certify(key, nonce);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::token_changed);
    EXPECT_THAT(refused.error().line(), HasSubstr("the TPM was cleared or is another one"));
    expect_nothing_loaded();
}

TEST_F(Certify, P4_slots_that_are_taken_meanwhile_are_freed_once_they_are_missed) {
    const auto token = logged_in();
    const auto key = token->generate(KeySpec::rsa_2048, key_id(1), "web").value().key;
    occupy_all_slots();
    const auto evidence = token->certify(key, nonce);
    ASSERT_TRUE(evidence) << evidence.error().line();
    expect_nothing_loaded();
}

TEST_F(Certify, P2_a_closed_endorsement_hierarchy_is_told_before_the_key_s_value_is_used) {
    make_counting_key();
    const auto token = logged_in(with_auth("wrong"));
    const auto key = token->find(counting_id_).value()->key;
    tpm_.must({"tpm2_changeauth", "-c", "endorsement", "secret"});
    const auto refused = token->certify(key, nonce);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::token_attest);
    EXPECT_THAT(refused.error().line(), HasSubstr("its endorsement hierarchy has an authorization value"));
    EXPECT_THAT(refused.error().next(), HasSubstr("tpm2_changeauth"));
    EXPECT_EQ(refusals(), 0);
    expect_nothing_loaded();
}

TEST_F(Certify, an_endorsement_hierarchy_that_is_off_is_told) {
    const KeyReference key = new_key();
    tpm_.must({"tpm2_hierarchycontrol", "-Q", "-C", "p", "ehEnable", "clear"});
    expect_not_attested(key, "its endorsement hierarchy is switched off");
}

// The parent is persistent here, so that the only TPM2_CreatePrimary is the attestation key's. TPM_RC_CURVE,
// parameter 2.
TEST_F(Certify, a_TPM_that_cannot_make_the_attestation_key_is_told) {
    tpm_.must({"tpm2_createprimary", "-Q", "-C", "o", "-G", "ecc", "-c", "p.ctx"});
    tpm_.must({"tpm2_evictcontrol", "-Q", "-C", "o", "-c", "p.ctx", "0x81000001"});
    tpm_.must({"tpm2_flushcontext", "-t"});
    const KeyReference key = new_key();
    Tpm2Options shimmed = options();
    shimmed.tcti = ::hwenroll::test::module("libhwenroll-tcti-shim.so") + ":" + shimmed.tcti;
    const auto token = logged_in(shimmed);
    setenv("HWENROLL_TCTI_RULE", "131=2e6*1", 1);  // NOLINT(concurrency-mt-unsafe): one thread
    const auto refused = token->certify(key, nonce);
    unsetenv("HWENROLL_TCTI_RULE");  // NOLINT(concurrency-mt-unsafe)
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::token_attest);
    EXPECT_THAT(refused.error().line(), HasSubstr("curve"));
    EXPECT_THAT(refused.error().next(), HasSubstr("P-256"));
    expect_nothing_loaded();
}

TEST_F(Certify, brings_the_EK_certificate_that_the_TPM_has) {
    const KeyReference key = new_key();
    EXPECT_TRUE(evidence_of(key).ek_certificate.empty());
    // Longer than one TPM2_NV_Read, and the index is longer than it.
    const Bytes rsa = certificate(1600, "rsa");
    Bytes filled = rsa;
    filled.insert(filled.end(), 100, 0xFF);
    keep("0x01C00002", filled);
    EXPECT_EQ(evidence_of(key).ek_certificate, rsa);
    const Bytes ec = certificate(0, "ec");
    keep("0x01C0000A", ec, "authread|no_da|ownerwrite");
    EXPECT_EQ(evidence_of(key).ek_certificate, ec);
    expect_nothing_loaded();
}

TEST_F(Certify, P2_what_is_no_readable_certificate_is_left_out) {
    const KeyReference key = new_key();
    tpm_.must({"tpm2_nvdefine", "-Q", "-C", "o", "-s", "64", "-a", "ownerread|ownerwrite", "0x01C00002"});
    EXPECT_TRUE(evidence_of(key).ek_certificate.empty()) << "not written";
    tpm_.must({"tpm2_nvundefine", "-Q", "-C", "o", "0x01C00002"});
    keep("0x01C00002", Bytes(64, 0x30));
    EXPECT_TRUE(evidence_of(key).ek_certificate.empty()) << "no certificate";
    tpm_.must({"tpm2_nvundefine", "-Q", "-C", "o", "0x01C00002"});
    const Bytes ek = certificate(0);
    write_file(tpm_.directory() / "index", std::string(as_text(ek)));
    tpm_.must({"tpm2_nvdefine", "-Q", "-C", "o", "-s", std::to_string(ek.size()), "-a", "authread|ownerwrite", "-p",
               "secret", "0x01C00002"});
    tpm_.must({"tpm2_nvwrite", "-Q", "-C", "o", "-i", "index", "0x01C00002"});
    EXPECT_TRUE(evidence_of(key).ek_certificate.empty()) << "with a value whose refusals count";
    EXPECT_EQ(refusals(), 0);
    expect_nothing_loaded();
}

TEST_F(Certify, its_signature_is_one_that_openssl_takes) {
    const KeyEvidence evidence = evidence_of(new_key());
    const auto value = evidence_signature_value(evidence.signature);
    ASSERT_TRUE(value) << value.error().line();
    const auto key = PublicKey::from_spki(evidence.attestation_key).value();
    EXPECT_TRUE(verifies(key, sha256(evidence.certify_info), *value));
    for (std::size_t size = 0; size < evidence.signature.size(); ++size) {
        EXPECT_FALSE(evidence_signature_value(ByteView(evidence.signature).first(size))) << size;
    }
    Bytes longer = evidence.signature;
    longer.push_back(0);
    EXPECT_FALSE(evidence_signature_value(longer));
    Bytes rsa = evidence.signature;
    rsa[1] = 0x14;
    const auto refused = evidence_signature_value(rsa);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::token_protocol);
}

TEST(EvidenceSignature, has_numbers_without_their_leading_zeros) {
    // r = 1, s = 2.
    const Bytes shortest = {0x00, 0x18, 0x00, 0x0B, 0x00, 0x01, 0x01, 0x00, 0x01, 0x02};
    EXPECT_EQ(to_hex(evidence_signature_value(shortest).value()), "3006020101020102");
    Bytes too_long = {0x00, 0x18, 0x00, 0x0B, 0x00, 0x21};
    too_long.insert(too_long.end(), 33, 1);
    too_long.insert(too_long.end(), {0x00, 0x01, 0x02});
    EXPECT_FALSE(evidence_signature_value(too_long));
}

}  // namespace
}  // namespace hwenroll::keystore::test
