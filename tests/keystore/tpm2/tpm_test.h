// What the tests of Tpm2Token share: a swtpm, tokens on it, and what is loaded in it.
#pragma once

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "keystore/tpm2/tpm2_token.h"
#include "tests/keystore/public_half.h"
#include "tests/keystore/try_login.h"
#include "tests/support/software_tpm.h"

namespace hwenroll::keystore::test {

/// An empty TPM that serves one client at a time.
class TpmTest : public ::testing::Test {
 protected:
    /// A token `tpm` without authorization value whose keys are blobs.
    [[nodiscard]] Tpm2Options options() const;

    /// The same with keys in the persistent handles from 0x81000010 to 0x81000012.
    [[nodiscard]] Tpm2Options persistent_options() const;

    /// The same as options() with an authorization value in a file.
    [[nodiscard]] Tpm2Options with_auth(const std::string& value) const;

    /// Not logged in.
    static std::unique_ptr<Tpm2Token> token_with(const Tpm2Options& options);

    /// Logged in; the test fails when that fails.
    static std::unique_ptr<Tpm2Token> logged_in(const Tpm2Options& options);
    [[nodiscard]] std::unique_ptr<Tpm2Token> logged_in() const { return logged_in(options()); }

    /// Writes `value` to a 0600 file and names it as the configuration does.
    std::string auth_file(const std::string& value, const std::string& name = "auth") const;

    /// Nothing is left in the TPM: no transient object, no session.
    void expect_nothing_loaded() const;

    /// Handles of a kind, as `tpm2_getcap` prints them: `handles-transient`, `handles-loaded-session`,
    /// `handles-persistent`.
    [[nodiscard]] std::string handles(const std::string& kind) const;

    /// Takes all three of the TPM's object slots and ends without giving them back.
    void occupy_all_slots() const;

    /// Refused authorizations that the TPM counts now.
    [[nodiscard]] int refusals() const;

    /// A key of other software at 0x81010001 whose refusals the TPM counts, with authorization value `right`.
    void make_counting_key() const;

    ::hwenroll::test::SoftwareTpm tpm_;
    const KeyId counting_id_{{0x81, 0x01, 0x00, 0x01}};
};

/// Signs with the key, by its kind, and checks the signature in software.
void expect_signs(Tpm2Token& token, const KeyReference& key);

/// What signs with `key` does: rsa_pkcs1 over a DigestInfo, or ecdsa over a digest.
Result<Bytes> sign_text(Token& token, const KeyReference& key, std::string_view text);

/// The evidence says `nonce` and the Name of `key`, and is signed by the attestation key that it brings.
void expect_certified(const KeyEvidence& evidence, const KeyReference& key, ByteView nonce);

}  // namespace hwenroll::keystore::test
