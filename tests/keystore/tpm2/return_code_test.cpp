// What the answers of a TPM, of its resource manager and of the way to it mean.
#include "keystore/tpm2/return_code.h"

#include <gmock/gmock.h>

#include "keystore/tpm2/connection.h"
#include "keystore/tpm2/lockout.h"

namespace hwenroll::keystore::tpm2 {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

TEST(ReturnCode, the_number_of_what_is_wrong_does_not_matter) {
    EXPECT_EQ(response_of(0x98E), TPM2_RC_AUTH_FAIL);  // session 1
    EXPECT_EQ(response_of(0x9A2), TPM2_RC_BAD_AUTH);
    EXPECT_EQ(response_of(0x1DF), TPM2_RC_INTEGRITY);  // parameter 1
    EXPECT_EQ(response_of(0x18B), TPM2_RC_HANDLE);     // handle 1
    EXPECT_EQ(response_of(0x902), TPM2_RC_OBJECT_MEMORY);
    EXPECT_EQ(response_of(TSS2_RESMGR_TPM_RC_LAYER | 0x902), TPM2_RC_OBJECT_MEMORY);
    EXPECT_EQ(response_of(TSS2_TCTI_RC_IO_ERROR), TPM2_RC_SUCCESS);
}

TEST(ReturnCode, each_has_its_error) {
    EXPECT_EQ(code_of(TSS2_TCTI_RC_IO_ERROR), ErrorCode::token_absent);
    EXPECT_EQ(code_of(TSS2_TCTI_RC_NO_CONNECTION), ErrorCode::token_absent);
    EXPECT_EQ(code_of(TSS2_ESYS_RC_BAD_SEQUENCE), ErrorCode::token_operation);
    EXPECT_EQ(code_of(TPM2_RC_NV_SPACE), ErrorCode::token_full);
    EXPECT_EQ(code_of(0x1DF), ErrorCode::token_key_missing);
    EXPECT_EQ(code_of(TPM2_RC_FAILURE), ErrorCode::token_operation);
    EXPECT_TRUE(is_refusal(0x98E));
    EXPECT_TRUE(is_refusal(0x9A2));
    EXPECT_FALSE(is_refusal(TPM2_RC_LOCKOUT));
}

TEST(ReturnCode, P4_P5_P7_what_passes_is_told_from_what_stays) {
    for (const TSS2_RC rc :
         {TPM2_RC_RETRY, TPM2_RC_YIELDED, TPM2_RC_TESTING, TPM2_RC_CANCELED, TPM2_RC_NV_RATE, TPM2_RC_NV_UNAVAILABLE}) {
        EXPECT_EQ(reaction_to(rc), Reaction::call_again) << rc;
    }
    for (const TSS2_RC rc : {TPM2_RC_OBJECT_MEMORY, TPM2_RC_SESSION_MEMORY, TPM2_RC_MEMORY, TPM2_RC_SESSION_HANDLES,
                             TPM2_RC_OBJECT_HANDLES, TPM2_RC_CONTEXT_GAP}) {
        EXPECT_EQ(reaction_to(rc), Reaction::make_room) << rc;
    }
    for (const TSS2_RC rc : {TSS2_RC{TPM2_RC_LOCKOUT}, TSS2_RC{0x98E}, TSS2_RC{TSS2_TCTI_RC_IO_ERROR}}) {
        EXPECT_EQ(reaction_to(rc), Reaction::give_up) << rc;
    }
}

TEST(ReturnCode, says_the_call_its_meaning_and_its_number) {
    const std::string text = CallFailure{"Esys_Sign", 0x98E}.text();
    EXPECT_THAT(text, HasSubstr("Esys_Sign: "));
    EXPECT_THAT(text, HasSubstr("authorization"));
    EXPECT_THAT(text, HasSubstr("(0x98e)"));
}

TEST(ResourceManager, is_told_by_the_tcti) {
    for (const char* with :
         {"tabrmd", "tabrmd:bus_type=session", "device", "device:/dev/tpmrm0", "device:/dev/tpmrm1"}) {
        EXPECT_TRUE(has_resource_manager(with)) << with;
    }
    for (const char* without :
         {"device:/dev/tpm0", "swtpm", "swtpm:host=127.0.0.1,port=2321", "mssim", "/x/tabrmd.so"}) {
        EXPECT_FALSE(has_resource_manager(without)) << without;
    }
}

// TPM 2.0 part 1 §19.8.
TEST(Lockout, P1_lasts_until_enough_refusals_are_forgotten) {
    EXPECT_EQ((Lockout{3, 3, 1000s}.wait()), 1000s);
    EXPECT_EQ((Lockout{5, 3, 1000s}.wait()), 3000s);
    EXPECT_EQ((Lockout{2, 3, 1000s}.wait()), std::nullopt);
    EXPECT_EQ((Lockout{3, 3, 0s}.wait()), std::nullopt);
    EXPECT_EQ((Lockout{0, 0, 10s}.wait()), std::nullopt);
    EXPECT_EQ((Lockout{0xFFFFFFFF, 1, 0xFFFFFFFFs}.wait()), 0xFFFFFFFFs * (1 << 20));
}

}  // namespace
}  // namespace hwenroll::keystore::tpm2
