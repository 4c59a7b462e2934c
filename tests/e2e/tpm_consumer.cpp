#include "tests/e2e/tpm_consumer.h"

#include <gtest/gtest.h>

namespace hwenroll::test {

void expect_signs_for_consumers(const EnrollmentWorld& world, const SoftwareTpm& tpm, const std::string& key) {
    const auto at = [&](const char* name) { return (world.directory() / name).string(); };
    write_file(at("data"), "data");
    // Without these properties the default provider takes the key, or the TPM also hashes and runs out of slots.
    const RunResult made = run({"openssl", "dgst", "-provider", "tpm2", "-provider", "default", "-propquery",
                                "?provider=tpm2,tpm2.digest!=yes,tpm2.cipher!=yes", "-sha256", "-sign", key, "-out",
                                at("signature"), at("data")},
                               {{"TPM2OPENSSL_TCTI=" + tpm.tcti(), "TSS2_LOG=all+NONE"}, {}, {}});
    ASSERT_EQ(made.exit_code, 0) << made.err;
    write_file(at("public.pem"),
               run({"openssl", "x509", "-in", (world.live() / "cert.pem").string(), "-noout", "-pubkey"}).out);
    EXPECT_EQ(
        run({"openssl", "dgst", "-sha256", "-verify", at("public.pem"), "-signature", at("signature"), at("data")})
            .exit_code,
        0);
}

}  // namespace hwenroll::test
