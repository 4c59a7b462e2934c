#include "tests/keystore/tpm2/tpm_test.h"

#include <tss2/tss2_mu.h>

#include "keystore/ecdsa_signature.h"
#include "keystore/tpm2/public_area.h"

namespace hwenroll::keystore::test {

using ::hwenroll::test::write_file;

Tpm2Options TpmTest::options() const {
    Tpm2Options options;
    options.name = "tpm";
    options.tcti = tpm_.tcti();
    return options;
}

Tpm2Options TpmTest::persistent_options() const {
    Tpm2Options persistent = options();
    persistent.first_handle = 0x81000010;
    persistent.last_handle = 0x81000012;
    return persistent;
}

Tpm2Options TpmTest::with_auth(const std::string& value) const {
    Tpm2Options options = this->options();
    options.auth = auth_file(value);
    return options;
}

std::unique_ptr<Tpm2Token> TpmTest::token_with(const Tpm2Options& options) {
    return std::make_unique<Tpm2Token>(options, PinSource::parse(options.auth).value());
}

std::unique_ptr<Tpm2Token> TpmTest::logged_in(const Tpm2Options& options) {
    auto token = token_with(options);
    const LoginOutcome outcome = try_login(*token);
    EXPECT_EQ(outcome.result, LoginOutcome::Result::accepted)
        << (outcome.error ? outcome.error->line() : "without error");
    return token;
}

std::string TpmTest::auth_file(const std::string& value, const std::string& name) const {
    const auto path = tpm_.directory() / name;
    write_file(path, value + "\n", 0600);
    return "file:" + path.string();
}

void TpmTest::expect_nothing_loaded() const {
    EXPECT_EQ(handles("handles-transient"), "");
    EXPECT_EQ(handles("handles-loaded-session"), "");
}

std::string TpmTest::handles(const std::string& kind) const {
    return tpm_.must({"tpm2_getcap", kind});
}

void TpmTest::occupy_all_slots() const {
    for (const char* slot : {"a", "b", "c"}) {
        tpm_.must({"tpm2_createprimary", "-Q", "-C", "o", "-G", "ecc", "-c", std::string(slot) + ".ctx"});
    }
    EXPECT_NE(tpm_.tool({"tpm2_createprimary", "-Q", "-C", "o", "-G", "ecc"}).exit_code, 0);
}

int TpmTest::refusals() const {
    const std::string text = tpm_.must({"tpm2_getcap", "properties-variable"});
    const std::string name = "TPM2_PT_LOCKOUT_COUNTER: ";
    return std::stoi(text.substr(text.find(name) + name.size()), nullptr, 16);
}

void TpmTest::make_counting_key() const {
    tpm_.must({"tpm2_createprimary", "-Q", "-C", "o", "-G", "ecc", "-c", "p.ctx"});
    tpm_.must({"tpm2_create", "-Q", "-C", "p.ctx", "-G", "ecc256", "-p", "right", "-a",
               "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign", "-u", "k.pub", "-r", "k.priv"});
    tpm_.must({"tpm2_flushcontext", "-t"});
    tpm_.must({"tpm2_load", "-Q", "-C", "p.ctx", "-u", "k.pub", "-r", "k.priv", "-c", "k.ctx"});
    tpm_.must({"tpm2_evictcontrol", "-Q", "-C", "o", "-c", "k.ctx", "0x81010001"});
    tpm_.must({"tpm2_flushcontext", "-t"});
}

void expect_signs(Tpm2Token& token, const KeyReference& key) {
    const auto signature = sign_text(token, key, "data");
    ASSERT_TRUE(signature) << signature.error().line();
    const Bytes input = key.public_key.is_rsa() ? digest_info("data") : digest("SHA256", "data");
    EXPECT_TRUE(verifies(key.public_key, input, *signature));
}

Result<Bytes> sign_text(Token& token, const KeyReference& key, std::string_view text) {
    return key.public_key.is_rsa() ? token.sign(key, SignMechanism::rsa_pkcs1, digest_info(text))
                                   : token.sign(key, SignMechanism::ecdsa, digest("SHA256", text));
}

void expect_certified(const KeyEvidence& evidence, const KeyReference& key, ByteView nonce) {
    TPMS_ATTEST info{};
    std::size_t offset = 0;
    ASSERT_EQ(Tss2_MU_TPMS_ATTEST_Unmarshal(evidence.certify_info.data(), evidence.certify_info.size(), &offset, &info),
              TSS2_RC_SUCCESS);
    EXPECT_EQ(offset, evidence.certify_info.size());
    EXPECT_EQ(info.magic, TPM2_GENERATED_VALUE);
    ASSERT_EQ(info.type, TPM2_ST_ATTEST_CERTIFY);
    EXPECT_TRUE(equal({info.extraData.buffer, info.extraData.size}, nonce));

    // Part 1 §16: the algorithm's number and the hash of TPMT_PUBLIC.
    const ByteView area = ByteView(evidence.key_public).subspan(2);
    Bytes name = {0x00, 0x0B};
    const Bytes hash = sha256(area);
    name.insert(name.end(), hash.begin(), hash.end());
    EXPECT_EQ(to_hex({info.attested.certify.name.name, info.attested.certify.name.size}), to_hex(name));

    TPMT_SIGNATURE signature{};
    offset = 0;
    ASSERT_EQ(
        Tss2_MU_TPMT_SIGNATURE_Unmarshal(evidence.signature.data(), evidence.signature.size(), &offset, &signature),
        TSS2_RC_SUCCESS);
    EXPECT_EQ(signature.sigAlg, TPM2_ALG_ECDSA);
    EXPECT_EQ(signature.signature.ecdsa.hash, TPM2_ALG_SHA256);
    const TPMS_SIGNATURE_ECC& is = signature.signature.ecdsa;
    ASSERT_EQ(is.signatureR.size, 32);
    ASSERT_EQ(is.signatureS.size, 32);
    Bytes numbers(is.signatureR.buffer, is.signatureR.buffer + 32);
    numbers.insert(numbers.end(), is.signatureS.buffer, is.signatureS.buffer + 32);
    const Bytes value = ecdsa_signature_value(numbers);
    const auto attestation_key = PublicKey::from_spki(evidence.attestation_key);
    ASSERT_TRUE(attestation_key) << attestation_key.error().line();
    EXPECT_TRUE(verifies(*attestation_key, sha256(evidence.certify_info), value));

    TPM2B_PUBLIC certified{};
    offset = 0;
    ASSERT_EQ(
        Tss2_MU_TPM2B_PUBLIC_Unmarshal(evidence.key_public.data(), evidence.key_public.size(), &offset, &certified),
        TSS2_RC_SUCCESS);
    EXPECT_EQ(tpm2::public_key_in(certified), key.public_key);
}

}  // namespace hwenroll::keystore::test
